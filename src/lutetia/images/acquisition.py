"""What a camera measured, as measured: projections, planar views, energy windows; and what the patient was given."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.images.volume import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyWindow:
    """One energy window of a gamma camera. [MeV]"""

    lower_mev: float
    upper_mev: float
    name: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.lower_mev < self.upper_mev:
            raise InputError(
                f"Energy window {self.name!r}: {self.lower_mev} to {self.upper_mev} MeV is not a window; "
                "expected 0 < lower < upper."
            )

    @property
    def width_mev(self) -> float:
        """Width of the window. [MeV]"""
        return self.upper_mev - self.lower_mev

    @property
    def centre_mev(self) -> float:
        """Middle of the window. [MeV]"""
        return (self.upper_mev + self.lower_mev) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Equipment:
    """Which machine and set-up made an image; empty when the file does not say."""

    manufacturer: str = ""
    model: str = ""
    collimator: str = ""
    software: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Projections:
    """Raw SPECT projections of one bed position.

    A view at angle θ (DICOM Start Angle: 0 at the patient's back, increasing counter-clockwise as seen from
    the feet) has its detector at ``centre + radius * (sin θ, cos θ, 0)`` in LPS. Column indices increase along
    ``(-cos θ, sin θ, 0)`` (to the right as seen from the detector, head up), row indices from head to feet
    (-z). Readers reorder pixels so that this holds.

    Attributes
    ----------
    counts : (n_windows, n_views, n_rows, n_columns) float32
    windows : the energy windows, in the order of the first axis
    angle_rad : (n_views,) detector angle
    radius_mm : (n_views,) from the axis of rotation to the collimator's face
    frame_duration_s : (n_views,) live time of each view
    pixel_mm : (column spacing, row spacing)
    centre_mm : LPS point on the axis of rotation at the middle of the matrix
    detector : (n_views,) number of the head that measured the view
    start_time : start of acquisition in local time, None when the file does not say
    duration_s : wall time from the first to the end of the last view
    """

    counts: NDArray[np.float32]
    windows: tuple[EnergyWindow, ...]
    angle_rad: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    frame_duration_s: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    centre_mm: tuple[float, float, float]
    detector: NDArray[np.int64]
    start_time: datetime | None
    duration_s: float
    frame_of_reference_uid: str = ""
    series_instance_uid: str = ""
    equipment: Equipment = field(default_factory=Equipment)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_views = self.counts.shape[1] if self.counts.ndim == 4 else -1
        per_view = (self.angle_rad, self.radius_mm, self.frame_duration_s, self.detector)
        if self.counts.ndim != 4 or any(a.shape != (n_views,) for a in per_view):
            raise InputError(
                f"Projections of shape {self.counts.shape} with per-view arrays of shapes "
                f"{[a.shape for a in per_view]}; expected (windows, views, rows, columns) and (views,)."
            )
        if self.counts.shape[0] != len(self.windows):
            raise InputError(f"{self.counts.shape[0]} windows of counts but {len(self.windows)} energy windows.")
        if np.any(self.frame_duration_s <= 0) or np.any(self.radius_mm <= 0):
            raise InputError("Frame durations and orbit radii must be positive in every view.")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ConjugateViews:
    """Planar images of one patient from in front and from behind, measured at the same time.

    Rows run from head to feet. Columns of ``anterior`` run to the patient's left (as seen from in front). Those of
    ``posterior`` run to the patient's right, as seen from behind, or to the left when ``posterior_mirrored``.

    Attributes
    ----------
    anterior, posterior : (n_windows, n_rows, n_columns) counts, float32
    posterior_mirrored : whether the posterior image has already been turned to lie on the anterior one
    windows : the energy windows, in the order of the first axis
    pixel_mm : (column spacing, row spacing)
    exposure_s : for how long each point of the patient was seen by a head: the live time of a static image; for a
        sweep the length of the detector's field over its speed, which is much less than the time of the whole scan
    duration_s : wall time of the whole scan
    start_time : start of acquisition in local time, None when the file does not say
    corner_mm : LPS (x, z) of the centre of the anterior image's first pixel, None when unknown
    """

    anterior: NDArray[np.float32]
    posterior: NDArray[np.float32]
    posterior_mirrored: bool
    windows: tuple[EnergyWindow, ...]
    pixel_mm: tuple[float, float]
    exposure_s: float
    duration_s: float
    start_time: datetime | None
    corner_mm: tuple[float, float] | None = None
    frame_of_reference_uid: str = ""
    equipment: Equipment = field(default_factory=Equipment)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.anterior.ndim != 3 or self.anterior.shape != self.posterior.shape:
            raise InputError(
                f"Anterior image of shape {self.anterior.shape} and posterior of {self.posterior.shape}; expected "
                "both (windows, rows, columns)."
            )
        if self.anterior.shape[0] != len(self.windows):
            raise InputError(f"{self.anterior.shape[0]} windows of counts but {len(self.windows)} energy windows.")
        if not 0 < self.exposure_s <= self.duration_s or min(self.pixel_mm) <= 0:
            raise InputError(
                f"Exposure of {self.exposure_s} s in a scan of {self.duration_s} s, pixels of {self.pixel_mm} mm; "
                "expected positive values and an exposure no longer than the scan."
            )
        for name, counts in (("anterior", self.anterior), ("posterior", self.posterior)):
            if not np.all(np.isfinite(counts)) or np.min(counts, initial=0.0) < 0:
                raise InputError(f"The {name} image holds negative or non-finite counts; expected at least 0.")

    @property
    def aligned(self) -> NDArray[np.float32]:
        """Both images with columns to the patient's left: (windows, anterior | posterior, rows, columns)."""
        behind = self.posterior if self.posterior_mirrored else self.posterior[:, :, ::-1]
        return np.stack([self.anterior, behind], axis=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Administration:
    """What the patient was given."""

    nuclide: str
    activity_bq: float
    time: datetime | None
    agent: str = ""

    def __post_init__(self) -> None:
        if not self.activity_bq > 0:
            raise InputError(f"Administered activity must be positive, got {self.activity_bq * 1e-6:g} MBq.")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TimePoint:
    """The quantitative image of one scan.

    ``image`` is in Bq/mL, decay-corrected to ``time_s`` after administration (start of the acquisition).
    """

    label: str
    time_s: float
    image: Volume
    ct: Volume | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.time_s > 0:
            raise InputError(
                f"Time point {self.label}: {self.time_s / 3600:g} h after administration; expected more than 0. "
                "Check the administration time and the clocks."
            )
