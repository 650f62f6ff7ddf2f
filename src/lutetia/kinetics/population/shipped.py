"""Population of published half-lives, for departments without a cohort of their own."""

import math

import numpy as np

from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, kind_of_region
from lutetia.kinetics.single_time import lognormal, population_half_life


def shipped_population(agent: str, region: str, kind: str) -> PopulationModel | None:
    r"""Mono-exponential prior from the shipped table of effective half-lives; None where it has no such row.

    The half-life is lognormal with the table's mean m and relative standard deviation c:
    :math:`\sigma^2 = \ln(1 + c^2)`, median :math:`m/\sqrt{1 + c^2}`. The amplitude is free.

    Parameters
    ----------
    agent : for example "177Lu-DOTATATE"
    region : standard name, "kidney left"
    kind : "organ", "lesion"
    """
    row = population_half_life(agent=agent, region=region, kind=kind)
    if row is None:
        return None
    median_s, spread = lognormal(row.effective_half_life_s, row.relative_sd)
    kinetics = RegionKinetics(
        region=row.region,
        model="mono",
        mean_log=np.array([0.0, math.log(math.log(2) / median_s)]),
        # the amplitude is free: its mean and variance are never asked for
        omega=np.diag([1.0, spread**2]),
        proportional=0.0,
    )
    return PopulationModel(
        agent=row.agent,
        nuclide="Lu-177",
        regions={kind_of_region(region): kinetics},
        source=row.source,
        verified=row.verified,
        provenance={"table": "effective_half_lives"},
    )
