"""Electrons and positrons in matter: excitation, bremsstrahlung, elastic scattering."""
