"""Calibration of a gamma camera: sensitivity, dead time, recovery of spheres, and the record of all of them."""
