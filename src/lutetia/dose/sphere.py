"""Uniform spheres of water: absorbed fractions and S coefficients, for small lesions and as a cross-check."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.dose.point_kernel import nuclide_energy_within
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.physics.stopping import csda_range_water_g_per_cm2
from lutetia.units import GY_PER_MEV_PER_G

LEAST_ELECTRON_MEV = 0.002
"""Electrons below this have ranges under 0.2 um and are absorbed where they are."""

LEAST_MASS_G = 0.1
"""Smaller spheres lose more than 5 % of the electrons' energy, and the approximate electron kernel no longer serves."""


def radius_cm(*, mass_g: float, density_g_per_ml: float) -> float:
    """Radius of a sphere. [cm]"""
    return float((3 * mass_g / (4 * np.pi * density_g_per_ml)) ** (1 / 3))


def pair_distances(radius: float, n: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Chance that a point at distance r from a point of a sphere, in a random direction, lies in it too.

    :math:`\psi(r) = 1 - \frac{3}{4}\frac{r}{R} + \frac{1}{16}\left(\frac{r}{R}\right)^3` for r <= 2R.

    References
    ----------
    Berger MJ. Beta-ray dosimetry calculations with the use of point kernels. In: Medical radionuclides: radiation dose
    and effects, AEC Symposium 20 (1970) 63-86.
    """
    r = np.linspace(0, 2 * radius, n)
    x = r / radius
    return r, 1 - 0.75 * x + x**3 / 16


@lru_cache(maxsize=64)
def _electron_radial(nuclide: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative electron energy absorbed within a distance of the source: [g/cm2], [MeV per decay].

    Electrons lose energy along the continuous-slowing-down range; scattering shortens the reach in a straight line,
    for which path lengths are scaled by the ratio of mean penetration to range of isotropically scattered electrons.
    """
    found = emissions(nuclide)
    spectrum = found.beta_spectrum
    energies = [found.discrete_electrons.energy_mev]
    yields = [found.discrete_electrons.yield_per_decay]
    if spectrum.energy_mev.size > 1:
        grid = np.linspace(0, spectrum.energy_mev[-1], 201)
        middle = (grid[1:] + grid[:-1]) / 2
        weight = np.interp(middle, spectrum.energy_mev, spectrum.per_mev_per_decay) * np.diff(grid)
        energies.append(middle)
        yields.append(weight * spectrum.total_yield / max(weight.sum(), 1e-300))
    energy, probability = np.concatenate(energies), np.concatenate(yields)
    # the discretised spectrum must carry exactly the tabulated energy
    probability = probability * found.electron_energy_mev / max(float(energy @ probability), 1e-300)
    travelling = energy > LEAST_ELECTRON_MEV
    local = float(energy[~travelling] @ probability[~travelling])
    ranges = csda_range_water_g_per_cm2(np.maximum(energy, LEAST_ELECTRON_MEV))
    radii = np.r_[0.0, np.geomspace(1e-6, max(float(ranges.max()), 1e-5), 500)]
    total = np.full(radii.size, local)
    for e, p, reach in zip(energy[travelling], probability[travelling], ranges[travelling], strict=True):
        total += e * p * _absorbed_within(radii / float(reach))
    return radii, total


@lru_cache(maxsize=1)
def _scaled_kernel() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scaled electron point kernel in water: distance over range, cumulative fraction of the energy.

    Electron kernels of 20 to 500 keV are almost one function of distance over range; this smooth stand-in (90 % of the
    energy within 0.72 of the range) is no published table. What it decides is the energy that crosses the surface,
    which is why spheres under LEAST_MASS_G are refused.
    """
    x = np.linspace(0, 1.1, 221)
    # energy deposited per scaled distance: nearly flat to 0.6, then a fall that ends at about 1.0
    density = (1.0 + 1.9 * x**1.2) * 0.5 * (1 - np.tanh((x - 0.68) / 0.14))
    cumulative = np.r_[0.0, np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(x))]
    return x, cumulative / cumulative[-1]


def _absorbed_within(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    x, cumulative = _scaled_kernel()
    return np.interp(scaled, x, cumulative)


def _absorbed_in_sphere(radius: float, radii: NDArray[np.float64], energy: NDArray[np.float64]) -> float:
    """Energy absorbed in a uniform sphere by a radial cumulative function: sum over shells of psi(r) dE."""
    r, psi = pair_distances(radius)
    inside = np.interp(r, radii, energy)
    return float(inside[0] + np.sum(np.diff(inside) * (psi[1:] + psi[:-1]) / 2))


def absorbed_energy_in_sphere_mev(*, mass_g: float, density_g_per_ml: float, nuclide: str) -> float:
    """Energy of a decay absorbed in a uniform sphere, all radiation, progeny not included. [MeV]"""
    if mass_g <= 0 or density_g_per_ml <= 0:
        raise InputError(f"Sphere of {mass_g} g and {density_g_per_ml} g/mL; expected positive values.")
    if mass_g < LEAST_MASS_G:
        raise OutOfRangeError(f"Sphere of {mass_g:.3g} g; the sphere model holds from {LEAST_MASS_G} g.")
    r = radius_cm(mass_g=mass_g, density_g_per_ml=density_g_per_ml) * density_g_per_ml
    found = emissions(nuclide)
    electrons = _absorbed_in_sphere(r, *_electron_radial(nuclide))
    photons = _absorbed_in_sphere(r, *nuclide_energy_within(nuclide))
    soft = decay_energy(nuclide).local_mev - found.electron_energy_mev
    return electrons + photons + soft


def sphere_s_coefficient(*, mass_g: float, nuclide: str, density_g_per_ml: float = 1.04) -> float:
    """S coefficient of a uniform sphere to itself. [Gy/(Bq s)]"""
    energy = absorbed_energy_in_sphere_mev(mass_g=mass_g, density_g_per_ml=density_g_per_ml, nuclide=nuclide)
    return energy / mass_g * GY_PER_MEV_PER_G
