"""From fits to absorbed doses: maps of the patient, the methods, and what is told of each region."""
