"""Sensitivity of one detector head from a source of known activity: planar counts, or a reconstructed phantom."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError, InputError
from lutetia.images.calibration import Calibration, dead_time_factor
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import nuclide
from lutetia.recon.calibrate.conditions import Conditions, Source
from lutetia.recon.reconstruct import decay_factor
from lutetia.units import BQ_PER_MBQ

SensitivityMethod = Literal["planar", "tomographic"]

SCATTER_SHARE: Final = 0.1
"""Standard uncertainty of scatter correction over scattered counts, as in the doses (docs/methods/uncertainty.md)."""
HEADS_APART: Final = 0.05
"""Heads whose sensitivities differ by more than this from their mean are told of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """Counts of the peak window, of which some are scatter.

    Attributes
    ----------
    total : counts in the window
    scatter, scatter_variance : scattered counts among them as estimated, with variance
    """

    total: float
    scatter: float = 0.0
    scatter_variance: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v >= 0 for v in (self.total, self.scatter, self.scatter_variance)):
            raise InputError(
                f"Counts {self.total}, of which scatter {self.scatter} with variance {self.scatter_variance}; "
                "expected finite numbers of at least 0."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanarCounts:
    """Counts of a static acquisition.

    Attributes
    ----------
    counted : of each head, or one entry with the sum of all heads
    heads : number of heads whose counts these are
    duration_s : of the acquisition. [s]
    """

    counted: tuple[Counted, ...]
    heads: int
    duration_s: float

    def __post_init__(self) -> None:
        if self.heads < 1 or len(self.counted) not in (1, self.heads):
            raise InputError(
                f"{len(self.counted)} counts for {self.heads} heads; expected one of each, or their sum."
            )
        if not 0 < self.duration_s < math.inf:
            raise InputError(f"Duration {self.duration_s} s of the acquisition; expected more than 0.")

    def rates_cps(self) -> NDArray[np.float64]:
        """Count rate without scatter, per entry. [counts/s]"""
        return np.array([(c.total - c.scatter) / self.duration_s for c in self.counted])

    def variances(self) -> NDArray[np.float64]:
        """Variances of the rates. [counts^2/s^2]"""
        return np.array([(c.total + c.scatter_variance) / self.duration_s**2 for c in self.counted])


@dataclass(frozen=True, kw_only=True, slots=True)
class SensitivityMeasurement:
    """Count rate of one detector head per activity, without attenuation and scatter.

    Attributes
    ----------
    conditions : for which it holds
    value_cps_per_bq : [counts/s/Bq]
    relative_uncertainty : standard, None when a term of the budget is unknown
    budget : term to relative standard uncertainty, None where unknown
    method : "planar" or "tomographic"
    measured_at : start of the acquisition
    meter : the activity meter, empty when not known
    per_head_cps_per_bq : of each head, empty where they were not counted apart. [counts/s/Bq]
    reconstruction : how the image was made, in words; empty when planar
    source_sha256 : of the image files
    warnings : assumptions
    """

    conditions: Conditions
    value_cps_per_bq: float
    relative_uncertainty: float | None
    budget: Mapping[str, float | None]
    method: SensitivityMethod
    measured_at: datetime
    meter: str = ""
    per_head_cps_per_bq: tuple[float, ...] = ()
    reconstruction: str = ""
    source_sha256: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def calibration(self, *, dead_time_s: float = 0.0) -> Calibration:
        """As the reconstruction takes it."""
        return Calibration(
            sensitivity_cps_per_bq=self.value_cps_per_bq,
            relative_uncertainty=self.relative_uncertainty,
            dead_time_s=dead_time_s,
            source=f"{self.method} measurement of {self.measured_at:%Y-%m-%d}",
        )


def combined(budget: Mapping[str, float | None]) -> float | None:
    """Square root of the sum of squares; None when a term is not known."""
    terms = list(budget.values())
    return None if any(t is None for t in terms) else math.hypot(*(t for t in terms if t is not None))


def planar_sensitivity(
    counts: PlanarCounts,
    source: Source,
    conditions: Conditions,
    *,
    start_time: datetime,
    background: PlanarCounts | None = None,
    transmission: float = 1.0,
    transmission_relative_uncertainty: float = 0.0,
    dead_time_s: float = 0.0,
    spectrum_rate_cps: float | None = None,
    source_sha256: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> SensitivityMeasurement:
    r"""Sensitivity of one head from a source in front of the camera.

    .. math:: S = \frac{R\,d - R_b}{n\,t\,A_0}\;\frac{\lambda T}{1-e^{-\lambda T}}

    with count rates R and R_b of source and background (scatter taken out), dead-time factor d, number of heads n,
    transmission t out of the source, activity A_0 at the start and duration T.

    Parameters
    ----------
    counts, background : of the source, and of the room without it
    source : activity
    conditions : for which the result holds
    start_time : of the acquisition
    transmission : share of photons that leave the source towards the camera (see ``slab_transmission``); 1 in air
    transmission_relative_uncertainty : its standard uncertainty
    dead_time_s : non-paralysable, of the whole spectrum. [s]
    spectrum_rate_cps : rate of one head in the whole spectrum; None for the rate in the window, told as a warning
    source_sha256, warnings : of the image files, and of their reading

    Raises
    ------
    InputError
        Nothing is left above background, or numbers that cannot be.

    References
    ----------
    NEMA Standards Publication NU 1, section on system planar sensitivity (source in a dish, decay-corrected).
    Zhao W, Esquinas PL, Hou X et al. Determination of gamma camera calibration factors for quantitation of
    therapeutic radioisotopes. EJNMMI Phys 5 (2018) 8. doi:10.1186/s40658-018-0208-9 (scatter in planar factors).
    """
    _require_same_nuclide(source, conditions)
    if not 0 < transmission <= 1 or not 0 <= transmission_relative_uncertainty < 1:
        raise InputError(
            f"Transmission out of the source {transmission} with uncertainty {transmission_relative_uncertainty}; "
            "expected a share above 0 and at most 1."
        )
    lost, told = _dead_time(counts, dead_time_s, spectrum_rate_cps)
    rates, variances = counts.rates_cps() * lost, counts.variances() * lost**2
    if background is not None:
        _require_same_heads(counts, background)
        rates, variances = rates - background.rates_cps(), variances + background.variances()
    total = float(rates.sum())
    if total <= 0:
        raise InputError(
            f"Count rate {total:.3g} per s after background and scatter; expected more than 0. Check that source and "
            "background files are not exchanged."
        )
    per_bq = decay_factor(source.decay_constant_per_s, counts.duration_s, 0.0) / (
        source.activity_at(start_time) * transmission
    )
    heads = tuple(float(r) * per_bq for r in rates) if len(rates) > 1 else ()
    budget: dict[str, float | None] = {"counting": math.sqrt(float(variances.sum())) / total, **source.budget()}
    scattered = sum(c.scatter for c in counts.counted)
    if scattered > 0:
        budget["scatter correction"] = SCATTER_SHARE * scattered / sum(c.total - c.scatter for c in counts.counted)
    if transmission < 1 or transmission_relative_uncertainty:
        budget["attenuation in the source"] = transmission_relative_uncertainty
    return SensitivityMeasurement(
        conditions=conditions,
        value_cps_per_bq=total / counts.heads * per_bq,
        relative_uncertainty=combined(budget),
        budget=budget,
        method="planar",
        measured_at=start_time,
        meter=source.meter,
        per_head_cps_per_bq=heads,
        source_sha256=source_sha256,
        warnings=(*warnings, *source.warnings(start_time), *told, *_unlike(heads), *_unsubtracted(background)),
    )


def slab_transmission(attenuation_per_cm: float, depth_mm: float) -> float:
    r"""Share of photons that leave a layer of liquid through its face without interaction.

    :math:`(1-e^{-\mu d})/(\mu d)`, for photons along the depth d; photons scattered on the way that still fall into
    the window are not lost, so it is a lower limit without scatter correction.
    """
    if attenuation_per_cm < 0 or depth_mm < 0:
        raise InputError(f"Attenuation {attenuation_per_cm} per cm over {depth_mm} mm; expected 0 or more.")
    thickness = attenuation_per_cm * depth_mm / 10.0
    return float(-np.expm1(-thickness) / thickness) if thickness > 0 else 1.0


def tomographic_sensitivity(
    image: Volume,
    source: Source,
    conditions: Conditions,
    *,
    start_time: datetime,
    region: NDArray[np.bool_] | None = None,
    phantom_ml: float | None = None,
    phantom_relative_uncertainty: float | None = None,
    counting_relative_uncertainty: float | None = None,
    scatter_to_primary: float = 0.0,
    dead_time_correction: float = 1.0,
    reconstruction: str = "",
    source_sha256: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> SensitivityMeasurement:
    """Sensitivity of one head from the reconstruction of a phantom that holds all of the activity.

    Of the whole image: total count rate over activity. Of a region well inside a uniform phantom: count rate per
    volume there over activity per volume of the phantom; blur at its surface then does not matter, its volume does.

    Parameters
    ----------
    image : reconstructed, decay-corrected to ``start_time``. [counts/s per voxel and head]
    source : activity in the phantom
    conditions : for which the result holds
    start_time : to which the image refers
    region : (z, y, x) voxels well inside the phantom; None for the whole image
    phantom_ml : volume that the activity fills; needed with a region. [mL]
    phantom_relative_uncertainty : of that volume, None when unknown
    counting_relative_uncertainty : of the image's total (or the region's), None when unknown
    scatter_to_primary : scattered over unscattered counts that were corrected for
    dead_time_correction : true over measured count rate during the acquisition
    reconstruction : how the image was made: iterations, corrections

    Raises
    ------
    InputError, GridError
        The image is not in counts/s, or the region is empty or of another shape, or comes without a volume.

    References
    ----------
    Dewaraja YK et al. MIRD Pamphlet No. 23. J Nucl Med 53 (2012) 1310-1325. doi:10.2967/jnumed.111.100123
    """
    _require_same_nuclide(source, conditions)
    if image.unit != "counts/s":
        raise InputError(f"Image in {image.unit!r}; a sensitivity needs 'counts/s' per voxel and head.")
    counting = counting_relative_uncertainty
    known = counting is not None and math.isfinite(counting)
    budget: dict[str, float | None] = {"counting": counting if known else None, **source.budget()}
    activity = source.activity_at(start_time)
    if scatter_to_primary > 0:
        budget["scatter correction"] = SCATTER_SHARE * scatter_to_primary
    if region is None:
        rate = float(image.values.sum(dtype=np.float64))
    else:
        rate, share = _inside(image, region, phantom_ml)
        activity *= share
        budget["phantom volume"] = phantom_relative_uncertainty
    if rate <= 0 or dead_time_correction < 1:
        raise InputError(
            f"Count rate {rate:g} per s with a dead-time correction of {dead_time_correction:g}; expected more than 0 "
            "and at least 1."
        )
    return SensitivityMeasurement(
        conditions=conditions,
        value_cps_per_bq=rate * dead_time_correction / activity,
        relative_uncertainty=combined(budget),
        budget=budget,
        method="tomographic",
        measured_at=start_time,
        meter=source.meter,
        reconstruction=reconstruction,
        source_sha256=source_sha256,
        warnings=(*source.warnings(start_time), *warnings),
    )


def _inside(image: Volume, region: NDArray[np.bool_], phantom_ml: float | None) -> tuple[float, float]:
    """Count rate in a region, and the region's share of the phantom's volume."""
    if region.shape != image.values.shape:
        raise GridError(f"Region of shape {region.shape} on an image of shape {image.values.shape} (z, y, x).")
    volume_ml = float(np.count_nonzero(region)) * image.grid.voxel_ml
    if phantom_ml is None or not phantom_ml > 0 or not 0 < volume_ml <= phantom_ml:
        raise InputError(
            f"Region of {volume_ml:g} mL in a phantom of {phantom_ml} mL; expected the volume that the activity fills, "
            "and a region inside it."
        )
    return float(image.values[region].sum(dtype=np.float64)), volume_ml / phantom_ml


def _require_same_nuclide(source: Source, conditions: Conditions) -> None:
    if nuclide(source.nuclide).name != conditions.nuclide:
        raise InputError(f"The source is {source.nuclide}, the calibration is for {conditions.nuclide}.")


def _require_same_heads(counts: PlanarCounts, background: PlanarCounts) -> None:
    if (counts.heads, len(counts.counted)) != (background.heads, len(background.counted)):
        raise InputError(
            f"Background of {background.heads} heads for a source seen by {counts.heads}; expected the same heads."
        )


def _dead_time(counts: PlanarCounts, dead_time_s: float, rate_cps: float | None) -> tuple[float, tuple[str, ...]]:
    """Factor on the measured rates, and what was assumed."""
    if dead_time_s == 0:
        return 1.0, ()
    told: tuple[str, ...] = ()
    if rate_cps is None:
        rate_cps = sum(c.total for c in counts.counted) / counts.duration_s / counts.heads
        told = ("Dead time was corrected by the rate in the window alone; that of the whole spectrum is higher.",)
    return dead_time_factor(measured_rate_cps=rate_cps, dead_time_s=dead_time_s), told


def _unlike(heads: tuple[float, ...]) -> tuple[str, ...]:
    if not heads:
        return ()
    mean = sum(heads) / len(heads)
    apart = max(abs(value / mean - 1) for value in heads)
    if apart <= HEADS_APART:
        return ()
    listed = ", ".join(f"{value * BQ_PER_MBQ:.3g}" for value in heads)
    return (
        f"The heads differ by {apart:.0%} from their mean ({listed} cps/MBq); expected within {HEADS_APART:.0%}.",
    )


def _unsubtracted(background: PlanarCounts | None) -> tuple[str, ...]:
    return () if background is not None else ("No background was measured; none was subtracted.",)
