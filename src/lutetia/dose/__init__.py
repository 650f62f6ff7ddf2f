"""Decays to absorbed dose: by organ and by voxel, with uncertainty."""
