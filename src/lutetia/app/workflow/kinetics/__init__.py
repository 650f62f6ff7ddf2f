"""Kinetics of a case: what its curves are fitted with, and whether its voxels have curves of their own."""
