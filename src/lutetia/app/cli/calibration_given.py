"""From the options of ``calibrate``, in the units people use, to measurements."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from lutetia.app.case.reading import parse_time
from lutetia.errors import MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.physics.nuclides import nuclide
from lutetia.recon.bed import ReconSettings
from lutetia.recon.calibrate.conditions import Conditions, Source
from lutetia.recon.calibrate.dead_time import (
    DeadTimeMeasurement,
    dead_time_of_decaying_source,
    dead_time_of_known_activities,
    dead_time_of_two_sources,
)
from lutetia.recon.calibrate.from_images import (
    Names,
    PlanarScatter,
    attenuation_in_source,
    ct_files_in,
    planar_from_files,
    tomographic_from_files,
)
from lutetia.recon.calibrate.in_force import FactorInForce, factor_in_force
from lutetia.recon.calibrate.record import CalibrationRecord
from lutetia.recon.calibrate.recovery_curve import RecoveryCurve, RecoveryModel, fit_recovery
from lutetia.recon.calibrate.sensitivity import Counted, PlanarCounts, SensitivityMeasurement, planar_sensitivity
from lutetia.recon.calibrate.tables import read_rates, read_spheres
from lutetia.recon.camera import collimators
from lutetia.recon.lines import photopeak_of
from lutetia.recon.scatter import ScatterMethod
from lutetia.units import BQ_PER_MBQ, MEV_PER_KEV

Progress = Callable[[str, float], None]
Numbers = tuple[float | None, float | None, int, float | None, float | None]

S_PER_US: Final = 1.0e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Options that the commands share, as given."""

    nuclide: str
    activity_mbq: float = 0.0
    activity_at: str = ""
    activity_percent: float | None = None
    clocks_s: float | None = None
    meter: str = ""
    camera: str | None = None
    collimator: str | None = None
    window_kev: tuple[float, float] | None = None
    photopeak_kev: float | None = None
    dead_time_us: float = 0.0
    date: str | None = None

    def source(self) -> Source:
        """Activity as measured."""
        return Source(
            nuclide=nuclide(self.nuclide).name,
            activity_bq=self.activity_mbq * BQ_PER_MBQ,
            reference_time=parse_time(self.activity_at, "--activity-at"),
            relative_uncertainty=_share(self.activity_percent),
            clock_uncertainty_s=self.clocks_s,
            meter=self.meter,
        )

    def start(self) -> datetime | None:
        """Time of the acquisition, None when not given."""
        return parse_time(self.date, "--date") if self.date else None

    def photopeak_mev(self) -> float | None:
        """Photopeak asked for, None for the strongest line. [MeV]"""
        return None if self.photopeak_kev is None else self.photopeak_kev * MEV_PER_KEV

    def window_mev(self) -> tuple[float, float]:
        """Energy window given. [MeV]"""
        if self.window_kev is None:
            raise MissingDataError("The energy window is not told; give its limits (--window-keV 187.2 228.8).")
        return self.window_kev[0] * MEV_PER_KEV, self.window_kev[1] * MEV_PER_KEV

    def conditions(self) -> Conditions:
        """All from options, where no file says them."""
        return Conditions(
            camera=self.camera or "",
            collimator=self.collimator or "",
            nuclide=nuclide(self.nuclide).name,
            window_mev=self.window_mev(),
        )

    def when(self) -> datetime:
        """Time of the measurement, which must be given where no file says it."""
        when = self.start()
        if when is None:
            raise MissingDataError("The time of the measurement is not told; give it (--date 2026-03-02T10:15).")
        return when


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100.0


def planar_measurement(
    given: Given,
    *,
    file: Path | None,
    background: Path | None,
    numbers: Numbers,
    head: int | None,
    scatter: PlanarScatter,
    depth_mm: float,
    depth_percent: float | None,
) -> SensitivityMeasurement:
    """Planar sensitivity from a file, or from counts given as numbers."""
    counts, duration_s = numbers[:2]
    if (file is None) == (counts is None):
        raise MissingDataError("Give either a static NM image, or --counts and --duration-s.")
    if file is not None:
        return planar_from_files(
            file,
            given.source(),
            names=Names(camera=given.camera, collimator=given.collimator),
            background=background,
            head=head,
            scatter=scatter,
            photopeak_mev=given.photopeak_mev(),
            depth_mm=depth_mm,
            transmission_relative_uncertainty=_share(depth_percent),
            dead_time_s=given.dead_time_us * S_PER_US,
            start_time=given.start(),
        )
    if duration_s is None or (numbers[3] is None) != (numbers[4] is None):
        raise MissingDataError(
            "Counts need their duration: --duration-s, and --background-duration-s with background."
        )
    return _planar_of_numbers(given, numbers, depth_mm, _share(depth_percent))


def _planar_of_numbers(
    given: Given, numbers: Numbers, depth_mm: float, u_depth: float | None
) -> SensitivityMeasurement:
    counts, duration_s, heads, background, background_s = numbers
    conditions = given.conditions()
    energy = given.photopeak_mev()
    if energy is None:
        low, high = conditions.window_mev
        energy = photopeak_of(conditions.nuclide, [EnergyWindow(lower_mev=low, upper_mev=high)])
    transmission, u_transmission, assumed = attenuation_in_source(energy, depth_mm, u_depth)
    empty = None
    if background is not None and background_s is not None:
        empty = PlanarCounts(counted=(Counted(total=background),), heads=heads, duration_s=background_s)
    return planar_sensitivity(
        PlanarCounts(counted=(Counted(total=counts or 0.0),), heads=heads, duration_s=duration_s or 0.0),
        given.source(),
        conditions,
        start_time=given.when(),
        background=empty,
        transmission=transmission,
        transmission_relative_uncertainty=u_transmission,
        dead_time_s=given.dead_time_us * S_PER_US,
        warnings=(*assumed, "Scatter in the window was not estimated; it counts as sensitivity."),
    )


def tomographic_measurement(
    given: Given,
    file: Path,
    ct: Path,
    *,
    settings: tuple[int, int, ScatterMethod],
    phantom: tuple[float | None, float | None, float],
    progress: Progress,
) -> SensitivityMeasurement:
    """Sensitivity from projections and CT of a phantom."""
    response = given.collimator or ""
    name = response if response in collimators() else Path(response).stem
    return tomographic_from_files(
        file,
        ct_files_in(ct),
        given.source(),
        names=Names(camera=given.camera, collimator=name),
        response=response,
        settings=ReconSettings(iterations=settings[0], subsets=settings[1], scatter=settings[2]),
        phantom_ml=phantom[0],
        phantom_relative_uncertainty=_share(phantom[1]),
        margin_mm=phantom[2],
        photopeak_mev=given.photopeak_mev(),
        dead_time_s=given.dead_time_us * S_PER_US,
        start_time=given.start(),
        progress=progress,
    )


def dead_time_measurement(
    given: Given,
    table: Path | None,
    *,
    two_sources: tuple[float, float, float] | None,
    duration_s: float | None,
    background_cps: float,
) -> DeadTimeMeasurement:
    """Dead time from a table of rates, or from the rates of two sources."""
    if (table is None) == (two_sources is None):
        raise MissingDataError("Give either a table of count rates, or --two-sources-cps.")
    conditions, when = given.conditions(), given.when()
    if two_sources is not None:
        if duration_s is None or duration_s <= 0:
            raise MissingDataError("The uncertainty of the two-source rates needs their duration (--duration-s).")
        first, second, both, empty = (
            (rate, float(np.sqrt(max(rate, 0.0) / duration_s))) for rate in (*two_sources, background_cps)
        )
        return dead_time_of_two_sources(
            first_cps=first,
            second_cps=second,
            both_cps=both,
            background_cps=empty,
            conditions=conditions,
            measured_at=when,
        )
    return _of_rates(given, table or Path(), conditions, when, background_cps)


def _of_rates(
    given: Given, table: Path, conditions: Conditions, when: datetime, background_cps: float
) -> DeadTimeMeasurement:
    rates = read_rates(table)
    if rates.over == "time":
        return dead_time_of_decaying_source(
            time_s=rates.abscissa,
            rate_cps=rates.rate_cps,
            u_rate_cps=rates.u_rate_cps,
            half_life_s=nuclide(conditions.nuclide).half_life_s,
            conditions=conditions,
            measured_at=when,
            background_cps=background_cps,
            source_sha256=(rates.sha256,),
        )
    return dead_time_of_known_activities(
        activity_bq=rates.abscissa,
        rate_cps=rates.rate_cps,
        u_rate_cps=rates.u_rate_cps,
        conditions=conditions,
        measured_at=when,
        activity_relative_uncertainty=_share(given.activity_percent),
        background_cps=background_cps,
        source_sha256=(rates.sha256,),
    )


def recovery_measurement(
    given: Given,
    table: Path,
    *,
    model: RecoveryModel,
    common_percent: float,
    sphere_to_background: float | None,
    reconstruction: str,
) -> RecoveryCurve:
    """Recovery curve from a table of spheres."""
    spheres, sha256 = read_spheres(table)
    return fit_recovery(
        spheres,
        conditions=given.conditions(),
        measured_at=given.when(),
        model=model,
        common_relative_uncertainty=common_percent / 100.0,
        sphere_to_background=sphere_to_background,
        reconstruction=reconstruction,
        source_sha256=(sha256,),
    )


def factor_asked_for(
    record: CalibrationRecord, given: Given, *, at: str | None, valid_days: float
) -> FactorInForce | None:
    """The factor in force on a day (today by default); None when none was asked for.

    Raises
    ------
    MissingDataError
        Nuclide, collimator or window is missing while one of them is given.
    """
    if not given.nuclide and not given.collimator and given.window_kev is None:
        return None
    if not given.nuclide or not given.collimator:
        raise MissingDataError("The factor in force needs --nuclide, --collimator and --window-keV.")
    return factor_in_force(
        record,
        nuclide=given.nuclide,
        collimator=given.collimator,
        window_mev=given.window_mev(),
        at=parse_time(at, "--at").date() if at else date.today(),
        camera=given.camera,
        valid_days=valid_days,
    )
