"""Absorbed dose to effect: protraction, biologically effective dose, complication and control probabilities."""
