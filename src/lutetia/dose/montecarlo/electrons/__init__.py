"""Electrons and positrons: stopping and scattering as arrays, class II steps, the walk through voxels."""
