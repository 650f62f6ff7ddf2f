"""A cylinder with hot spheres, 177Lu, measured again and again as a department would: with errors in what it assumes.

The truth is simulated on voxels of 2.4 mm whose lattice is not that of the reconstruction, its scatter by transport of
two million photons of all four lines. Transport, collimator response and attenuation are the code's own on both sides:
what is tested is the chain of corrections and its uncertainty, not the physics of a real camera.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from unittest.mock import patch

import numpy as np

from lutetia.images.acquisition import EnergyWindow, Projections
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.recon.bed import SEED, ReconSettings
from lutetia.recon.camera import Camera, read_camera
from lutetia.recon.noise import propagated_noise
from lutetia.recon.peaks import Peak
from lutetia.recon.reconstruct import Reconstruction, reconstruct_time_point
from lutetia.recon.recovery import count_uncertainty, recovery_by_reprojection, region_means
from lutetia.recon.scatter_model import Emission
from lutetia.recon.simulate import TransportScatter, simulate_projections

SENSITIVITY = 6e-6  # cps/Bq of one head in the 208 keV window; MEGP cameras: 5 to 10 cps/MBq
CONTRAST = 10.0
BACKGROUND_BQ_PER_ML = 1e5
"""A day after 7.4 GBq: 0.1 MBq/mL in tissue, 1 MBq/mL in spheres, 3.6 million counts in the 208 keV window."""
WEEK = 0.1
"""Share of the activity that is left after a week: 0.36 million counts."""
RADIUS_MM, HALF_LENGTH_MM = 100.0, 100.0
OFF_AXIS_MM = 57.2
DIAMETERS_MM = {"37 mm": 37.0, "28 mm": 28.0, "22 mm": 22.0, "17 mm": 17.0}
REMAINDER = "remainder"
REGIONS = (*DIAMETERS_MM, REMAINDER)

SENSITIVITY_U, FWHM_U, BOUNDARY_U_MM, REGISTRATION_U_MM = 0.02, 0.05, 0.5, 1.0
"""Standard deviations of the errors that are drawn (k=1)."""

PEAK_MEV, LOW_PEAK_MEV = 0.2084, 0.11295
LINES = (  # ICRP 107: 10.36 % at 208 keV, 6.17 % at 113 keV, 0.201 % at 250 keV, 0.216 % at 321 keV
    Emission(energy_mev=PEAK_MEV),
    Emission(energy_mev=LOW_PEAK_MEV, relative_yield=6.17 / 10.36),
    Emission(energy_mev=0.2497, relative_yield=0.201 / 10.36),
    Emission(energy_mev=0.3213, relative_yield=0.216 / 10.36),
)
WINDOWS = tuple(
    EnergyWindow(lower_mev=low / 1000, upper_mev=high / 1000)
    for low, high in ((187.2, 228.8), (166.89, 186.31), (229.63, 251.16), (101.7, 124.3), (91.2, 100.8), (124.32, 134.68))
)  # fmt: skip
FINE = Grid(size=(100, 100, 96), spacing_mm=(2.4, 2.4, 2.4), origin_mm=(-118.8, -118.8, -114.0))
CT = Grid(size=(136, 136, 120), spacing_mm=(2.4, 2.4, 2.4), origin_mm=(-162.0, -162.0, -142.8))
CENTRE_MM = (1.1, -0.7, 0.9)
"""Of the camera's field, so that no lattice falls on another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumed:
    """What the department takes for true: each error as it is made.

    Attributes
    ----------
    sensitivity, fwhm : over the true ones
    growth_mm : region -> how far its outline lies outside the true one
    shift_mm : of the CT, with all outlines and the attenuation map, against the SPECT
    """

    sensitivity: float = 1.0
    fwhm: float = 1.0
    growth_mm: Mapping[str, float] = field(default_factory=dict)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


NO_ERROR = Assumed()


def drawn(rng: np.random.Generator) -> Assumed:
    """Errors of one measurement, all independent."""
    shift = rng.normal(0, REGISTRATION_U_MM, 3)
    return Assumed(
        sensitivity=float(rng.normal(1, SENSITIVITY_U)),
        fwhm=float(rng.normal(1, FWHM_U)),
        growth_mm={name: float(rng.normal(0, BOUNDARY_U_MM)) for name in REGIONS},
        shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
    )


def sphere_share(grid, centre_mm, radius_mm, parts=6):
    """Share of each voxel that a sphere fills, by parts^3 points in each voxel near it."""
    share = np.zeros(grid.shape, np.float32)
    inside, points = [], []
    for a in range(3):
        place = grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] - centre_mm[a]
        near = np.flatnonzero(np.abs(place) < radius_mm + grid.spacing_mm[a])
        offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * grid.spacing_mm[a]
        inside.append(slice(near[0], near[-1] + 1))
        points.append((place[near, None] + offsets).ravel())
    x, y, z = points
    full = x[None, None, :] ** 2 + y[None, :, None] ** 2 + z[:, None, None] ** 2 <= radius_mm**2
    nz, ny, nx = (n // parts for n in full.shape)
    share[inside[2], inside[1], inside[0]] = full.reshape(nz, parts, ny, parts, nx, parts).mean(axis=(1, 3, 5))
    return share


def cylinder_share(grid, centre_mm, radius_mm, half_length_mm, parts=8):
    """Share of each voxel that an upright cylinder fills."""
    axes = []
    for a in range(3):
        place = grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] - centre_mm[a]
        offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * grid.spacing_mm[a]
        axes.append((place[:, None] + offsets).ravel())
    disc = axes[0][None, :] ** 2 + axes[1][:, None] ** 2 <= radius_mm**2
    disc = disc.reshape(grid.size[1], parts, grid.size[0], parts).mean(axis=(1, 3))
    edge = 0.5 * grid.spacing_mm[2]
    z = axes[2].reshape(-1, parts).mean(axis=1)
    slab = np.clip((half_length_mm + edge - np.abs(z)) / (2 * edge), 0, 1)
    return (slab[:, None, None] * disc).astype(np.float32)


def occupancy(grid, assumed=NO_ERROR, *, spheres=True):
    """Region -> share of each voxel, by the outlines as assumed."""
    grown, shift = assumed.growth_mm, assumed.shift_mm
    shares = {}
    for k, (name, diameter) in enumerate(DIAMETERS_MM.items() if spheres else ()):
        centre = (
            OFF_AXIS_MM * math.cos(k * math.pi / 2) + shift[0],
            OFF_AXIS_MM * math.sin(k * math.pi / 2) + shift[1],
            shift[2],
        )
        shares[name] = sphere_share(grid, centre, diameter / 2 + grown.get(name, 0.0))
    more = grown.get(REMAINDER, 0.0)
    body = cylinder_share(grid, shift, RADIUS_MM + more, HALF_LENGTH_MM + more)
    shares[REMAINDER] = np.maximum(body - sum(shares.values()), 0).astype(np.float32)
    return shares


def camera(energy_mev: float, factor: float = 1.0) -> Camera:
    """Camera with a medium-energy collimator; all widths times a factor."""
    true = read_camera("GE-Discovery-670-MEGP", photopeak_mev=energy_mev, intrinsic_fwhm_mm=3.8)
    return replace(
        true,
        intrinsic_fwhm_mm=true.intrinsic_fwhm_mm * factor,
        intercept_mm=true.intercept_mm * factor,
        slope=true.slope * factor,
    )


def concentration(name: str) -> float:
    """The truth. [Bq/mL]"""
    return BACKGROUND_BQ_PER_ML * (1.0 if name == REMAINDER else CONTRAST)


def volume_ml(name: str) -> float:
    """The truth. [mL]"""
    if name != REMAINDER:
        return math.pi / 6 * DIAMETERS_MM[name] ** 3 / 1000
    return 2 * math.pi * RADIUS_MM**2 * HALF_LENGTH_MM / 1000 - sum(volume_ml(n) for n in DIAMETERS_MM)


@lru_cache(maxsize=4)
def expected_projections(*, spheres: bool = True, views: int = 60, histories: int = 2_000_000) -> Projections:
    """Projections without noise, of a day's activity."""
    shares = occupancy(FINE, spheres=spheres)
    activity = sum(np.float32(concentration(name)) * share for name, share in shares.items())
    mu = float(mass_attenuation_cm2_per_g("water", PEAK_MEV))
    body = cylinder_share(FINE, (0.0, 0.0, 0.0), RADIUS_MM, HALF_LENGTH_MM)
    return simulate_projections(
        activity=Volume(grid=FINE, values=activity, unit="Bq/mL"),
        attenuation=Volume(grid=FINE, values=body * np.float32(mu), unit="1/cm"),
        camera=camera(PEAK_MEV),
        sensitivity_cps_per_bq=SENSITIVITY,
        windows=WINDOWS,
        photopeak_index=0,
        angle_rad=np.arange(views) * 2 * np.pi / views,
        radius_mm=np.full(views, 170.0),
        frame_duration_s=np.full(views, 1800.0 / views),
        pixel_mm=(4.8, 4.8),
        n_rows=56,
        n_columns=64,
        centre_mm=CENTRE_MM,
        detector=np.arange(views) % 2,
        start_time=None,
        scatter=TransportScatter(emissions=LINES, histories=histories),
    )


def noisy(projections: Projections, rng: np.random.Generator, share: float = 1.0) -> Projections:
    """Poisson counts of a share of the activity."""
    return replace(projections, counts=rng.poisson(share * projections.counts).astype(np.float32))


def ct(assumed: Assumed = NO_ERROR) -> Volume:
    """CT of the cylinder where it is believed to be. [HU]"""
    body = cylinder_share(CT, assumed.shift_mm, RADIUS_MM, HALF_LENGTH_MM)
    return Volume(grid=CT, values=(1000 * body - 1000).astype(np.float32), unit="HU")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Quantified:
    """One measurement: regions by name.

    Attributes
    ----------
    measured : mean concentration in the image. [Bq/mL]
    corrected : after partial-volume correction. [Bq/mL]
    recovery : measured over corrected
    volume_ml : of the outlines as assumed. [mL]
    """

    reconstruction: Reconstruction
    occupancy: Mapping[str, np.ndarray]
    measured: Mapping[str, float]
    corrected: Mapping[str, float]
    recovery: Mapping[str, float]
    volume_ml: Mapping[str, float]

    def concentration_error(self, share: float = 1.0) -> dict[str, float]:
        """Relative; what the self-dose of a region goes by (activity over mass of the same outline)."""
        return {n: v / (share * concentration(n)) - 1 for n, v in self.corrected.items()}

    def activity_error(self, share: float = 1.0) -> dict[str, float]:
        """Relative, of the activity in each region, and in the whole."""
        true = {n: share * concentration(n) * volume_ml(n) for n in self.corrected}
        found = {n: v * self.volume_ml[n] for n, v in self.corrected.items()}
        return {n: found[n] / true[n] - 1 for n in true} | {"whole": sum(found.values()) / sum(true.values()) - 1}

    def fisher(self) -> dict[str, float]:
        """Counting uncertainty by the information in the projections: the least possible."""
        return count_uncertainty(self.reconstruction, self.occupancy, self.corrected)

    def propagated(self) -> dict[str, float]:
        """Counting uncertainty of the region sums, followed through the iterations."""
        settings, windows = self.reconstruction.settings, self.reconstruction.beds[0].peaks
        return propagated_noise(
            [w.channel for w in windows],
            self.occupancy,
            iterations=settings.iterations,
            subsets=settings.subsets,
            scatter_variance=[w.scatter.variance for w in windows],
            scatter_smoothing_pixels=[w.scatter.smoothing_fwhm_pixels for w in windows],
        ).relative_uncertainty()

    def scatter_to_primary(self) -> float:
        """Of the 208 keV window, as estimated."""
        bed = self.reconstruction.beds[0]
        scattered, counted = float(bed.scatter.counts.sum()), float(bed.counts.sum())
        return scattered / (counted - scattered)


def quantify(
    projections: Projections,
    assumed: Assumed = NO_ERROR,
    *,
    scatter="model",
    both=False,
    iterations=6,
    spheres=True,
    histories=200_000,
    seed=SEED,
) -> Quantified:
    """The whole way from projections to corrected concentrations.

    Parameters
    ----------
    both : reconstruct from the 113 keV window too, its sensitivity by the data
    histories, seed : of the photons of scatter from the model
    """
    energies = (PEAK_MEV, LOW_PEAK_MEV) if both else (PEAK_MEV,)
    peaks = [Peak(energy_mev=e, camera=camera(e, assumed.fwhm), emissions=LINES) for e in energies]
    settings = ReconSettings(subsets=6, iterations=iterations, scatter=scatter, histories=histories)
    with patch("lutetia.recon.bed.SEED", seed):
        done = reconstruct_time_point(
            [projections], ct(assumed), None, PEAK_MEV, settings, decay_constant_per_s=0.0, peaks=peaks
        )
    grid = done.volume.grid
    shares = occupancy(grid, assumed, spheres=spheres)
    measured = region_means(done.volume.values / (SENSITIVITY * assumed.sensitivity * grid.voxel_ml), shares)
    found = recovery_by_reprojection(done, shares, measured)
    return Quantified(
        reconstruction=done,
        occupancy=shares,
        measured=measured,
        corrected=found.corrected,
        recovery=found.measured_over_true,
        volume_ml={n: float(s.sum(dtype=np.float64)) * grid.voxel_ml for n, s in shares.items()},
    )


def profiles(found: Quantified) -> tuple[np.ndarray, np.ndarray]:
    """Mean over true concentration of a uniform cylinder: in rings of 10 mm, in slabs of 14 mm.

    All lie 30 mm or more from the surface: more than twice the 13 mm that the camera resolves at the axis.
    """
    grid = found.reconstruction.volume.grid
    ratio = found.reconstruction.volume.values / (SENSITIVITY * grid.voxel_ml * BACKGROUND_BQ_PER_ML)
    x, y, z = (grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] for a in range(3))
    ring = np.broadcast_to((np.hypot(x[None, :], y[:, None]) // 10).astype(int), grid.shape)
    slab = np.broadcast_to(((z + 70) // 14).astype(int)[:, None, None], grid.shape)
    inside = (ring < 7) & (slab >= 0) & (slab < 10)
    return tuple(np.bincount(index[inside], ratio[inside]) / np.bincount(index[inside]) for index in (ring, slab))


def over_seeds(projections: Projections, seeds: int, *, share: float = 1.0, **how) -> dict[str, np.ndarray]:
    """Relative errors of the activity of each region, and of the whole, for several draws of the counts alone."""
    found = [
        quantify(noisy(projections, np.random.default_rng([7, seed]), share), **how).activity_error(share)
        for seed in range(seeds)
    ]
    return {name: np.array([f[name] for f in found]) for name in found[0]}
