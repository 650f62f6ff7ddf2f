"""Uncertainty of a biologically effective dose: first order, and by Monte Carlo."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.response.protraction import ByHalfLife

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class BedInputs:
    """What a BED is made of, with relative standard uncertainties (None: taken as known).

    Attributes
    ----------
    absorbed_dose_gy, alpha_beta_gy, repair_half_life_s : values. [Gy], [Gy], [s]
    factor : G as a function of the repair half-life, as from ``protraction.exponentials_by_half_life``
    """

    absorbed_dose_gy: float
    alpha_beta_gy: float
    repair_half_life_s: float
    factor: ByHalfLife
    absorbed_dose_relative: float | None = None
    alpha_beta_relative: float | None = None
    repair_relative: float | None = None

    def __post_init__(self) -> None:
        given = (self.absorbed_dose_relative, self.alpha_beta_relative, self.repair_relative)
        if any(u is not None and not (math.isfinite(u) and u >= 0) for u in given):
            raise InputError(f"Relative standard uncertainties {given}; expected none below 0.")


def first_order_uncertainty(inputs: BedInputs) -> float | None:
    r"""Standard uncertainty of a BED, None when no input has one. [Gy]

    .. math:: u^2 = \left(1 + \frac{2GD}{\alpha/\beta}\right)^2 u^2(D) + \left(\frac{G D^2}{(\alpha/\beta)^2}\right)^2
              u^2(\alpha/\beta) + \left(\frac{D^2}{\alpha/\beta} \frac{\partial G}{\partial T}\right)^2 u^2(T_\mathrm{rep})

    for independent inputs. The uncertainty of the time course itself is not in it: where T_rep is far below T_eff, a share
    of that on T_eff acts on the quadratic term alone.
    """
    dose, ratio, half_life = inputs.absorbed_dose_gy, inputs.alpha_beta_gy, inputs.repair_half_life_s
    step = 1e-3 * half_life
    low, g, high = (float(v) for v in inputs.factor(np.array([half_life - step, half_life, half_life + step])))
    quadratic = g * dose**2 / ratio
    parts = (
        (inputs.absorbed_dose_relative, dose + 2 * quadratic),
        (inputs.alpha_beta_relative, quadratic),
        (inputs.repair_relative, dose**2 / ratio * (high - low) / (2 * step) * half_life),
    )
    known = [u * slope for u, slope in parts if u is not None]
    total = math.hypot(*known)
    return total if total > 0 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class BedDistribution:
    """BED with uncertain inputs. [Gy]"""

    mean_gy: float
    standard_uncertainty_gy: float
    interval_95_gy: tuple[float, float]
    n_samples: int


def monte_carlo_uncertainty(
    inputs: BedInputs, *, rng: np.random.Generator | None = None, n_samples: int = 20_000
) -> BedDistribution:
    """Distribution of a BED whose inputs are independent and lognormal about their values (as medians).

    Lognormal, since none of them can be negative and alpha/beta and half-lives are known by a factor. The spread of the
    logarithm is ``sqrt(ln(1 + u^2))`` of a relative standard uncertainty u.

    Parameters
    ----------
    inputs : values, uncertainties and the factor
    rng : source of random numbers, seeded with 1 by default
    n_samples : number of draws
    """
    random = np.random.default_rng(1) if rng is None else rng
    if n_samples < 100:
        raise InputError(f"{n_samples} samples; expected at least 100.")

    def drawn(value: float, relative: float | None) -> Array:
        spread = math.sqrt(math.log1p((relative or 0.0) ** 2))
        return value * np.exp(spread * random.standard_normal(n_samples))

    dose = drawn(inputs.absorbed_dose_gy, inputs.absorbed_dose_relative)
    ratio = drawn(inputs.alpha_beta_gy, inputs.alpha_beta_relative)
    g = inputs.factor(drawn(inputs.repair_half_life_s, inputs.repair_relative))
    bed = dose + g * dose**2 / ratio
    low, high = np.percentile(bed, [2.5, 97.5])
    return BedDistribution(
        mean_gy=float(bed.mean()),
        standard_uncertainty_gy=float(bed.std(ddof=1)),
        interval_95_gy=(float(low), float(high)),
        n_samples=n_samples,
    )
