"""Radiation protection of others after an administration: dose rates, contacts, release, urine and waste."""
