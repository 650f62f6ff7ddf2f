"""Tables, pictures and the dose report."""
