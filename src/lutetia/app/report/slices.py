"""Pictures of the patient: fused slices with outlines, projections of every scan."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.app.report.colours import colours_of
from lutetia.app.report.content import ReportContent
from lutetia.images.grid import Grid
from lutetia.images.resample import region_fractions, resample
from lutetia.images.volume import Volume

Array = NDArray[np.float32]

LETTERS: Final = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}
"""Left, right, upper and lower edge of each picture: the patient is seen from the feet, the front and the left."""

FAINT: Final = 0.004
"""Rows and columns with less than this share of the fullest one lie outside the patient."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Stack:
    """Everything to draw on one axis-aligned grid, cropped to the body."""

    grid: Grid
    ct: Array | None
    dose: Array
    shares: dict[str, Array]


def _stack(content: ReportContent) -> _Stack:
    """CT, dose and regions on a grid of half the dose voxels, so that outlines are smooth."""
    source = content.dose
    lps = _upright(source.grid)
    dose = resample(source, lps)
    shares = {name: share for name, share in region_fractions(content.regions, lps).items() if share.max() > 0.3}
    ct = None if content.ct is None else resample(content.ct, lps)
    body = dose.values > 0.01 * float(dose.values.max()) if ct is None else ct.values > -400
    box = _box(body)
    return _Stack(
        grid=lps,
        ct=None if ct is None else ct.values[box],
        dose=dose.values[box],
        shares={name: share[box] for name, share in shares.items()},
    )


def _upright(grid: Grid) -> Grid:
    """Axis-aligned LPS grid over the same box with finer voxels."""
    corners = grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    spacing = tuple(max(1.5, s * 0.6) for s in grid.spacing_mm)
    size = tuple(int((b - a) / s) + 1 for a, b, s in zip(low, high, spacing, strict=True))
    return Grid(
        size=(size[0], size[1], size[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=(float(low[0]), float(low[1]), float(low[2])),
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Bounding box of all but stray voxels of a mask, with a margin."""
    slices = []
    for axis in range(3):
        profile = mask.sum(axis=tuple(a for a in range(3) if a != axis))
        filled = np.flatnonzero(profile > 0.02 * max(int(profile.max()), 1))
        if filled.size == 0:
            slices.append(slice(0, mask.shape[axis]))
        else:
            slices.append(slice(max(0, int(filled[0]) - 3), int(filled[-1]) + 4))
    return slices[0], slices[1], slices[2]


def _plane(values: Array, view: str, index: int) -> Array:
    """A slice as drawn: first row on top."""
    planes: dict[str, Array] = {
        "axial": values[min(index, values.shape[0] - 1)],
        "coronal": values[::-1, min(index, values.shape[1] - 1), :],
        "sagittal": values[::-1, :, min(index, values.shape[2] - 1)],
    }
    return planes[view]


def _targets(content: ReportContent, stack: _Stack) -> list[str]:
    """Regions through which to cut: kidneys, then the lesion or organ of the highest dose."""
    doses = {
        r.region: r.dose.mean_gy for r in content.results if r.kind != "remainder" and r.region in stack.shares
    }
    kidneys = [name for name in doses if name.startswith("kidney")][:1]
    others = sorted(
        (n for n in doses if n not in kidneys), key=lambda n: -doses[n] * float(stack.shares[n].sum()) ** 0.5
    )
    return (kidneys + others)[:2] or list(stack.shares)[:1]


def fused_figure(content: ReportContent) -> Any:
    """Axial, coronal and sagittal slices through two regions: CT in grey, absorbed dose in colour, outlines."""
    from matplotlib.figure import Figure

    stack = _stack(content)
    targets = _targets(content, stack)
    top = (
        float(np.percentile(stack.dose[stack.dose > 0.02 * stack.dose.max()], 99)) if stack.dose.max() > 0 else 1.0
    )
    figure = Figure(figsize=(7.2, 2.9 * max(len(targets), 1) + 0.8), layout="constrained")
    axes = figure.subplots(max(len(targets), 1), 3, squeeze=False)
    colours = colours_of(content)
    picture: Any = None
    for row, name in enumerate(targets or [""]):
        centre = _centre(stack, name)
        for column, view in enumerate(("axial", "coronal", "sagittal")):
            axis = axes[row, column]
            picture = _draw(axis, stack, view, centre[column], top, colours)
            if column == 0:
                axis.set_title(f"through {name}" if name else "", loc="left")
    figure.colorbar(picture, ax=axes, location="bottom", shrink=0.5, aspect=40, label="absorbed dose / Gy")
    _legend(figure, stack, colours)
    return figure


def _centre(stack: _Stack, name: str) -> tuple[int, int, int]:
    """Slice numbers (axial, coronal, sagittal) through the middle of a region."""
    share = stack.shares.get(name)
    if share is None:
        n = stack.dose.shape
        return n[0] // 2, n[1] // 2, n[2] // 2
    profiles = [share.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    middle = [int(np.searchsorted(np.cumsum(p), p.sum() / 2)) for p in profiles]
    return middle[0], middle[1], middle[2]


def _draw(axis: Any, stack: _Stack, view: str, index: int, top: float, colours: dict[str, str]) -> Any:
    sx, sy, sz = stack.grid.spacing_mm
    aspect = {"axial": sy / sx, "coronal": sz / sx, "sagittal": sz / sy}[view]
    dose = _plane(stack.dose, view, index)
    if stack.ct is not None:
        axis.imshow(_plane(stack.ct, view, index), cmap="gray", vmin=-180, vmax=260, aspect=aspect)
    # faint doses stay transparent so that the anatomy shows
    opacity = np.clip(dose / (0.35 * top), 0, 1) * (0.55 if stack.ct is not None else 1.0)
    picture = axis.imshow(dose, cmap="inferno", vmin=0, vmax=top, alpha=opacity, aspect=aspect)
    for name, share in stack.shares.items():
        plane = _plane(share, view, index)
        if plane.max() > 0.5 and name in colours:
            axis.contour(plane, levels=[0.5], colors=[colours[name]], linewidths=1.1)
    axis.set_xticks([])
    axis.set_yticks([])
    left, right, up, down = LETTERS[view]
    place = {"color": "white", "fontsize": 8, "transform": axis.transAxes, "fontweight": "bold"}
    axis.text(0.02, 0.5, left, va="center", **place)
    axis.text(0.98, 0.5, right, va="center", ha="right", **place)
    axis.text(0.5, 0.98, up, va="top", ha="center", **place)
    axis.text(0.5, 0.02, down, ha="center", **place)
    axis.set_facecolor("black")
    # the mapping of the colour bar without the per-pixel opacity
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=picture.norm, cmap=picture.cmap)


def _legend(figure: Any, stack: _Stack, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    names = [name for name in colours if name in stack.shares][:18]
    handles = [Line2D([], [], color=colours[name], lw=2, label=name) for name in names]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), frameon=False)


def projection_figure(content: ReportContent) -> Any:
    """Coronal maximum-intensity projection of every scan on one scale."""
    from matplotlib.figure import Figure

    points = content.time_points
    images = [_projection(point.image) for point in points]
    top = (
        max(float(np.percentile(image[image > 0], 99.7)) if np.any(image > 0) else 1.0 for image, _ in images)
        * 1e-3
    )
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots(1, max(len(points), 1), squeeze=False)[0]
    picture: Any = None
    for axis, point, (image, aspect) in zip(axes, points, images, strict=True):
        picture = axis.imshow(image * 1e-3, cmap="gray_r", vmin=0, vmax=top, aspect=aspect)
        axis.set_title(f"{point.label}: {point.time_s / 3600:.1f} h")
        axis.set_axis_off()
        axis.text(0.03, 0.98, "R", va="top", transform=axis.transAxes)
        axis.text(0.97, 0.98, "L", va="top", ha="right", transform=axis.transAxes)
    label = "activity concentration / (kBq/mL), maximum along the line of sight"
    figure.colorbar(picture, ax=axes, location="bottom", shrink=0.5, aspect=40, label=label)
    return figure


def _projection(image: Volume) -> tuple[Array, float]:
    upright = resample(image, _upright(image.grid))
    flat = upright.values.max(axis=1)[::-1]
    rows, columns = (np.flatnonzero(flat.sum(axis=a) > FAINT * flat.sum(axis=a).max()) for a in (1, 0))
    if rows.size and columns.size:
        flat = flat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    spacing = upright.grid.spacing_mm
    return flat, spacing[2] / spacing[0]
