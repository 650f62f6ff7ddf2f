"""Counts to activity: projector, attenuation, scatter, resolution, reconstruction."""
