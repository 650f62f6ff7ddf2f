"""What a population says about the kinetics of a region."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.kinetics.population.individual import Prior, without_scale
from lutetia.kinetics.population.shapes import SHAPES, SLOW, Shape

Array = NDArray[np.float64]

Amplitude = Literal["free", "per administered activity"]
"""Whether the population says anything about how much activity a region takes up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One shape that was fitted to a cohort; its criteria are None where it could not be fitted, with the reason."""

    model: str
    log_likelihood: float | None
    aic: float | None
    bic: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegionKinetics:
    """Distribution of one kind of region's curve across patients.

    Attributes
    ----------
    region : name without side and number: "kidney", "lesion"
    model : key of the shape
    mean_log : (d,) mean of the natural logarithms of the parameters (Bq or 1, 1/s)
    omega : (d, d) their covariance between patients
    proportional, additive : residual error; the second is in Bq, or per administered activity
    stated_uncertainties : whether the cohort stated its measurement uncertainties, which the residual error adds to;
        where not, the residual error contains them
    amplitude : what the amplitudes are
    n_patients, n_curves, n_points : of the cohort, 0 where a publication is the source
    mean_covariance : (d, d) of the estimated mean, None when unknown
    spread_standard_error : (d,) of the standard deviations between patients, None when unknown
    shrinkage : (d,) share of the spread that the individual estimates do not show
    tried : the shapes that were compared
    """

    region: str
    model: str
    mean_log: Array
    omega: Array
    proportional: float
    additive: float = 0.0
    stated_uncertainties: bool = True
    amplitude: Amplitude = "free"
    n_patients: int = 0
    n_curves: int = 0
    n_points: int = 0
    log_likelihood: float | None = None
    aic: float | None = None
    bic: float | None = None
    converged: bool = True
    mean_covariance: Array | None = None
    spread_standard_error: Array | None = None
    shrinkage: Array | None = None
    tried: tuple[Tried, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.model not in SHAPES:
            raise InputError(f"{self.region}: model {self.model!r}; expected one of {', '.join(SHAPES)}.")
        d = SHAPES[self.model].size
        if self.mean_log.shape != (d,) or self.omega.shape != (d, d):
            raise InputError(f"{self.region}: a {self.model} model has {d} means and a {d} x {d} covariance.")
        if not np.allclose(self.omega, self.omega.T) or np.linalg.eigvalsh(self.omega).min() <= 0:
            raise InputError(f"{self.region}: the covariance between patients is not symmetric and positive.")
        if self.proportional < 0 or self.additive < 0:
            raise InputError(f"{self.region}: residual errors must not be negative.")

    @property
    def shape(self) -> Shape:
        """The curve."""
        return SHAPES[self.model]

    @property
    def spread(self) -> Array:
        """(d,) standard deviations of the log-parameters between patients."""
        return np.asarray(np.sqrt(np.diagonal(self.omega)))

    @property
    def effective_half_life_s(self) -> float:
        """Median effective half-life of the slow phase. [s]"""
        return math.log(2) / math.exp(float(self.mean_log[SLOW]))

    def prior(self, *, with_amplitude: bool = False) -> Prior:
        """For a patient who is not of the cohort: spread between patients and uncertainty of the mean together."""
        predictive = self.omega if self.mean_covariance is None else self.omega + self.mean_covariance
        prior = Prior(
            mean=self.mean_log,
            precision=np.asarray(np.linalg.inv(predictive), dtype=float),
            proportional=self.proportional,
            additive=self.additive,
        )
        return prior if with_amplitude else without_scale(prior, self.shape)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PopulationModel:
    """Kinetics of an agent in a population, per kind of region.

    ``source`` and ``verified`` say where it comes from; ``provenance`` holds the hash of the cohort's file, versions
    and method, and no patient's identifier.
    """

    agent: str
    nuclide: str
    regions: Mapping[str, RegionKinetics]
    source: str
    verified: bool = True
    provenance: Mapping[str, str] = field(default_factory=dict)

    def of(self, region: str) -> RegionKinetics:
        """The kinetics of a region: "kidney left" finds "kidney", "lesion 3" finds "lesion".

        Raises
        ------
        MissingDataError
            The population has no such region; it is named with those there are.
        """
        found = self.regions.get(kind_of_region(region))
        if found is None:
            raise MissingDataError(
                f"{region}: the population of {self.agent or 'an unnamed agent'} has no such region; it has "
                f"{', '.join(self.regions)}."
            )
        return found


SIDES: Final = ("left", "right")


def kind_of_region(region: str) -> str:
    """Name without side and number, singular: what curves of different patients have in common."""
    words = [w for w in region.lower().replace("_", " ").split() if w not in SIDES and not w.isdigit()]
    name = " ".join(words) or region.lower()
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us", "is")) else name
