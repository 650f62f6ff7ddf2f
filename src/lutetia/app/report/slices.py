"""Pictures of the patient: fused slices with outlines, projections of every scan."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.app.report.colours import colours_of, is_dark, line_styles_of
from lutetia.app.report.content import ReportContent
from lutetia.app.report.planes import (
    LETTERS,
    VIEWS,
    Array,
    Box,
    View,
    body_box,
    coronal_projection,
    cut,
    cut_labels,
    pixel_mm,
    plane_points,
    soft_mask,
)
from lutetia.units import H_PER_S

WIDTH: Final = 7.2
"""Width of every figure: that of the text on A4. [inch]"""

GAP: Final = 0.06
ROWS: Final = 2
APART_MM: Final = 20.0
LEGEND_LINE: Final = 0.155
HIGHEST_ROW: Final = 3.0
HIGHEST_PROJECTION: Final = 5.0
WINDOW_HU: Final = (-160.0, 240.0)
KBQ_PER_BQ: Final = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """A point through which to cut, and the region it is in."""

    region: str
    at_mm: tuple[float, float, float]


def fused_figure(content: ReportContent) -> Any:
    """Axial, coronal and sagittal slices through a kidney and the hottest region: CT, absorbed dose, outlines."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    box = body_box(content.ct, content.dose)
    pictures = [[_Picture.of(content, box, view, target) for view in VIEWS] for target in _targets(content, box)]
    drawn = {name for row in pictures for picture in row for name in picture.masks}
    names = [name for name in colours_of(content) if name in drawn]
    columns, lines = _legend_shape(names)
    ratios = [box.extent_mm(view)[0] / box.extent_mm(view)[1] for view in VIEWS]
    row = min((WIDTH - 4 * GAP) / sum(ratios), HIGHEST_ROW)
    foot = 0.6 + LEGEND_LINE * lines
    height = foot + len(pictures) * (row + 0.28)
    figure = Figure(figsize=(WIDTH, height))
    norm = PowerNorm(0.5, vmin=0, vmax=_brightest(content.dose.values))
    for number, line in enumerate(pictures):
        bottom = height - (number + 1) * (row + 0.28)
        axes = _row_of_axes(figure, [row * ratio for ratio in ratios], bottom, row)
        axes[0].set_title(f"through {line[0].region}", loc="left", pad=3)
        for axis, picture in zip(axes, line, strict=True):
            _draw(axis, picture, norm, content)
    _colour_bar(figure, foot - 0.16, norm, "inferno", "absorbed dose / Gy (colours by square root)")
    _legend(figure, content, names, columns)
    return figure


def _row_of_axes(figure: Any, widths: list[float], bottom: float, height: float) -> list[Any]:
    """Axes side by side in the middle of the figure; all lengths in inches."""
    x = (WIDTH - sum(widths) - (len(widths) - 1) * GAP) / 2
    whole = figure.get_size_inches()[1]
    axes = []
    for width in widths:
        axes.append(figure.add_axes((x / WIDTH, bottom / whole, width / WIDTH, height / whole)))
        x += width + GAP
    return axes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Picture:
    """One cut: everything that is drawn in it."""

    region: str
    view: View
    side_mm: float
    ct: Array | None
    dose: Array
    masks: dict[str, Array]

    @classmethod
    def of(cls, content: ReportContent, box: Box, view: View, target: _Target) -> "_Picture":
        points = plane_points(box, view, target.at_mm)
        labels = cut_labels(content.regions.labels, content.regions.grid, points)
        present = set(np.unique(labels).tolist())
        blur = 0.5 * float(np.median(content.regions.grid.spacing_mm)) / pixel_mm(box)
        return cls(
            region=target.region,
            view=view,
            side_mm=pixel_mm(box),
            ct=None if content.ct is None else cut(content.ct, points),
            dose=cut(content.dose, points),
            masks={
                region.name: soft_mask(labels, label, blur)
                for label, region in content.regions.table.items()
                if label in present and region.kind in ("organ", "lesion")
            },
        )


def _brightest(values: NDArray[np.float32]) -> float:
    """Top of a colour scale: nearly the highest value, untroubled by single voxels."""
    high = float(values.max(initial=0.0))
    return float(np.percentile(values[values > 0.02 * high], 99.5)) if high > 0 else 1.0


def _targets(content: ReportContent, box: Box) -> list[_Target]:
    """A kidney and the hottest large region, each cut through its middle; the middle of the box when none is."""
    weights = {
        r.region: r.dose.mean_gy * r.volume_ml**0.5
        for r in content.results
        if r.kind in ("organ", "lesion") and np.isfinite(r.dose.mean_gy)
    }
    hottest = sorted(weights, key=lambda name: -weights[name])
    kidneys = [name for name in hottest if name.startswith("kidney")]
    found: list[_Target] = []
    for name in [*kidneys[:1], *(n for n in hottest if n not in kidneys)]:
        at = _middle(content, name)
        # neighbours share their axial slice; the next hottest shows more
        if at is not None and all(abs(at[2] - other.at_mm[2]) > APART_MM for other in found):
            found.append(_Target(region=name, at_mm=at))
        if len(found) == ROWS:
            break
    middle = tuple((a + b) / 2 for a, b in zip(box.low_mm, box.high_mm, strict=True))
    return found or [_Target(region="the middle", at_mm=(middle[0], middle[1], middle[2]))]


def _middle(content: ReportContent, name: str) -> tuple[float, float, float] | None:
    """The point of a region nearest its centre of mass, so that a cut through it meets it. [mm]"""
    labels = {region.name: label for label, region in content.regions.table.items()}
    if name not in labels:
        return None
    boxes: list[Any] = ndimage.find_objects(content.regions.labels, max_label=max(labels.values()))
    inside = boxes[labels[name] - 1]
    if inside is None:
        return None
    index = np.argwhere(content.regions.labels[inside] == labels[name])
    nearest = index[np.argmin(((index - index.mean(axis=0)) ** 2).sum(axis=1))]
    first = np.array([s.start for s in inside])
    x, y, z = content.regions.grid.position_mm((nearest + first)[::-1].astype(float))
    return float(x), float(y), float(z)


def _draw(axis: Any, picture: _Picture, norm: Any, content: ReportContent) -> None:
    rows, columns = picture.dose.shape
    axis.set_facecolor("black")
    shown: dict[str, Any] = {"aspect": "auto", "interpolation": "bilinear"}
    if picture.ct is not None:
        axis.imshow(picture.ct, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], **shown)
    # faint doses stay transparent so that the anatomy shows
    opacity = np.clip(3.0 * np.sqrt(np.clip(picture.dose, 0, None) / norm.vmax), 0, 1)
    axis.imshow(
        picture.dose, cmap="inferno", norm=norm, alpha=opacity * (1.0 if picture.ct is None else 0.6), **shown
    )
    _outlines(axis, picture, content)
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    _orientation(axis, picture)


def _outlines(axis: Any, picture: _Picture, content: ReportContent) -> None:
    from matplotlib.patheffects import Normal, Stroke

    colours, styles = colours_of(content), line_styles_of(content)
    for name, mask in picture.masks.items():
        if name not in colours or not mask.min() < 0.5 < mask.max():
            continue
        lines = axis.contour(mask, levels=[0.5], colors=[colours[name]], linewidths=1.2, linestyles=[styles[name]])
        rim = "white" if is_dark(colours[name]) else "black"
        lines.set_path_effects([Stroke(linewidth=2.2, foreground=rim, alpha=0.75), Normal()])


def _orientation(axis: Any, picture: _Picture) -> None:
    """Letters at the edges and a bar of 10 cm."""
    from matplotlib.patheffects import withStroke

    left, right, up, down = LETTERS[picture.view]
    rim = [withStroke(linewidth=1.6, foreground="black")]
    place: dict[str, Any] = {"color": "white", "fontsize": 8, "transform": axis.transAxes, "fontweight": "bold"}
    for x, y, letter, ha, va in (
        (0.02, 0.5, left, "left", "center"), (0.98, 0.5, right, "right", "center"),
        (0.5, 0.985, up, "center", "top"), (0.5, 0.015, down, "center", "bottom"),
    ):  # fmt: skip
        axis.text(x, y, letter, ha=ha, va=va, path_effects=rim, **place)
    rows, columns = picture.dose.shape
    start, end = 0.04 * columns, 0.04 * columns + 100 / picture.side_mm
    if end < 0.45 * columns:
        axis.plot([start, end], [0.955 * rows] * 2, color="white", lw=1.6, path_effects=rim)
        axis.text((start + end) / 2, 0.94 * rows, "10 cm", color="white", fontsize=6, ha="center", path_effects=rim)


def _colour_bar(figure: Any, bottom: float, norm: Any, colours: str, label: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FuncFormatter

    height, ticks = (
        figure.get_size_inches()[1],
        sorted({round_below(norm.vmax * share) for share in (0.0, 0.04, 0.16, 0.36, 0.64, 1.0)}),
    )
    axis = figure.add_axes((0.28, bottom / height, 0.44, 0.1 / height))
    bar = figure.colorbar(ScalarMappable(norm=norm, cmap=colours), cax=axis, orientation="horizontal", ticks=ticks)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.minorticks_off()
    bar.set_label(label, labelpad=2)


def round_below(value: float) -> float:
    """The largest round number that does not exceed a value."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return max((s * unit for s in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if s * unit <= value * (1 + 1e-9)), default=unit)


def shortened(name: str, most: int = 34) -> str:
    """A name that fits; the end stays because numbers stand there."""
    return name if len(name) <= most else f"{name[: most - most // 3 - 1].rstrip()}…{name[-(most // 3) :].lstrip()}"


def _legend_shape(names: list[str]) -> tuple[int, int]:
    """Columns and lines of a legend that fits the width."""
    widest = max((len(shortened(name)) for name in names), default=1)
    columns = max(1, min(len(names), int((WIDTH - 0.2) / (0.6 + 0.068 * widest))))
    return columns, -(-len(names) // columns)


def _legend(figure: Any, content: ReportContent, names: list[str], columns: int) -> None:
    from matplotlib.lines import Line2D

    colours, styles = colours_of(content), line_styles_of(content)
    handles = [Line2D([], [], color=colours[n], ls=styles[n], lw=2, label=shortened(n)) for n in names]
    if handles:
        figure.legend(
            handles=handles, loc="lower center", ncols=columns, frameon=False, borderpad=0.1, columnspacing=1.2,
            handlelength=2.4, labelspacing=0.3, bbox_to_anchor=(0.5, 0.0),
        )  # fmt: skip


def mip_figure(content: ReportContent) -> Any:
    """Coronal maximum-intensity projection of every scan on one scale."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    points = content.time_points
    images = [coronal_projection(point.image) for point in points]
    box = body_box(content.ct, points[0].image)
    wide, high = box.extent_mm("coronal")
    gaps = (len(points) + 1) * GAP
    row = min((WIDTH - gaps) / len(points) * high / wide, HIGHEST_PROJECTION)
    norm = PowerNorm(0.5, vmin=0, vmax=max(_brightest(image) for image, _ in images) * KBQ_PER_BQ)
    figure = Figure(figsize=(WIDTH, row + 0.85))
    axes = _row_of_axes(figure, [row * wide / high] * len(points), 0.6, row)
    for axis, point, (image, edges_mm) in zip(axes, points, images, strict=True):
        axis.imshow(
            image * KBQ_PER_BQ, cmap="gray_r", norm=norm, interpolation="bilinear", aspect="auto",
            extent=edges_mm,
        )  # fmt: skip
        axis.set(xlim=(box.low_mm[0], box.high_mm[0]), ylim=(box.low_mm[2], box.high_mm[2]), xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="#BBBBBB", linewidth=0.6)
        axis.set_title(f"{point.time_s * H_PER_S:.1f} h", pad=3)
        for at, letter, side in ((0.03, "R", "left"), (0.97, "L", "right")):
            axis.text(at, 0.99, letter, va="top", ha=side, transform=axis.transAxes, fontweight="bold")
    _colour_bar(figure, 0.44, norm, "gray_r", "highest activity concentration / (kBq/mL) (greys by square root)")
    return figure
