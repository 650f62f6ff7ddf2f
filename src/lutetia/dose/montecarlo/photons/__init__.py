"""Photons: interaction data of materials as arrays, how an interaction ends, the walk through voxels."""
