"""Kinetics of a population: fitted to a cohort, and what they say about a patient with few scans."""
