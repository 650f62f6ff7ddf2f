"""Where courses are kept: a database that only grows, files of whole courses, and FHIR."""
