"""What a case says: the administration, the scans, and how each step is done."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from lutetia.errors import InputError

RegistrationMode = Literal["rigid", "bspline", "none"]
VoxelKinetics = Literal["region", "mono", "auto", "shrunk"]
DoseMethod = Literal["auto", "local", "kernel", "montecarlo", "organ"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """One time point: its images (series instance UIDs or relative paths), its CT, its time.

    ``time_s`` after administration is needed only where the images carry no date; ``unit`` only for NIfTI.
    """

    label: str
    images: tuple[str, ...]
    ct: str | None = None
    time_s: float | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraSettings:
    """Calibration of the gamma camera, as the department measured it.

    ``record`` is a calibration record (``lutetia calibrate``); sensitivity and dead time given here go before it.
    """

    collimator: str | None = None
    record: str | None = None
    sensitivity_cps_per_bq: float | None = None
    sensitivity_relative_uncertainty: float | None = None
    dead_time_s: float = 0.0
    intrinsic_fwhm_mm: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconstructionSettings:
    """How raw projections become images; ``photopeaks_mev`` are reconstructed together, the first sets the scale."""

    algorithm: Literal["osem", "mlem", "bsrem"] = "osem"
    iterations: int = 6
    subsets: int = 6
    scatter: Literal["auto", "tew", "dew", "model", "none"] = "auto"
    photopeaks_mev: tuple[float, ...] = ()
    until_change: float | None = None
    penalty: float = 0.02
    device: Literal["cpu", "cuda"] = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseSettings:
    """How time-integrated activity becomes absorbed dose.

    ``auto`` is Monte Carlo where ``relative_uncertainty`` (statistical, of every named region) is reached within
    ``time_budget_s``, else kernels. ``saf_folder`` holds the user's own files of ICRP Publication 133, ``sex`` says
    which reference person of theirs to take.
    """

    method: DoseMethod = "auto"
    time_budget_s: float = 30.0
    relative_uncertainty: float = 0.01
    seed: int = 1
    saf_folder: str | None = None
    sex: Literal["male", "female"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainSettings:
    """How daughters of an alpha emitter are followed.

    ``redistribution`` is a file of what they do, or "published"; None is equilibrium. ``rbe`` None leaves doses unweighted;
    ``horizon_s`` None is twenty half-lives of the parent.
    """

    redistribution: str | None = None
    rbe: float | None = None
    rbe_endpoint: str = "deterministic effects"
    horizon_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KineticsSettings:
    """How curves become time-integrated activity.

    ``model`` is a model of ``kinetics.fit.fit_curve``, "trapezoid", or a method for few scans ("haenscheid2018",
    "madsen2018", "known", "population"); ``voxels`` says whether voxels have kinetics of their own.
    ``effective_half_life_s`` with its relative standard deviation is for madsen2018 and known; ``earlier`` is the
    dose.json of an earlier cycle, ``population`` a file made by ``lutetia population fit``.
    """

    model: str = "auto"
    voxels: VoxelKinetics = "region"
    effective_half_life_s: float | None = None
    half_life_relative_sd: float | None = None
    earlier: str | None = None
    population: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MarrowSettings:
    """What red-marrow dosimetry takes beside images; ``blood`` and ``whole_body`` are CSV files."""

    blood: str | None = None
    whole_body: str | None = None
    haematocrit: float | None = None
    ratio: float | None = None
    body_mass_g: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One cycle of one patient.

    ``folder`` is where relative paths start; None fields are those that neither the case file, the options nor
    DICOM gave.
    """

    folder: Path
    subject: str = "patient 1"
    nuclide: str | None = None
    agent: str = ""
    administered_activity_bq: float | None = None
    administration_time: datetime | None = None
    scans: tuple[Scan, ...] = ()
    reference: str | None = None
    camera: CameraSettings = field(default_factory=CameraSettings)
    reconstruction: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    registration: RegistrationMode = "rigid"
    regions: tuple[str, ...] = ()
    segmentation: Literal["auto", "totalsegmentator", "none"] = "auto"
    kinetics: KineticsSettings = field(default_factory=KineticsSettings)
    dose: DoseSettings = field(default_factory=DoseSettings)
    partial_volume_correction: bool = True
    volume_relative_uncertainty: float | None = None
    warnings: tuple[str, ...] = ()
    marrow: MarrowSettings = field(default_factory=MarrowSettings)
    chain: ChainSettings = field(default_factory=ChainSettings)


def with_times(case: Case, times_s: tuple[float, ...]) -> Case:
    """The case with hours after administration given by hand, one per scan in the order of the scans."""
    if not times_s:
        return case
    if len(times_s) != len(case.scans):
        raise InputError(
            f"--time-h was given {len(times_s)} times but there are {len(case.scans)} scans "
            f"({', '.join(s.label for s in case.scans)}); give one for each, in this order."
        )
    scans = tuple(replace(scan, time_s=t) for scan, t in zip(case.scans, times_s, strict=True))
    return replace(case, scans=scans)
