"""Scatter in any energy window from the image itself: photons followed through the patient's own attenuation map."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import erf

from lutetia.errors import InputError
from lutetia.images.acquisition import EnergyWindow
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.materials import Material
from lutetia.physics.tables import read_table
from lutetia.recon import transport_kernels
from lutetia.recon.camera import FWHM_PER_SIGMA, Camera
from lutetia.recon.collimator import passage
from lutetia.recon.orbit import Orbit
from lutetia.units import CM_PER_MM

CELL_MM: Final = 9.0
"""Cells in which scatter is estimated are about as large as the camera's resolution; scatter is smoother."""
CHUNKS: Final = 16
"""Parts of the histories with a tally of their own: fixed, so that sums do not depend on the threads."""
VIEWS_PER_COLLISION: Final = 6
SMOOTHING_CELLS: Final = 0.8
"""Standard deviation of the smoothing of the tally, across and along the detector. [cells]"""
NEAR_RAD: Final = float(np.deg2rad(6.5))
"""Views nearer than this are mixed; scatter changes slowly with the angle."""
N_ENERGIES: Final = 400
LOWEST_MEV: Final = 0.03
HIGHEST_MEV: Final = 3.0
SAME_MEV: Final = 5e-4
"""A line this near to the photopeak is its own."""
CRYSTAL_MM: Final = 9.5
"""Thickness of NaI(Tl), 3/8 inch, of the common whole-body cameras."""
SODIUM_IODIDE: Final = Material(
    name="sodium iodide", density_g_per_ml=3.67, mass_fractions={"Na": 0.1534, "I": 0.8466}, source="stoichiometry"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Emission:
    """A photon line and how many of it are emitted per photon of the line that the image counts."""

    energy_mev: float
    relative_yield: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScatterCounts:
    """Expected scattered counts.

    Attributes
    ----------
    counts : (windows, views, rows, columns) [counts]
    histories : photons followed, all lines together
    seed : of the random numbers
    """

    counts: NDArray[np.float32]
    histories: int
    seed: int


def energy_fwhm_mev(energy_mev: float | NDArray[np.float64], fwhm_at_140_kev: float) -> NDArray[np.float64]:
    r"""Energy resolution, :math:`\mathrm{FWHM}(E) = f_{140}\sqrt{140\,\mathrm{keV}\; E}`.

    References
    ----------
    Knoll GF. Radiation detection and measurement, 4th ed. (2010), eq. 10-5 (photon statistics only).
    """
    return np.asarray(fwhm_at_140_kev * np.sqrt(0.140 * np.asarray(energy_mev, dtype=float)))


def accepted(
    window: EnergyWindow, energy_mev: float | NDArray[np.float64], fwhm_at_140_kev: float
) -> NDArray[np.float64]:
    """Share of fully absorbed photons of an energy that a window counts."""
    energy = np.asarray(energy_mev, dtype=float)
    width = np.sqrt(2.0) * energy_fwhm_mev(energy, fwhm_at_140_kev) / FWHM_PER_SIGMA
    return np.asarray(0.5 * (erf((window.upper_mev - energy) / width) - erf((window.lower_mev - energy) / width)))


def crystal_efficiency(energy_mev: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of photons whose first interaction in the crystal is photoelectric: full absorption, to first order."""
    energy = np.asarray(energy_mev, dtype=float)
    total = mass_attenuation_cm2_per_g(SODIUM_IODIDE, energy)
    photo = mass_attenuation_cm2_per_g(SODIUM_IODIDE, energy, process="photoelectric")
    thickness = SODIUM_IODIDE.density_g_per_ml * CRYSTAL_MM * CM_PER_MM
    return np.asarray(photo / total * -np.expm1(-total * thickness))


def transmitted(camera: Camera, energy_mev: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Photons that a camera's collimator lets through, holes and septa together; 1 at all energies where not known."""
    if camera.collimator is None:
        return np.ones_like(np.asarray(energy_mev, dtype=float))
    return passage(camera.collimator).transmitted_at(energy_mev)


def unscattered_share(window: EnergyWindow, emissions: Sequence[Emission], camera: Camera) -> float:
    """Unscattered counts of all lines in a window per emission, as collimator, crystal and window take them."""
    energy = np.array([e.energy_mev for e in emissions])
    seen = accepted(window, energy, camera.energy_fwhm_at_140_kev) * crystal_efficiency(energy)
    return float(np.sum(np.array([e.relative_yield for e in emissions]) * seen * transmitted(camera, energy)))


def simulate_scatter(
    *,
    image: NDArray[np.floating],
    attenuation: Volume,
    photopeak_mev: float,
    orbit: Orbit,
    camera: Camera,
    windows: Sequence[EnergyWindow],
    emissions: Sequence[Emission] | None = None,
    histories: int = 400_000,
    seed: int = 1,
) -> ScatterCounts:
    r"""Scattered photons that a camera would count in its windows, by Monte Carlo with forced detection.

    Photons start in proportion to the image and walk (Compton and coherent scattering) through water whose density
    follows the attenuation map. At every collision the chance to be scattered towards some of the views, to leave the
    body there, to pass and be spread by the collimator and counted in each window is added to that view. What the
    collimator lets through, and the share of it in the septal tail (where the camera has one), are those of the energy
    at which a photon reaches it: 440 keV pass HEGP lead twice as often as 218 keV, but not once they are scattered
    down to there. Where a camera names no collimator all energies pass alike, with the tail of the photopeak. A count
    that is not scattered and not attenuated weighs 1 in the peak window, so that the result stands on the same scale as
    :meth:`SpectSystem.forward`; all lines that this window takes count for that.

    Not modelled: scatter in collimator, crystal and couch beyond the map; photons of other parts of the patient than
    the image holds; the photoelectric share of bone (the map's excess counts as density).

    Parameters
    ----------
    image : (z, y, x) on ``attenuation.grid``, which may be longer than the detector: count rate per voxel in the peak,
        as without attenuation. [counts/s]
    attenuation : at the photopeak. [1/cm]
    photopeak_mev : energy of the line that the image counts. [MeV]
    orbit, camera : as of the reconstruction
    windows : for which scatter is wanted; the one that holds the photopeak most centrally sets the scale
    emissions : all lines that scatter into the windows, the photopeak's own with relative yield 1; by default it alone
    histories : photons to follow, shared among the lines by their yield

    References
    ----------
    Beekman FJ, de Jong HWAM, van Geloven S. Efficient fully 3-D iterative SPECT reconstruction with Monte Carlo-based
    scatter compensation. IEEE Trans Med Imaging 21 (2002) 867-877. doi:10.1109/TMI.2002.803130
    """
    emissions = tuple(emissions or (Emission(energy_mev=photopeak_mev),))
    _require(image, attenuation, windows, emissions)
    scene = _scene(attenuation, photopeak_mev, orbit)
    flat = np.maximum(np.moveaxis(np.asarray(image, dtype=np.float64), 0, 2), 0.0)
    # one layout in memory whatever the image, or the kernel is compiled twice
    cells = np.ascontiguousarray(np.argwhere(flat > 0)[:, [1, 0, 2]], dtype=np.float64)
    weights = flat[flat > 0]
    nx, nz = scene.n_columns, scene.n_rows
    total = np.zeros((len(windows), orbit.angle_rad.size, nx, nz))
    if weights.size == 0 or not scene.density.any():
        return ScatterCounts(counts=_on_detector(total, scene, orbit), histories=0, seed=seed)
    cumulative = np.cumsum(weights)
    scale = float(cumulative[-1])
    tables = _tables(tuple(windows), camera, emissions, photopeak_mev)
    shares = np.array([e.relative_yield for e in emissions])
    for number, emission in enumerate(emissions):
        n = max(CHUNKS, int(histories * shares[number] / shares.sum()))
        one = _followed(
            n, seed + number, emission, cumulative / scale, cells, scene, attenuation, orbit, camera, tables
        )
        total += scale * emission.relative_yield * one
    return ScatterCounts(counts=_on_detector(total, scene, orbit), histories=histories, seed=seed)


def _require(
    image: NDArray[np.floating], attenuation: Volume, windows: Sequence[EnergyWindow], emissions: Sequence[Emission]
) -> None:
    if image.shape != attenuation.grid.shape or attenuation.unit != "1/cm":
        raise InputError(
            f"Scatter of an image {image.shape} with a map {attenuation.grid.shape} in {attenuation.unit!r}; expected "
            "one grid and a map in '1/cm'."
        )
    if not windows or any(
        not LOWEST_MEV * 1.1 < e.energy_mev <= HIGHEST_MEV or e.relative_yield <= 0 for e in emissions
    ):
        raise InputError(
            f"Scatter of lines {[f'{e.energy_mev * 1e3:.0f} keV' for e in emissions]} into {len(windows)} windows; "
            "expected windows, and lines between 33 and 3000 keV of positive yield."
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Scene:
    """The body in cells: density relative to water (y, x, z), water paths to each view, cell sizes and places."""

    density: NDArray[np.float32]
    paths: NDArray[np.float32]
    cell_mm: NDArray[np.float64]
    corner_mm: NDArray[np.float64]
    n_columns: int
    n_rows: int
    factor: int


def _scene(attenuation: Volume, photopeak_mev: float, orbit: Orbit) -> _Scene:
    factor = max(1, round(CELL_MM / orbit.pixel_mm[0]))
    n_columns, n_rows = -(-orbit.n_columns // factor), -(-orbit.n_rows // factor)
    cell = np.array([orbit.pixel_mm[0], orbit.pixel_mm[0], orbit.pixel_mm[1]]) * factor
    water = float(mass_attenuation_cm2_per_g("water", photopeak_mev))
    grid = attenuation.grid
    lowest = grid.origin_mm[2] - orbit.centre_mm[2] - 0.5 * grid.spacing_mm[2]
    n_slices = max(1, int(np.ceil(grid.size[2] * grid.spacing_mm[2] / cell[2] - 1e-6)))
    corner = np.array([-0.5 * (n_columns - 1) * cell[0], -0.5 * (n_columns - 1) * cell[1], lowest + 0.5 * cell[2]])
    relative = np.moveaxis(attenuation.values / np.float32(water), 0, 2)
    density = _averaged(relative, grid, orbit, cell, corner, (n_columns, n_columns, n_slices))
    paths = np.zeros((orbit.angle_rad.size, n_columns, n_columns, n_slices), np.float32)
    middle = (0.5 * (n_columns - 1), 0.5 * (n_columns - 1))
    transport_kernels.water_paths(
        density, np.cos(orbit.angle_rad), np.sin(orbit.angle_rad), middle, cell[0], n_columns, n_columns, paths
    )
    return _Scene(
        density=density,
        paths=paths,
        cell_mm=cell,
        corner_mm=corner,
        n_columns=n_columns,
        n_rows=n_rows,
        factor=factor,
    )


def _averaged(
    values: NDArray[np.float32], grid: Grid, orbit: Orbit, cell: NDArray[np.float64], corner: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> NDArray[np.float32]:  # fmt: skip
    """Mean of values (y, x, z) over cells (y, x, z) whose first one lies at ``corner``; air outside."""
    mean = np.asarray(values, dtype=np.float32)
    for axis, along in enumerate((1, 0, 2)):
        first = grid.origin_mm[along] - orbit.centre_mm[along] - corner[along]
        place = first + np.arange(grid.size[along]) * grid.spacing_mm[along]
        index = np.floor(place / cell[along] + 0.5 + 1e-6).astype(int)
        weights = np.zeros((shape[axis], index.size), np.float32)
        inside = (index >= 0) & (index < shape[axis])
        weights[index[inside], np.flatnonzero(inside)] = 1.0
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
        mean = np.moveaxis(np.tensordot(weights, mean, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(np.maximum(mean, 0.0), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Tables:
    """Water, windows and septal tail over the logarithm of the energy; the form factor of a water molecule over x."""

    log_range: tuple[float, float]
    water: NDArray[np.float64]
    windows: NDArray[np.float64]
    tail: NDArray[np.float64]
    form: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    least_mev: float


@lru_cache(maxsize=32)
def _tables(
    windows: tuple[EnergyWindow, ...], camera: Camera, emissions: tuple[Emission, ...], photopeak_mev: float
) -> _Tables:
    fwhm_at_140_kev = camera.energy_fwhm_at_140_kev
    energy = np.geomspace(LOWEST_MEV, HIGHEST_MEV, N_ENERGIES)
    peak = min(windows, key=lambda w: abs(w.centre_mev - photopeak_mev))
    if accepted(peak, photopeak_mev, fwhm_at_140_kev) * crystal_efficiency(photopeak_mev) < 1e-3:
        raise InputError(
            f"No window counts the photopeak of {photopeak_mev * 1e3:.0f} keV, so its scatter has no scale; give that "
            "window too."
        )
    passed = crystal_efficiency(energy) * transmitted(camera, energy)
    own = any(abs(e.energy_mev - photopeak_mev) < SAME_MEV for e in emissions)
    unit = emissions if own else (Emission(energy_mev=photopeak_mev), *emissions)
    passed /= unscattered_share(peak, unit, camera)
    counted = np.stack([accepted(w, energy, fwhm_at_140_kev) * passed for w in windows])
    lowest = min(w.lower_mev for w in windows)
    x, squared = _water_form_factor()
    steps = 0.5 * (squared[1:] + squared[:-1]) * np.diff(x**2)
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    parts = {p: mass_attenuation_cm2_per_g("water", energy, process=p) for p in ("incoherent", "coherent")}
    total = mass_attenuation_cm2_per_g("water", energy)
    scattering = parts["incoherent"] + parts["coherent"]
    water = np.stack(
        [total * CM_PER_MM, scattering / total, parts["coherent"] / scattering, _coherent_norm(energy, x, squared)]
    )
    return _Tables(
        log_range=(float(np.log(energy[0])), float(np.log(energy[1] / energy[0]))),
        water=np.ascontiguousarray(water),
        windows=np.ascontiguousarray(counted),
        tail=_tail(camera, energy),
        form=(x, squared, cumulative),
        least_mev=max(LOWEST_MEV, float(lowest - 1.5 * energy_fwhm_mev(lowest, fwhm_at_140_kev))),
    )


def _tail(camera: Camera, energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share in the septal tail, intercept and slope of its standard deviation, (3, energies)."""
    if camera.tail is None:
        return np.zeros((3, energy_mev.size))
    if camera.collimator is not None:
        return np.ascontiguousarray(passage(camera.collimator).tail_at(energy_mev))
    given = (camera.tail.share, camera.tail.intercept_mm, camera.tail.slope)
    return np.repeat(np.array(given)[:, None], energy_mev.size, axis=1)


@lru_cache(maxsize=1)
def _water_form_factor() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """X [1/angstrom] and F^2 of a water molecule of free atoms."""
    rows = read_table("epdl97_form_factors", "form_factors.csv")
    x = np.array([float(row["x_per_angstrom"]) for row in rows])
    squared = np.array([2.0 * float(row["H"]) ** 2 + float(row["O"]) ** 2 for row in rows])
    return x, squared


def _coherent_norm(
    energy_mev: NDArray[np.float64], x: NDArray[np.float64], squared: NDArray[np.float64]
) -> NDArray[np.float64]:
    r""":math:`\int (1+\cos^2)F^2\,d\Omega` at each energy."""
    # in t with 1 - cosine = 2 t^4, fine where coherent scattering is: forward
    t = (np.arange(2000) + 0.5) / 2000
    cosine, jacobian = 1.0 - 2.0 * t**4, 8.0 * t**3 / 2000
    form = np.interp(energy_mev[:, None] * transport_kernels.PER_ANGSTROM_PER_MEV * t**2, x, squared)
    return np.asarray(2.0 * np.pi * ((1.0 + cosine**2) * form * jacobian).sum(axis=1))


def _followed(
    n: int, seed: int, emission: Emission, cumulative: NDArray[np.float64], cells: NDArray[np.float64], scene: _Scene,
    attenuation: Volume, orbit: Orbit, camera: Camera, tables: _Tables,
) -> NDArray[np.float64]:  # fmt: skip
    """Counts per emitted photon, (windows, views, columns, z) in cells."""
    n_z = scene.n_rows
    tallies = np.zeros((CHUNKS, len(tables.windows), orbit.angle_rad.size, scene.n_columns, n_z))
    grid = attenuation.grid
    first = np.asarray(grid.origin_mm) - np.asarray(orbit.centre_mm)
    fwhm = np.array([camera.intrinsic_fwhm_mm, camera.intercept_mm, camera.slope])
    half = 0.5 * (scene.n_columns - 1)
    transport_kernels.scattered(
        n,
        seed,
        emission.energy_mev,
        tables.least_mev,
        (cumulative, cells, np.asarray(grid.spacing_mm), first),
        (scene.density, scene.cell_mm, scene.corner_mm, float(scene.density.max())),
        (
            np.cos(orbit.angle_rad), np.sin(orbit.angle_rad), orbit.radius_mm, orbit.frame_duration_s,
            VIEWS_PER_COLLISION,
        ),
        (scene.cell_mm[0], scene.cell_mm[2], half, 0.5 * (n_z - 1), scene.n_columns, n_z, scene.corner_mm[2]),
        fwhm / FWHM_PER_SIGMA,
        scene.paths,
        (tables.water, tables.windows, tables.tail, *tables.log_range),
        tables.form,
        tallies,
    )  # fmt: skip
    return np.asarray(tallies.sum(axis=0))


def _smoothed_over_angle(total: NDArray[np.float64], orbit: Orbit) -> NDArray[np.float64]:
    """Each view mixed with its two neighbours in angle, rates not counts, where they are near."""
    order = np.argsort(np.mod(orbit.angle_rad, 2 * np.pi), kind="stable")
    angle = np.mod(orbit.angle_rad[order], 2 * np.pi)
    rate = total[:, order] / orbit.frame_duration_s[order][:, None, None]
    mixed = rate.copy()
    weight = np.ones(order.size)
    for step in (1, -1):
        apart = np.abs(np.mod(np.roll(angle, step) - angle + np.pi, 2 * np.pi) - np.pi)
        near = np.where(apart <= NEAR_RAD, 0.5, 0.0)
        mixed += near[:, None, None] * np.roll(rate, step, axis=1)
        weight += near
    result = np.empty_like(total)
    result[:, order] = mixed / weight[:, None, None] * orbit.frame_duration_s[order][:, None, None]
    return result


def _on_detector(total: NDArray[np.float64], scene: _Scene, orbit: Orbit) -> NDArray[np.float32]:
    """Smoothed, and from cells to the detector's pixels, (windows, views, rows, columns)."""
    smooth = gaussian_filter(total, (0, 0, SMOOTHING_CELLS, SMOOTHING_CELLS), mode="nearest", truncate=3.0)
    smooth = _smoothed_over_angle(smooth, orbit)
    if scene.factor == 1:
        fine = smooth
    else:
        column = (np.arange(orbit.n_columns) - 0.5 * (orbit.n_columns - 1)) / scene.factor + 0.5 * (
            scene.n_columns - 1
        )
        row = (np.arange(orbit.n_rows) - 0.5 * (orbit.n_rows - 1)) / scene.factor + 0.5 * (total.shape[3] - 1)
        at = np.stack(np.meshgrid(column, row, indexing="ij"))
        flat = smooth.reshape(-1, *smooth.shape[2:]) / scene.factor**2
        fine = np.stack([map_coordinates(plane, at, order=1, mode="nearest") for plane in flat])
        fine = fine.reshape(*total.shape[:2], *at.shape[1:])
    return np.ascontiguousarray(np.swapaxes(fine[..., ::-1], 2, 3), dtype=np.float32)
