"""Probabilities: of a complication in normal tissue (NTCP), and of controlling a tumour (TCP).

No model of complications is validated for radiopharmaceutical therapy of the kidneys: those of external beams come with a
warning, and a curve of one's own data is better (``outcome_fit``).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from lutetia.errors import InputError
from lutetia.response.bed import require_positive
from lutetia.response.dose_volume import generalised_equivalent_uniform_dose
from lutetia.response.parameters import LogisticParameters, LymanParameters

Array = NDArray[np.float64]


def _doses(dose_gy: Array | float) -> Array:
    dose = np.asarray(dose_gy, dtype=float)
    if not np.all(np.isfinite(dose)) or np.any(dose < 0):
        raise InputError(f"Doses must be finite and not negative, got {np.min(dose)} Gy at least.")
    return dose


def logistic_ntcp(dose_gy: Array | float, *, d50_gy: float, gamma50: float) -> Array:
    r"""NTCP :math:`= 1/(1 + (D_{50}/D)^{4\gamma_{50}})`, with the dose in the quantity that D50 was found for.

    Parameters
    ----------
    dose_gy : mean (or generalised equivalent uniform) dose, EQD2 or BED. [Gy]
    d50_gy : dose of 50 %. [Gy]
    gamma50 : normalised slope there, ``D50 dP/dD``

    References
    ----------
    Bentzen SM, Tucker SL. Int J Radiat Biol 71 (1997) 531-542. doi:10.1080/095530097143860
    """
    require_positive(d50_gy, "D50", "Gy")
    require_positive(gamma50, "gamma50", "")
    with np.errstate(divide="ignore"):
        return np.asarray(expit(4 * gamma50 * np.log(_doses(dose_gy) / d50_gy)))


def logistic_through(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """D50 [Gy] and gamma50 of the logistic curve through two (dose [Gy], probability).

    Raises
    ------
    InputError
        Probabilities outside 0 to 1, or that do not rise with dose.
    """
    (low, p_low), (high, p_high) = sorted((first, second))
    if not (0 < low < high and 0 < p_low < p_high < 1):
        raise InputError(
            f"Anchors {first} and {second}; expected two doses and probabilities in (0, 1) that rise together."
        )
    slope = float(logit(p_high) - logit(p_low)) / math.log(high / low)
    return low * math.exp(-float(logit(p_low)) / slope), slope / 4


def lyman_ntcp(dose_gy: Array | float, *, td50_gy: float, m: float) -> Array:
    r"""NTCP of an even dose in the Lyman model, :math:`\Phi((D - TD_{50})/(m\,TD_{50}))`.

    Parameters
    ----------
    dose_gy : even dose, or gEUD with a = 1/n for one that is not (``lyman_ntcp_of_histogram``). [Gy]
    td50_gy : even dose of 50 %. [Gy]
    m : relative width

    References
    ----------
    Lyman JT. Radiat Res 104 (1985) S13-S19; Kutcher GJ, Burman C. Int J Radiat Oncol Biol Phys 16 (1989) 1623-1630.
    doi:10.1016/0360-3016(89)90972-3
    """
    require_positive(td50_gy, "TD50", "Gy")
    require_positive(m, "m", "")
    return np.asarray(ndtr((_doses(dose_gy) - td50_gy) / (m * td50_gy)))


def lyman_ntcp_of_histogram(dose_gy: Array, volume: Array, *, td50_gy: float, m: float, n: float) -> float:
    """NTCP of an uneven dose, by its gEUD with a = 1/n; doses may be EQD2 or BED where TD50 is."""
    require_positive(n, "n", "")
    even = generalised_equivalent_uniform_dose(dose_gy, volume, a=1 / n)
    return float(lyman_ntcp(even, td50_gy=td50_gy, m=m))


@dataclass(frozen=True, kw_only=True, slots=True)
class Complication:
    """Probability of a complication, with what must be told with it."""

    probability: float
    model: str
    quantity: str
    endpoint: str
    source: str
    verified: bool
    warnings: tuple[str, ...]


def complication_probability(parameters: LogisticParameters | LymanParameters, dose_gy: float) -> Complication:
    """Probability by a published model, at an even dose (or gEUD) in the model's quantity. [Gy]

    The warning that a model carries is in every result, and another where its numbers were not checked.
    """
    if isinstance(parameters, LogisticParameters):
        d50_gy, gamma50 = logistic_through(*parameters.anchors)
        probability = float(logistic_ntcp(dose_gy, d50_gy=d50_gy, gamma50=gamma50))
        words = f"logistic, D50 {d50_gy:g} Gy, gamma50 {gamma50:.4g}"
    else:
        probability = float(lyman_ntcp(dose_gy, td50_gy=parameters.td50_gy, m=parameters.m))
        words = f"Lyman-Kutcher-Burman, TD50 {parameters.td50_gy:g} Gy, m {parameters.m:g}, n {parameters.n:g}"
    unchecked = () if parameters.verified else ("The parameters were not compared with their source.",)
    return Complication(
        probability=probability,
        model=f"{parameters.name}: {words}",
        quantity=parameters.quantity,
        endpoint=parameters.endpoint,
        source=parameters.source,
        verified=parameters.verified,
        warnings=tuple(text for text in (parameters.warning, *unchecked) if text),
    )


def poisson_tcp(bed_gy: Array | float, *, clonogens: float, alpha_per_gy: float) -> Array:
    r"""TCP :math:`= \exp(-N e^{-\alpha\,\mathrm{BED}})`: no clonogenic cell of N is left.

    Parameters
    ----------
    bed_gy : even BED. [Gy]
    clonogens : N, of the whole tumour
    alpha_per_gy : linear coefficient of cell kill. [1/Gy]
    """
    require_positive(clonogens, "A number of clonogens", "")
    require_positive(alpha_per_gy, "alpha", "1/Gy")
    return np.asarray(np.exp(-clonogens * np.exp(-alpha_per_gy * _doses(bed_gy))))


def poisson_tcp_of_histogram(bed_gy: Array, volume: Array, *, clonogens: float, alpha_per_gy: float) -> float:
    r"""TCP of an uneven dose, :math:`\exp(-N \sum_i v_i e^{-\alpha\,\mathrm{BED}_i})`, clonogens even in the volume."""
    share = np.asarray(volume, dtype=float)
    if share.shape != np.shape(bed_gy) or np.any(share < 0) or not share.sum() > 0:
        raise InputError("Uneven doses need one volume each, none negative and some positive.")
    require_positive(clonogens, "A number of clonogens", "")
    require_positive(alpha_per_gy, "alpha", "1/Gy")
    alive = float(np.sum(share * np.exp(-alpha_per_gy * _doses(bed_gy))) / share.sum())
    return math.exp(-clonogens * alive)
