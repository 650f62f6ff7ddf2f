r"""Exponential of a compartment system and its integral, over rates that span twenty powers of ten.

For :math:`dx/dt = A x` with rates off the diagonal and total outflows on it,

.. math::

    F(t) = e^{At} - 1, \qquad V(t) = \int_0^t e^{As}\,ds, \qquad
    F(2t) = 2 F(t) + F(t)^2, \qquad V(2t) = 2 V(t) + V(t) F(t).

The usual squaring of :math:`e^{At}` doubles the relative error of slow modes each time, to :math:`2^{40}` times the
rounding when 4 microseconds stand beside 10 days. What is doubled here is the difference from 1, in which slow modes
have all their digits. The last six doublings are squarings of the exponential itself, which has no cancellation, so
that what is left after a hundred half-lives has its digits too.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SMALL: Final = 0.0625
"""Norm of the first step."""
TERMS: Final = 12
"""Of the series: the first one left out is 0.0625**12 / 13!, beyond the last digit."""
LAST: Final = 6
"""Doublings of the exponential itself at the end; they multiply its relative error by 64."""


def propagated(matrix: Array, start: Array, time_s: float) -> tuple[Array, Array]:
    """State at a time, and its integral from 0 on.

    Parameters
    ----------
    matrix : (n, n) rates, from columns to rows; total outflows below zero on the diagonal. [1/s]
    start : (n,) state at time 0
    time_s : finite. [s]

    Returns
    -------
    (n,) state at the time, (n,) integral

    References
    ----------
    Moler and Van Loan, SIAM Rev 45, 3, 2003, doi:10.1137/S00361445024180, method 3; the difference from 1 after Zhong
    and Williams, Proc IMechE C 208, 427, 1994, doi:10.1243/PIME_PROC_1994_208_148_02.
    """
    norm = float(np.abs(matrix).sum(axis=0).max()) * time_s
    doublings = max(0, math.ceil(math.log2(norm / SMALL))) if norm > 0.0 else 0
    step_s = time_s / 2.0**doublings
    one = np.eye(matrix.shape[0])
    scaled = matrix * step_s
    series = one
    for k in range(TERMS, 1, -1):
        series = one + scaled @ series / k
    integral, change = step_s * series, scaled @ series
    for _ in range(doublings - LAST):
        integral = 2.0 * integral + integral @ change
        change = 2.0 * change + change @ change
    # nothing below 0 can be in the exponential of such a matrix but rounding
    grown = np.maximum(one + change, 0.0)
    for _ in range(min(LAST, doublings)):
        integral = integral + integral @ grown
        grown = grown @ grown
    return grown @ start, integral @ start


def exhausted(matrix: Array, start: Array) -> Array:
    r"""Integral of the state from 0 to infinity, :math:`-A^{-1} x_0`, of a system that everything leaves.

    Columns are scaled with their outflow: what is solved holds probabilities of the next step, all of the order of 1.
    """
    outflow = -np.diag(matrix)
    result: Array = np.linalg.solve(-matrix / outflow, start) / outflow
    return result
