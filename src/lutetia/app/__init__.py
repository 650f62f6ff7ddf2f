"""All that stores, draws or prints."""
