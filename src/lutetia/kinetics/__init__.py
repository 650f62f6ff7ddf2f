"""Activity to time-integrated activity: curves, models, fits."""
