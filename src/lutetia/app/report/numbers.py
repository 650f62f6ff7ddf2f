"""Numbers for other programs: in the units of people, None where there is none."""

import math


def finite(value: float | None) -> float | None:
    """The value, None when there is none or it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def scaled(value: float | None, factor: float) -> float | None:
    """The value in another unit, None when there is none or it is not finite."""
    return None if value is None else finite(value * factor)


def interval(values: tuple[float, float] | None, factor: float) -> list[float | None] | None:
    """An interval in another unit, None when there is none; an end that is not finite is None."""
    return None if values is None else [finite(value * factor) for value in values]
