"""The activity of the next cycle: what a strategy wants, and what limits of organ dose allow."""
