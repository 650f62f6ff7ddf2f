"""Activity of organs from planar images: the conjugate-view method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError, MissingDataError, OutOfRangeError
from lutetia.images.acquisition import ConjugateViews
from lutetia.images.calibration import Calibration, dead_time_factor
from lutetia.physics.attenuation import linear_attenuation_per_cm
from lutetia.physics.materials import material
from lutetia.recon.planar_attenuation import BodyPath
from lutetia.recon.scatter import ScatterMethod, classify_windows, estimate_scatter
from lutetia.units import CM_PER_MM

HEADS: Final = ("anterior", "posterior")
STEP: Final = 1e-4
"""Relative step of the numerical derivatives."""
MIRROR_DOUBT: Final = 0.05
"""The posterior image is doubted when turned the other way it resembles the anterior one by this much more."""
UNLIKE_PATH: Final = 0.2
"""A background region is doubted when its attenuation differs from its organ's by this share."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlanarRegion:
    """An organ or lesion outlined on the anterior image.

    Attributes
    ----------
    name : str
    mask : (rows, columns) pixels of the anterior image
    thickness_mm : of the organ along the detectors' axis, mean over the outline (volume over area, as outlines hold
        the blurred edge too); 0 for a point
    thickness_uncertainty_mm : standard uncertainty, None when unknown
    background : (rows, columns) pixels beside the organ that stand for the body before and behind it; None for no
        background subtraction
    depth_mm : from the front of the body to the middle of the organ, None when unknown
    attenuation_per_cm : of the organ at the photopeak; None for that of water
    """

    name: str
    mask: NDArray[np.bool_]
    thickness_mm: float
    thickness_uncertainty_mm: float | None
    background: NDArray[np.bool_] | None = None
    depth_mm: float | None = None
    attenuation_per_cm: float | None = None

    def __post_init__(self) -> None:
        if self.thickness_mm < 0 or (self.thickness_uncertainty_mm or 0.0) < 0:
            raise InputError(
                f"Region {self.name}: thickness {self.thickness_mm} mm, uncertainty "
                f"{self.thickness_uncertainty_mm} mm; expected at least 0."
            )
        if not self.mask.any() or (self.background is not None and not self.background.any()):
            raise InputError(f"Region {self.name}: its outline or its background region holds no pixel.")
        if self.background is not None and np.any(self.mask & self.background):
            raise InputError(f"Region {self.name}: its background region lies partly in the region itself.")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanarActivity:
    """Activity of one region, mean over the acquisition.

    Attributes
    ----------
    activity_bq : [Bq]
    standard_uncertainty_bq : None when one of the components is unknown. [Bq]
    components : effect to relative standard uncertainty, None where unknown: "counts" (with scatter), "background",
        "calibration", "attenuation", "thickness"
    net_counts : anterior and posterior, after scatter and background
    background_fraction : of the counts of the region, anterior and posterior
    attenuation_factor : by which the geometric mean was multiplied for the way through the body
    self_attenuation : by which it was multiplied for the organ's own thickness
    """

    name: str
    activity_bq: float
    standard_uncertainty_bq: float | None
    components: Mapping[str, float | None]
    net_counts: tuple[float, float]
    background_fraction: tuple[float, float]
    attenuation_factor: float
    self_attenuation: float
    warnings: tuple[str, ...] = ()


def self_attenuation_factor(mu_t: float) -> float:
    r"""Correction of the geometric mean for a slab that attenuates itself: :math:`(\mu t/2)/\sinh(\mu t/2)`."""
    half = 0.5 * mu_t
    return 1.0 if abs(half) < 1e-6 else float(half / np.sinh(half))


def quantify_planar(
    views: ConjugateViews,
    regions: Sequence[PlanarRegion],
    path: BodyPath,
    *,
    calibration: Calibration,
    photopeak_mev: float,
    posterior_calibration: Calibration | None = None,
    scatter: ScatterMethod = "tew",
) -> dict[str, PlanarActivity]:
    r"""Activity of regions by the geometric mean of anterior and posterior counts.

    .. math:: A = f \sqrt{\frac{I_A I_P}{C_A C_P}},\qquad
        I_h = \sum_p e^{+\mu_e t_p/2} (n_{hp} - s_{hp} - k_{hp} b_h)

    with n counts and s scatter in pixel p of head h over the exposure, b mean counts of a pixel of the background
    region, k the share of the body that is not organ, C the head's sensitivity, and
    f = (mu t/2)/sinh(mu t/2) for the organ's own thickness. Exact for a uniform slab or a point at any depth in a
    uniform body. Counts are summed before the root is taken: the root of few counts in a pixel is biased low.

    The share k is 1 - t_organ/t_body in both views; where the organ's depth is given, what the organ displaces is
    weighed by its attenuation in each view, which is exact for a uniformly filled body. A sensitivity of both heads
    is taken as wrong together (one activity meter). Sources one behind the other are not told apart.

    Parameters
    ----------
    views : as measured
    regions : outlined on the anterior image
    path : attenuation and thickness of the body
    calibration : of the anterior head, and of the posterior one unless given
    photopeak_mev : photon energy of the peak to use. [MeV]
    scatter : "tew", "dew" or "none"; with "none" the path must hold broad-beam attenuation

    Raises
    ------
    GridError
        Outlines or path of another shape than the images.
    MissingDataError
        A window is missing, or the attenuation is unknown in a region.
    OutOfRangeError
        A region has no counts above its background in one of the views.

    References
    ----------
    Siegel JA, Thomas SR, Stubbs JB et al. MIRD pamphlet no. 16. J Nucl Med 40 (1999) 37S-61S.
    Buijs WC, Siegel JA, Boerman OC, Corstens FH. Absolute organ activity estimated by five different methods of
    background correction. J Nucl Med 39 (1998) 2167-2172.
    """
    _require_shapes(views, regions, path)
    roles = classify_windows(views.windows, photopeak_mev)
    counts = views.aligned
    estimate = estimate_scatter(counts, views.windows, roles, scatter)
    peak = counts[roles.peak].astype(np.float64)
    calibrations = (calibration, posterior_calibration or calibration)
    told = (*views.warnings, *path.warnings, *_doubts(peak, scatter))
    shared = _shared_pixels(regions)
    return {
        region.name: _quantify(
            _Measured(
                region=region,
                net=peak - estimate.counts,
                variance=peak + estimate.variance,
                path=path,
                bq_per_count=_bq_per_count(views, calibrations),
                organ_per_cm=_organ_per_cm(region, photopeak_mev),
            ),
            calibrations,
            (*told, *shared.get(region.name, ()), *_assumptions(region, path)),
        )
        for region in regions
    }


def _require_shapes(views: ConjugateViews, regions: Sequence[PlanarRegion], path: BodyPath) -> None:
    shape = views.anterior.shape[1:]
    outlines = [a for r in regions for a in (r.mask, r.background) if a is not None]
    wrong = {a.shape for a in outlines} | {path.mu_t.shape}
    if wrong != {shape}:
        raise GridError(f"Outlines and path of shapes {sorted(wrong)} on images of {shape} (rows, columns).")
    if len({r.name for r in regions}) < len(regions):
        raise InputError(f"Region names must be unique, got {[r.name for r in regions]}.")
    for region in regions:
        unknown = np.count_nonzero(~np.isfinite(path.mu_t[region.mask]))
        if unknown:
            raise MissingDataError(
                f"Region {region.name}: the attenuation of {unknown} of its {np.count_nonzero(region.mask)} pixels is "
                "not known (outside the CT or the transmission image). Draw it smaller or give another path."
            )


def _bq_per_count(views: ConjugateViews, calibrations: tuple[Calibration, Calibration]) -> tuple[float, float]:
    """Of each head, with its dead time by the counts of all windows over the whole scan."""
    factors = []
    for counts, calibration in zip((views.anterior, views.posterior), calibrations, strict=True):
        rate = float(counts.sum(dtype=np.float64)) / views.duration_s
        dead = dead_time_factor(measured_rate_cps=rate, dead_time_s=calibration.dead_time_s)
        factors.append(dead / (calibration.sensitivity_cps_per_bq * views.exposure_s))
    return factors[0], factors[1]


def _organ_per_cm(region: PlanarRegion, photopeak_mev: float) -> float:
    if region.attenuation_per_cm is not None:
        return region.attenuation_per_cm
    return float(linear_attenuation_per_cm(material("water"), photopeak_mev))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Measured:
    """What there is to know of one region; arrays (anterior | posterior, rows, columns)."""

    region: PlanarRegion
    net: NDArray[np.float64]
    variance: NDArray[np.float64]
    path: BodyPath
    bq_per_count: tuple[float, float]
    organ_per_cm: float

    def background(self) -> NDArray[np.float64]:
        """Mean counts of a pixel of the background region and variance of that mean: (2, head)."""
        where = self.region.background
        if where is None:
            return np.zeros((2, 2))
        n = np.count_nonzero(where)
        return np.stack([self.net[:, where].mean(axis=1), self.variance[:, where].sum(axis=1) / n**2])

    def weights(self, mu_scale: float = 1.0) -> NDArray[np.float64]:
        """exp(+mu t/2) of the region's pixels."""
        return np.asarray(np.exp(0.5 * mu_scale * self.path.mu_t[self.region.mask]))

    def shares(self, thickness_mm: float, mu_scale: float = 1.0) -> NDArray[np.float64]:
        """Share of the body's own counts that an organ leaves in each pixel: (head, pixels)."""
        body = self.path.thickness_mm[self.region.mask]
        organ = np.minimum(thickness_mm, body)
        mu = mu_scale * self.path.mu_t[self.region.mask]
        left = 1.0 - np.divide(organ, body, out=np.ones_like(body), where=body > 0)
        if self.region.depth_mm is None:
            return np.stack([left, left])
        per_mm = np.divide(mu, body, out=np.zeros_like(body), where=body > 0)
        front = np.clip(self.region.depth_mm - organ / 2, 0.0, body - organ)
        ahead = np.stack([front, body - organ - front])
        displaced = np.exp(-per_mm * ahead) * -np.expm1(-per_mm * organ)
        whole = -np.expm1(-mu)
        return np.where(whole > 1e-9, 1.0 - displaced / np.maximum(whole, 1e-9), left)

    def corrected(self, thickness_mm: float, mu_scale: float = 1.0) -> NDArray[np.float64]:
        """Counts of both heads after background and attenuation."""
        weights, mean = self.weights(mu_scale), self.background()[0]
        gross = self.net[:, self.region.mask] @ weights
        return np.asarray(gross - mean * (self.shares(thickness_mm, mu_scale) @ weights))

    def activity_bq(self, thickness_mm: float, mu_scale: float = 1.0) -> float:
        """The estimate; NaN where a view has no counts left."""
        counts = self.corrected(thickness_mm, mu_scale) * self.bq_per_count
        factor = self_attenuation_factor(self.organ_per_cm * mu_scale * thickness_mm * CM_PER_MM)
        return float(np.sqrt(np.prod(counts)) * factor) if np.all(counts > 0) else float("nan")


def _quantify(
    measured: _Measured, calibrations: tuple[Calibration, Calibration], warnings: tuple[str, ...]
) -> PlanarActivity:
    region = measured.region
    thickness = region.thickness_mm
    mean = measured.background()[0]
    gross = measured.net[:, region.mask].sum(axis=1)
    below = mean * measured.shares(thickness).sum(axis=1)
    net, corrected = gross - below, measured.corrected(thickness)
    for name, value in zip(HEADS, np.minimum(net, corrected), strict=True):
        if not value > 0:
            raise OutOfRangeError(
                f"Region {region.name}: {value:.4g} counts above scatter and background in the {name} view; the "
                "geometric mean needs more than 0 in both. Choose another background region or leave the region out."
            )
    activity = measured.activity_bq(thickness)
    components = _components(measured, corrected, calibrations)
    known = [u for u in components.values() if u is not None]
    unknown = [name for name, u in components.items() if u is None]
    if unknown:
        told = f"Region {region.name}: uncertainty of {', '.join(unknown)} not given, so the total is not known."
        warnings = (*warnings, told)
    return PlanarActivity(
        name=region.name,
        activity_bq=activity,
        standard_uncertainty_bq=None if unknown else activity * float(np.sqrt(np.sum(np.square(known)))),
        components=components,
        net_counts=(float(net[0]), float(net[1])),
        background_fraction=(float(below[0] / gross[0]), float(below[1] / gross[1])),
        attenuation_factor=float(np.sqrt(np.prod(corrected / net))),
        self_attenuation=self_attenuation_factor(measured.organ_per_cm * thickness * CM_PER_MM),
        warnings=warnings,
    )


def _components(
    measured: _Measured, corrected: NDArray[np.float64], calibrations: tuple[Calibration, Calibration]
) -> dict[str, float | None]:
    """Relative standard uncertainties by first-order propagation."""
    region, weights = measured.region, measured.weights()
    counted = (measured.variance[:, region.mask] @ weights**2) / corrected**2
    found: dict[str, float | None] = {"counts": 0.5 * float(np.sqrt(counted.sum()))}
    if region.background is not None:
        left = measured.shares(region.thickness_mm) @ weights
        varied = measured.background()[1] * left**2 / corrected**2
        found["background"] = 0.5 * float(np.sqrt(varied.sum()))
    both = [c.relative_uncertainty for c in calibrations]
    found["calibration"] = None if None in both else 0.5 * sum(u for u in both if u is not None)
    found["attenuation"] = _attenuation_uncertainty(measured, corrected)
    error = region.thickness_uncertainty_mm
    found["thickness"] = None if error is None else error * _thickness_slope(measured)
    return found


def _thickness_slope(measured: _Measured) -> float:
    """Relative change of the activity per mm of the organ's thickness, by self-attenuation and background. [1/mm]"""
    thickness = measured.region.thickness_mm
    step = STEP * max(thickness, 1.0)
    low = max(thickness - step, 0.0)
    change = measured.activity_bq(thickness + step) - measured.activity_bq(low)
    return abs(change / (thickness + step - low) / measured.activity_bq(thickness))


def _attenuation_uncertainty(measured: _Measured, corrected: NDArray[np.float64]) -> float | None:
    """By an error common to all pixels (the organ's own attenuation included), and by counting of each."""
    common = measured.path.relative_uncertainty
    if common is None:
        return None
    thickness = measured.region.thickness_mm
    change = measured.activity_bq(thickness, 1 + STEP) - measured.activity_bq(thickness, 1 - STEP)
    systematic = common * abs(change / (2 * STEP) / measured.activity_bq(thickness))
    if measured.path.variance is None:
        return systematic
    left = measured.net[:, measured.region.mask]
    left = left - measured.background()[0][:, None] * measured.shares(thickness)
    slopes = 0.25 * measured.weights() * np.sum(left / corrected[:, None], axis=0)
    counted = float(np.sum(slopes**2 * measured.path.variance[measured.region.mask]))
    return float(np.hypot(systematic, np.sqrt(counted)))


def _doubts(peak: NDArray[np.float64], scatter: ScatterMethod) -> tuple[str, ...]:
    """Warnings on the images as a whole."""
    told: tuple[str, ...] = ()
    if scatter == "none":
        told += ("Scatter was not corrected: the attenuation must be the measured broad-beam one.",)
    front, behind = np.sqrt(peak)
    if np.ptp(front) > 0 and np.ptp(behind) > 0:
        as_is, turned = (
            float(np.corrcoef(front.ravel(), other.ravel())[0, 1]) for other in (behind, behind[:, ::-1])
        )
        if turned > as_is + MIRROR_DOUBT:
            told += (
                f"The posterior image resembles the anterior one more when turned left to right (correlation {turned:.2f} "
                f"against {as_is:.2f}); check posterior_mirrored.",
            )
    return told


def _shared_pixels(regions: Sequence[PlanarRegion]) -> dict[str, tuple[str, ...]]:
    """Warnings by region on outlines that overlap, whose counts go to both."""
    told: dict[str, tuple[str, ...]] = {}
    for first, second in combinations(regions, 2):
        shared = int(np.count_nonzero(first.mask & second.mask))
        for one, other in ((first, second), (second, first)):
            if shared:
                share = shared / np.count_nonzero(one.mask)
                text = f"Region {one.name}: {share:.0%} of its pixels also lie in {other.name}; their counts go to both."
                told[one.name] = (*told.get(one.name, ()), text)
            if one.background is not None and np.any(one.background & other.mask):
                text = (
                    f"Region {one.name}: its background region reaches into {other.name}; too much is subtracted."
                )
                told[one.name] = (*told.get(one.name, ()), text)
    return told


def _assumptions(region: PlanarRegion, path: BodyPath) -> tuple[str, ...]:
    told: tuple[str, ...] = ()
    name = f"Region {region.name}:"
    if region.attenuation_per_cm is None and region.thickness_mm > 0:
        told += (f"{name} attenuation of water assumed inside it.",)
    if float(path.thickness_mm[region.mask].mean()) < region.thickness_mm:
        told += (f"{name} thicker ({region.thickness_mm:g} mm) than the body there; check thickness_mm.",)
    if region.background is None:
        return (*told, f"{name} no background was subtracted.")
    own, beside = float(path.mu_t[region.mask].mean()), float(np.nanmean(path.mu_t[region.background]))
    if abs(beside - own) > UNLIKE_PATH * own:
        told += (f"{name} its background region attenuates {beside / own - 1:+.0%} against it; choose a like one.",)
    return told
