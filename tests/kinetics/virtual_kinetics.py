"""Time-activity curves of virtual regions with a known integral, and scans of them with counting noise.

Effective half-lives are lognormal about the means of Haenscheid 2018 for 177Lu-DOTATATE (kidney 51 h, liver and spleen
67 h, tumour 77 h; doi:10.2967/jnumed.117.193706) with a spread of 25 %, 35 % for lesions, and shorter than physical
decay. Uptake half-lives are 0.5 to 3 h, uniform in the logarithm; four in ten regions lose 10 to 40 % with a half-life
of 5 to 20 h.
"""

import math
from dataclasses import dataclass

import numpy as np

from lutetia.kinetics.curve import TimeActivityCurve

H = 3600.0
PHYSICAL_H = 6.647 * 24
LU = math.log(2) / (PHYSICAL_H * H)
REGIONS = {"kidney": (51.0, 0.25), "liver": (67.0, 0.25), "spleen": (67.0, 0.25), "lesion": (77.0, 0.35)}


@dataclass(frozen=True)
class VirtualRegion:
    region: str
    two_phases: bool
    terms: tuple[tuple[float, float], ...]

    @property
    def total(self):
        return sum(a / k for a, k in self.terms)

    def scanned(self, rng, hours, noise):
        """Counting noise: relative ``noise`` where there is most activity, growing as 1/sqrt(counts) elsewhere."""
        t = np.asarray(hours, float) * H
        true = sum(a * np.exp(-k * t) for a, k in self.terms)
        u = noise * np.sqrt(true * true.max())
        measured = np.maximum(true + u * rng.normal(size=t.size), 0.0)
        return TimeActivityCurve(region=self.region, time_s=t, activity_bq=measured, standard_uncertainty_bq=u)


def virtual_region(rng, number, share_two_phases=0.4):
    region = list(REGIONS)[number % 4]
    middle, spread = REGIONS[region]
    slow = middle * math.exp(spread * rng.normal())
    while slow > 0.98 * PHYSICAL_H:
        slow = middle * math.exp(spread * rng.normal())
    uptake = 0.5 * 6.0 ** rng.random()
    two = bool(rng.random() < share_two_phases)
    share, fast = (rng.uniform(0.1, 0.4), rng.uniform(5, 20)) if two else (0.0, 10.0)
    size = 10 ** rng.uniform(6, 8)
    rate = [math.log(2) / (hours * H) for hours in (slow, fast, uptake)]
    return VirtualRegion(region, two, (((1 - share) * size, rate[0]), (share * size, rate[1]), (-size, rate[2])))


def blood_fed_region(rng, number):
    """An organ that takes up from blood and lets go: none of the fitted models, and no population they were weighed on.

    Blood clears with biological half-lives of 0.3, 3 and 40 h (each +- 20 %), the last holding 0.3 % of the amount, which
    is a quarter of what arrives; the organ's biological half-life is 76 h +- 30 %.
    """
    washout = math.log(2) / (76.0 * math.exp(0.3 * rng.normal()) * H)
    clearance = math.log(2) / (np.array([0.3, 3.0, 40.0]) * np.exp(0.2 * rng.normal(size=3)) * H)
    part = 1e8 * np.array([0.9, 0.097, 0.003]) / (clearance / H - washout / H) / H
    terms = [
        (float(part.sum()), washout + LU),
        *((-float(a), float(k) + LU) for a, k in zip(part, clearance, strict=True)),
    ]
    return VirtualRegion("kidney", False, tuple(terms))
