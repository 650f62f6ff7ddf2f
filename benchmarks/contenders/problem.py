"""The one problem that all contenders get: an object, its attenuation, and counts that none of them has projected.

The counts come from the textbook (rotate the volume with scipy, attenuate, blur every plane with its Gaussian in
Fourier space, sum), so that no contender reconstructs what it made itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import rotate

from lutetia.images.grid import Grid
from lutetia.phantoms.stylised import Anatomy, Rasterised, rasterise
from lutetia.phantoms.virtual_patient import draw_patient
from lutetia.physics.attenuation import linear_attenuation_from_hu
from lutetia.recon.channels import ordered_subsets
from lutetia.units import S_PER_H

FIELD_MM = 128 * 4.7952
RADIUS_MM = 250.0
SIGMA_AT_FACE_MM, SIGMA_SLOPE = 1.5, 0.02
PHOTOPEAK_MEV = 0.208366
WATER_PER_CM = 0.135
TIME_S = 24 * S_PER_H
ACQUISITION_S = 1500.0
"""Shared by all views."""
CPS_PER_BQ = 6e-6
REST = 999
"""Label of tissue that is no organ."""
PATIENT_MIDDLE_MM = 330.0
"""Height in the virtual patient of the middle of the field: kidneys, liver, spleen and lesions lie in it."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Activity as expected counts per voxel and view without attenuation, attenuation [1/cm], labels; (z, y, x)."""

    activity: NDArray[np.float32]
    mu_per_cm: NDArray[np.float32]
    labels: NDArray[np.int16]
    names: dict[int, str]
    pixel_mm: float


def grid_of(matrix: int, middle_z_mm: float = 0.0) -> Grid:
    """Cubic voxels over the field."""
    pixel = FIELD_MM / matrix
    low = -(matrix - 1) / 2 * pixel
    return Grid(size=(matrix,) * 3, spacing_mm=(pixel,) * 3, origin_mm=(low, low, low + middle_z_mm))


def patient(matrix: int, views: int, seed: int) -> Scene:
    """A virtual patient 24 h after administration."""
    drawn = draw_patient(seed)
    grid = grid_of(matrix, PATIENT_MIDDLE_MM)
    body, whole = (rasterise(drawn.anatomy, g) for g in (grid, _whole(drawn.anatomy, grid)))
    activity = np.zeros(grid.shape, np.float32)
    scale = CPS_PER_BQ * ACQUISITION_S / views
    for name in drawn.kinetics:
        # what lies outside the field keeps its share of the region's activity
        per_voxel = float(drawn.activity_bq_at(name, TIME_S)) / _mask(whole, name, drawn.kinetics).sum()
        activity[_mask(body, name, drawn.kinetics)] = per_voxel * scale
    mu = linear_attenuation_from_hu(body.hu.values, PHOTOPEAK_MEV)
    labels = body.regions.labels
    names = {number: region.name for number, region in body.regions.table.items()}
    return Scene(
        activity=activity,
        mu_per_cm=np.asarray(np.where(body.body, mu, 0), dtype=np.float32),
        labels=np.where(body.body & (labels == 0), REST, labels).astype(np.int16),
        names={**names, REST: "other tissue"},
        pixel_mm=grid.spacing_mm[0],
    )


def _whole(anatomy: Anatomy, grid: Grid) -> Grid:
    """The same voxels over the whole trunk."""
    slices = int(np.ceil((2 * anatomy.shapes[0].axes_mm[2] + 130) / grid.spacing_mm[2]))
    return Grid(
        size=(grid.size[0], grid.size[1], slices),
        spacing_mm=grid.spacing_mm,
        origin_mm=(grid.origin_mm[0], grid.origin_mm[1], -60.0),
    )


def _mask(body: Rasterised, name: str, named: Mapping[str, object]) -> NDArray[np.bool_]:
    """A region; the remainder is all of the body that has no kinetics of its own."""
    table = {region.name: number for number, region in body.regions.table.items()}
    if name == "remainder":
        apart = [number for region, number in table.items() if region in named]
        return np.asarray(body.body & ~np.isin(body.regions.labels, apart))
    return np.asarray(body.regions.labels == table.get(name, -1))


def spheres(matrix: int, views: int) -> Scene:
    """Elliptic cylinder of water with three spheres."""
    grid = grid_of(matrix)
    axis = grid.origin_mm[0] + np.arange(matrix) * grid.spacing_mm[0]
    x, y, z = axis[None, None, :], axis[None, :, None], axis[:, None, None]
    body = np.broadcast_to((x / 180) ** 2 + (y / 120) ** 2 <= 1, grid.shape)
    labels = np.where(body, 1, 0).astype(np.int16)
    activity = 0.2 * body.astype(np.float32)
    for number, (centre, radius, value) in enumerate(
        (((60, 40, 50), 30, 6.0), ((-60, 40, 50), 30, 6.0), ((0, -30, -80), 15, 15.0)), 2
    ):
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2
        labels[inside], activity[inside] = number, value
    scale = 2e8 / views / activity.sum(dtype=np.float64)
    return Scene(
        activity=np.asarray(activity * scale, dtype=np.float32),
        mu_per_cm=np.asarray(WATER_PER_CM * body, dtype=np.float32),
        labels=labels,
        names={1: "body", 2: "sphere left", 3: "sphere right", 4: "small sphere"},
        pixel_mm=grid.spacing_mm[0],
    )


def textbook_view(scene: Scene, angle_rad: float) -> NDArray[np.float64]:
    """Expected counts (rows, columns) of one view.

    The volume is turned until the detector lies at +y (angle 0 of Projections: the patient's back); columns then run
    along -x and rows from the head.
    """
    angle_deg = float(np.rad2deg(angle_rad))
    turned, mu = (
        rotate(v, -angle_deg, axes=(1, 2), reshape=False, order=1) for v in (scene.activity, scene.mu_per_cm)
    )
    half = mu * (scene.pixel_mm / 10 / 2)
    # from the own voxel's half on to the detector at the end of y
    in_front = 2 * (np.cumsum(half[:, ::-1], axis=1)[:, ::-1] - half)
    seen = np.moveaxis(turned * np.exp(-half - in_front), 1, 0)
    n = seen.shape[0]
    distance = RADIUS_MM - (np.arange(n) - (n - 1) / 2) * scene.pixel_mm
    sigma = (SIGMA_AT_FACE_MM + SIGMA_SLOPE * np.maximum(distance, 0)) / scene.pixel_mm
    size = next_fast_len(n + 2 * int(np.ceil(5 * sigma.max())), real=True)
    u, v = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    spectrum = np.zeros((size, size // 2 + 1), complex)
    for plane, width in zip(seen, sigma, strict=True):
        if plane.any():
            spectrum += rfft2(plane, (size, size)) * np.exp(-2 * (np.pi * width) ** 2 * (u**2 + v**2))
    view = irfft2(spectrum, (size, size))[:n, :n]
    return np.maximum(view, 0)[::-1, ::-1]


def write_problem(path: Path, scene: Scene, *, views: int, iterations: int, subsets: int, seed: int) -> float:
    """Write the problem with Poisson counts; returns their sum."""
    angle = np.arange(views) * 2 * np.pi / views
    expected = np.stack([textbook_view(scene, a) for a in angle])
    counts = np.random.default_rng(seed).poisson(expected).astype(np.float32)
    groups = ordered_subsets(angle, subsets)
    longest = max(g.size for g in groups)
    told = {
        "pixel_mm": scene.pixel_mm,
        "radius_mm": RADIUS_MM,
        "sigma_at_face_mm": SIGMA_AT_FACE_MM,
        "sigma_slope": SIGMA_SLOPE,
        "iterations": iterations,
        "shape": [views, scene.activity.shape[0], scene.activity.shape[2]],
    }
    np.savez(
        path,
        activity=scene.activity,
        mu_per_cm=scene.mu_per_cm,
        angle_rad=angle,
        counts=counts,
        expected=expected.astype(np.float32),
        labels=scene.labels,
        groups=np.stack([np.pad(g, (0, longest - g.size), constant_values=-1) for g in groups]),
        settings=json.dumps(told),
    )
    return float(counts.sum(dtype=np.float64))
