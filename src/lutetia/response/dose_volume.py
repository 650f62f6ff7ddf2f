"""One number for an uneven dose: generalised equivalent uniform dose, that of equal survival, and histograms of BED."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lutetia.errors import InputError
from lutetia.response.bed import biologically_effective_dose, dose_with_bed, require_positive

Array = NDArray[np.float64]


def differential_histogram(dose_gy: Array, volume_fraction: Array) -> tuple[Array, Array]:
    """Doses and the share of volume at each, from a cumulative histogram (``dose.histogram``).

    The volume between two steps is put at their middle, what reaches the last step at that.

    Raises
    ------
    InputError
        Unequal lengths, doses that fall, fractions that rise or do not start at 1.
    """
    dose, above = np.asarray(dose_gy, dtype=float), np.asarray(volume_fraction, dtype=float)
    if dose.ndim != 1 or dose.shape != above.shape or not dose.size:
        raise InputError(
            f"A histogram of {dose.shape} doses and {above.shape} fractions; expected as many, at least one."
        )
    if np.any(np.diff(dose) < 0) or np.any(np.diff(above) > 1e-12) or abs(above[0] - 1) > 1e-6 or above[-1] < 0:
        raise InputError(
            "A cumulative histogram has doses that rise, and fractions that fall from 1 and are not negative."
        )
    return np.append((dose[:-1] + dose[1:]) / 2, dose[-1]), np.append(above[:-1] - above[1:], above[-1])


def _shares(dose_gy: Array, volume: Array) -> tuple[Array, Array]:
    """Doses and shares of the volume that add up to 1, without empty entries."""
    dose, volume = np.ravel(np.asarray(dose_gy, dtype=float)), np.ravel(np.asarray(volume, dtype=float))
    if dose.shape != volume.shape or np.any(volume < 0) or not volume.sum() > 0:
        raise InputError("Uneven doses need one volume each, none negative and some positive.")
    there = volume > 0
    if not np.all(np.isfinite(dose[there])) or np.any(dose[there] < 0):
        raise InputError("Doses within the volume must be finite and not negative.")
    return dose[there], volume[there] / volume.sum()


def generalised_equivalent_uniform_dose(dose_gy: Array, volume: Array, *, a: float) -> float:
    r"""GEUD :math:`= (\sum_i v_i D_i^a)^{1/a}`; the mean for a = 1, towards the maximum for large a. [Gy]

    Parameters
    ----------
    dose_gy : doses (voxels or bins of a differential histogram), any shape. [Gy]
    volume : volume or share of each
    a : above 0 for organs at risk (1/n of the Lyman-Kutcher-Burman model), below for tumours (any dose of 0 gives 0)

    References
    ----------
    Niemierko A. Med Phys 26 (1999) 1100 (abstract); Wu Q et al. Int J Radiat Oncol Biol Phys 52 (2002) 224-235.
    doi:10.1016/S0360-3016(01)02585-8
    """
    if a == 0 or not np.isfinite(a):
        raise InputError(f"gEUD with a = {a}; expected a number other than 0.")
    dose, share = _shares(dose_gy, volume)
    if np.any(dose == 0) and a < 0:
        return 0.0
    largest = float(dose.max())
    if largest == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        return float(np.exp(logsumexp(a * np.log(dose), b=share) / a))


def equivalent_uniform_bed(bed_gy: Array, volume: Array, *, alpha_per_gy: float) -> float:
    r"""Even BED that leaves as many cells alive, :math:`-\frac1\alpha \ln \sum_i v_i e^{-\alpha \mathrm{BED}_i}`. [Gy]

    References
    ----------
    Niemierko A. Med Phys 24 (1997) 103-110. doi:10.1118/1.598063
    O'Donoghue JA. J Nucl Med 40 (1999) 1337-1341
    """
    require_positive(alpha_per_gy, "alpha", "1/Gy")
    bed, share = _shares(bed_gy, volume)
    return float(-logsumexp(-alpha_per_gy * bed, b=share) / alpha_per_gy)


def equivalent_uniform_dose(
    dose_gy: Array, volume: Array, *, alpha_per_gy: float, g: float, alpha_beta_gy: float
) -> float:
    """Even absorbed dose, given with the same time course, that leaves the same share of cells alive. [Gy]"""
    bed = biologically_effective_dose(np.asarray(dose_gy, dtype=float), g=g, alpha_beta_gy=alpha_beta_gy)
    even = equivalent_uniform_bed(bed, volume, alpha_per_gy=alpha_per_gy)
    return float(dose_with_bed(np.asarray(even), g=g, alpha_beta_gy=alpha_beta_gy))


def bed_volume_histogram(
    dose_gy: Array, volume_fraction: Array, *, g: float, alpha_beta_gy: float
) -> tuple[Array, Array]:
    """Cumulative histogram of BED from one of absorbed dose; the fractions are the same, for BED rises with dose.

    All of the region shares one time course, that of its mean, for voxels are seldom followed one by one.
    """
    return biologically_effective_dose(dose_gy, g=g, alpha_beta_gy=alpha_beta_gy), np.asarray(volume_fraction)
