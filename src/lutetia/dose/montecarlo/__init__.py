"""Photon transport in voxel volumes."""
