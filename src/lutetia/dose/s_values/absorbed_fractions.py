"""Specific absorbed fractions at single energies, and S coefficients of any nuclide folded from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.dose.s_values.marrow import MarrowSite, fine_beta_spectrum, marrow_charged_energy_mev
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.units import G_PER_KG, J_PER_MEV

Radiation = Literal["photon", "electron"]
HIGHEST_RELATIVE: Final = 1.01
"""Energies may lie this far above the last of the grid, at its value."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpecificAbsorbedFractions:
    """Share of an energy emitted in a source that each kilogram of a target absorbs.

    Attributes
    ----------
    source, target : regions
    radiation : "photon" or "electron"
    energy_mev : (n,) increasing. [MeV]
    value_per_kg : (n,) [1/kg]
    u_relative : (n,) relative standard uncertainty of the sampling
    limit_per_kg : at energy 0, where all is absorbed on the spot: the share of the decays in the target over its mass,
        0 for a target that shares nothing with the source. [1/kg]
    target_mass_g : [g]
    """

    source: str
    target: str
    radiation: Radiation
    energy_mev: NDArray[np.float64]
    value_per_kg: NDArray[np.float64]
    u_relative: NDArray[np.float64]
    limit_per_kg: float
    target_mass_g: float

    def __post_init__(self) -> None:
        n = self.energy_mev.size
        if n < 2 or self.value_per_kg.shape != (n,) or self.u_relative.shape != (n,):
            raise InputError(
                f"{self.target} <- {self.source}: {n} energies, {self.value_per_kg.size} values and "
                f"{self.u_relative.size} uncertainties; expected as many of each, at least two."
            )
        if np.any(np.diff(self.energy_mev) <= 0) or self.energy_mev[0] <= 0 or np.any(self.value_per_kg < 0):
            raise InputError(
                f"{self.target} <- {self.source}: energies must increase from above 0, values be 0 or more."
            )

    def at(self, energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolated: log-log between energies where both ends are above 0, linear elsewhere. [1/kg]

        Below the first energy linear from ``limit_per_kg`` at 0.

        Raises
        ------
        OutOfRangeError
            Above the last energy.
        """
        asked = np.asarray(energy_mev, dtype=np.float64)
        _require_in_range(self, asked)
        return np.asarray(_interpolated(self.energy_mev, self.value_per_kg, self.limit_per_kg, asked))

    def relative_uncertainty_at(self, energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative standard uncertainty, linear between energies."""
        return np.asarray(np.interp(energy_mev, self.energy_mev, self.u_relative))


def _require_in_range(table: SpecificAbsorbedFractions, asked: NDArray[np.float64]) -> None:
    last = float(table.energy_mev[-1])
    if asked.size and float(asked.max()) > last * HIGHEST_RELATIVE:
        raise OutOfRangeError(
            f"A {table.radiation} of {float(asked.max()):.4g} MeV; the specific absorbed fractions of "
            f"{table.target} <- {table.source} end at {last:g} MeV."
        )


def _interpolated(
    energy: NDArray[np.float64], value: NDArray[np.float64], limit: float, asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    inside = np.clip(asked, energy[0], energy[-1])
    i = np.clip(np.searchsorted(energy, inside, side="right") - 1, 0, energy.size - 2)
    f = np.log(inside / energy[i]) / np.log(energy[i + 1] / energy[i])
    low, high = value[i], value[i + 1]
    both = (low > 0) & (high > 0)
    safe_low, safe_high = np.where(both, low, 1.0), np.where(both, high, 1.0)
    found = np.where(both, safe_low * (safe_high / safe_low) ** f, low + (high - low) * f)
    below = limit + (value[0] - limit) * asked / energy[0]
    return np.asarray(np.where(asked < energy[0], below, found))


def folded_s_coefficient(
    *,
    nuclide: str,
    photon: SpecificAbsorbedFractions,
    electron: SpecificAbsorbedFractions,
    marrow: Sequence[MarrowSite] = (),
) -> SCoefficient:
    r"""S coefficient of a nuclide from the specific absorbed fractions of one source and target.

    .. math:: S = \sum_i y_i E_i \Phi_\gamma(E_i) + \sum_j y_j E_j \Phi_e(E_j)
              + \int N_\beta(E)\,E\,\Phi_e(E)\,dE + E_\alpha \Phi(0)

    over photons, conversion and Auger electrons, the beta spectrum, and alphas with recoil, which stay where they are
    emitted. Progeny is not included.

    Parameters
    ----------
    nuclide : for example "Lu-177"
    photon, electron : of the same source and target
    marrow : bones with active marrow, when both regions are red marrow: its charged particles follow
        ``marrow_charged_energy_mev``

    Raises
    ------
    InputError
        Tables of different regions.
    OutOfRangeError
        Radiation above the tables' energies.
    """
    if (photon.source, photon.target) != (electron.source, electron.target):
        raise InputError(
            f"Photons of {photon.target} <- {photon.source}, electrons of {electron.target} <- {electron.source}."
        )
    found = emissions(nuclide)
    hard = found.photons.energy_mev >= CUTOFF_MEV
    energy, yields = found.photons.energy_mev, found.photons.yield_per_decay
    gamma, u_gamma = _lines(photon, energy[hard], yields[hard])
    charged, u_charged = _lines(photon, energy[~hard], yields[~hard])
    if marrow:
        charged += marrow_charged_energy_mev(nuclide, marrow) / photon.target_mass_g * G_PER_KG
    else:
        parts = [
            _lines(electron, found.discrete_electrons.energy_mev, found.discrete_electrons.yield_per_decay),
            _beta(electron, *fine_beta_spectrum(found)),
        ]
        charged += sum(value for value, _ in parts)
        charged += (found.alpha_energy_mev + found.recoil_energy_mev) * electron.limit_per_kg
        u_charged += sum(u for _, u in parts)
    total = charged + gamma
    return SCoefficient(
        source=photon.source,
        target=photon.target,
        charged_gy_per_bq_s=charged * J_PER_MEV,
        photon_gy_per_bq_s=gamma * J_PER_MEV,
        target_mass_g=photon.target_mass_g,
        u_relative=float(np.hypot(u_gamma, u_charged)) / total if total > 0 else None,
    )


def _lines(
    table: SpecificAbsorbedFractions, energy: NDArray[np.float64], yields: NDArray[np.float64]
) -> tuple[float, float]:
    """Sum over lines and its uncertainty, errors of one table taken as correlated. [MeV/kg]"""
    if energy.size == 0:
        return 0.0, 0.0
    parts = energy * yields * table.at(energy)
    return float(parts.sum()), float(parts @ table.relative_uncertainty_at(energy))


def _beta(
    table: SpecificAbsorbedFractions, energy: NDArray[np.float64], per_mev: NDArray[np.float64]
) -> tuple[float, float]:
    """Integral over a beta spectrum and its uncertainty. [MeV/kg]"""
    if energy.size == 0:
        return 0.0, 0.0
    parts = energy * per_mev * table.at(energy)
    return (
        float(np.trapezoid(parts, energy)),
        float(np.trapezoid(parts * table.relative_uncertainty_at(energy), energy)),
    )


def mixed(source: str, parts: Sequence[tuple[float, SpecificAbsorbedFractions]]) -> SpecificAbsorbedFractions:
    """Fractions of a source made of several, each with its share of the decays.

    Parameters
    ----------
    source : name of the whole
    parts : (share, table) of each part; the shares sum to 1

    Raises
    ------
    InputError
        Shares that do not sum to 1, or tables of different targets, energies or radiation.
    """
    pairs = list(parts)
    first = pairs[0][1]
    total = sum(share for share, _ in pairs)
    same = all(
        table.target == first.target
        and table.radiation == first.radiation
        and np.array_equal(table.energy_mev, first.energy_mev)
        for _, table in pairs
    )
    if not same or abs(total - 1.0) > 1e-6:
        raise InputError(f"{source}: parts with shares that sum to {total:g}, or of different targets or energies.")
    value = np.sum([share * table.value_per_kg for share, table in pairs], axis=0)
    variance = np.sum([(share * table.value_per_kg * table.u_relative) ** 2 for share, table in pairs], axis=0)
    return SpecificAbsorbedFractions(
        source=source,
        target=first.target,
        radiation=first.radiation,
        energy_mev=first.energy_mev,
        value_per_kg=value,
        u_relative=np.divide(np.sqrt(variance), value, out=np.zeros_like(value), where=value > 0),
        limit_per_kg=float(sum(share * table.limit_per_kg for share, table in pairs)),
        target_mass_g=first.target_mass_g,
    )
