"""Registration of one CT onto another; the images that belong to a CT follow it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.errors import GridError
from lutetia.images.body import body_mask
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto, from_sitk, overlap_fraction, to_sitk
from lutetia.images.volume import Volume

Motion = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (n, 3) of the fixed frame to points of the moving frame."""

SPACING_MM: Final = 4.0
"""Grid on which the registration works: finer gives nothing for images of 10 mm resolution."""
LEAST_OVERLAP: Final = 0.3
HU_RANGE: Final = (-400.0, 300.0)
"""Soft tissue contrast; lung and metal beyond it do not pull."""
BONE_HU: Final = 150.0
LEAST_SIMILARITY: Final = 0.6
"""Correlation of HU in the body below which two CTs hardly show the same thing."""
LARGE_RESIDUAL_MM: Final = 10.0
LEAST_SURFACE: Final = 200
"""Surface voxels without which a distance says little."""
COARSE: Final = 4
"""Every so many voxels are compared where the start is looked for."""
REACH_MM: Final = 240.0
"""How far along the patient a start is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Registration:
    """How a moving image lies on a fixed one.

    Attributes
    ----------
    matrix : 4 x 4, from LPS points of the fixed frame to points of the moving frame; the rigid part. [mm]
    displacement : SimpleITK transform with the B-spline part, None for rigid ones
    residual_mm : 95th percentile distance between the body outlines after registration. [mm]
    before_mm : the same before
    shift_mm : mean displacement of the body's voxels
    method : in words
    bones_mm : 95th percentile distance between the surfaces of bones, None where there are too few
    similarity : correlation of the HU within the body, 1 at best
    """

    matrix: NDArray[np.float64]
    displacement: Any | None
    residual_mm: float
    before_mm: float
    shift_mm: float
    method: str
    warnings: tuple[str, ...] = ()
    bones_mm: float | None = None
    similarity: float | None = None


def identity_registration(method: str) -> Registration:
    """No registration: both frames are taken to be the same."""
    return Registration(
        matrix=np.eye(4), displacement=None, residual_mm=0.0, before_mm=0.0, shift_mm=0.0, method=method
    )


def register(
    fixed: Volume,
    moving: Volume,
    *,
    deformable: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Registration:
    """Register the CT of one scan onto the reference CT.

    Rigid: mean squares of soft-tissue HU on a 4 mm grid within the fixed body (so that the couch does not pull), three
    resolutions, regular-step gradient descent from the best of a few dozen starts along the patient: the same input gives
    the same result. With ``deformable`` a B-spline of 40 mm knots follows.

    The residuals are distances between surfaces found in both CTs; they show what is left of a rigid motion and of
    breathing at the skin and the skeleton, not how far an organ has moved inside.

    Parameters
    ----------
    fixed, moving : CT volumes. [HU]

    Raises
    ------
    GridError
        The volumes overlap too little, in coordinates that are known to be the same or not known to differ.
    """
    import SimpleITK

    sitk: Any = SimpleITK
    told = _require_overlap(fixed.grid, moving.grid)
    same = Grid(**{**_fields(moving.grid), "frame_of_reference_uid": fixed.grid.frame_of_reference_uid})
    if progress is not None:
        progress("Registering", 0.0)
    still = _Scene.of(_prepared(fixed))
    other = _Scene.of(_prepared(Volume(grid=same, values=moving.values, unit="HU")))
    transform = _rigid(sitk, still, other, _start(still, other))
    matrix = _matrix(transform)
    spline = None
    if deformable:
        if progress is not None:
            progress("Registering deformably", 0.3)
        spline = _spline(sitk, still, other, transform)
    moved = _points_by(matrix) if spline is None else _points_through(spline)
    after = _surface_distance(still, other, moved, bones=False)
    bones = _surface_distance(still, other, moved, bones=True)
    similarity = _similarity(still, other, moved)
    points = _some(still.grid.position_mm(np.argwhere(still.body)[:, ::-1].astype(np.float64)))
    return Registration(
        matrix=matrix,
        displacement=spline,
        residual_mm=after,
        before_mm=_surface_distance(still, other, lambda p: p, bones=False),
        shift_mm=float(np.linalg.norm(moved(points) - points, axis=1).mean()),
        method="CT to CT, rigid" + (" and B-spline" if deformable else ""),
        warnings=(*told, *_judged(after, bones, similarity)),
        bones_mm=bones if np.isfinite(bones) else None,
        similarity=similarity,
    )


def _require_overlap(fixed: Grid, moving: Grid) -> tuple[str, ...]:
    """Warning when coordinates that are not comparable overlap too little; GridError when they are comparable."""
    same = Grid(**{**_fields(moving), "frame_of_reference_uid": fixed.frame_of_reference_uid})
    overlap = overlap_fraction(fixed, same)
    if overlap >= LEAST_OVERLAP:
        return ()
    if fixed.frame_of_reference_uid and moving.frame_of_reference_uid and not fixed.same_frame_as(moving):
        return (
            "The CTs are in different frames of reference and far apart; they were brought together by their content.",
        )
    raise GridError(
        f"The CTs overlap by {overlap:.0%} of their volume; expected at least {LEAST_OVERLAP:.0%}. Check that both show "
        "the same part of the patient."
    )


def _fields(grid: Grid) -> dict[str, Any]:
    return {
        "size": grid.size,
        "spacing_mm": grid.spacing_mm,
        "origin_mm": grid.origin_mm,
        "directions": grid.directions,
    }


def _prepared(ct: Volume) -> Volume:
    """CT on a coarse grid, soft-tissue range only."""
    grid = ct.grid
    spacing = np.maximum(SPACING_MM, grid.spacing_mm)
    # inside the CT throughout: voxels that stick out are part air, an edge that belongs to the grid and not to the body
    size = np.maximum(1, np.floor(np.asarray(grid.size) * grid.spacing_mm / spacing + 1e-6)).astype(int)
    origin = grid.centre_mm - np.asarray(grid.directions) @ (spacing * (size - 1) / 2)
    coarse = Grid(
        size=(int(size[0]), int(size[1]), int(size[2])),
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        directions=grid.directions,
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )
    averaged = average_onto(ct, coarse)
    return averaged.with_values(np.clip(averaged.values, *HU_RANGE))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Scene:
    """A prepared CT with its body."""

    ct: Volume
    body: NDArray[np.bool_]

    @classmethod
    def of(cls, ct: Volume) -> "_Scene":
        return cls(ct=ct, body=body_mask(ct))

    @property
    def grid(self) -> Grid:
        return self.ct.grid

    @property
    def bones(self) -> NDArray[np.bool_]:
        """Dense parts of the body."""
        dense: NDArray[np.bool_] = self.body & (self.ct.values > BONE_HU)
        return dense


def _some(points: NDArray[np.float64], most: int = 5000) -> NDArray[np.float64]:
    """Evenly picked points, at most about so many."""
    return points[:: max(1, len(points) // most)]


def _sampled(values: NDArray[np.floating], grid: Grid, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at LPS points by linear interpolation; NaN outside."""
    index = grid.index(points_mm)[:, ::-1].T
    return np.asarray(
        ndimage.map_coordinates(values, index, order=1, mode="constant", cval=np.nan, prefilter=False)
    )


def _start(still: _Scene, other: _Scene) -> NDArray[np.float64]:
    """Translation from which the CTs look most alike: none, or bodies centred, and steps along the patient. [mm]"""
    pick = tuple(slice(None, None, COARSE) for _ in range(3))
    seen = np.zeros_like(still.body)
    seen[pick] = still.body[pick]
    points = still.grid.position_mm(np.argwhere(seen)[:, ::-1].astype(np.float64))
    values = still.ct.values[seen].astype(np.float64)
    smooth = ndimage.uniform_filter(other.ct.values, COARSE)
    centred = _body_centre(other) - _body_centre(still)
    far = centred[2] if abs(centred[2]) > REACH_MM else 0.0
    steps = far + np.arange(-REACH_MM, REACH_MM + 1, SPACING_MM * COARSE)
    best, shift = np.inf, np.zeros(3)
    for across in (np.zeros(2), centred[:2]):
        # from no shift outwards, so that of equals the least is taken
        for along in sorted(steps, key=abs):
            trial = np.array([*across, along])
            there = _sampled(smooth, other.grid, points + trial)
            known = np.isfinite(there)
            if known.mean() < LEAST_OVERLAP:
                continue
            score = float(np.mean((there[known] - values[known]) ** 2))
            if score < best:
                best, shift = score, trial
    return shift


def _body_centre(scene: _Scene) -> NDArray[np.float64]:
    return scene.grid.position_mm(np.argwhere(scene.body).mean(axis=0)[::-1])


def _rigid(sitk: Any, still: _Scene, other: _Scene, start_mm: NDArray[np.float64]) -> Any:
    transform = sitk.Euler3DTransform()
    transform.SetCenter([float(v) for v in still.grid.centre_mm])
    transform.SetTranslation([float(v) for v in start_mm])
    method = _method(sitk, still)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([8, 4, 2])
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=0.01, numberOfIterations=80, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(to_sitk(still.ct), to_sitk(other.ct))
    return transform


def _method(sitk: Any, still: _Scene) -> Any:
    """Mean squares within the fixed body, the same to the bit in every run."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    mask = to_sitk(still.ct.with_values(still.body.astype(np.float32), "1"))
    method.SetMetricFixedMask(sitk.Cast(mask, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    # one thread: sums of floats in a fixed order
    method.SetNumberOfThreads(1)
    return method


def _spline(sitk: Any, still: _Scene, other: _Scene, rigid: Any) -> Any:
    fixed = to_sitk(still.ct)
    size = [max(1, round(n * s / 40.0)) for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    spline = sitk.BSplineTransformInitializer(fixed, size)
    method = _method(sitk, still)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-4, numberOfIterations=25)
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([4])
    method.Execute(fixed, to_sitk(other.ct))
    # points go through the spline first, then through the rigid part
    both = sitk.CompositeTransform(3)
    both.AddTransform(rigid)
    both.AddTransform(spline)
    return both


def _matrix(transform: Any) -> NDArray[np.float64]:
    rotation = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, offset = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = offset + centre - rotation @ centre
    return matrix


def _points_by(matrix: NDArray[np.float64]) -> Motion:
    return lambda points: points @ matrix[:3, :3].T + matrix[:3, 3]


def _points_through(transform: Any) -> Motion:
    return lambda points: np.array([transform.TransformPoint(p) for p in points.tolist()])


def _surface_distance(still: _Scene, other: _Scene, moved: Motion, *, bones: bool) -> float:
    """95th percentile distance from points of the fixed surface to the moving one. [mm]

    Half a voxel, by which a voxel just inside lies under the surface, is taken off on both sides, so that equal bodies
    have distance 0. Caps, where the field of view cuts the body, are no surface.
    """
    here, there = (still.bones, other.bones) if bones else (still.body, other.body)
    in_plane = np.zeros((3, 3, 3), np.bool_)
    in_plane[1, 1, :] = in_plane[1, :, 1] = True
    rim = here & ~ndimage.binary_erosion(here, in_plane, border_value=1)
    if np.count_nonzero(rim) < LEAST_SURFACE or not there.any() or there.all():
        return float("nan")
    points = _some(still.grid.position_mm(np.argwhere(rim)[:, ::-1].astype(np.float64)))
    step = other.grid.spacing_mm[::-1]
    half = min(other.grid.spacing_mm) / 2
    outside = ndimage.distance_transform_edt(~there, sampling=step)
    inside = ndimage.distance_transform_edt(there, sampling=step)
    signed = np.where(there, half - inside, outside - half)
    found = _sampled(signed, other.grid, moved(points)) + min(still.grid.spacing_mm) / 2
    found = np.abs(found[np.isfinite(found)])
    return float(np.percentile(found, 95)) if found.size else float("nan")


def _similarity(still: _Scene, other: _Scene, moved: Motion) -> float:
    """Correlation of HU within the fixed body."""
    inside = np.argwhere(still.body)
    inside = inside[:: max(1, len(inside) // 20000)]
    values = still.ct.values[tuple(inside.T)].astype(np.float64)
    there = _sampled(other.ct.values, other.grid, moved(still.grid.position_mm(inside[:, ::-1].astype(np.float64))))
    known = np.isfinite(there)
    if np.count_nonzero(known) < 2 or np.ptp(values[known]) == 0 or np.ptp(there[known]) == 0:
        return float("nan")
    return float(np.corrcoef(values[known], there[known])[0, 1])


def _judged(after: float, bones: float, similarity: float) -> tuple[str, ...]:
    told = []
    if not np.isfinite(after) or after > LARGE_RESIDUAL_MM:
        told.append(
            f"After registration the body outlines still differ by {after:.0f} mm (95th percentile): look at it."
        )
    if np.isfinite(bones) and bones > LARGE_RESIDUAL_MM:
        told.append(f"After registration bones still lie {bones:.0f} mm apart (95th percentile): look at it.")
    if not np.isfinite(similarity) or similarity < LEAST_SIMILARITY:
        told.append(f"After registration the CTs look little alike (correlation {similarity:.2f}): look at it.")
    return tuple(told)


def moved_onto(
    volume: Volume, registration: Registration, grid: Grid, *, nearest: bool = False, outside: float = 0.0
) -> Volume:
    """A volume of the moving frame on a grid of the fixed frame, by one interpolation."""
    import SimpleITK

    sitk: Any = SimpleITK
    transform = registration.displacement or _affine(sitk, registration.matrix)
    like = to_sitk(Volume(grid=grid, values=np.zeros(grid.shape, np.float32), unit="1"))
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    image = sitk.Resample(to_sitk(volume), like, transform, how, outside)
    return from_sitk(image, volume.unit, grid.frame_of_reference_uid)


def moved_back(values: Volume, registration: Registration, grid: Grid, *, nearest: bool = True) -> Volume:
    """A volume of the fixed frame (labels, say) on a grid of the moving frame."""
    import SimpleITK

    sitk: Any = SimpleITK
    like = to_sitk(Volume(grid=grid, values=np.zeros(grid.shape, np.float32), unit="1"))
    transform: Any = _affine(sitk, np.linalg.inv(registration.matrix))
    if registration.displacement is not None:
        transform = _inverted(sitk, registration.displacement, like)
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    image = sitk.Resample(to_sitk(values), like, transform, how, 0.0)
    return from_sitk(image, values.unit, grid.frame_of_reference_uid)


def _inverted(sitk: Any, transform: Any, like: Any) -> Any:
    """Inverse of a deformation as a displacement field over an image's extent."""
    coarse = [max(2, int(n * s / 8.0)) for n, s in zip(like.GetSize(), like.GetSpacing(), strict=True)]
    spacing = [n * s / c for n, s, c in zip(like.GetSize(), like.GetSpacing(), coarse, strict=True)]
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, coarse, like.GetOrigin(), spacing, like.GetDirection()
    )
    inverse = sitk.InvertDisplacementField(field, maximumNumberOfIterations=40)
    return sitk.DisplacementFieldTransform(inverse)


def _affine(sitk: Any, matrix: NDArray[np.floating]) -> Any:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform
