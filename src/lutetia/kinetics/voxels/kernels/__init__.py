"""Loops over voxels, compiled: arrays and numbers only."""
