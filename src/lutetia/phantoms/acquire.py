"""A virtual patient goes through a SPECT/CT camera: raw NM, CT and RTSTRUCT as DICOM, the truth beside them."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError
from lutetia.images.acquisition import Equipment, Projections
from lutetia.images.dicom.write_common import Identity, uid_from
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_nm import write_nm_tomo
from lutetia.images.dicom.write_rtstruct import write_rtstruct
from lutetia.images.grid import Grid
from lutetia.images.regions import Regions
from lutetia.images.volume import Volume
from lutetia.phantoms.imaging import ImagingSettings, SourceMaps, flat_background, imaging_of, source_maps
from lutetia.phantoms.stylised import Rasterised, rasterise
from lutetia.phantoms.truth import Truth, true_doses, truth_document
from lutetia.phantoms.virtual_patient import Kinetics, VirtualPatient
from lutetia.physics.nuclides import nuclide
from lutetia.recon.scatter import classify_windows
from lutetia.recon.simulate import TransportScatter, simulate_projections
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ

Progress = Callable[[str, float], None]

SENSITIVITY_CPS_PER_MBQ: Final = 6.0
"""Of the camera for 177Lu, unless its settings say otherwise."""
SENSITIVITY_RELATIVE: Final = 0.02
SCATTER_HISTORIES: Final = 600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AcquisitionSettings:
    """How the camera is run.

    Attributes
    ----------
    imaging : windows, photopeaks and collimator; None: those of the patient's nuclide (data/imaging_windows)
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
    imaging: ImagingSettings | None = None

    def __post_init__(self) -> None:
        if self.n_views < 2 or self.n_views % 2:
            raise InputError(f"{self.n_views} views cannot be shared by two heads; give an even number.")
        if not self.bed_centres_mm:
            raise InputError("An acquisition needs at least one bed; bed_centres_mm is empty.")

    def imaging_for(self, name: str) -> ImagingSettings:
        """Windows and collimator: the given ones, else those of the nuclide."""
        return self.imaging or imaging_of(name)


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
    members: Mapping[str, Mapping[str, Kinetics]] | None = None,
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
    members : activity of imaged daughters by region, where they are not in equilibrium with the parent
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
        _session(patient, dicom, number, hours, motion, settings, rng, members or {}, contours=number == reference)
    told("True absorbed doses by Monte Carlo", len(time_h) / (len(time_h) + 1))
    truth = true_doses(patient, n_histories=n_histories)
    truth_path = folder / "truth" / "truth.json"
    truth_path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(truth_document(patient, truth, tuple(time_h)), indent=2)
    truth_path.write_text(text + "\n", "utf-8")
    imaging = settings.imaging_for(patient.administration.nuclide)
    measured = imaging.sensitivity_cps_per_mbq * (
        1 + SENSITIVITY_RELATIVE * float(np.clip(rng.standard_normal(), -1.5, 1.5))
    )
    document = _case_document(patient, imaging, round(measured, 4))
    return AcquiredCase(folder=dicom, truth_path=truth_path, truth=truth, document=document)


def _case_document(patient: VirtualPatient, imaging: ImagingSettings, sensitivity: float) -> dict[str, Any]:
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
            "collimator": imaging.collimator,
            "sensitivity_cps_per_MBq": sensitivity,
            "sensitivity_uncertainty_percent": SENSITIVITY_RELATIVE * 100,
            "intrinsic_fwhm_mm": imaging.intrinsic_fwhm_mm,
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
    members: Mapping[str, Mapping[str, Kinetics]],
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
    imaging = settings.imaging_for(given.nuclide)
    maps = source_maps(
        patient, imaging, hours, motion=motion, spacing_mm=settings.fine_mm, frame=frame, members=members
    )
    for bed, centre in enumerate(settings.bed_centres_mm):
        projections = _bed(patient, maps, bed, centre, start, settings, rng)
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


def _bed(
    patient: VirtualPatient,
    maps: SourceMaps,
    bed: int,
    centre_mm: float,
    start: Any,
    settings: AcquisitionSettings,
    rng: np.random.Generator,
) -> Projections:
    """Projections of one bed with Poisson noise."""
    wait_s = bed * (settings.n_views // 2 * settings.frame_duration_s + 60.0)
    seed = 1 + int(rng.integers(2**31))
    expected = expected_projections(patient, maps, centre_mm, settings, seed=seed, wait_s=wait_s, start=start)
    return replace(expected, counts=rng.poisson(expected.counts).astype(np.float32))


def expected_projections(
    patient: VirtualPatient,
    maps: SourceMaps,
    centre_mm: float,
    settings: AcquisitionSettings,
    *,
    seed: int,
    wait_s: float = 0.0,
    start: datetime | None = None,
) -> Projections:
    """Mean counts of one bed: two opposite heads, half of the views each, on an elliptic orbit.

    Parameters
    ----------
    patient, maps : from :func:`source_maps`
    centre_mm : middle of the bed, of a body of 700 mm
    seed : of the scattered photons
    wait_s : after the start of the visit
    """
    name = patient.administration.nuclide
    imaging, decay = settings.imaging_for(name), nuclide(name).decay_constant_per_s
    z = centre_mm * patient.anatomy.shapes[0].centre_mm[2] / 350.0 - patient.anatomy.shapes[0].centre_mm[2]
    total: Projections | None = None
    rates: dict[float, float] = {}
    for number, (source, activity, attenuation) in enumerate(maps):
        later = activity.with_values(activity.values * np.float32(math.exp(-decay * wait_s)))
        per_bq = imaging.sensitivity_cps_per_mbq / BQ_PER_MBQ * source.relative_sensitivity
        scatter = TransportScatter(
            emissions=source.peak.emissions, histories=SCATTER_HISTORIES, seed=seed + 7919 * number
        )
        one = simulate_projections(
            activity=later,
            attenuation=attenuation,
            camera=imaging.camera(source.peak.energy_mev),
            sensitivity_cps_per_bq=per_bq,
            windows=imaging.windows,
            photopeak_index=classify_windows(imaging.windows, source.peak.energy_mev).peak,
            start_time=start + timedelta(seconds=wait_s) if start else None,
            decay_constant_per_s=decay,
            scatter=scatter,
            equipment=_equipment(imaging),
            centre_mm=(0.0, 0.0, z),
            **_orbit(settings),
        )
        rates[source.peak.energy_mev] = per_bq * _within_bed(later, z, settings)
        total = one if total is None else replace(total, counts=total.counts + one.counts)
    assert total is not None  # every nuclide has a photopeak
    if imaging.penetration_share == 0:
        return total
    flat = flat_background(imaging, rates, total.frame_duration_s, settings.n_rows * settings.n_columns)
    return replace(total, counts=(total.counts + flat[:, :, None, None]).astype(np.float32))


def _equipment(imaging: ImagingSettings) -> Equipment:
    kind = imaging.collimator.split("-")[-1]
    return Equipment(manufacturer="GE", model="Discovery-670 (simulated)", collimator=kind)


def _orbit(settings: AcquisitionSettings) -> dict[str, Any]:
    """Two opposite heads, half of the views each, on an elliptic orbit."""
    half = settings.n_views // 2
    turn = np.arange(half) * (math.pi / half)
    angle = np.concatenate([turn, turn + math.pi])
    return {
        "angle_rad": angle,
        "radius_mm": settings.radius_mm * (1 + 0.1 * np.sin(angle) ** 2 - 0.05),
        "frame_duration_s": np.full(2 * half, settings.frame_duration_s),
        "pixel_mm": (settings.pixel_mm, settings.pixel_mm),
        "n_rows": settings.n_rows,
        "n_columns": settings.n_columns,
        "detector": np.repeat([0, 1], half),
    }


def _within_bed(activity: Volume, centre_mm: float, settings: AcquisitionSettings) -> float:
    """Activity in the slices that the detector covers. [Bq]"""
    grid = activity.grid
    z = grid.origin_mm[2] + np.arange(grid.size[2]) * grid.spacing_mm[2]
    inside = np.abs(z - centre_mm) <= 0.5 * settings.n_rows * settings.pixel_mm
    return float(activity.values[inside].sum(dtype=np.float64)) * grid.voxel_ml
