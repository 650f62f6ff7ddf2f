"""How the functions that follow photons are compiled."""

from numba import njit

# no reference counts (they cost half of the time; no function makes an array), divisions unchecked, and the freedoms
# of fast arithmetic that leave infinities alone
_OPTIONS = {
    "cache": True,
    "_nrt": False,
    "error_model": "numpy",
    "fastmath": {"nsz", "arcp", "contract", "reassoc", "afn"},
}
kernel = njit(**_OPTIONS)  # type: ignore[call-overload]
"""Decorator of the scalar functions."""
inlined = njit(inline="always", **_OPTIONS)  # type: ignore[call-overload]
"""Decorator of the smallest of them."""
