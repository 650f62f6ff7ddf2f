"""Kinetics of every voxel from images at several times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lutetia.errors import FitError, InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.voxels.kernels.each_mono import fit_each_mono
from lutetia.kinetics.voxels.kernels.each_pair import fit_each_pair
from lutetia.kinetics.voxels.kernels.shared import (
    A1,
    AICC,
    AUTO,
    CHI2,
    HALF_LIFE,
    K2,
    TIA,
    U_HALF_LIFE,
    U_TIA,
    Setup,
)
from lutetia.kinetics.voxels.noise import VoxelNoise, displacement_sigma, noise_maps, smoothed, smoothed_sigma
from lutetia.kinetics.voxels.result import BI, FITTED, MONO, UPTAKE, VoxelFits, status_warnings
from lutetia.kinetics.voxels.setup import RegionCurve, fastest_rate, make_setup
from lutetia.kinetics.voxels.shrinkage import spread_between_voxels

Array = NDArray[np.float64]
FloatMap = NDArray[np.float32]
VoxelModel = Literal["mono", "bi", "uptake", "auto", "shrunk"]

KINDS: Final = {"mono": (MONO, 2), "bi": (BI, 4), "uptake": (UPTAKE, 3), "auto": (AUTO, 2), "shrunk": (MONO, 2)}
"""Number in the kernels and least number of scans."""
LOW_QUANTILE: Final = 0.25
"""The noise is taken from the lower residuals, which voxels that the model does not fit leave alone."""
LEAST_VOXELS: Final = 20
"""From fewer voxels the size of the noise cannot be told."""

__all__ = ["VoxelNoise", "VoxelRegions", "fit_voxels"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelRegions:
    """Which region each voxel belongs to, and the curves of the regions.

    Attributes
    ----------
    labels : whole numbers, of the images' spatial shape; each number is a region, 0 too
    exponentials : label -> (amplitude, effective rate [1/s]) of each term of the region's fit, as in ``CurveFit``; a
        region that is not named gets a mono-exponential through its summed values
    """

    labels: NDArray[np.integer]
    exponentials: Mapping[int, Sequence[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Problem:
    """Values and uncertainties as (scans, voxels), and everything that stays the same for all regions."""

    images: FloatMap
    sigma: FloatMap
    noise: Array
    index: NDArray[np.int64]
    time_s: Array
    decay_constant_per_s: float
    fastest_per_s: float
    least_significance: float

    def setup(self, judged: bool, curve: RegionCurve | None = None, spread: float | None = None) -> Setup:
        return make_setup(
            time_s=self.time_s, noise=self.noise, decay_constant_per_s=self.decay_constant_per_s,
            fastest_per_s=self.fastest_per_s, least_significance=self.least_significance, judged=judged, curve=curve,
            spread=spread,
        )  # fmt: skip

    def fit(
        self, kind: int, index: NDArray[np.int64], setup: Setup, maps: FloatMap, codes: NDArray[np.uint8]
    ) -> None:
        fit_each_mono(self.images, self.sigma, index, setup.curve, setup.fallback, maps, codes)
        if kind != MONO:
            fit_each_pair(kind, self.images, self.sigma, index, *setup, maps, codes)


def fit_voxels(
    images: NDArray[np.floating] | Sequence[NDArray[np.floating]],
    time_s: Sequence[float] | Array,
    *,
    decay_constant_per_s: float,
    sigma: NDArray[np.floating] | None = None,
    noise: VoxelNoise | None = None,
    rescale: bool | None = None,
    model: VoxelModel = "auto",
    mask: NDArray[np.bool_] | None = None,
    regions: VoxelRegions | None = None,
    spacing_mm: Sequence[float] | None = None,
    smoothing_mm: float = 0.0,
    displacement_mm: float | Sequence[float] = 0.0,
    fastest_half_life_s: float | None = None,
    least_significance: float = 3.0,
) -> VoxelFits:
    r"""Fit sums of exponentials to every voxel by weighted least squares.

    Rates lie between physical decay and ``fastest_half_life_s``, amplitudes are not negative (but for uptake). The search
    starts on a grid of rates, so that the minimum is the lowest and not the nearest, and ends with Newton's method. The
    covariance is the inverse of the information matrix; it is not enlarged by a voxel's own residuals, which are too
    few, but see ``rescale``.

    Parameters
    ----------
    images : (n, z, y, x), not decay-corrected, one for each time; or flat, (voxels, n)
    time_s : (n,) after administration, increasing. [s]
    decay_constant_per_s : of the nuclide. [1/s]
    sigma : standard uncertainties, like the images; instead of ``noise``
    noise : how the uncertainty follows from the value; for images it is taken of the mean of 3 x 3 x 3 voxels. Without
        ``sigma`` and ``noise``, like counts, of unknown size
    rescale : multiply the noise by one factor so that the residuals of all voxels (mono-exponential, lower quartile of
        :math:`\chi^2`) are as large as they should be; default: where neither ``sigma`` nor ``noise`` is given
    model : "mono", "bi", "uptake"; "auto": the lowest AICc of those with two points more than parameters; "shrunk":
        the curve of the voxel's region, scaled and tilted (all its rates shifted alike), with a normal prior on the
        logarithm of its slowest rate around the region's, of the width that the voxels themselves tell
    mask : voxels to fit, default all
    regions : for "shrunk"; otherwise for the tails and shapes of voxels that cannot be fitted
    spacing_mm : (z, y, x) of the voxels, for smoothing and displacement
    smoothing_mm : full width at half maximum of a Gaussian applied to every image first
    displacement_mm : standard uncertainty of each component of the displacement between scans
    fastest_half_life_s : default a third of the first time
    least_significance : amplitudes below so many standard uncertainties are noise

    Returns
    -------
    VoxelFits
        With a status for each voxel and a warning for each kind of voxel that could not be fitted.

    Raises
    ------
    InputError
        Shapes, times or uncertainties that cannot be.
    FitError
        Fewer scans than the model has parameters, or shrinkage without any way to know the noise.

    References
    ----------
    Hurvich CM, Tsai CL. Biometrika 76 (1989) 297-307. doi:10.1093/biomet/76.2.297 (AICc).
    Gear JI et al. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7 (uncertainty).
    """
    if model not in KINDS:
        raise InputError(f"Model {model!r} for voxels; expected one of {', '.join(KINDS)}.")
    values, t, shape = _checked(images, time_s, decay_constant_per_s)
    chosen = _chosen_voxels(mask, shape)
    if t.size < KINDS[model][1]:
        raise FitError(
            f"A {model} fit of voxels needs {KINDS[model][1]} scans or more; "
            f"there {'is' if t.size == 1 else 'are'} {t.size}."
        )
    known = sigma is not None or noise is not None
    free = not known if rescale is None else rescale
    stack, counted, moved, coefficients = _uncertainties(
        values, sigma, noise, spacing_mm, smoothing_mm, displacement_mm
    )
    problem = _Problem(
        images=stack, sigma=counted, noise=coefficients, index=chosen, time_s=t,
        decay_constant_per_s=decay_constant_per_s,
        fastest_per_s=fastest_rate(t, decay_constant_per_s, fastest_half_life_s), least_significance=least_significance,
    )  # fmt: skip
    factor = _noise_factor(problem, moved) if free else 1.0
    return _fitted(_with_noise(problem, factor, moved), model, regions, factor, shape)


def _checked(
    images: NDArray[np.floating] | Sequence[NDArray[np.floating]], time_s: Sequence[float] | Array, decay: float
) -> tuple[FloatMap, Array, tuple[int, ...]]:
    """Images with the scans first, times, spatial shape."""
    t = np.asarray(time_s, dtype=np.float64)
    if not 0 < decay < math.inf:
        raise InputError(f"decay_constant_per_s is {decay}; expected more than 0.")
    if t.ndim != 1 or t.size == 0 or not np.all(np.isfinite(t)) or t[0] <= 0 or np.any(np.diff(t) <= 0):
        raise InputError(f"time_s is {t.tolist()}; expected increasing times after administration.")
    values = np.asarray(images, dtype=np.float32)
    if values.ndim == 2:
        values = values.T
    if values.ndim not in (2, 4) or values.shape[0] != t.size:
        raise InputError(
            f"Images of shape {np.shape(images)} at {t.size} times; expected (times, z, y, x) or (voxels, times)."
        )
    return np.ascontiguousarray(values), t, values.shape[1:]


def _chosen_voxels(mask: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.int64]:
    if mask is None:
        return np.arange(math.prod(shape), dtype=np.int64)
    if mask.shape != shape:
        raise InputError(f"The mask has shape {mask.shape}; the images have {shape}.")
    return np.flatnonzero(mask).astype(np.int64)


def _uncertainties(
    values: FloatMap,
    sigma: NDArray[np.floating] | None,
    noise: VoxelNoise | None,
    spacing_mm: Sequence[float] | None,
    smoothing_mm: float,
    displacement_mm: float | Sequence[float],
) -> tuple[FloatMap, FloatMap, FloatMap, Array]:
    """Images, uncertainty by counts and by displacement as (scans, voxels), noise by value; empty where there is none."""
    n = values.shape[0]
    coefficients = (noise or VoxelNoise(poisson=1.0)).coefficients(n)
    spatial = smoothing_mm > 0 or bool(np.any(np.asarray(displacement_mm) != 0))
    if spatial and (values.ndim != 4 or spacing_mm is None or len(spacing_mm) != 3 or min(spacing_mm) <= 0):
        raise InputError("Smoothing and displacement need images (times, z, y, x) and spacing_mm (z, y, x).")
    counted = _given_sigma(sigma, noise, values)
    if counted is None and values.ndim == 4:
        counted = noise_maps(values, coefficients)
    if smoothing_mm > 0 and spacing_mm is not None:
        values = smoothed(values, spacing_mm, smoothing_mm)
        if counted is not None:
            counted = smoothed_sigma(counted, spacing_mm, smoothing_mm)
    nothing = np.zeros((0, 0), np.float32)
    moved = nothing
    if spatial and spacing_mm is not None and np.any(np.asarray(displacement_mm) != 0):
        moved = displacement_sigma(values, spacing_mm, displacement_mm).reshape(n, -1)
    if counted is not None:
        return values.reshape(n, -1), counted.reshape(n, -1), moved, np.zeros_like(coefficients)
    return values.reshape(n, -1), nothing, moved, coefficients


def _given_sigma(sigma: NDArray[np.floating] | None, noise: VoxelNoise | None, values: FloatMap) -> FloatMap | None:
    if sigma is None:
        return None
    if noise is not None:
        raise InputError("Both sigma and noise are given; one of them says how uncertain the voxels are.")
    given = np.asarray(sigma, dtype=np.float32)
    given = np.ascontiguousarray(given.T if given.ndim == 2 else given)
    if given.shape != values.shape:
        raise InputError(f"sigma has shape {np.shape(sigma)}; expected that of the images.")
    if not np.all(given > 0) or not np.all(np.isfinite(given)):
        raise InputError("sigma has values that are 0, negative or not finite; every voxel needs one above 0.")
    return given


def _with_noise(problem: _Problem, factor: float, moved: FloatMap) -> _Problem:
    """The problem with its noise multiplied, and displacement added in quadrature."""
    scale = 1.0 if math.isnan(factor) else factor
    counted = problem.sigma * np.float32(scale) if problem.sigma.size and scale != 1.0 else problem.sigma
    if moved.size:
        counted = np.hypot(counted, moved) if counted.size else moved
    return replace(problem, sigma=counted, noise=problem.noise * scale**2)


def _blank(n_voxels: int, index: NDArray[np.int64]) -> tuple[FloatMap, NDArray[np.uint8]]:
    """Maps and codes; the loop fills all rows of the voxels it is given, so that only the others need a value."""
    shape = (CHI2 + 1, n_voxels)
    maps = np.empty(shape, np.float32) if index.size == n_voxels else np.full(shape, np.nan, np.float32)
    return maps, np.zeros((2, n_voxels), np.uint8)


def _noise_factor(problem: _Problem, moved: FloatMap) -> float:
    """How many times the noise the residuals of the brighter half of the voxels are; NaN where they cannot tell.

    With displacement, of that half of them where it matters least.
    """
    free = problem.time_s.size - 2
    if free < 1 or problem.index.size < LEAST_VOXELS:
        return math.nan
    total = np.nan_to_num(problem.images[:, problem.index].sum(axis=0))
    index = problem.index[total >= np.median(total)]
    if moved.size:
        ratio = np.max(moved[:, index] / problem.sigma[:, index], axis=0)
        index = index[ratio <= np.median(ratio)]
    maps, codes = _blank(problem.images.shape[1], index)
    problem.fit(MONO, index, problem.setup(judged=False), maps, codes)
    chi2 = maps[CHI2, index][codes[1, index] == FITTED]
    if chi2.size < LEAST_VOXELS:
        return math.nan
    found = float(np.quantile(chi2, LOW_QUANTILE))
    return math.sqrt(found / float(chdtri(free, 1 - LOW_QUANTILE))) if found > 0 else math.nan


def _fitted(
    problem: _Problem, model: str, regions: VoxelRegions | None, factor: float, shape: tuple[int, ...]
) -> VoxelFits:
    """All regions, one after the other."""
    judged = not math.isnan(factor)
    if model == "shrunk" and (regions is None or not judged):
        what = (
            "regions"
            if regions is None
            else "to know the noise: give sigma or noise, or three scans of many voxels"
        )
        raise FitError(f"Shrinkage towards the kinetics of the region needs {what}.")
    maps, codes = _blank(problem.images.shape[1], problem.index)
    spreads: dict[int, float] = {}
    told: list[str] = []
    for label, index in _groups(problem, regions, shape):
        curve = None if regions is None else _curve_of(problem, regions, label, index)
        spread = None
        if model == "shrunk" and curve is None:
            told.append(f"Region {label}: no curve to shrink towards; its voxels were fitted by themselves.")
        elif model == "shrunk":
            start = problem.setup(judged, curve, spread=1.0)
            spread = spreads[label] = spread_between_voxels(problem.images, problem.sigma, index, start.curve)
        problem.fit(KINDS[model][0], index, problem.setup(judged, curve, spread), maps, codes)
    if not judged:
        maps[[U_TIA, U_HALF_LIFE, AICC]] = np.nan
        told.append(
            "The size of the noise is unknown (two scans, or few voxels): no uncertainties, nothing refused."
        )
    return _result(maps, codes, shape, factor, spreads, told)


def _groups(
    problem: _Problem, regions: VoxelRegions | None, shape: tuple[int, ...]
) -> list[tuple[int, NDArray[np.int64]]]:
    if regions is None:
        return [(0, problem.index)]
    if regions.labels.shape != shape:
        raise InputError(f"The labels of the regions have shape {regions.labels.shape}; the images have {shape}.")
    own = regions.labels.ravel()[problem.index]
    return [(int(label), problem.index[own == label]) for label in np.unique(own)]


def _curve_of(problem: _Problem, regions: VoxelRegions, label: int, index: NDArray[np.int64]) -> RegionCurve | None:
    """The region's curve as given, else a mono-exponential through its sum; None where that cannot be fitted."""
    if label in regions.exponentials:
        return RegionCurve.of(regions.exponentials[label], f"Region {label}")
    total = np.nan_to_num(problem.images[:, index]).sum(axis=1, dtype=np.float64)
    if problem.time_s.size < 2:
        return None
    try:
        curve = TimeActivityCurve(region=str(label), time_s=problem.time_s, activity_bq=np.maximum(total, 0.0))
        fit = fit_curve(curve, decay_constant_per_s=problem.decay_constant_per_s, model="mono")
    except FitError:
        return None
    return RegionCurve.of([(1.0, fit.parameters["rate_per_s"])], f"Region {label}")


def _result(
    maps: FloatMap,
    codes: NDArray[np.uint8],
    shape: tuple[int, ...],
    factor: float,
    spreads: Mapping[int, float],
    told: Sequence[str],
) -> VoxelFits:
    grids = maps.reshape(-1, *shape)
    return VoxelFits(
        time_integrated_activity=grids[TIA],
        standard_uncertainty=grids[U_TIA],
        effective_half_life_s=grids[HALF_LIFE],
        effective_half_life_uncertainty_s=grids[U_HALF_LIFE],
        parameters=grids[A1 : K2 + 1],
        aicc=grids[AICC],
        chi_square=grids[CHI2],
        model=codes[0].reshape(shape),
        status=codes[1].reshape(shape),
        noise_factor=factor,
        between_voxels=spreads,
        warnings=(*told, *status_warnings(codes[1])),
    )
