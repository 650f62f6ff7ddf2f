"""Regions where nobody drew any: kidneys, liver, spleen and hot spots from SPECT with the help of CT.

Good enough for a first look at a dose, labelled "automatic"; a physicist must look at the outlines. Each organ is
looked for where anatomy puts it relative to the lung bases and the body's midline, and its edge is a fraction of its own
uptake. Nothing here is learned from data.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.errors import InputError, MissingDataError
from lutetia.images.body import body_mask
from lutetia.images.grid import Grid
from lutetia.images.regions import Kind, Region, Regions, Side
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume, require_same_grid

Mask = NDArray[np.bool_]

SMOOTH_MM: Final = 4.0
KIDNEY_EDGE: Final = 0.40
"""Edge as a fraction of the organ's robust maximum; 40 to 45 % recovers volumes of 100 mL and more in SPECT."""
KIDNEY_MOST: Final = 1.4
"""What is brighter than the organ's robust maximum by this factor is a neighbour."""
SPLEEN_EDGE: Final = 0.45
LIVER_EDGE: Final = 0.5
LESION_EDGE: Final = 0.42
KIDNEY_ML: Final = (60.0, 500.0)
MOST_SPOTS: Final = 6
"""So many spots brighter than a kidney are set aside before giving up."""
SPLEEN_ML: Final = (40.0, 1200.0)
LIVER_ML: Final = (500.0, 4000.0)
LESION_ML: Final = (1.0, 250.0)
MOST_LESIONS: Final = 10
LESION_CONTRAST: Final = 8.0
"""A hot spot exceeds the body's typical uptake by this factor."""
COMPACT: Final = 0.30
"""A lesion fills this share of its bounding box; bowel does not."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Scene:
    """What the organ finders look at, all on one grid (z, y, x)."""

    uptake: NDArray[np.float32]
    body: Mask
    soft: Mask
    x_mm: NDArray[np.floating]
    y_mm: NDArray[np.floating]
    z_mm: NDArray[np.floating]
    middle_mm: tuple[float, float]
    base_mm: tuple[float, float]
    apex_mm: float
    body_mean: float
    voxel_ml: float


def segment_from_spect(image: Volume, ct: Volume) -> Regions:
    """Kidneys, liver, spleen and hot spots of a SPECT image, on its grid.

    Parameters
    ----------
    image : activity concentration or count rate on an axis-aligned grid
    ct : of the same frame of reference. [HU]

    Returns
    -------
    Regions
        With source "automatic"; its warnings say what was not found and that hot spots may be physiological.

    Raises
    ------
    InputError
        No activity, or nothing was found.
    """
    if not np.any(image.values > 0):
        raise InputError("The image holds no activity, so there is nothing to segment.")
    scene = _scene(image, ct)
    found: list[tuple[str, Kind, Side, Mask]] = []
    taken = np.zeros(image.grid.shape, np.bool_)
    warnings = ["Regions were found automatically from SPECT and CT: look at every outline before using a dose."]
    finders: tuple[tuple[str, Side, Any], ...] = (
        ("kidney left", "left", lambda: _kidney(scene, 1.0)),
        ("kidney right", "right", lambda: _kidney(scene, -1.0)),
        ("spleen", "", lambda: _spleen(scene, taken)),
        ("liver", "", lambda: _liver(scene, taken)),
    )
    for name, side, find in finders:
        mask = find()
        if mask is None:
            warnings.append(f"{name.capitalize()}: not found automatically.")
            continue
        mask &= ~taken
        taken |= mask
        found.append((name, "organ", side, mask))
    spots = _hot_spots(scene, taken)
    if spots:
        warnings.append(f"{len(spots)} hot spots are called lesions; bowel, glands or bladder may be among them.")
    found += [(f"lesion {n}", "lesion", "", mask) for n, mask in enumerate(spots, 1)]
    if not found:
        raise InputError(
            "No organ and no hot spot was found automatically; give contours (RTSTRUCT, SEG or labels)."
        )
    return _regions(image.grid, found, tuple(warnings))


def _regions(grid: Grid, found: list[tuple[str, Kind, Side, Mask]], warnings: tuple[str, ...]) -> Regions:
    labels = np.zeros(grid.shape, np.int16)
    table = {}
    for label, (name, kind, side, mask) in enumerate(found, 1):
        labels[mask] = label
        table[label] = Region(name=name, kind=kind, side=side, source="automatic", original_name=name)
    return Regions(grid=grid, labels=labels, table=table, warnings=warnings)


def _scene(image: Volume, ct: Volume) -> _Scene:
    grid = image.grid
    hu = average_onto(ct, grid)
    require_same_grid(grid, hu.grid, "Segmentation")
    body = body_mask(hu)
    sigma = [SMOOTH_MM / s for s in grid.spacing_mm[::-1]]
    uptake = ndimage.gaussian_filter(np.maximum(image.values, 0), sigma)
    k, j, i = (np.arange(n) for n in grid.shape)
    x = grid.origin_mm[0] + i * grid.spacing_mm[0] * grid.directions[0][0]
    y = grid.origin_mm[1] + j * grid.spacing_mm[1] * grid.directions[1][1]
    z = grid.origin_mm[2] + k * grid.spacing_mm[2] * grid.directions[2][2]
    middle = (
        float(np.average(x, weights=body.sum(axis=(0, 1)))),
        float(np.average(y, weights=body.sum(axis=(0, 2)))),
    )
    base, apex = _lung_levels(hu.values, body, x, z, middle[0])
    return _Scene(
        uptake=uptake.astype(np.float32),
        body=body,
        soft=body & (hu.values > -60) & (hu.values < 250),
        x_mm=x[None, None, :],
        y_mm=y[None, :, None],
        z_mm=z[:, None, None],
        middle_mm=middle,
        base_mm=base,
        apex_mm=apex,
        body_mean=_typical(uptake[body]),
        voxel_ml=grid.voxel_ml,
    )


def _typical(values: NDArray[np.floating]) -> float:
    """Mean of all but the brightest twentieth, which organs and lesions make up."""
    return float(values[values <= np.quantile(values, 0.95)].mean())


def _lung_levels(
    hu: NDArray[np.float32], body: Mask, x: NDArray[np.floating], z: NDArray[np.floating], middle: float
) -> tuple[tuple[float, float], float]:
    """Height of the left and right lung bases and of the apex; quantiles of the body where lungs are not seen. [mm]"""
    lung = ndimage.binary_opening(body & (hu < -450) & (hu > -950), iterations=1)
    low, high = float(np.quantile(z, 0.45)), float(np.quantile(z, 0.8))
    bases = []
    apex = high
    for sign in (1.0, -1.0):
        per_slice = (lung & (sign * (x - middle) > 20)[None, None, :]).sum(axis=(1, 2))
        # slices with a tenth of the fullest one: the thin recess behind the liver does not count
        filled = np.flatnonzero(per_slice > 0.1 * max(int(per_slice.max()), 1))
        seen = filled.size > 3
        bases.append(float(min(z[filled[0]], z[filled[-1]])) if seen else low)
        if seen:
            apex = float(max(z[filled[0]], z[filled[-1]]))
    return (bases[0], bases[1]), apex


def _component(mask: Mask, seed: tuple[int, ...] | None = None) -> Mask:
    """The connected part that holds the seed, or the largest one."""
    labels, n = ndimage.label(mask)
    if n == 0:
        return np.zeros_like(mask)
    if seed is not None and labels[seed] > 0:
        chosen = int(labels[seed])
    else:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        chosen = int(sizes.argmax())
    part: Mask = labels == chosen
    return part


def _opened(mask: Mask, scene: _Scene, radius_mm: float) -> Mask:
    """Without bridges thinner than twice a radius; unchanged where voxels are too large for it."""
    steps = round(radius_mm / (scene.voxel_ml * 1e3) ** (1 / 3))
    if steps == 0:
        return mask
    opened: Mask = ndimage.binary_opening(mask, iterations=steps)
    return opened


def _sized(mask: Mask, scene: _Scene, limits_ml: tuple[float, float]) -> Mask | None:
    volume = float(np.count_nonzero(mask)) * scene.voxel_ml
    return mask if limits_ml[0] <= volume <= limits_ml[1] else None


def _kidney(scene: _Scene, sign: float) -> Mask | None:
    """Brightest organ-sized part of the back of the upper abdomen on one side (sign +1: the patient's left).

    Spots that are too small for a kidney (a lesion beside it may be brighter) are set aside and the search goes on.
    """
    base = scene.base_mm[0 if sign > 0 else 1]
    lateral = sign * (scene.x_mm - scene.middle_mm[0])
    where = scene.body & (lateral > 18) & (lateral < 115) & (scene.y_mm > scene.middle_mm[1] - 15)
    where = where & (scene.z_mm < base + 25) & (scene.z_mm > base - 230)
    # the middle of a kidney lies farther back and nearer to the spine than the spleen, which is often brighter
    back = (lateral > 25) & (lateral < 82) & (scene.y_mm > scene.middle_mm[1] + 12) & (scene.z_mm < base - 15)
    for _ in range(MOST_SPOTS):
        values = np.where(where & back, scene.uptake, 0)
        seed = np.unravel_index(int(values.argmax()), values.shape)
        near = np.sort(values[values > 0.5 * values[seed]])
        level = float(np.quantile(near, 0.9)) if near.size else 0.0
        if level < 3.0 * scene.body_mean:
            return None
        even = (scene.uptake > KIDNEY_EDGE * level) & (scene.uptake < KIDNEY_MOST * level)
        core = _component(where & even, tuple(int(s) for s in seed))
        opened = _opened(core, scene, 5.0)
        found = _sized(_component(opened) if opened.any() else core, scene, KIDNEY_ML)
        if found is not None or np.count_nonzero(core) * scene.voxel_ml > KIDNEY_ML[1]:
            return found
        where = where & ~ndimage.binary_dilation(core, iterations=2)
    return None


def _spleen(scene: _Scene, taken: Mask) -> Mask | None:
    """Brightest soft tissue under the left lung base, to the side and the back."""
    free = scene.soft & ~ndimage.binary_dilation(taken, iterations=2)
    where = free & (scene.x_mm > scene.middle_mm[0] + 45) & (scene.y_mm > scene.middle_mm[1] - 25)
    where = where & (scene.z_mm < scene.base_mm[0] + 50) & (scene.z_mm > scene.base_mm[0] - 130)
    if np.count_nonzero(where) < 50:
        return None
    level = float(np.quantile(scene.uptake[where], 0.95))
    if level < 1.8 * scene.body_mean:
        return None
    mask = _opened(where & (scene.uptake > SPLEEN_EDGE * level), scene, 5.0)
    return _sized(ndimage.binary_closing(_component(mask), iterations=1) & where, scene, SPLEEN_ML)


def _liver(scene: _Scene, taken: Mask) -> Mask | None:
    """Soft tissue of even uptake under the right lung base."""
    free = scene.soft & ~ndimage.binary_dilation(taken, iterations=1)
    lateral = scene.middle_mm[0] - scene.x_mm
    base = scene.base_mm[1]
    probe = free & (lateral > 40) & (lateral < 110) & (scene.z_mm < base - 5) & (scene.z_mm > base - 55)
    if np.count_nonzero(probe) < 50:
        return None
    level = float(np.median(scene.uptake[probe]))
    if level < 1.5 * scene.body_mean:
        return None
    where = free & (lateral > -70) & (scene.z_mm < base + 60) & (scene.z_mm > base - 200)
    even = where & (scene.uptake > LIVER_EDGE * level) & (scene.uptake < 2.2 * level)
    opened = _opened(even, scene, 10.0)
    return _sized(ndimage.binary_closing(_component(opened), iterations=2) & where, scene, LIVER_ML)


def _hot_spots(scene: _Scene, taken: Mask) -> list[Mask]:
    """Compact spots well above the body's mean, between pelvis and lung apex, brightest first."""
    reach = max(1, round(8.0 / float(abs(scene.x_mm[0, 0, 1] - scene.x_mm[0, 0, 0]))))
    free = scene.body & ~ndimage.binary_dilation(taken, iterations=2) & (scene.z_mm < scene.apex_mm)
    # above the bladder, which is bright and no lesion
    free &= scene.z_mm > min(scene.base_mm) - 330
    values = np.where(free, scene.uptake, 0)
    peaks = (values == ndimage.maximum_filter(values, size=2 * reach + 1)) & (
        values > LESION_CONTRAST * scene.body_mean
    )
    spots: list[Mask] = []
    used = np.zeros_like(taken)
    order = sorted(map(tuple, np.argwhere(peaks)), key=lambda p: -values[p])
    for peak in order[:60]:
        if used[peak] or len(spots) >= MOST_LESIONS:
            continue
        mask = _component((values > LESION_EDGE * values[peak]) & ~used, peak)
        used |= mask
        if _sized(mask, scene, LESION_ML) is not None and _compact(mask):
            spots.append(mask)
    return spots


def _compact(mask: Mask) -> bool:
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    size = float(np.prod([s.stop - s.start for s in box]))
    longest = max(s.stop - s.start for s in box)
    shortest = min(s.stop - s.start for s in box)
    return bool(np.count_nonzero(mask) / size > COMPACT) and longest <= 3.0 * shortest


def segment_with_totalsegmentator(ct: Volume) -> Regions:
    """Organs of a CT by TotalSegmentator, when it is installed and has its weights.

    Raises
    ------
    MissingDataError
        The package or its weights are not there.
    """
    import tempfile
    from pathlib import Path

    from lutetia.images.nifti import read_nifti_labels, totalsegmentator_names, write_nifti

    try:
        from totalsegmentator.python_api import totalsegmentator
    except ImportError as error:
        raise MissingDataError(
            "TotalSegmentator is not installed; install it with: pip install 'lutetia[segmentation]', or use contours, or "
            "segmentation: auto."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "ct.nii.gz", Path(folder) / "labels.nii.gz"
        write_nifti(ct, source)
        try:
            totalsegmentator(source, target, ml=True, fast=True, quiet=True)
        except Exception as error:  # it fetches weights on first use, and fails in many ways without them
            raise MissingDataError(
                f"TotalSegmentator could not run ({type(error).__name__}: {error}). Its weights must be on this "
                "machine: run totalseg_download_weights once."
            ) from error
        return read_nifti_labels(target, totalsegmentator_names(), ct.grid, source="automatic")
