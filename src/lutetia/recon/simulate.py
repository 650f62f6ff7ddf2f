"""Projections of a known activity, for virtual patients: finer than reconstructed, with other scatter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lutetia.errors import InputError
from lutetia.images.acquisition import EnergyWindow, Equipment, Projections
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto, resample_activity
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.recon.camera import Camera
from lutetia.recon.orbit import Orbit
from lutetia.recon.projector import spect_system
from lutetia.recon.scatter import classify_windows, describe
from lutetia.recon.scatter_model import (
    Emission,
    accepted,
    crystal_efficiency,
    simulate_scatter,
    transmitted,
    unscattered_share,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScatterModel:
    """Scatter as a broad source inside the body (effective source), and its spectrum as densities per energy.

    The triple-energy-window estimate would be exact if the densities beside the peak averaged to the one in it and
    had its shape in space; here they do neither.

    Attributes
    ----------
    scatter_to_primary : counts in the peak window. 177Lu, 208 keV, medium-energy: 0.25 to 0.35 over an abdomen
    widths_mm, shares : standard deviations and shares of the Gaussians that spread the source. [mm]
    attenuation_factor : scattered photons are attenuated less (forward ones are counted again). [1]
    lower_density, upper_density : counts per energy beside the peak over those of scatter in it. [1]
    lower_widening : the lower window holds larger angles, so its source is wider by this factor. [1]
    primary_spill : share of unscattered photons in each scatter window, by energy resolution. [1]
    """

    scatter_to_primary: float = 0.30
    widths_mm: tuple[float, ...] = (20.0, 50.0)
    shares: tuple[float, ...] = (0.6, 0.4)
    attenuation_factor: float = 0.7
    lower_density: float = 1.45
    upper_density: float = 0.45
    lower_widening: float = 1.3
    primary_spill: float = 0.003

    def __post_init__(self) -> None:
        if (
            self.scatter_to_primary < 0
            or len(self.widths_mm) != len(self.shares)
            or abs(sum(self.shares) - 1) > 1e-6
        ):
            raise InputError(
                f"Scatter model with ratio {self.scatter_to_primary}, widths {self.widths_mm} and shares "
                f"{self.shares}; expected a ratio of at least 0 and one share per width, adding to 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TransportScatter:
    """Scatter by following photons through the attenuation map, for windows anywhere in the spectrum.

    Attributes
    ----------
    emissions : lines of the nuclide, the photopeak's own with relative yield 1
    histories : photons followed
    seed : of their random numbers
    """

    emissions: tuple[Emission, ...]
    histories: int = 3_000_000
    seed: int = 7


def simulate_projections(
    *,
    activity: Volume,
    attenuation: Volume,
    camera: Camera,
    sensitivity_cps_per_bq: float,
    windows: Sequence[EnergyWindow],
    photopeak_index: int,
    angle_rad: NDArray[np.float64],
    radius_mm: NDArray[np.float64],
    frame_duration_s: NDArray[np.float64],
    pixel_mm: tuple[float, float],
    n_rows: int,
    n_columns: int,
    centre_mm: tuple[float, float, float],
    detector: NDArray[np.int64],
    start_time: datetime | None,
    duration_s: float | None = None,
    decay_constant_per_s: float = 0.0,
    scatter: ScatterModel | TransportScatter | None = None,
    subdivision: int = 2,
    rng: np.random.Generator | None = None,
    equipment: Equipment | None = None,
) -> Projections:
    """Projections that a camera would measure of an activity.

    Unscattered photons are projected on a grid ``subdivision`` times finer than the detector's pixels; scatter
    comes from :class:`ScatterModel`, not from what the reconstruction assumes. Septal penetration is that of the camera
    (its tail; by energy where its collimator is known). Activity outside the grid of ``activity`` is not modelled;
    transported scatter comes from outside the field as well.

    Parameters
    ----------
    activity : at ``start_time``, any axis-aligned grid. [Bq/mL]
    attenuation : at the photopeak, any axis-aligned grid. [1/cm]
    camera : spatial response
    sensitivity_cps_per_bq : unscattered counts per decay in the peak window of one detector, without attenuation
    windows, photopeak_index : the peak window and the scatter windows beside it
    angle_rad, radius_mm, frame_duration_s, detector : (views,), as in Projections
    pixel_mm, n_rows, n_columns, centre_mm : of the detector
    duration_s : wall time; by default the longest sum of one detector's frames
    decay_constant_per_s : the activity decays during the acquisition; every view sees the mean
    scatter : broad sources of given size (the default), or photons followed through the map
    rng : Poisson noise; None for the noiseless expectation

    Returns
    -------
    Projections
    """
    orbit = Orbit(
        angle_rad=angle_rad,
        radius_mm=radius_mm,
        frame_duration_s=frame_duration_s,
        pixel_mm=pixel_mm,
        centre_mm=centre_mm,
        n_rows=n_rows,
        n_columns=n_columns,
        frame_of_reference_uid=activity.grid.frame_of_reference_uid,
    )
    duration = _duration_s(frame_duration_s, detector) if duration_s is None else duration_s
    exponent = decay_constant_per_s * duration
    efficiency = sensitivity_cps_per_bq * (-np.expm1(-exponent) / exponent if exponent > 0 else 1.0)
    expected = _expected_counts(
        activity,
        attenuation,
        camera,
        orbit,
        efficiency,
        windows,
        photopeak_index,
        scatter or ScatterModel(),
        subdivision,
    )
    return Projections(
        counts=expected if rng is None else rng.poisson(expected).astype(np.float32),
        windows=tuple(windows),
        angle_rad=angle_rad,
        radius_mm=radius_mm,
        frame_duration_s=frame_duration_s,
        pixel_mm=pixel_mm,
        centre_mm=centre_mm,
        detector=detector,
        start_time=start_time,
        duration_s=duration,
        frame_of_reference_uid=orbit.frame_of_reference_uid,
        equipment=equipment or Equipment(manufacturer="simulated", model=camera.name),
    )


def _duration_s(frame_duration_s: NDArray[np.float64], detector: NDArray[np.int64]) -> float:
    return float(max(frame_duration_s[detector == head].sum() for head in np.unique(detector)))


def _expected_counts(
    activity: Volume,
    attenuation: Volume,
    camera: Camera,
    orbit: Orbit,
    efficiency_cps_per_bq: float,
    windows: Sequence[EnergyWindow],
    photopeak_index: int,
    model: ScatterModel | TransportScatter,
    subdivision: int,
) -> NDArray[np.float32]:
    """Expected counts (windows, views, rows, columns)."""
    if isinstance(model, TransportScatter):
        return _transported(
            activity,
            attenuation,
            camera,
            orbit,
            efficiency_cps_per_bq,
            windows,
            photopeak_index,
            model,
            subdivision,
        )
    roles = classify_windows(windows, windows[photopeak_index].centre_mev)
    known = {roles.peak, roles.lower, roles.upper}
    if roles.peak != photopeak_index or set(range(len(windows))) - known:
        raise InputError(
            f"Windows {describe(windows)}; the simulation knows one peak (index {photopeak_index}) and the scatter "
            "windows next to it."
        )
    primary = _primary(activity, attenuation, camera, orbit, efficiency_cps_per_bq, subdivision)
    counts = np.zeros((len(windows), *primary.shape), np.float32)
    peak_width = windows[photopeak_index].width_mev
    for index, window in enumerate(windows):
        widening = model.lower_widening if index == roles.lower else 1.0
        density = {roles.lower: model.lower_density, roles.upper: model.upper_density}.get(index, 1.0)
        direct = 1.0 if index == photopeak_index else model.primary_spill
        shape = _scatter_shape(activity, attenuation, camera, orbit, model, widening)
        scattered = model.scatter_to_primary * float(primary.sum(dtype=np.float64)) * density
        counts[index] = direct * primary + np.float32(scattered * window.width_mev / peak_width) * shape
    return counts


def _transported(
    activity: Volume,
    attenuation: Volume,
    camera: Camera,
    orbit: Orbit,
    efficiency_cps_per_bq: float,
    windows: Sequence[EnergyWindow],
    photopeak_index: int,
    model: TransportScatter,
    subdivision: int,
) -> NDArray[np.float32]:
    """Expected counts (windows, views, rows, columns): every line where a window takes it, and its scatter."""
    peak = min(model.emissions, key=lambda e: abs(e.energy_mev - windows[photopeak_index].centre_mev)).energy_mev
    resolution = camera.energy_fwhm_at_140_kev
    unit = unscattered_share(windows[photopeak_index], model.emissions, camera)
    counts = np.zeros((len(windows), orbit.angle_rad.size, orbit.n_rows, orbit.n_columns), np.float32)
    for line in model.emissions:
        passed = float(crystal_efficiency(line.energy_mev) * transmitted(camera, line.energy_mev))
        per_peak = line.relative_yield * passed / unit
        shares = [per_peak * float(accepted(w, line.energy_mev, resolution)) for w in windows]
        if max(shares) < LEAST_SHARE:
            continue
        ratio = float(_water(line.energy_mev) / _water(peak))
        mu = attenuation.with_values(attenuation.values * np.float32(ratio))
        direct = _primary(activity, mu, camera, orbit, efficiency_cps_per_bq, subdivision)
        for index, share in enumerate(shares):
            counts[index] += np.float32(share) * direct
    grid = _lengthened(orbit.grid(), activity.grid)
    image = resample_activity(activity, grid).values * np.float32(grid.voxel_ml * efficiency_cps_per_bq)
    scattered = simulate_scatter(
        image=image,
        attenuation=_mu(attenuation, grid),
        photopeak_mev=peak,
        orbit=orbit,
        camera=camera,
        windows=windows,
        emissions=model.emissions,
        histories=model.histories,
        seed=model.seed,
    )
    return counts + scattered.counts


def _lengthened(grid: Grid, other: Grid) -> Grid:
    """The grid with as many slices more as another reaches beyond it: scatter comes from outside the field too."""
    step = grid.spacing_mm[2]
    z = other.corners_mm()[:, 2]
    low = max(0, int(np.ceil((grid.origin_mm[2] - z.min()) / step)))
    high = max(0, int(np.ceil((z.max() - grid.origin_mm[2]) / step)) - grid.size[2] + 1)
    return replace(
        grid,
        size=(grid.size[0], grid.size[1], grid.size[2] + low + high),
        origin_mm=(grid.origin_mm[0], grid.origin_mm[1], grid.origin_mm[2] - low * step),
    )


LEAST_SHARE: Final = 1e-4
"""Of a line in a window, per count of the photopeak: below it the line is not projected."""


def _water(energy_mev: float) -> NDArray[np.float64]:
    return mass_attenuation_cm2_per_g("water", energy_mev)


def _primary(
    activity: Volume, attenuation: Volume, camera: Camera, orbit: Orbit, efficiency_cps_per_bq: float, factor: int
) -> NDArray[np.float32]:
    """Unscattered counts on the detector's pixels, from a finer grid."""
    fine = orbit.divided(factor)
    grid = fine.grid()
    image = resample_activity(activity, grid).values * np.float32(grid.voxel_ml * efficiency_cps_per_bq)
    support = np.max(image, axis=0) > 0
    system = spect_system(orbit=fine, camera=camera, attenuation=_mu(attenuation, grid), support=support)
    return _binned(system.forward(image), factor)


def _mu(attenuation: Volume, grid: Grid, factor: float = 1.0) -> Volume:
    averaged = average_onto(attenuation, grid)
    return averaged.with_values(averaged.values * np.float32(factor))


def _binned(counts: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    views, rows, columns = counts.shape
    shape = (views, rows // factor, factor, columns // factor, factor)
    return np.asarray(counts.reshape(shape).sum(axis=(2, 4)), dtype=np.float32)


def _scatter_shape(
    activity: Volume, attenuation: Volume, camera: Camera, orbit: Orbit, model: ScatterModel, widening: float
) -> NDArray[np.float32]:
    """Where scattered photons are counted, (views, rows, columns), adding to 1.

    The activity, spread over the body in proportion to its attenuation, projected with less attenuation; on pixels
    twice as wide where the matrix allows, as it is smooth.
    """
    coarse = 2 if orbit.n_rows % 2 == 0 and orbit.n_columns % 2 == 0 else 1
    wide = Orbit(
        angle_rad=orbit.angle_rad,
        radius_mm=orbit.radius_mm,
        frame_duration_s=orbit.frame_duration_s,
        pixel_mm=(orbit.pixel_mm[0] * coarse, orbit.pixel_mm[1] * coarse),
        centre_mm=orbit.centre_mm,
        n_rows=orbit.n_rows // coarse,
        n_columns=orbit.n_columns // coarse,
        frame_of_reference_uid=orbit.frame_of_reference_uid,
    )
    grid = wide.grid()
    image = resample_activity(activity, grid).values
    mu = _mu(attenuation, grid, model.attenuation_factor)
    spacing = np.asarray(grid.spacing_mm)[::-1]
    source = np.zeros_like(image)
    for width, share in zip(model.widths_mm, model.shares, strict=True):
        source += np.float32(share) * gaussian_filter(image, width * widening / spacing, truncate=3.0)
    system = spect_system(orbit=wide, camera=camera, attenuation=mu)
    shape = system.forward(source * mu.values).repeat(coarse, axis=1).repeat(coarse, axis=2)
    shape = gaussian_filter(shape, (0.0, coarse / 2, coarse / 2))
    return np.asarray(shape / max(float(shape.sum(dtype=np.float64)), 1e-30), dtype=np.float32)
