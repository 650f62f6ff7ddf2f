"""Alembic's folder: the environment, and one module in ``versions`` per change of the tables."""
