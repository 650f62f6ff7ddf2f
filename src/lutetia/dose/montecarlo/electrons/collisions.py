"""Hard collisions with electrons: totals of Moller, Bhabha and annihilation, and the deflection of the soft ones."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.physics.electrons.excitation import Electrons
from lutetia.physics.stopping import BETHE_CONSTANT_MEV_CM2_PER_MOL, ELECTRON_REST_ENERGY_MEV

N_LOG: Final = 128
"""Points of the logarithmic quadrature over energy transfers."""


def moller_bhabha_per_mev(
    energy: NDArray[np.float64], w: NDArray[np.float64], *, positron: bool
) -> NDArray[np.float64]:
    r"""Shape of the spectrum of energy transfers, in units of :math:`2\pi r_e^2 m c^2/\beta^2` per electron.

    References
    ----------
    Moller, Ann Phys 406, 531, 1932; Bhabha, Proc R Soc A 154, 195, 1936; both as in ICRU Report 37, 1984.
    """
    gamma = energy / ELECTRON_REST_ENERGY_MEV + 1.0
    share = w / energy
    if positron:
        y = 1.0 / (gamma + 1.0)
        beta2 = 1.0 - 1.0 / gamma**2
        b1, b2 = 2.0 - y * y, (1.0 - 2.0 * y) * (3.0 + y * y)
        b4 = (1.0 - 2.0 * y) ** 3
        b3 = b4 + (1.0 - 2.0 * y) ** 2
        series = 1.0 - beta2 * (b1 * share - b2 * share**2 + b3 * share**3 - b4 * share**4)
        return np.asarray(series / w**2)
    rest = energy - w
    exchange = ((gamma - 1.0) / gamma) ** 2 / energy**2 - (2.0 * gamma - 1.0) / gamma**2 / (w * rest)
    return np.asarray(1.0 / w**2 + 1.0 / rest**2 + exchange)


def transfers(
    electrons: Electrons,
    energy: NDArray[np.float64],
    least: NDArray[np.float64],
    most: NDArray[np.float64],
    *,
    positron: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Moments per mass thickness of the energy transfers between two limits; all zero where least >= most.

    Returns
    -------
    number [cm2/g], straggling (mean square) [MeV2 cm2/g], and the sums of 1 - cos and 3/2 (1 - cos^2) of the
    deflections of the faster electron [cm2/g]; each (n,)
    """  # fmt: skip
    most = np.maximum(most, least * (1.0 + 1e-12))
    log_w = np.linspace(np.log(least), np.log(most), N_LOG)
    w = np.exp(log_w)
    tau = energy / ELECTRON_REST_ENERGY_MEV
    beta2 = tau * (tau + 2.0) / (tau + 1.0) ** 2
    strength = BETHE_CONSTANT_MEV_CM2_PER_MOL * electrons.z_over_a / beta2
    density = strength * w * moller_bhabha_per_mev(energy, np.minimum(w, 0.999999 * energy), positron=positron)
    sine2 = 2.0 * ELECTRON_REST_ENERGY_MEV * w / (energy * (energy - w + 2.0 * ELECTRON_REST_ENERGY_MEV))
    cosine = np.sqrt(np.clip(1.0 - sine2, 0.0, 1.0))
    number, square, first, second = (
        np.trapezoid(density * weight, log_w, axis=0) for weight in (1.0, w**2, 1.0 - cosine, 1.5 * sine2)
    )
    return number, square, first, second


def annihilation_cm2_per_g(electrons: Electrons, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Annihilation in flight with a free electron at rest into two photons, after Heitler. (n,) [cm2/g]"""
    gamma = energy / ELECTRON_REST_ENERGY_MEV + 1.0
    root = np.sqrt(gamma**2 - 1.0)
    shape = (gamma**2 + 4.0 * gamma + 1.0) * np.log(gamma + root) - (gamma + 3.0) * root
    per_electron = shape / ((gamma + 1.0) * (gamma**2 - 1.0))
    strength = BETHE_CONSTANT_MEV_CM2_PER_MOL / (2.0 * ELECTRON_REST_ENERGY_MEV)  # pi r_e^2 N_A
    return np.asarray(strength * electrons.z_over_a * per_electron)
