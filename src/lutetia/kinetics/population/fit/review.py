"""What there is to worry about in a fitted population."""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from lutetia.kinetics.population.model import RegionKinetics
from lutetia.kinetics.population.shapes import SLOW

FEW_PATIENTS: Final = 10
"""Below this a spread is known to a quarter at best: 1/sqrt(2(n-1))."""
STRONG_SHRINKAGE: Final = 0.3
"""Usual limit above which individual estimates say more about the population than about the patient."""
STRONG_CORRELATION: Final = 0.98
NO_SPREAD: Final = 2e-3
BEYOND_DECAY: Final = 0.025
"""Share of patients beyond physical decay above which the normal distribution is said not to suit."""


def reviewed(found: RegionKinetics, slowest_per_s: float) -> RegionKinetics:
    """The same with its warnings: convergence, few patients, singular covariance, shrinkage, physics."""
    told = [*_identified(found), *_spread(found)]
    if found.n_curves > found.n_patients:
        told.append(
            f"{found.n_curves} curves of {found.n_patients} patients were taken as independent; the spread between "
            "patients is then somewhat too small, and so are the standard errors."
        )
    beyond = (math.log(slowest_per_s) - float(found.mean_log[SLOW])) / float(found.spread[SLOW])
    share = 0.5 * math.erfc(-beyond / math.sqrt(2))
    if share > BEYOND_DECAY:
        told.append(
            f"{share:.0%} of such a population would keep activity longer than the nuclide lives; a patient's posterior "
            "is cut there."
        )
    return replace(found, warnings=(*found.warnings, *(f"{found.region}: {text}" for text in told)))


def _identified(found: RegionKinetics) -> list[str]:
    told = []
    if not found.converged:
        told.append("the search for the largest likelihood did not converge; the numbers are not reliable.")
    if found.mean_covariance is None:
        told.append("the data do not determine all parameters (the information matrix is singular).")
    if found.n_patients < FEW_PATIENTS:
        told.append(
            f"{found.n_patients} patients are few: a standard deviation between patients is known to "
            f"{1 / math.sqrt(2 * max(found.n_patients - 1, 1)):.0%} at best."
        )
    return told


def _spread(found: RegionKinetics) -> list[str]:
    told = []
    names = found.shape.names
    correlation = found.omega / np.outer(found.spread, found.spread)
    for i in range(found.shape.size):
        u = 0.0 if found.spread_standard_error is None else found.spread_standard_error[i]
        if found.spread[i] < max(NO_SPREAD, 2 * u):
            told.append(f"the spread between patients of {names[i]} cannot be told from none.")
        elif found.shrinkage is not None and found.shrinkage[i] > STRONG_SHRINKAGE:
            told.append(f"shrinkage of {names[i]} is {found.shrinkage[i]:.0%}: single curves say little about it.")
        told += [
            f"{names[i]} and {names[j]} cannot be told apart (correlation {correlation[i, j]:.2f})."
            for j in range(i)
            if abs(correlation[i, j]) > STRONG_CORRELATION
        ]
    return told
