"""Lutetia: open dosimetry for radiopharmaceutical therapy. Research use only."""

__version__ = "0.1.0"
