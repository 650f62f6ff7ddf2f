"""Energy and dose in voxels around a voxel of activity: dose voxel kernels in any medium."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import qmc

from lutetia.dose.energies import decay_energy
from lutetia.dose.point_kernel import (
    nuclide_charged_energy_within,
    nuclide_electron_energy_within,
    nuclide_energy_within,
)
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import CM_PER_MM, GY_PER_MEV_PER_G, ML_PER_MM3

NEAR: Final = 3
"""Voxels up to this many steps from the source are integrated ray by ray, others by quadrature."""
N_RAYS: Final = 2**18
N_RAYS_OUT: Final = 2**16
PHOTON_REACH_MM: Final = 120.0
LEAST_HALF: Final = 5
MOST_HALF: Final = 25
MOST_VOXELS: Final = 50_000_000


@njit(cache=True)
def _trace(points, directions, spacing, radii, energy, near):
    """Energy absorbed per voxel around a source spread over the middle voxel, along straight rays.

    ``points`` in [0, 1)^3 of the voxel; absorbed energy between two distances is a difference of the cumulative
    radial function, so no energy is lost between voxels.
    """
    n = 2 * near + 1
    tally = np.zeros((n, n, n))
    for r in range(points.shape[0]):
        cell = np.array([near, near, near])
        step, to_next, per_cell = np.zeros(3, np.int64), np.zeros(3), np.zeros(3)
        for axis in range(3):
            d = directions[r, axis]
            step[axis] = 1 if d > 0 else -1
            room = (1.0 - points[r, axis]) if d > 0 else points[r, axis]
            per_cell[axis] = spacing[axis] / max(abs(d), 1e-12)
            to_next[axis] = room * per_cell[axis]
        before, inside = 0.0, True
        while inside:
            axis = int(np.argmin(to_next))
            after = np.interp(to_next[axis], radii, energy)
            tally[cell[2], cell[1], cell[0]] += after - before
            before = after
            cell[axis] += step[axis]
            to_next[axis] += per_cell[axis]
            inside = 0 <= cell[axis] < n
    return tally / points.shape[0]


def _near_energy(
    spacing_cm: NDArray[np.float64], near: int, radii_cm: NDArray[np.float64], energy_mev: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Energy in the voxels up to ``near`` steps from the source, from a cumulative radial function."""
    sample = qmc.Sobol(5, seed=1).random(N_RAYS)
    z, phi = 2 * sample[:, 3] - 1, 2 * np.pi * sample[:, 4]
    s = np.sqrt(1 - z * z)
    directions = np.stack([s * np.cos(phi), s * np.sin(phi), z], axis=1)
    tally = _trace(sample[:, :3], directions, spacing_cm, np.array(radii_cm), np.array(energy_mev), near)
    # the kernel is even along each axis; averaging the mirror images removes most of the sampling noise
    for axis in range(3):
        tally = (tally + np.flip(tally, axis)) / 2
    return np.asarray(tally)


def _far_energy(
    spacing_cm: NDArray[np.float64], half: tuple[int, int, int], nuclide: str, medium: str
) -> NDArray[np.float64]:
    """Energy absorbed in voxels far from the source, by 2 x 2 x 2 Gauss points of the distance between voxels."""
    radii, cumulative = nuclide_energy_within(nuclide, medium)
    middle = np.sqrt(np.maximum(radii[1:] * radii[:-1], (0.5 * radii[1:]) ** 2))
    density = np.diff(cumulative) / np.diff(radii) / (4 * np.pi * middle**2)
    # the distance of two uniform points in equal boxes has variance h^2/6 per axis: two points at +- h/sqrt(6)
    offset = 1 / math.sqrt(6)
    axes = [np.arange(h + 1)[:, None] + np.array([-offset, offset]) for h in half]
    squares = [(axis * size) ** 2 for axis, size in zip(axes, spacing_cm, strict=True)]
    total = np.zeros((half[2] + 1, half[1] + 1, half[0] + 1))
    log_middle, log_density = np.log(middle), np.log(np.maximum(density, 1e-300))
    for a in range(2):
        for b in range(2):
            for c in range(2):
                r2 = squares[2][:, None, None, c] + squares[1][None, :, None, b] + squares[0][None, None, :, a]
                total += np.exp(np.interp(0.5 * np.log(np.maximum(r2, 1e-12)), log_middle, log_density))
    return total / 8 * float(np.prod(spacing_cm))


def _mirrored(octant: NDArray[np.float64]) -> NDArray[np.float64]:
    """All eight octants of an even function given for non-negative indices."""
    for axis in range(3):
        other = np.flip(np.take(octant, range(1, octant.shape[axis]), axis=axis), axis)
        octant = np.concatenate([other, octant], axis=axis)
    return octant


@lru_cache(maxsize=8)
def photon_octant(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    half_size: tuple[int, int, int],
    medium: str = "water",
) -> NDArray[np.float32]:
    """Octant of non-negative steps of ``photon_voxel_kernel``, which is even along each axis. [MeV]"""
    spacing_cm = np.asarray(spacing_mm) * CM_PER_MM
    octant = _far_energy(spacing_cm, half_size, nuclide, medium)
    near = _near_energy(spacing_cm, NEAR, *nuclide_energy_within(nuclide, medium))[NEAR:, NEAR:, NEAR:]
    core = tuple(slice(min(NEAR, h) + 1) for h in reversed(half_size))
    octant[core] = near[core]
    result = octant.astype(np.float32)
    result.setflags(write=False)
    return result


def photon_voxel_kernel(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    half_size: tuple[int, int, int],
    medium: str = "water",
) -> NDArray[np.float64]:
    """Photon energy absorbed in each voxel of a medium of unit density per decay in the middle one. [MeV]

    Source and target are whole voxels: the nearest are integrated ray by ray, the others by quadrature.

    Parameters
    ----------
    nuclide : for example "Lu-177"
    spacing_mm : (x, y, z)
    half_size : voxels to either side along (x, y, z)
    medium : name of a material

    Returns
    -------
    (2 hz + 1, 2 hy + 1, 2 hx + 1)
    """
    return _mirrored(photon_octant(nuclide, spacing_mm, half_size, medium).astype(np.float64))


def charged_particle_voxel_kernel(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    half_size: tuple[int, int, int],
    medium: str = "water",
) -> NDArray[np.float64]:
    """Energy of electrons, alphas and recoil absorbed in each voxel per decay in the middle one. [MeV]

    Electrons by the point kernel of our own transport, alphas by straight tracks, recoil and photons below 10 keV where
    they are emitted. Parameters and shape as ``photon_voxel_kernel``.
    """
    spacing_cm = np.asarray(spacing_mm) * CM_PER_MM
    radii, energy = nuclide_charged_energy_within(nuclide, medium)
    near = min(math.ceil(float(radii[-1] / spacing_cm.min())) + 1, max(half_size))
    core = _near_energy(spacing_cm, near, radii, energy)
    core[near, near, near] += still_mev(nuclide)
    kernel = np.zeros(tuple(2 * h + 1 for h in reversed(half_size)))
    kept = [min(near, h) for h in reversed(half_size)]
    outer = tuple(slice(h - k, h + k + 1) for h, k in zip(reversed(half_size), kept, strict=True))
    kernel[outer] = core[tuple(slice(near - k, near + k + 1) for k in kept)]
    return kernel


def still_mev(nuclide: str) -> float:
    """Energy per decay that is absorbed where it is emitted: recoil and photons below 10 keV. [MeV]"""
    found = emissions(nuclide)
    return decay_energy(nuclide).local_mev - found.electron_energy_mev - found.alpha_energy_mev


@lru_cache(maxsize=8)
def charged_octant(
    nuclide: str, spacing_mm: tuple[float, float, float], medium: str = "water"
) -> NDArray[np.float32]:
    """Octant of non-negative steps of ``charged_particle_voxel_kernel`` as far as electrons go. [MeV]"""
    reach_mm = float(nuclide_charged_energy_within(nuclide, medium)[0][-1]) / CM_PER_MM
    hx, hy, hz = (math.ceil(reach_mm / s) + 1 for s in spacing_mm)
    kernel = charged_particle_voxel_kernel(nuclide, spacing_mm, (hx, hy, hz), medium)
    octant = np.ascontiguousarray(kernel[hz:, hy:, hx:], dtype=np.float32)
    octant.setflags(write=False)
    return octant


@lru_cache(maxsize=8)
def electron_octant(nuclide: str, spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Octant of non-negative steps of the energy of electrons alone in voxels of water. [MeV]"""
    radii, energy = nuclide_electron_energy_within(nuclide)
    spacing_cm = np.asarray(spacing_mm) * CM_PER_MM
    near = math.ceil(float(radii[-1] / spacing_cm.min())) + 1
    octant = np.ascontiguousarray(
        _near_energy(spacing_cm, near, radii, energy)[near:, near:, near:], dtype=np.float32
    )
    octant.setflags(write=False)
    return octant


def whole_sum(octant: NDArray[np.floating[Any]]) -> float:
    """Sum of an even function over all steps, from its octant of non-negative ones."""
    return float(_mirrored(octant.astype(np.float64)).sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelKernel:
    """Dose in the voxels around a voxel that is evenly filled with activity, in an endless even medium.

    Attributes
    ----------
    nuclide, medium : names; progeny are not included
    density_g_per_ml : of the medium
    spacing_mm : (x, y, z)
    energy_mev : (z, y, x) energy absorbed in each voxel per decay, the octant of non-negative steps from the source. [MeV]
    emitted_mev, escaped_mev : energy of a decay, and the part that leaves the kernel, traced apart. [MeV]
    local_mev : part that is absorbed where it is emitted: recoil and photons below 10 keV. [MeV]
    method : in words
    """

    nuclide: str
    medium: str
    density_g_per_ml: float
    spacing_mm: tuple[float, float, float]
    energy_mev: NDArray[np.float64]
    emitted_mev: float
    escaped_mev: float
    local_mev: float
    method: str

    @property
    def s_gy_per_bq_s(self) -> NDArray[np.float64]:
        """S coefficients of the octant. (z, y, x) [Gy/(Bq s)]"""
        mass_g = float(np.prod(self.spacing_mm)) * ML_PER_MM3 * self.density_g_per_ml
        return np.asarray(self.energy_mev / mass_g * GY_PER_MEV_PER_G)

    @property
    def absorbed_mev(self) -> float:
        """Energy absorbed in the whole kernel, all eight octants. [MeV]"""
        return whole_sum(self.energy_mev)

    @property
    def balance(self) -> float:
        """Absorbed and escaped over emitted energy; 1 when none is lost or gained."""
        return (self.absorbed_mev + self.escaped_mev) / self.emitted_mev


def default_half_size(nuclide: str, spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Voxels to either side of the source that a kernel has unless told otherwise.

    Wide enough for every electron. Where photons carry 1 % of the energy or more, 12 cm in water (9 % of the energy of a
    177Lu decay, half of that of its photons, is absorbed farther out), but 5 to 25 voxels: 4.8 mm gives 51 x 51 x 51.

    Parameters
    ----------
    nuclide : for example "Lu-177"
    spacing_mm : (x, y, z) times the density of the medium, as if it were 1 g/mL
    """
    found = emissions(nuclide)
    reach_mm = float(nuclide_charged_energy_within(nuclide, "water")[0][-1]) / CM_PER_MM
    penetrating = found.photon_energy_mev > 0.01 * (found.electron_energy_mev + found.alpha_energy_mev)
    sizes = []
    for spacing in spacing_mm:
        electrons = math.ceil(reach_mm / spacing) + 1
        photons = min(math.ceil(PHOTON_REACH_MM / spacing), MOST_HALF) if penetrating else 0
        sizes.append(max(LEAST_HALF, electrons, photons))
    return sizes[0], sizes[1], sizes[2]


def voxel_kernel(
    *,
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    medium: str = "water",
    density_g_per_ml: float | None = None,
    half_size: tuple[int, int, int] | None = None,
) -> VoxelKernel:
    """Voxel S coefficients of all radiation of a nuclide in a medium, with their energy balance.

    Parameters
    ----------
    nuclide : for example "Lu-177"; progeny are not included
    spacing_mm : (x, y, z)
    medium : name of a material
    density_g_per_ml : of the medium; by default the material's nominal one
    half_size : voxels to either side along (x, y, z); by default as ``default_half_size``

    Raises
    ------
    InputError
        Unknown nuclide or medium, spacing, density or size not positive.
    OutOfRangeError
        Voxels or a kernel too large for the tables or the memory.
    """
    density = material(medium).density_g_per_ml if density_g_per_ml is None else density_g_per_ml
    if not (density > 0 and min(spacing_mm) > 0 and min(half_size or (1, 1, 1)) >= 1):
        raise InputError(
            f"Kernel of voxels of {spacing_mm} mm, {half_size} to either side, density {density} g/mL; expected "
            "positive values."
        )
    sx, sy, sz = (float(s) * density for s in spacing_mm)
    half = half_size or default_half_size(nuclide, (sx, sy, sz))
    if math.prod(h + 1 for h in half) > MOST_VOXELS:
        raise OutOfRangeError(f"Kernel of {half} voxels to either side; at most {MOST_VOXELS} in an octant.")
    energy = photon_octant(nuclide, (sx, sy, sz), half, medium).astype(np.float64)
    charged = charged_particle_voxel_kernel(nuclide, (sx, sy, sz), half, medium)
    energy += charged[half[2] :, half[1] :, half[0] :]
    found = emissions(nuclide)
    emitted = found.electron_energy_mev + found.alpha_energy_mev + found.recoil_energy_mev + found.photon_energy_mev
    return VoxelKernel(
        nuclide=found.name,
        medium=medium,
        density_g_per_ml=density,
        spacing_mm=(float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2])),
        energy_mev=energy,
        emitted_mev=emitted,
        escaped_mev=_escaped_mev(nuclide, medium, np.array([sx, sy, sz]) * CM_PER_MM, half),
        local_mev=still_mev(nuclide),
        method=f"point kernels of photons and electrons in {medium}, alphas along straight tracks; rays within 3 voxels, "
        "quadrature beyond",
    )


def _escaped_mev(
    nuclide: str, medium: str, spacing_cm: NDArray[np.float64], half_size: tuple[int, int, int]
) -> float:
    """Energy absorbed beyond the kernel: mean over rays from the source voxel of what lies behind their way out. [MeV]"""
    sample = qmc.Sobol(5, seed=2).random(N_RAYS_OUT)
    z, phi = 2 * sample[:, 3] - 1, 2 * np.pi * sample[:, 4]
    s = np.sqrt(1 - z * z)
    directions = np.stack([s * np.cos(phi), s * np.sin(phi), z], axis=1)
    room = np.where(directions > 0, 1 - sample[:, :3], sample[:, :3]) + np.array(half_size)
    way_out = np.min(room * spacing_cm / np.maximum(np.abs(directions), 1e-12), axis=1)
    photons, charged = nuclide_energy_within(nuclide, medium), nuclide_charged_energy_within(nuclide, medium)
    travelling = decay_energy(nuclide).photons.mean_energy_per_decay_mev
    # bremsstrahlung is in neither and leaves
    found = emissions(nuclide)
    travelling += found.electron_energy_mev + found.alpha_energy_mev
    lost = travelling - np.interp(way_out, *photons) - np.interp(way_out, *charged)
    return float(np.mean(lost))


def dose_voxel_kernel(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    half_size: tuple[int, int, int],
    density_g_per_ml: float = 1.0,
    medium: str = "water",
) -> NDArray[np.float64]:
    """Voxel S coefficients of all radiation: absorbed dose in each voxel per decay in the middle one. [Gy/(Bq s)]

    Uniform activity within the middle voxel, mean dose over each voxel, a uniform medium. The sum over all voxels times
    their mass is the energy of a decay less what leaves the kernel.

    Parameters
    ----------
    nuclide : for example "Lu-177"; progeny are not included
    spacing_mm : (x, y, z)
    half_size : voxels to either side along (x, y, z)
    density_g_per_ml : of the medium
    medium : name of a material

    Returns
    -------
    (2 hz + 1, 2 hy + 1, 2 hx + 1)
    """
    kernel = voxel_kernel(
        nuclide=nuclide,
        spacing_mm=spacing_mm,
        medium=medium,
        density_g_per_ml=density_g_per_ml,
        half_size=half_size,
    )
    return _mirrored(kernel.s_gy_per_bq_s)
