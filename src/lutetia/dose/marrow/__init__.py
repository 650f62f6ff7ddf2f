"""Absorbed dose of the red marrow by several methods, never by one alone."""
