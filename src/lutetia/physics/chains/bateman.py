r"""Bateman's solution in decimal arithmetic.

With decay constants :math:`\lambda_i` and branching fractions :math:`b_{pm}`, members in the order of mothers before
daughters,

.. math::

    N_m(t) = \sum_j c_{mj} e^{-\lambda_j t}, \qquad
    c_{mj} = \frac{\sum_p b_{pm} \lambda_p c_{pj}}{\lambda_m - \lambda_j} \; (j \neq m), \qquad
    c_{mm} = N_m(0) - \sum_{j \neq m} c_{mj},

and the decays until t are :math:`\sum_j c_{mj} (\lambda_m / \lambda_j) (1 - e^{-\lambda_j t})`. The terms cancel:
early in a long chain, by a hundred digits and more. How many digits are left is known from the largest term and the
sum, and the solution is repeated with more digits until 25 are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from typing import Final

from lutetia.errors import ConvergenceError

GOOD_DIGITS: Final = 25
FIRST_DIGITS: Final = 60
MOST_DIGITS: Final = 4000
APART: Final = Decimal("1e-30")
"""Relative distance put between two decay constants that are the same: Bateman's solution divides by their
difference. The result differs by no more than this."""

Inflow = Sequence[tuple[int, float]]
"""Mothers of a member by position, with the fraction of their decays that lead to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """Atoms at a time, and decays until it, of each member."""

    atoms: tuple[float, ...]
    decays: tuple[float, ...]


def bateman(
    half_life_s: Sequence[float], inflow: Sequence[Inflow], start_atoms: Sequence[float], time_s: Sequence[float]
) -> list[Solution]:
    """Atoms and decays of the members of a chain.

    Parameters
    ----------
    half_life_s : (n,) finite, mothers before daughters. [s]
    inflow : (n,) mothers of each
    start_atoms : (n,) at time 0
    time_s : (k,) finite, from 0 on. [s]

    Returns
    -------
    list of Solution
        One per time, right to the last digit of a float.

    Raises
    ------
    ConvergenceError
        When 4000 digits are not enough: a time that is nothing beside every half-life.

    References
    ----------
    Bateman, Proc Cambridge Phil Soc 15, 423, 1910; Cetnar, Ann Nucl Energy 33, 640, 2006,
    doi:10.1016/j.anucene.2006.02.004.
    """
    digits = FIRST_DIGITS
    while digits <= MOST_DIGITS:
        context = Context(
            prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation, DivisionByZero, Overflow]
        )
        with localcontext(context):
            found = _solve(half_life_s, inflow, start_atoms, time_s, digits)
        if found is not None:
            return found
        digits *= 2
    raise ConvergenceError(f"Decay chain: {MOST_DIGITS} digits do not resolve times of {min(time_s)} s and more.")


def _solve(
    half_life_s: Sequence[float],
    inflow: Sequence[Inflow],
    start_atoms: Sequence[float],
    time_s: Sequence[float],
    digits: int,
) -> list[Solution] | None:
    """One attempt; None where too few digits are left."""
    rates = _distinct([Decimal(2).ln() / Decimal(half_life) for half_life in half_life_s])
    start = [Decimal(atoms) for atoms in start_atoms]
    coefficients = _coefficients(rates, inflow, start)
    if coefficients is None:
        return None
    solutions = []
    for time in time_s:
        if time == 0.0:
            solutions.append(Solution(atoms=tuple(start_atoms), decays=(0.0,) * len(rates)))
            continue
        remaining = [(-rate * Decimal(time)).exp() for rate in rates]
        atoms, decays = [], []
        for m, terms in enumerate(coefficients):
            left = _sum([c * remaining[j] for j, c in terms.items()], digits)
            gone = _sum([c * rates[m] / rates[j] * (1 - remaining[j]) for j, c in terms.items()], digits)
            if left is None or gone is None:
                return None
            atoms.append(float(left))
            decays.append(float(gone))
        solutions.append(Solution(atoms=tuple(atoms), decays=tuple(decays)))
    return solutions


def _distinct(rates: list[Decimal]) -> list[Decimal]:
    """Decay constants of which no two are the same."""
    apart: list[Decimal] = []
    for one in rates:
        rate = one
        while rate in apart:
            rate *= 1 + APART
        apart.append(rate)
    return apart


def _coefficients(
    rates: list[Decimal], inflow: Sequence[Inflow], start: list[Decimal]
) -> list[dict[int, Decimal]] | None:
    """Coefficients of each member by exponential; exponentials that do not enter are left out."""
    found: list[dict[int, Decimal]] = []
    for m, mothers in enumerate(inflow):
        terms: dict[int, Decimal] = {}
        for p, fraction in mothers:
            for j, c in found[p].items():
                terms[j] = terms.get(j, Decimal(0)) + Decimal(fraction) * rates[p] * c
        terms = {j: c / (rates[m] - rates[j]) for j, c in terms.items()}
        own = start[m] - sum(terms.values(), Decimal(0))
        if terms or own:
            terms[m] = own
        found.append(terms)
    return found


def _sum(terms: list[Decimal], digits: int) -> Decimal | None:
    """Sum of terms, None where cancellation leaves too few digits."""
    total = sum(terms, Decimal(0))
    largest = max((abs(term) for term in terms), default=Decimal(0))
    if largest == 0:
        return Decimal(0)
    if abs(total) < largest.scaleb(GOOD_DIGITS - digits):
        return None
    return total
