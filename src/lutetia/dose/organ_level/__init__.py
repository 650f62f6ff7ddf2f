"""Absorbed doses of organs by S coefficients of a reference person, scaled to the patient's masses."""
