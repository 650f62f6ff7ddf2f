"""Kinetics of every voxel: fits, noise, shrinkage towards the region, maps with uncertainty."""
