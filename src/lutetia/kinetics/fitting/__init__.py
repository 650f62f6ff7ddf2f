"""Least squares of sums of exponentials, choice among them, and intervals that hold the truth as often as they say."""
