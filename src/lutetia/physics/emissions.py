"""What a nuclide emits per decay: photons, electrons, betas, alphas and recoils (ICRP Publication 107).

The tables come from the package ``icrp107_database``. What to know about them: each file is JSON inside JSON;
``beta-`` and ``beta+`` list *mean* energies of the branches, not end points; the beta spectrum sums both signs, and
its trapezoidal area is off the branch yields by up to 0.2 %, so it is renormalised here; X rays and Auger electrons
are lumped lines; the energy of an alpha particle is without the recoil of the daughter, which is listed apart.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.physics.names import nuclide_name, suggestion
from lutetia.units import S_PER_DAY, S_PER_H, S_PER_MIN

_SECONDS = {
    "us": 1.0e-6,
    "ms": 1.0e-3,
    "s": 1.0,
    "m": S_PER_MIN,
    "h": S_PER_H,
    "d": S_PER_DAY,
    "y": 365.2422 * S_PER_DAY,
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lines:
    """Radiation of discrete energies.

    Attributes
    ----------
    energy_mev : (n,) increasing. [MeV]
    yield_per_decay : (n,) particles per decay
    """

    energy_mev: NDArray[np.float64]
    yield_per_decay: NDArray[np.float64]

    @property
    def mean_energy_per_decay_mev(self) -> float:
        """Energy emitted per decay, sum of energy times yield. [MeV]"""
        return float(self.energy_mev @ self.yield_per_decay)

    @property
    def total_yield(self) -> float:
        """Particles per decay."""
        return float(self.yield_per_decay.sum())

    def above(self, energy_mev: float) -> "Lines":
        """Only the lines of at least this energy. [MeV]"""
        keep = self.energy_mev >= energy_mev
        return Lines(energy_mev=self.energy_mev[keep], yield_per_decay=self.yield_per_decay[keep])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BetaSpectrum:
    """Energy distribution of all beta particles (both signs) of one decay.

    Attributes
    ----------
    energy_mev : (n,) increasing from 0 to the highest end point. [MeV]
    per_mev_per_decay : (n,) linear between the energies; its integral is the number of betas per decay. [1/MeV]
    """

    energy_mev: NDArray[np.float64]
    per_mev_per_decay: NDArray[np.float64]

    @property
    def total_yield(self) -> float:
        """Beta particles per decay: the area."""
        return float(np.trapezoid(self.per_mev_per_decay, self.energy_mev))

    @property
    def mean_energy_per_decay_mev(self) -> float:
        """Energy per decay as the piecewise linear spectrum has it. [MeV]"""
        if self.energy_mev.size == 0:
            return 0.0
        low, high = self.energy_mev[:-1], self.energy_mev[1:]
        at_low, at_high = self.per_mev_per_decay[:-1], self.per_mev_per_decay[1:]
        moments = (high - low) * (at_low * (2.0 * low + high) + at_high * (low + 2.0 * high)) / 6.0
        return float(moments.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Emissions:
    """Radiation per decay of one nuclide, daughters not included.

    Attributes
    ----------
    name : "Lu-177"
    half_life_s : [s]
    gamma, x_ray, annihilation, conversion, auger, alpha, recoil : Lines
        ``annihilation`` is the 511 keV line of positron emitters, listed here only; ``conversion`` are conversion
        electrons; ``recoil`` the daughter nuclei after alpha emission.
    beta_minus, beta_plus : Lines
        *Mean* energy and yield of each branch.
    beta_spectrum : BetaSpectrum
    """

    name: str
    half_life_s: float
    gamma: Lines
    x_ray: Lines
    annihilation: Lines
    conversion: Lines
    auger: Lines
    beta_minus: Lines
    beta_plus: Lines
    beta_spectrum: BetaSpectrum
    alpha: Lines
    recoil: Lines

    @property
    def photons(self) -> Lines:
        """Gamma, X and annihilation radiation in one list."""
        return _joined(self.gamma, self.x_ray, self.annihilation)

    @property
    def discrete_electrons(self) -> Lines:
        """Conversion and Auger electrons in one list."""
        return _joined(self.conversion, self.auger)

    @property
    def beta_energy_mev(self) -> float:
        """Energy of beta particles per decay, from the branches. [MeV]"""
        return self.beta_minus.mean_energy_per_decay_mev + self.beta_plus.mean_energy_per_decay_mev

    @property
    def electron_energy_mev(self) -> float:
        """Energy of beta, conversion and Auger electrons per decay. [MeV]"""
        return self.beta_energy_mev + self.discrete_electrons.mean_energy_per_decay_mev

    @property
    def photon_energy_mev(self) -> float:
        """Energy of photons per decay. [MeV]"""
        return self.photons.mean_energy_per_decay_mev

    @property
    def alpha_energy_mev(self) -> float:
        """Energy of alpha particles per decay, without recoil. [MeV]"""
        return self.alpha.mean_energy_per_decay_mev

    @property
    def recoil_energy_mev(self) -> float:
        """Energy of alpha-recoil nuclei per decay. [MeV]"""
        return self.recoil.mean_energy_per_decay_mev


@lru_cache(maxsize=256)
def emissions(name: str) -> Emissions:
    """Radiation per decay of a nuclide, from ICRP Publication 107.

    Parameters
    ----------
    name : "Lu-177"; "Lu177" and "177Lu" are understood.

    Returns
    -------
    Emissions
        Daughters are not included; arrays are read-only.

    Raises
    ------
    InputError
        When the nuclide is not in the data set; the message names similar ones.

    References
    ----------
    ICRP Publication 107, Ann ICRP 38(3), 2008, doi:10.1016/j.icrp.2008.10.004.

    Examples
    --------
    >>> round(emissions("Lu-177").electron_energy_mev, 4)
    0.1479
    """
    name = nuclide_name(name)
    content = _content(name)
    table = content["emissions"]
    beta_minus, beta_plus = _lines(table["beta-"]), _lines(table["beta+"])
    return Emissions(
        name=name,
        half_life_s=float(content["half_life"]) * _SECONDS[content["time_unit"]],
        gamma=_lines(table["gamma"]),
        x_ray=_lines(table["X"]),
        annihilation=_lines(table["annihilation"]),
        conversion=_lines(table["IE"]),
        auger=_lines(table["auger"]),
        beta_minus=beta_minus,
        beta_plus=beta_plus,
        beta_spectrum=_spectrum(table["b-spectra"], beta_minus.total_yield + beta_plus.total_yield),
        alpha=_lines(table["alpha"]),
        recoil=_lines(table["alpha recoil"]),
    )


def _content(name: str) -> dict[str, Any]:
    folder = resources.files("icrp107_database").joinpath("icrp107")
    file = folder.joinpath(f"{name}.json")
    if not file.is_file():
        known = [entry.name.removesuffix(".json") for entry in folder.iterdir()]
        raise InputError(f"No nuclide {name!r} in ICRP Publication 107. {suggestion(name, known)}")
    outer: Any = json.loads(file.read_text(encoding="utf-8"))
    # The database holds JSON text inside a JSON string.
    content: dict[str, Any] = json.loads(outer) if isinstance(outer, str) else outer
    return content


def _lines(rows: list[list[float]]) -> Lines:
    pairs = np.array(rows, dtype=np.float64).reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return Lines(energy_mev=_frozen(pairs[:, 0]), yield_per_decay=_frozen(pairs[:, 1]))


def _joined(*parts: Lines) -> Lines:
    energy = np.concatenate([part.energy_mev for part in parts])
    yields = np.concatenate([part.yield_per_decay for part in parts])
    order = np.argsort(energy, kind="stable")
    return Lines(energy_mev=_frozen(energy[order]), yield_per_decay=_frozen(yields[order]))


def _spectrum(rows: list[list[float]], branch_yield: float) -> BetaSpectrum:
    """The tabulated spectrum, scaled so that its area is the number of betas per decay."""
    pairs = np.array(rows, dtype=np.float64).reshape(-1, 2)
    area = float(np.trapezoid(pairs[:, 1], pairs[:, 0]))
    scale = branch_yield / area if area > 0.0 else 0.0
    return BetaSpectrum(energy_mev=_frozen(pairs[:, 0]), per_mev_per_decay=_frozen(pairs[:, 1] * scale))


def _frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.ascontiguousarray(values)
    values.flags.writeable = False
    return values
