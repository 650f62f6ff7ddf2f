"""Virtual cohorts and populations for the tests of the population model."""

import math

import numpy as np

from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.population.cohort import Cohort, CohortCurve
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics
from lutetia.kinetics.population.shapes import SHAPES

H = 3600.0
LU = math.log(2) / (6.647 * 86400)
TRUTH = {
    "mono": ([math.log(1e8), math.log(math.log(2) / (52 * H))], [0.4, 0.2]),
    "uptake": (
        [math.log(1e8), math.log(math.log(2) / (52 * H)), math.log(math.log(2) / (3 * H))],
        [0.4, 0.2, 0.4],
    ),
    "bi": (
        [math.log(1e8), math.log(math.log(2) / (60 * H)), math.log(6e7), math.log(math.log(2) / (6 * H))],
        [0.4, 0.2, 0.4, 0.3],
    ),
}
"""Means and standard deviations of the log-parameters."""


def omega(model, correlation=0.3):
    sd = np.array(TRUTH[model][1])
    matrix = np.full((sd.size, sd.size), correlation)
    np.fill_diagonal(matrix, 1.0)
    return matrix * np.outer(sd, sd)


def region(model="mono", *, noise=0.05, **more):
    return RegionKinetics(
        region="kidney",
        model=model,
        mean_log=np.array(TRUTH[model][0]),
        omega=omega(model),
        proportional=noise,
        **more,
    )


def population(model="mono", **more):
    return PopulationModel(
        agent="177Lu-DOTATATE", nuclide="Lu-177", regions={"kidney": region(model, **more)}, source="test"
    )


def drawn(model, n, seed):
    """(n, d) log-parameters of patients, none slower than physical decay."""
    rng = np.random.default_rng(seed)
    q = rng.multivariate_normal(TRUTH[model][0], omega(model), size=4 * n)
    return q[q[:, 1] > math.log(LU)][:n]


def cohort(model="mono", *, n=40, hours=(3, 24, 72, 168), noise=0.05, seed=1, scale=1.0, stated=False, q=None):
    rng = np.random.default_rng(seed + 1000)
    q = drawn(model, n, seed) if q is None else q
    t = np.array(hours, dtype=float) * H
    activity = scale * SHAPES[model].activity(q, t)
    measured = np.maximum(activity * (1 + noise * rng.standard_normal(activity.shape)), 0.0)
    curves = [
        CohortCurve(
            patient=f"P{i}",
            curve=TimeActivityCurve(
                region="kidney left",
                time_s=t,
                activity_bq=measured[i],
                standard_uncertainty_bq=noise * activity[i] if stated else None,
            ),
        )
        for i in range(n)
    ]
    return Cohort(curves=curves, nuclide="Lu-177", decay_constant_per_s=LU, agent="177Lu-DOTATATE")
