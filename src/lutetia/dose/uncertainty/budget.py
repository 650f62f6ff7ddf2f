"""Uncertainty budget of a region's mean absorbed dose, after the EANM guidance.

Gear JI, Cox MG, Gustafsson J, et al. EANM practical guidance on uncertainty analysis for molecular radiotherapy absorbed
dose calculations. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.dose.uncertainty.volume import volume_sensitivity

RECOVERY_SHARE: Final = 0.1
"""Standard uncertainty of a partial-volume correction as a share of the correction, where none was measured: what a width
of the response that is wrong by 5 % does to spheres of 17 to 37 mm (0.083 to 0.102)."""
DECAY_ENERGY_RELATIVE: Final = 0.005
"""Of the energy per decay: ICRP 107 against newer evaluations for 177Lu (electrons 0.5 %)."""
SCATTER_SHARE: Final = 0.1
"""Standard uncertainty of an energy-window scatter estimate as a share of it."""
DENSITY_RELATIVE: Final = 0.01
"""Of a mean density from CT numbers of soft tissue."""

TIME_COURSE: Final = "count rate, fit and extrapolation"
"""Of a time-integrated activity whose parts are not known."""
EXTRAPOLATION: Final = "extrapolation"
CURVE_MODEL: Final = "curve model"
VOLUME: Final = "volume"
RECOVERY: Final = "recovery coefficient"
STATISTICS: Final = "Monte Carlo statistics"

ORDER: Final = (
    "calibration", "scatter correction", "count rate", "repeatability", "registration and motion", EXTRAPOLATION,
    CURVE_MODEL, TIME_COURSE, VOLUME, "delineation", "voxel size", "resolution", RECOVERY, "density", "decay energy",
    STATISTICS,
)  # fmt: skip
"""Components along the way from counts to dose, for tables and pictures of several regions."""

SHARED: Final = ("calibration", "scatter correction", "decay energy", "density", RECOVERY)
"""Components whose error is the same in all regions of a cycle, and in all cycles measured alike."""
KEPT_OVER_CYCLES: Final = (VOLUME, CURVE_MODEL)
"""Components of one region whose error returns in every cycle: the rule of its outline, the model of its curve."""


COVERAGE_95: Final = 1.959964
"""Standard deviations of a normal distribution on either side that hold 95 %."""


def combined(components: Sequence[UncertaintyComponent]) -> float:
    """Relative standard uncertainty of independent components: root of the sum of squares."""
    return math.sqrt(sum(c.relative**2 for c in components))


def interval_95(
    value: float, *, relative: float, part: float = 0.0, part_interval: tuple[float, float] | None = None
) -> tuple[float, float]:
    r"""Values between which the truth lies with a probability of 95 %.

    Lognormal, :math:`\ln D \pm 1.96\sqrt{\ln(1 + u^2)}`. Where one part of the uncertainty has an interval of its own
    (a curve whose tail nobody saw), that takes the part's place: half-widths in the logarithm add in quadrature, each
    side for itself.

    Parameters
    ----------
    value : estimate, above 0
    relative : its relative standard uncertainty, all parts
    part : relative standard uncertainty of the part with an interval of its own
    part_interval : ends of that interval over the estimate
    """
    half = COVERAGE_95 * _log_spread(relative)
    if part_interval is None:
        return value * math.exp(-half), value * math.exp(half)
    rest = COVERAGE_95 * _log_spread(math.sqrt(max(relative**2 - part**2, 0.0)))
    low, high = part_interval
    # an end on the wrong side of the estimate (a skewed distribution) leaves the rest alone there
    below = math.inf if low <= 0 else math.hypot(max(-math.log(low), 0.0), rest)
    above = math.hypot(max(math.log(high), 0.0), rest)
    return value * math.exp(-below), value * math.exp(above)


def _log_spread(relative: float) -> float:
    """Standard deviation of the logarithm of a lognormal quantity."""
    return math.sqrt(math.log1p(relative**2))


def dose_budget(
    *,
    calibration: float | None,
    fit: Sequence[UncertaintyComponent] | float | None,
    volume: Mapping[str, float] | float,
    recovery_coefficient: float | None,
    scatter_to_primary: float | None,
    recovery_relative: float | None = None,
    statistics: float | None = None,
) -> tuple[UncertaintyComponent, ...]:
    r"""Components of a region's dose, relative standard uncertainties (k=1).

    Each component is one error with all that it moves, so that the components are independent and add in quadrature though
    the quantities they act on are correlated. The volume's error acts on counts, recovery and mass together
    (:func:`lutetia.dose.uncertainty.volume.volume_sensitivity`); without partial-volume correction the surroundings
    decide how much of it remains, and all of it is kept.

    Parameters
    ----------
    calibration : of the sensitivity
    fit : components of the time-integrated activity (:func:`lutetia.dose.uncertainty.time_course.time_course_components`),
        or its total where they are not known
    volume : of the volume, in parts by name (delineation, voxel size, resolution) or as one
    recovery_coefficient : measured over true, None where no correction was made
    scatter_to_primary : scattered over unscattered counts that were subtracted, None where none were
    recovery_relative : of the recovery coefficient where it was measured; a share of the correction otherwise
    statistics : of a Monte Carlo calculation of the dose
    """
    kept = 1.0 if recovery_coefficient is None else abs(volume_sensitivity(recovery=recovery_coefficient).dose)
    volumes = volume if isinstance(volume, Mapping) else {VOLUME: volume}
    if recovery_relative is None and recovery_coefficient is not None:
        recovery_relative = RECOVERY_SHARE * abs(1 - recovery_coefficient)
    parts: list[tuple[str, float | None]] = [
        ("calibration", calibration),
        *_of_fit(fit),
        ("scatter correction", None if scatter_to_primary is None else SCATTER_SHARE * scatter_to_primary),
        ("decay energy", DECAY_ENERGY_RELATIVE),
        ("density", DENSITY_RELATIVE),
        *((name, kept * u) for name, u in volumes.items()),
        (RECOVERY, recovery_relative if recovery_coefficient is not None else None),
        (STATISTICS, statistics),
    ]
    found = [
        UncertaintyComponent(name=name, relative=u, shared=name in SHARED)
        for name, u in parts
        if u is not None and u > 0
    ]
    order = in_order([c.name for c in found])
    return tuple(sorted(found, key=lambda c: order.index(c.name)))


def in_order(names: Iterable[str]) -> list[str]:
    """Names of components, each once, along the way from counts to dose; others last."""
    once = list(dict.fromkeys(names))
    return sorted(once, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def _of_fit(fit: Sequence[UncertaintyComponent] | float | None) -> list[tuple[str, float | None]]:
    if fit is None or isinstance(fit, int | float):
        return [(TIME_COURSE, fit)]
    return [(c.name, c.relative) for c in fit]
