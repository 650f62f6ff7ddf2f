"""From doses and findings to decisions about one patient."""
