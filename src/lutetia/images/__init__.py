"""DICOM to volumes and back: grids, calibration, registration, regions."""
