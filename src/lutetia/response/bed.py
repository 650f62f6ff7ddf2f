"""Biologically effective dose (BED) of the linear-quadratic model, of a cycle and of a course, and doses of equal effect.

Mean doses of regions are meant, or those of voxels one by one. The BED of a region's mean dose is at most the mean BED of
its voxels, for the square favours the hot ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.response.protraction import Cycle, lea_catcheside_course
from lutetia.response.repair import Repair

Array = NDArray[np.float64]


def require_positive(value: float, name: str, unit: str) -> None:
    """Refuse a value that is not finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} of {value} {unit}; expected a finite value above 0.".replace(" ;", ";"))


def _require_doses(dose_gy: float | Array, name: str) -> None:
    if not np.all(np.isfinite(dose_gy)) or np.any(np.asarray(dose_gy) < 0):
        raise InputError(f"{name} must be finite and not negative, got {np.min(dose_gy)} Gy at least.")


def biologically_effective_dose(absorbed_dose_gy: Array, *, g: float, alpha_beta_gy: float) -> Array:
    r"""BED of absorbed doses that come with the same time course.

    .. math:: \mathrm{BED} = D + \frac{G D^2}{\alpha/\beta}

    Parameters
    ----------
    absorbed_dose_gy : any shape, or a number. [Gy]
    g : Lea-Catcheside factor, 0 to 1
    alpha_beta_gy : of the tissue and its endpoint. [Gy]

    Raises
    ------
    InputError
        A negative dose, a factor outside 0 to 1, or an alpha/beta that is not positive.

    References
    ----------
    Dale RG. Br J Radiol 58 (1985) 515-528. doi:10.1259/0007-1285-58-690-515
    """
    require_positive(alpha_beta_gy, "alpha/beta", "Gy")
    _require_doses(absorbed_dose_gy, "Absorbed doses")
    if not -1e-9 <= g <= 1 + 1e-9:
        raise InputError(f"Lea-Catcheside factor {g}; expected 0 to 1.")
    dose = np.asarray(absorbed_dose_gy, dtype=float)
    return np.asarray(dose + g * dose**2 / alpha_beta_gy)


def dose_with_bed(bed_gy: Array, *, g: float, alpha_beta_gy: float) -> Array:
    """Absorbed dose that has a BED: the inverse of ``biologically_effective_dose``. [Gy]"""
    require_positive(alpha_beta_gy, "alpha/beta", "Gy")
    _require_doses(bed_gy, "Biologically effective doses")
    bed = np.asarray(bed_gy, dtype=float)
    return np.asarray(2 * bed / (1 + np.sqrt(1 + 4 * g * bed / alpha_beta_gy)))


def equieffective_dose(bed_gy: float, *, alpha_beta_gy: float, dose_per_fraction_gy: float = 2.0) -> float:
    """EQDX: dose in fractions of X that has the same effect, ``BED / (1 + X/(alpha/beta))``. [Gy]

    EQD2, with 2 Gy, is the default.

    References
    ----------
    Bentzen SM et al. Radiother Oncol 105 (2012) 266-268. doi:10.1016/j.radonc.2012.10.006
    """
    require_positive(alpha_beta_gy, "alpha/beta", "Gy")
    require_positive(dose_per_fraction_gy, "A dose per fraction", "Gy")
    return bed_gy / (1 + dose_per_fraction_gy / alpha_beta_gy)


@dataclass(frozen=True, kw_only=True, slots=True)
class BiologicallyEffectiveDose:
    """BED of one dose. ``standard_uncertainty_gy`` is None when unknown, never 0."""

    absorbed_dose_gy: float
    g: float
    alpha_beta_gy: float
    bed_gy: float
    standard_uncertainty_gy: float | None = None

    @property
    def eqd2_gy(self) -> float:
        """Dose of equal effect in fractions of 2 Gy. [Gy]"""
        return equieffective_dose(self.bed_gy, alpha_beta_gy=self.alpha_beta_gy)


def bed_of(
    *, absorbed_dose_gy: float, g: float, alpha_beta_gy: float, standard_uncertainty_gy: float | None = None
) -> BiologicallyEffectiveDose:
    r"""BED with the uncertainty of the absorbed dose, first order: :math:`u = (1 + 2GD/(\alpha/\beta))\,u(D)`."""
    bed = float(biologically_effective_dose(np.asarray(absorbed_dose_gy), g=g, alpha_beta_gy=alpha_beta_gy))
    slope = 1 + 2 * g * absorbed_dose_gy / alpha_beta_gy
    return BiologicallyEffectiveDose(
        absorbed_dose_gy=absorbed_dose_gy,
        g=g,
        alpha_beta_gy=alpha_beta_gy,
        bed_gy=bed,
        standard_uncertainty_gy=None if standard_uncertainty_gy is None else slope * standard_uncertainty_gy,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseBed:
    """BED of several cycles.

    Attributes
    ----------
    total : of the course as one irradiation
    per_cycle : of each cycle by itself, in order of time
    """

    total: BiologicallyEffectiveDose
    per_cycle: tuple[BiologicallyEffectiveDose, ...]

    @property
    def carry_over_gy(self) -> float:
        """What the course has more than its cycles, from damage that is not repaired when the next begins. [Gy]"""
        return self.total.bed_gy - sum(cycle.bed_gy for cycle in self.per_cycle)


def course_bed(cycles: Sequence[Cycle], *, repair_half_life_s: float | Repair, alpha_beta_gy: float) -> CourseBed:
    """BED of a course as one protracted irradiation; the sum over its cycles when they are far apart.

    Parameters
    ----------
    cycles : with their starts; curves and doses may differ
    repair_half_life_s : one half-life, or a ``Repair`` of several components. [s]
    alpha_beta_gy : of the tissue. [Gy]
    """

    def of(part: Sequence[Cycle]) -> BiologicallyEffectiveDose:
        dose = sum(cycle.absorbed_dose_gy for cycle in part)
        g = lea_catcheside_course(part, repair_half_life_s)
        return bed_of(absorbed_dose_gy=dose, g=g, alpha_beta_gy=alpha_beta_gy)

    ordered = sorted(cycles, key=lambda cycle: cycle.start_s)
    return CourseBed(total=of(ordered), per_cycle=tuple(of([cycle]) for cycle in ordered))


def bed_after_proliferation(
    bed_gy: float,
    *,
    overall_time_s: float,
    potential_doubling_time_s: float,
    alpha_per_gy: float,
    kick_off_s: float = 0.0,
) -> float:
    r"""BED of a tumour that grows during treatment, not below 0.

    .. math:: \mathrm{BED} - \frac{\ln 2\,(T - T_k)}{\alpha T_\mathrm{pot}} \quad (T > T_k)

    Parameters
    ----------
    overall_time_s : T, the time over which the dose is effective; a choice of the user. [s]
    potential_doubling_time_s : T_pot. [s]
    alpha_per_gy : linear coefficient of cell kill. [1/Gy]
    kick_off_s : T_k, when growth sets in. [s]

    References
    ----------
    Dale RG. Br J Radiol 62 (1989) 241-244; Travis EL, Tucker SL. Int J Radiat Oncol Biol Phys 13 (1987) 283-287
    """
    require_positive(potential_doubling_time_s, "A potential doubling time", "s")
    require_positive(alpha_per_gy, "alpha", "1/Gy")
    if not (overall_time_s >= 0 and kick_off_s >= 0):
        raise InputError(f"Overall time {overall_time_s} s, kick-off {kick_off_s} s; expected no negative time.")
    growing = max(overall_time_s - kick_off_s, 0.0)
    return max(bed_gy - math.log(2) * growing / (alpha_per_gy * potential_doubling_time_s), 0.0)


def rbe_weighted_dose(*, alpha_dose_gy: float, beta_gamma_dose_gy: float, rbe: float) -> float:
    """``RBE D_alpha + D_beta,gamma``: absorbed doses stay apart in results, and a weighted one names its RBE. [Gy]

    References
    ----------
    Sgouros G et al. (MIRD Pamphlet 22) J Nucl Med 51 (2010) 311-328. doi:10.2967/jnumed.108.058651
    """
    require_positive(rbe, "RBE", "")
    _require_doses(np.array([alpha_dose_gy, beta_gamma_dose_gy]), "Absorbed doses")
    return rbe * alpha_dose_gy + beta_gamma_dose_gy


def bed_with_alpha(
    *, alpha_dose_gy: float, beta_gamma_dose_gy: float, rbe_max: float, g: float, alpha_beta_gy: float
) -> float:
    r"""BED of alpha particles together with betas and photons.

    .. math:: \mathrm{BED} = \mathrm{RBE_{max}} D_\alpha + D_{\beta\gamma} + \frac{G D_{\beta\gamma}^2}{\alpha/\beta}

    Damage by alpha particles is taken as beyond repair and linear, the low-LET alpha/beta as that of the tissue; that
    alpha and beta damage meet (a cross term) is left out.

    Parameters
    ----------
    alpha_dose_gy, beta_gamma_dose_gy : absorbed doses, unweighted. [Gy]
    rbe_max : ratio of the linear coefficients at high and low LET, for the endpoint
    g, alpha_beta_gy : of the low-LET part

    References
    ----------
    Dale RG, Jones B. Int J Radiat Oncol Biol Phys 43 (1999) 639-645. doi:10.1016/S0360-3016(98)00364-2
    Hobbs RF, Howell RW, Song H, Baechler S, Sgouros G. Radiat Res 181 (2014) 90-98. doi:10.1667/RR13483.1
    """
    require_positive(rbe_max, "RBE", "")
    _require_doses(alpha_dose_gy, "Absorbed doses")
    low = biologically_effective_dose(np.asarray(beta_gamma_dose_gy), g=g, alpha_beta_gy=alpha_beta_gy)
    return rbe_max * alpha_dose_gy + float(low)
