"""What a step of an electron or positron needs to know of each material, as arrays on a logarithmic energy grid."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.electrons.collisions import annihilation_cm2_per_g, transfers
from lutetia.dose.montecarlo.electrons.deflection import pareto
from lutetia.errors import OutOfRangeError
from lutetia.physics.electrons.bremsstrahlung import (
    photon_shares,
    photons_above_cm2_per_g,
    radiative_stopping_power_mev_cm2_per_g,
    scaled_spectrum_cm2_per_g,
)
from lutetia.physics.electrons.elastic import transport_cm2_per_g
from lutetia.physics.electrons.excitation import Electrons, electrons_of
from lutetia.physics.materials import Material
from lutetia.physics.stopping import csda_range_g_per_cm2, restricted_by_each_mev_cm2_per_g

LOWEST_MEV: Final = 0.001
HIGHEST_MEV: Final = 5.0
PER_OCTAVE: Final = 32
BIT_BASE: Final = int(np.float64(2.0**-10).view(np.int64))
BITS_PER_PLACE: Final = 2**52 // PER_OCTAVE
N_ENERGIES: Final = (int(np.float64(HIGHEST_MEV).view(np.int64)) - BIT_BASE) // BITS_PER_PLACE + 1
"""Energies of the grid: octaves from 2^-10 MeV cut evenly, so that the bits of a number hold its place in the grid."""
GREATEST_STRENGTH: Final = 0.2
"""Greatest first transport strength of one step: 1 - exp(-0.2) is the mean of 1 - cosine."""
WITHIN_STEP: Final = (1.3, 1.2)
"""Middle energy over the lowest, and highest energy over the middle one, that a step may have."""
LEAST_TRANSFER_MEV: Final = 0.001
"""No collision that transfers less is followed by itself."""

(
    STOPPING, TRANSPORT, MAJORANT, HARD, COLLISIONS, PHOTONS, STRENGTH, SPREAD, SCALE, INVERSE_EXPONENT, TRUNCATION,
    RANGE, EMITTED, MIDDLE,
) = range(14)  # fmt: skip
"""Columns of the rows: restricted stopping power [MeV cm2/g]; first transport [cm2/g]; hard events: greatest within
a step, all, with electrons, photons (the rest annihilate) [cm2/g]; strength of a step; half width of its loss
relative to the mean; its deflection (three); range [g/cm2]; photons emitted until stopped; energy in the middle of a
step relative to that at its start. STOPPING, TRANSPORT and MAJORANT are asked for in the middle of a step."""
N_COLUMNS: Final = 16
"""All of one energy in single precision are one line of a cache."""
CUTOFF, PHOTON_CUTOFF, HARD_SHARE, HARD_MOST, REJECT = range(5)
"""Settings: cut-offs [MeV], hard transfers as a share of the energy
and at most [MeV], whether ranges that end within the voxel are cut short (1) or not (0)."""

Tables = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Rows (2, material, energy, column), photon spectra (2, material, energy, share), shares, settings; [0] electrons."""


def energy_grid_mev() -> NDArray[np.float64]:
    """Energies of the rows, the first one at the lower end of the data. (n,) [MeV]"""
    bits = BIT_BASE + BITS_PER_PLACE * np.arange(N_ENERGIES, dtype=np.int64)
    return np.maximum(bits.view(np.float64), LOWEST_MEV)


def electron_tables(
    materials: Sequence[Material],
    *,
    cutoff_mev: float = 0.01,
    photon_cutoff_mev: float = 0.01,
    loss_per_step: float = 0.12,
    hard_share: float = 0.1,
    hard_most_mev: float = 0.05,
    range_rejection: bool = True,
) -> Tables:
    """Tables of ``walk_electron`` for a sequence of materials.

    Collisions that transfer more than ``hard_share`` of the energy (at most ``hard_most_mev``) are followed one by
    one, so that straggling beyond one step is exact; the smaller ones of one step spread its loss evenly about the
    mean with their variance.

    Parameters
    ----------
    materials : compositions; nominal densities enter the density effect alone
    cutoff_mev : electrons below stop where they are. [MeV]
    photon_cutoff_mev : bremsstrahlung below stays where it is made. [MeV]
    loss_per_step : greatest share of the energy lost in one step
    hard_share, hard_most_mev : see above
    range_rejection : whether an electron that cannot leave its voxel stops at once

    Raises
    ------
    OutOfRangeError
        A cut-off below 1 keV, or steps or shares that are not between 0 and 0.3.
    MissingDataError
        An element without data.
    """
    if min(cutoff_mev, photon_cutoff_mev) < LOWEST_MEV or not (0 < loss_per_step <= 0.3 and 0 < hard_share <= 0.3):
        raise OutOfRangeError(
            f"Cut-offs {cutoff_mev} and {photon_cutoff_mev} MeV, {loss_per_step} lost per step, {hard_share} in hard "
            f"collisions; expected at least {LOWEST_MEV} MeV and shares above 0, up to 0.3."
        )
    energy = energy_grid_mev()
    limit = np.maximum(np.minimum(hard_share * energy, hard_most_mev), LEAST_TRANSFER_MEV)
    rows = np.zeros((2, len(materials), N_ENERGIES, N_COLUMNS), np.float32)
    spectra = np.zeros((2, len(materials), N_ENERGIES, photon_shares().size))
    for kind in range(2):
        for m, material in enumerate(materials):
            rows[kind, m] = _rows(material, energy, limit, photon_cutoff_mev, loss_per_step, positron=kind == 1)
            spectra[kind, m] = scaled_spectrum_cm2_per_g(material, energy, positron=kind == 1)
    settings = np.array([cutoff_mev, photon_cutoff_mev, hard_share, hard_most_mev, range_rejection], np.float64)
    return rows, spectra, photon_shares(), settings


def _rows(
    material: Material, energy: NDArray[np.float64], limit: NDArray[np.float64], photon_cutoff: float, loss: float,
    *, positron: bool,
) -> NDArray[np.float64]:  # fmt: skip
    """(energies, columns) of one material and kind of particle."""
    electrons = electrons_of(material)
    row = np.zeros((energy.size, N_COLUMNS))
    row[:, STOPPING] = restricted_by_each_mev_cm2_per_g(material, energy, limit, positron=positron)
    row[:, STOPPING] += radiative_stopping_power_mev_cm2_per_g(
        material, energy, below_mev=photon_cutoff, positron=positron
    )
    most = energy if positron else 0.5 * energy
    hard, _, _, _ = transfers(electrons, energy, limit, most, positron=positron)
    row[:, COLLISIONS] = np.where(limit < most, hard, 0.0)
    row[:, PHOTONS] = photons_above_cm2_per_g(material, energy, photon_cutoff, positron=positron)
    row[:, HARD] = row[:, COLLISIONS] + row[:, PHOTONS]
    if positron:
        row[:, HARD] += annihilation_cm2_per_g(electrons, energy)
    row[:, RANGE] = csda_range_g_per_cm2(material, energy, positron=positron)
    emitted = row[:, PHOTONS] * np.gradient(row[:, RANGE], np.log(energy))
    row[1:, EMITTED] = np.cumsum(0.5 * (emitted[1:] + emitted[:-1]) * np.diff(np.log(energy)))
    _steps(row, material, electrons, energy, np.minimum(limit, most), loss, positron)
    return row


def _steps(
    row: NDArray[np.float64], material: Material, electrons: Electrons, energy: NDArray[np.float64],
    limit: NDArray[np.float64], loss: float, positron: bool,
) -> None:  # fmt: skip
    """Fill in what belongs to whole steps: strength, deflection, spread of the loss, majorant."""
    bound = (
        electrons.mean_excitation_ev * 1e-6 / np.e
    )  # collisions at a distance add as much as one more octave in e
    _, straggling, soft1, soft2 = transfers(
        electrons, energy, np.full_like(energy, bound), limit, positron=positron
    )
    first, second = transport_cm2_per_g(material, energy, positron=positron)
    first, second = first + soft1, second + soft2
    row[:, TRANSPORT] = first
    share = np.minimum(loss, GREATEST_STRENGTH * row[:, STOPPING] / (first * energy))
    row[:, MIDDLE] = 1.0 - 0.5 * share

    def halfway(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.interp(row[:, MIDDLE] * energy, energy, values))

    path = share * energy / halfway(row[:, STOPPING])
    row[:, STRENGTH] = path * halfway(first)
    row[:, SPREAD] = np.minimum(np.sqrt(3.0 * halfway(straggling) * path) / (share * energy), 0.95)
    row[:, SCALE], row[:, INVERSE_EXPONENT], row[:, TRUNCATION] = pareto(row[:, STRENGTH], path * halfway(second))
    row[:, MAJORANT] = _majorant(row[:, HARD], energy)


def _majorant(hard: NDArray[np.float64], energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greatest of the hard events within a step around its middle energy."""
    first = np.maximum(np.searchsorted(energy, energy / WITHIN_STEP[0], side="right") - 1, 0)
    last = np.minimum(np.searchsorted(energy, energy * WITHIN_STEP[1]), energy.size - 1)
    return np.array([hard[i : j + 1].max() for i, j in zip(first, last, strict=True)])
