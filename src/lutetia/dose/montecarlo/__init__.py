"""Monte Carlo transport of photons and electrons in voxels."""
