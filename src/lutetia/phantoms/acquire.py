"""A virtual patient goes through a SPECT/CT camera: raw NM, CT and RTSTRUCT as DICOM, the truth beside them."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.images.acquisition import EnergyWindow, Equipment, Projections
from lutetia.images.dicom.write_common import Identity, uid_from
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_nm import write_nm_tomo
from lutetia.images.dicom.write_rtstruct import write_rtstruct
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions
from lutetia.images.volume import Volume
from lutetia.phantoms.stylised import Rasterised, body_grid, rasterise
from lutetia.phantoms.truth import Truth, true_doses, truth_document
from lutetia.phantoms.virtual_patient import VirtualPatient
from lutetia.physics.attenuation import linear_attenuation_from_hu
from lutetia.physics.nuclides import nuclide
from lutetia.recon.camera import read_camera
from lutetia.recon.lines import emissions_of
from lutetia.recon.simulate import TransportScatter, simulate_projections
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ, S_PER_H

Progress = Callable[[str, float], None]

COLLIMATOR: Final = "GE-Discovery-670-MEGP"
INTRINSIC_MM: Final = 3.8
SENSITIVITY_CPS_PER_MBQ: Final = 6.0
SENSITIVITY_RELATIVE: Final = 0.02
PHOTOPEAK_MEV: Final = 0.208366
SCATTER_HISTORIES: Final = 600_000
WINDOWS: Final = (
    EnergyWindow(lower_mev=0.1872, upper_mev=0.2288, name="Lu177_EM"),
    EnergyWindow(lower_mev=0.16689, upper_mev=0.18631, name="sc_low"),
    EnergyWindow(lower_mev=0.22963, upper_mev=0.25116, name="sc_high"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AcquisitionSettings:
    """How the camera is run.

    Attributes
    ----------
    pixel_mm, n_columns, n_rows : of the detector
    n_views : over 360 degrees, shared by two heads
    frame_duration_s : of each view
    bed_centres_mm : height of the middle of each bed in the body
    radius_mm : mean radius of the orbit, an ellipse of a tenth of it
    ct_size, ct_spacing_mm : of the CT's slices
    ct_noise_hu : standard deviation
    fine_mm : grid of the true activity
    """

    pixel_mm: float = 4.7952
    n_columns: int = 128
    n_rows: int = 84
    n_views: int = 60
    frame_duration_s: float = 25.0
    bed_centres_mm: tuple[float, ...] = (265.0, 555.0)
    radius_mm: float = 250.0
    ct_size: tuple[int, int, int] = (208, 136, 205)
    ct_spacing_mm: tuple[float, float, float] = (2.2, 2.2, 4.0)
    ct_noise_hu: float = 12.0
    fine_mm: float = 2.4

    def __post_init__(self) -> None:
        if self.n_views < 2 or self.n_views % 2:
            raise InputError(f"{self.n_views} views cannot be shared by two heads; give an even number.")
        if not self.bed_centres_mm:
            raise InputError("An acquisition needs at least one bed; bed_centres_mm is empty.")


SMALL: Final = AcquisitionSettings(
    pixel_mm=9.6,
    n_columns=64,
    n_rows=42,
    n_views=32,
    frame_duration_s=60.0,
    bed_centres_mm=(310.0,),
    ct_size=(104, 68, 102),
    ct_spacing_mm=(4.4, 4.4, 8.0),
    fine_mm=4.8,
)
"""A coarse and quick acquisition, for tests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AcquiredCase:
    """What an acquisition left: the DICOM folder, the truth, and what DICOM does not say."""

    folder: Path
    truth_path: Path
    truth: Truth
    document: dict[str, Any]


def acquire(
    patient: VirtualPatient,
    folder: Path,
    *,
    time_h: Sequence[float] = (4.0, 24.0, 48.0, 168.0),
    settings: AcquisitionSettings | None = None,
    n_histories: int = 1_000_000,
    progress: Progress | None = None,
) -> AcquiredCase:
    """Image a virtual patient at several times and write what a hospital would have.

    Below ``folder``: ``dicom/`` with one session of NM and CT per time (each moved by some millimetres, in its own frame
    of reference) and an RTSTRUCT on the second session's CT; ``truth/truth.json``.

    Parameters
    ----------
    patient : the virtual patient
    folder : made if need be
    time_h : hours after administration
    settings : of camera and CT
    n_histories : of the Monte Carlo in the truth
    progress : told what is done, and the fraction done

    Raises
    ------
    InputError
        The times are missing, not after administration or not increasing.
    """
    if not time_h or min(time_h) <= 0 or any(b <= a for a, b in pairwise(time_h)):
        raise InputError(f"Scans need increasing times after administration, got {list(time_h)} h.")
    settings = settings or AcquisitionSettings()
    rng = np.random.default_rng([patient.seed, 17])
    told = progress or (lambda _text, _fraction: None)
    dicom = folder / "dicom"
    reference = min(1, len(time_h) - 1)
    for number, hours in enumerate(time_h):
        told(f"Imaging the virtual patient at {hours:g} h", number / (len(time_h) + 1))
        motion = _motion(patient, rng, still=number == reference)
        _session(patient, dicom, number, hours, motion, settings, rng, contours=number == reference)
    told("True absorbed doses by Monte Carlo", len(time_h) / (len(time_h) + 1))
    truth = true_doses(patient, n_histories=n_histories)
    truth_path = folder / "truth" / "truth.json"
    truth_path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(truth_document(patient, truth, tuple(time_h)), indent=2)
    truth_path.write_text(text + "\n", "utf-8")
    measured = SENSITIVITY_CPS_PER_MBQ * (
        1 + SENSITIVITY_RELATIVE * float(np.clip(rng.standard_normal(), -1.5, 1.5))
    )
    document = _case_document(patient, round(measured, 4))
    return AcquiredCase(folder=dicom, truth_path=truth_path, truth=truth, document=document)


def _case_document(patient: VirtualPatient, sensitivity: float) -> dict[str, Any]:
    given = patient.administration
    return {
        "subject": f"virtual patient {patient.seed} ({patient.sex})",
        "administration": {
            "nuclide": given.nuclide,
            "agent": given.agent,
            "activity_MBq": given.activity_bq * MBQ_PER_BQ,
            "time": given.time.isoformat() if given.time else None,
        },
        "camera": {
            "collimator": COLLIMATOR,
            "sensitivity_cps_per_MBq": sensitivity,
            "sensitivity_uncertainty_percent": SENSITIVITY_RELATIVE * 100,
            "intrinsic_fwhm_mm": INTRINSIC_MM,
        },
    }


def _motion(patient: VirtualPatient, rng: np.random.Generator, *, still: bool) -> NDArray[np.float64]:
    """From body to couch coordinates: the middle of the trunk at the origin, some millimetres and degrees off."""
    shift, angle = rng.uniform(-6, 6, 3), math.radians(float(rng.uniform(-2, 2)))
    if still:
        shift, angle = np.zeros(3), 0.0
    matrix = np.eye(4)
    matrix[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    matrix[:3, 3] = shift + np.array([0.0, 0.0, -patient.anatomy.shapes[0].centre_mm[2]])
    return matrix


def _session(
    patient: VirtualPatient,
    dicom: Path,
    number: int,
    hours: float,
    motion: NDArray[np.float64],
    settings: AcquisitionSettings,
    rng: np.random.Generator,
    *,
    contours: bool,
) -> None:
    """One visit: CT, then the beds one after the other."""
    given = patient.administration
    if given.time is None:
        raise InputError("The virtual patient has no time of administration; scans need one to be dated.")
    start = given.time + timedelta(hours=hours)
    frame = uid_from(f"virtual {patient.seed} {patient.sex} frame {number}")
    identity = Identity(
        patient_id=f"VIRTUAL{patient.seed:04d}",
        patient_name=f"Virtual^{patient.sex.capitalize()}",
        patient_sex=patient.sex[0].upper(),
        study_instance_uid=uid_from(f"virtual {patient.seed} {patient.sex} study {number}"),
        study_datetime=start,
        frame_of_reference_uid=frame,
    )
    place = dicom / f"session{number + 1}"
    ct_grid = _ct_grid(settings, frame)
    body = rasterise(patient.anatomy, ct_grid, motion=motion)
    noisy = body.hu.values + rng.normal(0, settings.ct_noise_hu, ct_grid.shape).astype(np.float32)
    ct = body.hu.with_values(np.clip(np.rint(noisy), -1024, 3000))
    files = write_ct_series(ct, place / "ct", identity=identity, acquisition_time=start - timedelta(minutes=3))
    if contours:
        write_rtstruct(_contoured(body, patient), place / "rtstruct.dcm", identity=identity, ct_files=files)
    activity, attenuation = _fine_maps(patient, motion, hours, settings, frame)
    for bed, centre in enumerate(settings.bed_centres_mm):
        projections = _bed(patient, activity, attenuation, bed, centre, start, settings, rng)
        write_nm_tomo(
            projections,
            place / f"bed{bed + 1}.dcm",
            identity=identity,
            nuclide=given.nuclide,
            administration=given,
            description=f"SPECT bed {bed + 1}",
        )


def _ct_grid(settings: AcquisitionSettings, frame: str) -> Grid:
    size, spacing = settings.ct_size, settings.ct_spacing_mm
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True))
    return Grid(
        size=size, spacing_mm=spacing, origin_mm=(origin[0], origin[1], origin[2]), frame_of_reference_uid=frame
    )


def _contoured(body: Rasterised, patient: VirtualPatient) -> Regions:
    """Only what a physicist would draw: the regions with uptake."""
    keep = {label: r for label, r in body.regions.table.items() if r.name in patient.kinetics}
    labels = np.where(np.isin(body.regions.labels, list(keep)), body.regions.labels, 0).astype(np.int16)
    return Regions(grid=body.regions.grid, labels=labels, table=keep)


def _fine_maps(
    patient: VirtualPatient, motion: NDArray[np.float64], hours: float, settings: AcquisitionSettings, frame: str
) -> tuple[Volume, Volume]:
    """Activity concentration at the start of the visit, and attenuation, on the fine grid."""
    still = body_grid(patient.anatomy, settings.fine_mm, frame_of_reference_uid=frame)
    origin = np.asarray(still.origin_mm) + motion[:3, 3] - 12.0
    size = tuple(n + round(24.0 / settings.fine_mm) for n in still.size)
    grid = Grid(
        size=(size[0], size[1], size[2]),
        spacing_mm=still.spacing_mm,
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        frame_of_reference_uid=frame,
    )
    body = rasterise(patient.anatomy, grid, motion=motion)
    values = np.zeros(grid.shape, np.float32)
    labels = body.regions.labels
    named = [name for name in patient.kinetics if name != "remainder"]
    rest = body.body & ~np.isin(labels, [body.regions.label_of(name) for name in named])
    for name, kinetics in patient.kinetics.items():
        mask = rest if name == "remainder" else body.regions.mask(name)
        activity = float(kinetics.activity_bq(hours * S_PER_H))
        values[mask] = activity / (float(np.count_nonzero(mask)) * grid.voxel_ml)
    mu = linear_attenuation_from_hu(body.hu.values, PHOTOPEAK_MEV)
    return Volume(grid=grid, values=values, unit="Bq/mL"), Volume(grid=grid, values=mu, unit="1/cm")


def _bed(
    patient: VirtualPatient,
    activity: Volume,
    attenuation: Volume,
    bed: int,
    centre_mm: float,
    start: Any,
    settings: AcquisitionSettings,
    rng: np.random.Generator,
) -> Projections:
    """Projections of one bed: two opposite heads, half of the views each, on an elliptic orbit."""
    half = settings.n_views // 2
    turn = np.arange(half) * (math.pi / half)
    angle = np.concatenate([turn, turn + math.pi])
    radius = settings.radius_mm * (1 + 0.1 * np.sin(angle) ** 2 - 0.05)
    decay = nuclide(patient.administration.nuclide).decay_constant_per_s
    stop_s = half * settings.frame_duration_s
    wait_s = bed * (stop_s + 60.0)
    later = activity.with_values(activity.values * np.float32(math.exp(-decay * wait_s)))
    z = centre_mm * patient.anatomy.shapes[0].centre_mm[2] / 350.0 - patient.anatomy.shapes[0].centre_mm[2]
    return simulate_projections(
        activity=later,
        attenuation=attenuation,
        camera=read_camera(COLLIMATOR, photopeak_mev=PHOTOPEAK_MEV),
        sensitivity_cps_per_bq=SENSITIVITY_CPS_PER_MBQ / BQ_PER_MBQ,
        windows=WINDOWS,
        photopeak_index=0,
        angle_rad=angle,
        radius_mm=np.asarray(radius),
        frame_duration_s=np.full(2 * half, settings.frame_duration_s),
        pixel_mm=(settings.pixel_mm, settings.pixel_mm),
        n_rows=settings.n_rows,
        n_columns=settings.n_columns,
        centre_mm=(0.0, 0.0, z),
        detector=np.repeat([0, 1], half),
        start_time=start + timedelta(seconds=wait_s),
        decay_constant_per_s=decay,
        scatter=TransportScatter(
            emissions=emissions_of(patient.administration.nuclide, PHOTOPEAK_MEV, WINDOWS),
            histories=SCATTER_HISTORIES,
            seed=1 + int(rng.integers(2**31)),
        ),
        rng=rng,
        equipment=Equipment(manufacturer="GE", model="Discovery-670 (simulated)", collimator="MEGP"),
    )
