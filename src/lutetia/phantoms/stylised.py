"""Stylised adult anatomy: ellipsoids and elliptic cylinders of the MIRD and ORNL phantoms.

The phantom's axes are DICOM's: +x to the patient's left, +y to the back, +z to the head; the origin lies at the base of
the trunk. Arms are absent. Each organ with a reference mass is scaled isotropically about its centre until it has that
mass after organs that lie in it have taken their share. Heart, stomach and bladder, with contents, are as published.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.images.grid import Grid
from lutetia.images.regions import Kind, Region, Regions, Side
from lutetia.images.volume import Volume
from lutetia.physics.materials import density_from_hu
from lutetia.units import ML_PER_MM3

Sex = Literal["male", "female"]
Coordinates = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]

DENSITY_G_PER_ML: Final[dict[str, float]] = {
    "soft": 1.04, "kidney": 1.05, "liver": 1.06, "spleen": 1.06, "marrow": 1.03, "lung": 0.296, "bone": 1.4,
}  # fmt: skip
"""ICRU 46 organs; homogeneous skeleton and lung of ORNL/TM-8381."""
AIR_HU: Final = -1000.0
EVEN_STEPS: Final = 1.22074408460575947536 ** -np.arange(1.0, 4.0)
"""Powers of the root of x^4 = x + 1: multiples of them, modulo 1, fill a box evenly."""
FITTED_RELATIVE: Final = 3e-4
"""Organs are scaled until their axes change by less than this."""
MM: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One solid: centre and half-axes. [mm]"""

    region: str
    shape: str
    material: str
    centre_mm: tuple[float, float, float]
    axes_mm: tuple[float, float, float]
    cut: str = ""
    reference: str = ""

    def contains(self, x: Any, y: Any, z: Any) -> NDArray[np.bool_]:
        """Whether points lie inside. [mm]"""
        a, b, c = self.axes_mm
        u, v, w = (x - self.centre_mm[0]) / a, (y - self.centre_mm[1]) / b, (z - self.centre_mm[2]) / c
        if self.shape == "ellipsoid":
            inside = u**2 + v**2 + w**2 <= 1
        elif self.shape == "ribs":
            shell = (u**2 + v**2 <= 1) & ((u * a / (a - 5)) ** 2 + (v * b / (b - 5)) ** 2 >= 1) & (np.abs(w) <= 1)
            inside = shell & (np.floor((w + 1) * c / 14.0) % 2 == 0)
        elif self.shape == "pelvis":
            # outer (12, 12) and inner (11.3, 11.3) in cm, the inner 0.8 farther to the front; open behind below z = 14
            hollow = (u * 12 / 11.3) ** 2 + ((v * 12 + 0.8) / 11.3) ** 2 < 1
            closed = (v <= 8 / 12) | (w > 3 / 11)
            inside = (u**2 + v**2 <= 1) & ~hollow & (v >= 0) & closed & (np.abs(w) <= 1)
        else:
            inside = (u**2 + v**2 <= 1) & (np.abs(w) <= 1)
        return np.asarray(inside & _cut(self, x, y, z))


def _cut(shape: Shape, x: Any, y: Any, z: Any) -> Any:
    """The planes that bound a solid, moving and growing with it."""
    a, b, c = shape.axes_mm
    dx, dz = (x - shape.centre_mm[0]) / a, (z - shape.centre_mm[2]) / c
    if shape.cut.startswith("z>"):
        return dz >= 0
    if shape.cut == "x<-3":
        return dx <= 2 / 3
    if shape.cut == "x>3":
        return dx >= -2 / 3
    if shape.cut == "x>0 tail":
        return (dx >= 0) & ((dx <= 0.2) | (dz >= 0))
    if shape.cut == "liver":
        # x/35 + y/45 - z/43 <= -1 in cm about z = 35, half-axes 16.5, 8 and 8
        dy = (y - shape.centre_mm[1]) / b
        return dx * 16.5 / 35 + dy * 8 / 45 - (35 + dz * 8) / 43 <= -1
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy:
    """All solids of one body, later ones on top of earlier ones."""

    sex: Sex
    shapes: tuple[Shape, ...]
    reference_g: Mapping[str, float]

    def with_lesions(self, lesions: Sequence[Shape]) -> "Anatomy":
        """The same body with lesions on top."""
        return replace(self, shapes=(*self.shapes, *lesions))

    def shape_of(self, region: str) -> Shape:
        """The last solid of a region."""
        return [s for s in self.shapes if s.region == region][-1]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rasterised:
    """A body on voxels: regions (the remainder is body without label), density and CT numbers."""

    regions: Regions
    body: NDArray[np.bool_]
    density: Volume
    hu: Volume


def _rows(name: str) -> list[dict[str, str]]:
    path = files("lutetia.phantoms") / "data" / "cristy_eckerman_1987" / name
    with path.open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@lru_cache(maxsize=2)
def stylised_anatomy(sex: Sex) -> Anatomy:
    """Adult anatomy with organs of reference mass (within 0.5 % by their equations, 3 % on grids of 2.5 mm and finer).

    References
    ----------
    Cristy M, Eckerman KF. Specific absorbed fractions of energy at various ages from internal photon sources.
    ORNL/TM-8381 (1987). Masses: ICRP Publication 89 (2002).
    """
    found = [row for row in _rows("sexes.csv") if row["sex"] == sex]
    if not found:
        raise InputError(f"Sex {sex!r}; the stylised anatomy is male or female.")
    row = found[0]
    scale = np.array([float(row[f"scale {axis}"]) for axis in "xyz"])
    shapes = tuple(_shape(entry, scale) for entry in _rows("adult_male.csv"))
    reference = {key.split(" [")[0]: float(value) for key, value in row.items() if key.endswith("[g]")}
    return _fitted(Anatomy(sex=sex, shapes=shapes, reference_g=reference))


def _shape(entry: Mapping[str, str], scale: NDArray[np.float64]) -> Shape:
    centre = np.array([float(entry[f"{axis} [cm]"]) for axis in "xyz"]) * scale * MM
    axes = np.array([float(entry[f"{axis} [cm]"]) for axis in "abc"]) * scale * MM
    return Shape(
        region=entry["region"],
        shape=entry["shape"],
        material=entry["material"],
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        axes_mm=(float(axes[0]), float(axes[1]), float(axes[2])),
        cut=entry["cuts"],
        reference=entry["reference"],
    )


def body_grid(anatomy: Anatomy, spacing_mm: float, *, frame_of_reference_uid: str = "") -> Grid:
    """Grid of cubic voxels over the trunk, from 6 cm below it to the neck."""
    a, b = anatomy.shapes[0].axes_mm[:2]
    top = 2 * anatomy.shapes[0].axes_mm[2]
    low, high = np.array([-a - 12, -b - 12, -60.0]), np.array([a + 12, b + 12, top + 70])
    size = [int(np.ceil(v)) for v in (high - low) / spacing_mm]
    # half a voxel in, so that the solids' flat ends lie between voxel centres
    centre = low + spacing_mm / 2
    return Grid(
        size=(size[0], size[1], size[2]),
        spacing_mm=(spacing_mm, spacing_mm, spacing_mm),
        origin_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        frame_of_reference_uid=frame_of_reference_uid,
    )


def _fitted(anatomy: Anatomy) -> Anatomy:
    """Scale every organ that has a reference mass about its centre, until the part of it that shows has that mass."""
    fitted = {s.region: s for s in anatomy.shapes if s.reference}
    for _ in range(5):
        mass: dict[str, float] = {}
        for region, shape in fitted.items():
            own = region_volume_ml(anatomy, region) * DENSITY_G_PER_ML[shape.material]
            mass[shape.reference] = mass.get(shape.reference, 0.0) + own
        factor = {name: (anatomy.reference_g[name] / mass[name]) ** (1 / 3) for name in mass}
        if max(abs(f - 1) for f in factor.values()) < FITTED_RELATIVE:
            break
        shapes = tuple(_grown(s, factor.get(s.reference, 1.0)) for s in anatomy.shapes)
        anatomy = replace(anatomy, shapes=shapes)
    return anatomy


def region_volume_ml(anatomy: Anatomy, region: str, *, n_points: int = 2**17) -> float:
    """Volume of the part of a region that later solids leave, without voxels. [mL]

    The share of evenly spread points that lie in it; right to about 0.3 % for thin organs, 0.02 % for spheres.

    Parameters
    ----------
    anatomy : the body
    region : name of an organ or lesion
    n_points : in the box around the region

    Raises
    ------
    InputError
        The body has no such region.

    References
    ----------
    Points: the additive recurrence of irrational numbers, Niederreiter H. Bull Am Math Soc 84 (1978) 957-1041,
    doi:10.1090/S0002-9904-1978-14532-7.
    """
    own = [s for s in anatomy.shapes if s.region == region]
    if not own:
        raise InputError(
            f"No region {region!r} in the body; there are {sorted({s.region for s in anatomy.shapes})}."
        )
    low = np.min([np.subtract(s.centre_mm, s.axes_mm) for s in own], axis=0)
    high = np.max([np.add(s.centre_mm, s.axes_mm) for s in own], axis=0)
    width = high - low
    x, y, z = (low + width * ((0.5 + np.arange(n_points)[:, None] * EVEN_STEPS) % 1.0)).T
    inside, body = np.zeros(n_points, bool), np.zeros(n_points, bool)
    for shape in anatomy.shapes:
        if np.any(np.abs(np.subtract(shape.centre_mm, (low + high) / 2)) > shape.axes_mm + width / 2):
            continue
        covered = shape.contains(x, y, z)
        if shape.region == "remainder":
            body |= covered
        # nothing sticks out of the body, and later solids lie on top
        inside = inside | (covered & body) if shape.region == region else inside & ~covered
    return float(inside.mean() * np.prod(width)) * ML_PER_MM3


def _grown(shape: Shape, factor: float) -> Shape:
    a, b, c = shape.axes_mm
    return replace(shape, axes_mm=(a * factor, b * factor, c * factor))


def _positions(grid: Grid, box: tuple[slice, slice, slice], inverse: NDArray[np.floating]) -> Coordinates:
    """Body coordinates (x, y, z) of the voxels in a box (z, y, x) of an axis-aligned grid, in a moved body."""
    axes = [grid.origin_mm[i] + np.arange(box[2 - i].start, box[2 - i].stop) * grid.spacing_mm[i] for i in range(3)]
    x, y, z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
    if np.array_equal(inverse, np.eye(4)):
        return x, y, z
    moved = [inverse[i, 0] * x + inverse[i, 1] * y + inverse[i, 2] * z + inverse[i, 3] for i in range(3)]
    return moved[0], moved[1], moved[2]


def _box(shape: Shape, grid: Grid, motion: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    """Voxels (z, y, x) around a moved solid; everything else is outside it."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners = np.asarray(shape.centre_mm) + signs * np.asarray(shape.axes_mm)
    index = grid.index(corners @ motion[:3, :3].T + motion[:3, 3])
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.size)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.size)
    return slice(low[2], high[2]), slice(low[1], high[1]), slice(low[0], high[0])


def _labels(anatomy: Anatomy, grid: Grid, motion: NDArray[np.float64]) -> tuple[NDArray[np.int16], list[str]]:
    """Label volume (remainder 1, then regions in order) and the names."""
    inverse = np.linalg.inv(motion)
    names = list(dict.fromkeys(s.region for s in anatomy.shapes))
    labels = np.zeros(grid.shape, np.int16)
    for shape in anatomy.shapes:
        box = _box(shape, grid, motion)
        part = labels[box]
        inside = np.broadcast_to(shape.contains(*_positions(grid, box, inverse)), part.shape)
        # nothing sticks out of the body
        chosen = inside if shape.region == "remainder" else inside & (part > 0)
        part[chosen] = names.index(shape.region) + 1
    return labels, names


@lru_cache(maxsize=16)
def _hu_of_density(density: float) -> float:
    """CT number of a density by inverting the conversion; the branch below 100 HU for soft tissues."""
    hu = np.arange(-1000, 100, 0.5) if density < 1.1 else np.arange(101, 1600, 0.5)
    values = density_from_hu(hu)
    return float(np.interp(density, values, hu))


def rasterise(anatomy: Anatomy, grid: Grid, *, motion: NDArray[np.float64] | None = None) -> Rasterised:
    """The body on an axis-aligned grid.

    Parameters
    ----------
    anatomy : the body
    grid : axis-aligned LPS grid; a voxel belongs to what its centre lies in
    motion : 4 x 4 rigid motion from body to grid coordinates, None for none. [mm]
    """
    labels, names = _labels(anatomy, grid, np.eye(4) if motion is None else motion)
    materials = {s.region: s.material for s in anatomy.shapes}
    density = np.zeros(grid.shape, np.float32)
    hu = np.full(grid.shape, AIR_HU, np.float32)
    for number, name in enumerate(names, 1):
        value = DENSITY_G_PER_ML[materials[name]]
        chosen = labels == number
        hu[chosen] = _hu_of_density(value)
        density[chosen] = value
    density[labels == 0] = 0.0012
    body = labels > 0
    labels[labels == 1] = 0
    table = {
        number: _region(name) for number, name in enumerate(names, 1) if number > 1 and np.any(labels == number)
    }
    return Rasterised(
        regions=Regions(grid=grid, labels=labels, table=table),
        body=body,
        density=Volume(grid=grid, values=density, unit="g/mL"),
        hu=Volume(grid=grid, values=hu, unit="HU"),
    )


def _region(name: str) -> Region:
    side: Side = "left" if name.endswith(" left") else "right" if name.endswith(" right") else ""
    kind: Kind = "lesion" if name.startswith("lesion") else "organ"
    return Region(name=name, kind=kind, side=side, source="virtual patient", original_name=name)
