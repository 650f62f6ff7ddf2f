"""Quantities that share errors: sums, ratios and differences to first order, by the ``uncertainties`` package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from uncertainties import UFloat, Variable, covariance_matrix, ufloat
from uncertainties.core import LinearCombination

from lutetia.errors import InputError

__all__ = ["ErrorSources", "components", "correlation", "covariance", "standard_uncertainty"]


@dataclass(frozen=True)
class ErrorSources:
    """Independent sources of error of unit size, by name: whoever names the same one has the same error.

    Calibration, scatter, decay energy and density are named alike by all organs, scans and cycles; counts of one organ in
    one cycle have a name of their own.

    Examples
    --------
    >>> sources = ErrorSources()
    >>> kidney = sources.quantity(4.0, {"calibration": 0.05, "kidney: counts": 0.02})
    >>> tumour = sources.quantity(40.0, {"calibration": 0.05, "tumour: counts": 0.03})
    >>> round((tumour / kidney).std_dev / 10, 4)  # the calibration cancels: sqrt(0.02**2 + 0.03**2)
    0.0361
    """

    _known: dict[str, Variable] = field(default_factory=dict)

    def quantity(self, value: float, relative: Mapping[str, float]) -> UFloat:
        r"""``value (1 + sum_i s_i x_i)`` with relative sensitivities s to the sources x.

        Parameters
        ----------
        value : of the quantity, in its unit
        relative : source -> relative change of the quantity when the source errs by one standard uncertainty; the sign
            says whether two quantities move together

        Returns
        -------
        ``uncertainties.UFloat``: a number with ``nominal_value`` and ``std_dev`` that can be computed with.
        """
        if not np.all(np.isfinite([value, *relative.values()])):
            raise InputError(
                f"Value {value} with relative uncertainties {dict(relative)}; expected finite numbers."
            )
        total = UFloat(value, LinearCombination({}))
        for name, s in relative.items():
            if name not in self._known:
                self._known[name] = ufloat(0.0, 1.0, tag=name)
            total = total + value * s * self._known[name]
        return total


def components(quantity: UFloat) -> dict[str, float]:
    """Source -> contribution to the standard uncertainty, in the quantity's unit and with its sign; zeros are left out."""
    found = {str(source.tag): float(slope) * source.std_dev for source, slope in quantity.derivatives.items()}
    return {name: value for name, value in found.items() if value != 0}


def covariance(quantities: Sequence[UFloat]) -> NDArray[np.float64]:
    """Covariance matrix of quantities, in the products of their units."""
    return np.asarray(covariance_matrix(quantities), dtype=np.float64)


def correlation(a: UFloat, b: UFloat) -> float:
    """Correlation coefficient of two quantities; 0 where one has no uncertainty."""
    both = covariance((a, b))
    size = float(np.sqrt(both[0, 0] * both[1, 1]))
    return float(both[0, 1]) / size if size > 0 else 0.0


def standard_uncertainty(quantity: Any) -> float:
    """Standard uncertainty of what came out of a computation, which may be a plain number. [unit of the quantity]"""
    return float(getattr(quantity, "std_dev", 0.0))
