"""Rules as data: conditions on what is known of a patient, and their truth when something is missing."""
