"""Reading and writing DICOM objects."""
