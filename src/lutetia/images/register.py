"""Registration of one CT onto another; the images that belong to a CT follow it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError
from lutetia.images.body import body_mask
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto, from_sitk, overlap_fraction, to_sitk
from lutetia.images.volume import Volume

SPACING_MM: Final = 4.0
"""Grid on which the registration works: finer gives nothing for images of 10 mm resolution."""
LEAST_OVERLAP: Final = 0.3
HU_RANGE: Final = (-400.0, 300.0)
"""Soft tissue contrast; lung and metal beyond it do not pull."""


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
    """

    matrix: NDArray[np.float64]
    displacement: Any | None
    residual_mm: float
    before_mm: float
    shift_mm: float
    method: str
    warnings: tuple[str, ...] = ()


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
    resolutions, all voxels, regular-step gradient descent: the same input gives the same result. With ``deformable`` a
    B-spline of 40 mm knots follows.

    Parameters
    ----------
    fixed, moving : CT volumes. [HU]

    Raises
    ------
    GridError
        The volumes overlap too little.
    """
    import SimpleITK

    sitk: Any = SimpleITK
    same = Grid(**{**_fields(moving.grid), "frame_of_reference_uid": fixed.grid.frame_of_reference_uid})
    if overlap_fraction(fixed.grid, same) < LEAST_OVERLAP:
        raise GridError(
            f"The CTs overlap by {overlap_fraction(fixed.grid, same):.0%} of their volume; expected at least "
            f"{LEAST_OVERLAP:.0%}. Check that both show the same part of the patient."
        )
    if progress is not None:
        progress("Registering", 0.0)
    small_fixed, small_moving = _prepared(fixed), _prepared(Volume(grid=same, values=moving.values, unit="HU"))
    fixed_body, moving_body = body_mask(small_fixed), body_mask(small_moving)
    mask = to_sitk(small_fixed.with_values(fixed_body.astype(np.float32), "1"))
    transform = _rigid(sitk, to_sitk(small_fixed), to_sitk(small_moving), mask, small_fixed.grid)
    matrix = _matrix(transform)
    spline = None
    if deformable:
        spline = _spline(sitk, to_sitk(small_fixed), to_sitk(small_moving), mask, transform)
    full: Any = spline if spline is not None else transform
    before = _outline_distance(sitk, small_fixed, fixed_body, small_moving, moving_body, sitk.Transform())
    after = _outline_distance(sitk, small_fixed, fixed_body, small_moving, moving_body, full)
    some = np.argwhere(fixed_body)[:: max(1, int(fixed_body.sum()) // 5000), ::-1]
    points = small_fixed.grid.position_mm(some.astype(np.float64))
    shift = float(np.linalg.norm(points @ matrix[:3, :3].T + matrix[:3, 3] - points, axis=1).mean())
    return Registration(
        matrix=matrix,
        displacement=spline,
        residual_mm=after,
        before_mm=before,
        shift_mm=shift,
        method="CT to CT, rigid" + (" and B-spline" if deformable else ""),
        warnings=_judged(before, after),
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
    spacing = tuple(max(SPACING_MM, s) for s in ct.grid.spacing_mm)
    size = tuple(
        max(1, int(np.ceil(n * s / t))) for n, s, t in zip(ct.grid.size, ct.grid.spacing_mm, spacing, strict=True)
    )
    grid = Grid(
        size=(size[0], size[1], size[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=ct.grid.origin_mm,
        directions=ct.grid.directions,
        frame_of_reference_uid=ct.grid.frame_of_reference_uid,
    )
    coarse = average_onto(ct, grid)
    return coarse.with_values(np.clip(coarse.values, *HU_RANGE))


def _rigid(sitk: Any, fixed: Any, moving: Any, mask: Any, grid: Grid) -> Any:
    start = sitk.Euler3DTransform()
    start.SetCenter([float(v) for v in grid.centre_mm])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(sitk.Cast(mask, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=0.01, numberOfIterations=80, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    # one thread: sums of floats in a fixed order
    method.SetNumberOfThreads(1)
    method.Execute(sitk.Cast(fixed, sitk.sitkFloat32), sitk.Cast(moving, sitk.sitkFloat32))
    return start


def _spline(sitk: Any, fixed: Any, moving: Any, mask: Any, rigid: Any) -> Any:
    size = [max(1, round(n * s / 40.0)) for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    spline = sitk.BSplineTransformInitializer(fixed, size)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(sitk.Cast(mask, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-4, numberOfIterations=25)
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([1])
    method.SetNumberOfThreads(1)
    method.Execute(sitk.Cast(fixed, sitk.sitkFloat32), sitk.Cast(moving, sitk.sitkFloat32))
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


def _outline_distance(
    sitk: Any,
    fixed: Volume,
    fixed_body: NDArray[np.bool_],
    moving: Volume,
    moving_body: NDArray[np.bool_],
    transform: Any,
) -> float:
    """95th percentile distance from the moved outline to the fixed one, where both images have slices. [mm]"""
    from scipy import ndimage

    body = to_sitk(moving.with_values(moving_body.astype(np.float32), "1"))
    reference = to_sitk(fixed)
    moved = sitk.GetArrayFromImage(sitk.Resample(body, reference, transform, sitk.sitkLinear, -1.0))
    seen = (moved >= 0).any(axis=(1, 2))
    inside = moved > 0.5
    step = fixed.grid.spacing_mm[::-1]
    outline = fixed_body & ~ndimage.binary_erosion(fixed_body)
    other = inside & ~ndimage.binary_erosion(inside)
    if not other.any() or not outline.any():
        return float("nan")
    distance = ndimage.distance_transform_edt(~outline, sampling=step)
    inner = np.zeros_like(other)
    inner[np.flatnonzero(seen)[2:-2]] = True
    chosen = distance[other & inner]
    return float(np.percentile(chosen, 95)) if chosen.size else float("nan")


def _judged(before: float, after: float) -> tuple[str, ...]:
    if after > 10.0 or not np.isfinite(after):
        return (
            f"After registration the body outlines still differ by {after:.0f} mm (95th percentile): look at it.",
        )
    if after > before + SPACING_MM:
        return (f"Registration moved the body outlines apart, from {before:.0f} to {after:.0f} mm: look at it.",)
    return ()


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
