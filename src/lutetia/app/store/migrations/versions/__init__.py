"""Changes of the tables, in the order their ``down_revision`` gives."""
