"""A picture of a reconstructed image, to be looked at before anything is computed from it."""

import io

import numpy as np

from lutetia.images.resample import resample
from lutetia.images.volume import Volume


def preview_png(image: Volume, ct: Volume | None, *, title: str) -> bytes:
    """Maximum-intensity projections from the front and the side, and the hottest slice on its CT, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = image.values
    dx, dy, dz = image.grid.spacing_mm
    k = int(values.sum(axis=(1, 2)).argmax())
    top = float(np.percentile(values[values > 0], 99.8)) if np.any(values > 0) else 1.0
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    front, side, slice_ = figure.subplots(1, 3)
    shown = front.imshow(values.max(axis=1)[::-1], cmap="inferno", vmin=0, vmax=top, aspect=dz / dx)
    side.imshow(values.max(axis=2)[::-1], cmap="inferno", vmin=0, vmax=top, aspect=dz / dy)
    if ct is not None:
        under = resample(ct, image.grid, outside=-1000.0).values[k]
        slice_.imshow(under, cmap="gray", vmin=-160, vmax=240, aspect=dy / dx)
    slice_.imshow(
        np.ma.masked_less(values[k], 0.05 * top), cmap="inferno", vmin=0, vmax=top, aspect=dy / dx,
        alpha=0.65 if ct is not None else 1.0,
    )  # fmt: skip
    z = image.grid.origin_mm[2] + k * dz
    for axis, name in (
        (front, "from the front (patient's right on the left)"),
        (side, "from the side"),
        (slice_, f"z = {z:.0f} mm"),
    ):
        axis.set_title(name, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(
        shown,
        ax=[front, side, slice_],
        shrink=0.8,
        label=image.unit if image.unit != "counts/s" else "counts/s per voxel",
    )
    figure.suptitle(f"{title}\nResearch use only", fontsize=9)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
