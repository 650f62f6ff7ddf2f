"""Interaction data of materials as arrays for the kernels that follow photons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import OutOfRangeError
from lutetia.physics.atoms import PER_ANGSTROM_PER_MEV, KShell, form_factor_squared, k_shells, scattering_function
from lutetia.physics.attenuation import HIGHEST_MEV, LOWEST_MEV, Process, mass_attenuation_cm2_per_g
from lutetia.physics.materials import Material
from lutetia.physics.transport import ELECTRON_REST_MEV

CUTOFF_MEV: Final = 0.005
"""Photons below this are absorbed where they are: they travel under 0.3 mm in water."""
ELECTRON_CUTOFF_MEV: Final = 0.01
STEP: Final = 0.008
"""Between energies, in the logarithm; photoelectric absorption is interpolated to 7e-5, edges are 0.8 % wide."""
COARSE_BITS: Final = 3
COARSE: Final = 1 << COARSE_BITS
"""Energies of the tables that share one majorant, and one interval of the Compton angles."""
COLUMNS: Final = 8
TOTAL, ABSORPTION, INCOHERENT, PHOTO, PAIR = 0, 1, 2, 3, 4
"""Columns of ``mass_coefficients``: the last three are sums up to and with the process, coherent the rest."""
N_SCATTERING: Final = 512
N_COHERENT: Final = 480
N_QUANTILES: Final = 256
N_ANGLES: Final = 8192
WIDEST_PER_ANGSTROM: Final = 25.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhotonTables:
    """What the kernels know of materials, over the logarithm of the energy.

    Attributes
    ----------
    scale : (4,) logarithm of the least energy, inverse step of the logarithm, cut-off of photons, cut-off of
        electrons [MeV]
    mass_coefficients : (materials, energies, 8) float32. Columns: total with coherent; energy given to electrons per
        photon energy; incoherent; with photoelectric; with pair production; three empty ones. [cm2/g]
    scattering : (materials, 513) float32, scattering function on even x / (x + 1), from 0 to 1
    coherent : (1 + materials, 481) squares of x [1/angstrom2], then the integrals of F^2 over them
    shells : (k shells, 9) edge, yield, K-alpha1, K-alpha2, K-beta, energy of Auger electrons [MeV], shares of
        K-alpha1 and of both K-alpha, and unused; those with lines above the cut-off
    shell_share : (k shells, energies) float32, of photoelectric events in the material that ionise the shell
    first_shell : (materials + 1,) int32, where the shells of each material begin
    quantiles : (energies / 8 + 2, 257) float32, 1 - cosine of Klein-Nishina scattering at even cumulative probabilities

    Notes
    -----
    ``absorption`` is the mean over what the kernels sample, so that energy is conserved in expectation and every
    estimator has the same mean: Klein-Nishina times the scattering function with a free electron's recoil, K
    fluorescence above the cut-off leaving the place, 2 m c2 of every pair carried off by annihilation photons. Energy
    that the electrons would radiate as bremsstrahlung is *not* taken off: in the kerma approximation it is absorbed
    where the electron is (too much by g, in water 0.4 % at 1.5 MeV and 0.9 % at 3 MeV); coupled transport follows it.
    """

    scale: NDArray[np.float64]
    mass_coefficients: NDArray[np.float32]
    scattering: NDArray[np.float32]
    coherent: NDArray[np.float64]
    shells: NDArray[np.float64]
    shell_share: NDArray[np.float32]
    first_shell: NDArray[np.int32]
    quantiles: NDArray[np.float32]

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """As the kernels take them."""
        return (
            self.scale, self.mass_coefficients, self.scattering, self.coherent, self.shells, self.shell_share,
            self.first_shell, self.quantiles,
        )  # fmt: skip

    @property
    def energy_mev(self) -> NDArray[np.float64]:
        """Energies of the columns. [MeV]"""
        return np.asarray(np.exp(self.scale[0] + np.arange(self.mass_coefficients.shape[1]) / self.scale[1]))


def photon_tables(
    materials: Sequence[Material],
    highest_mev: float,
    *,
    cutoff_mev: float = CUTOFF_MEV,
    electron_cutoff_mev: float = ELECTRON_CUTOFF_MEV,
) -> PhotonTables:
    """Tables from the cut-off to the highest energy of a source.

    Parameters
    ----------
    materials : compositions, in the order of their indices
    highest_mev : of the photons to be followed; annihilation photons are always within. [MeV]
    cutoff_mev : photons below are absorbed where they are. [MeV]
    electron_cutoff_mev : electrons below are absorbed where they are, in coupled transport. [MeV]

    Raises
    ------
    OutOfRangeError
        A cut-off below 1 keV, energies above 3 MeV, or a cut-off above the highest energy.
    """
    if not LOWEST_MEV <= cutoff_mev < highest_mev <= HIGHEST_MEV:
        raise OutOfRangeError(
            f"Photons from {cutoff_mev:g} to {highest_mev:g} MeV; the tables hold from {LOWEST_MEV:g} to "
            f"{HIGHEST_MEV:g} MeV."
        )
    highest = min(max(highest_mev, ELECTRON_REST_MEV) * 1.001, HIGHEST_MEV)
    energy = np.geomspace(cutoff_mev, highest, math.ceil(math.log(highest / cutoff_mev) / STEP) + 1)
    share = np.arange(N_SCATTERING + 1) / N_SCATTERING
    scattering = np.array([scattering_function(m, _x_of(share)) for m in materials])
    shells = [_radiant_shells(m, cutoff_mev) for m in materials]
    shares = [_shell_shares(m, found, energy) for m, found in zip(materials, shells, strict=True)]
    coefficients = np.zeros((len(materials), energy.size, COLUMNS), np.float32)
    for i, material in enumerate(materials):
        fluorescence = sum((s * mean_line_mev(k, cutoff_mev) for k, s in zip(shells[i].values(), shares[i], strict=True)),
                           start=np.zeros_like(energy))  # fmt: skip
        coefficients[i] = _coefficients(material, energy, scattering[i], fluorescence)
    rows = [_shell_row(shell) for found in shells for shell in found.values()]
    return PhotonTables(
        scale=np.array([np.log(energy[0]), 1.0 / np.log(energy[1] / energy[0]), cutoff_mev, electron_cutoff_mev]),
        mass_coefficients=coefficients,
        scattering=scattering.astype(np.float32),
        coherent=np.ascontiguousarray(_coherent(materials)),
        shells=np.array(rows).reshape(len(rows), 9),
        shell_share=np.array([s for group in shares for s in group], np.float32).reshape(len(rows), energy.size),
        first_shell=np.cumsum([0, *(len(found) for found in shells)]).astype(np.int32),
        quantiles=_klein_nishina_quantiles(energy),
    )


def mean_line_mev(shell: KShell, cutoff_mev: float) -> float:
    """Energy that leaves as K lines above the cut-off, per vacancy of the shell. [MeV]"""
    lines = zip(shell.lines_mev, shell.line_shares, strict=True)
    return shell.fluorescence_yield * sum(e * share for e, share in lines if e >= cutoff_mev)


def compton_transfer(energy_mev: NDArray[np.float64], scattering: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean fraction of its energy a photon gives to an electron, Klein-Nishina times scattering function.

    ``scattering`` is on even x / (x + 1) from 0 to 1, and interpolated linearly in that, as the kernels do.
    """
    nodes, weight = _angles()
    cosine = 1.0 - 0.5 * (1.0 + nodes) ** 2  # finer forward, where the scattering function rises
    jacobian = 1.0 + nodes
    alpha = np.asarray(energy_mev)[:, None] / ELECTRON_REST_MEV
    ratio = 1.0 / (1.0 + alpha * (1.0 - cosine))
    x = PER_ANGSTROM_PER_MEV * np.asarray(energy_mev)[:, None] * np.sqrt(0.5 * (1.0 - cosine))
    bound = np.interp(x / (x + 1.0), np.linspace(0.0, 1.0, scattering.size), scattering)
    density = weight * jacobian * ratio**2 * (ratio + 1.0 / ratio - 1.0 + cosine**2) * bound
    return np.asarray((density * (1.0 - ratio)).sum(axis=1) / density.sum(axis=1))


def _klein_nishina_quantiles(energy_mev: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 - cosine at even cumulative probabilities, at every eighth energy and one beyond the last."""
    step = COARSE * math.log(energy_mev[1] / energy_mev[0])
    coarse = energy_mev[0] * np.exp(step * np.arange((energy_mev.size - 2) // COARSE + 2))
    t = 2.0 * (np.arange(N_ANGLES + 1) / N_ANGLES) ** 2  # finer forward, where high energies scatter
    ratio = 1.0 / (1.0 + coarse[:, None] / ELECTRON_REST_MEV * t)
    density = ratio**2 * (ratio + 1.0 / ratio - t * (2.0 - t))
    cumulative = np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(t), axis=1)
    wanted = np.arange(N_QUANTILES + 1) / N_QUANTILES
    rows = [np.interp(wanted, np.r_[0.0, row / row[-1]], t) for row in cumulative]
    return np.array(rows, np.float32)


@lru_cache(maxsize=1)
def _angles() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of the integral over scattering angles, which take longer to find than to use."""
    nodes, weight = np.polynomial.legendre.leggauss(192)
    return np.asarray(nodes), np.asarray(weight)


def _x_of(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """X of x / (x + 1); a large one for 1."""
    return share / np.maximum(1.0 - share, 1e-6)


def _coefficients(
    material: Material,
    energy: NDArray[np.float64],
    scattering: NDArray[np.float64],
    fluorescence_mev: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Columns of one material, (energies, 8)."""
    names: tuple[Process, ...] = ("incoherent", "photoelectric", "pair", "coherent")
    incoherent, photo, pair, coherent = (mass_attenuation_cm2_per_g(material, energy, process=p) for p in names)
    kinetic = np.maximum(1.0 - 2.0 * ELECTRON_REST_MEV / energy, 0.0)
    absorbed = incoherent * compton_transfer(energy, scattering) + pair * kinetic
    absorbed += photo * (1.0 - fluorescence_mev / energy)
    columns = np.zeros((energy.size, COLUMNS))
    columns[:, INCOHERENT] = incoherent
    columns[:, PHOTO] = incoherent + photo
    columns[:, PAIR] = incoherent + photo + pair
    columns[:, TOTAL] = incoherent + photo + pair + coherent
    columns[:, ABSORPTION] = absorbed
    return columns


def _radiant_shells(material: Material, cutoff_mev: float) -> dict[str, KShell]:
    """K shells of a material's elements that have a line above the cut-off."""
    known = k_shells()
    elements = (symbol for symbol in material.mass_fractions if symbol in known)
    return {symbol: known[symbol] for symbol in elements if known[symbol].lines_mev[2] >= cutoff_mev}


def _shell_shares(
    material: Material, shells: dict[str, KShell], energy: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Of the photoelectric events in the material, which share ionises each shell."""
    total = mass_attenuation_cm2_per_g(material, energy, process="photoelectric")
    shares = []
    for symbol, shell in shells.items():
        alone = Material(name=symbol, density_g_per_ml=1.0, mass_fractions={symbol: 1.0}, source="element")
        part = mass_attenuation_cm2_per_g(alone, energy, process="photoelectric")
        share = material.mass_fractions[symbol] * part / total * shell.share
        shares.append(np.where(energy > shell.edge_mev, share, 0.0))
    return shares


def _shell_row(shell: KShell) -> list[float]:
    first, second, beta = shell.lines_mev
    auger = 2.0 * second - shell.edge_mev  # KLL: the K edge less two L edges, each being the edge less K-alpha
    both = shell.line_shares[0] + shell.line_shares[1]
    return [shell.edge_mev, shell.fluorescence_yield, first, second, beta, auger, shell.line_shares[0], both, 0.0]


def _coherent(materials: Sequence[Material]) -> NDArray[np.float64]:
    """Squares of x, then for each material the integral of F^2 over them up to each."""
    x = np.r_[0.0, np.geomspace(2e-3, WIDEST_PER_ANGSTROM, N_COHERENT)]
    # the mean of F^2 over each interval, by Simpson's rule in x^2
    middle = np.sqrt(0.5 * (x[1:] ** 2 + x[:-1] ** 2))
    rows = [x**2]
    for material in materials:
        ends, inner = form_factor_squared(material, x), form_factor_squared(material, middle)
        mean = (ends[1:] + 4.0 * inner + ends[:-1]) / 6.0
        rows.append(np.r_[0.0, np.cumsum(mean * np.diff(x**2))])
    return np.array(rows)
