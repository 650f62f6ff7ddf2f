"""S coefficients: mean absorbed dose of a target region per decay in a source region."""
