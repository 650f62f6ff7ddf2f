"""From raw NM projections to a quantitative image as DICOM and NIfTI: the first step of a run, by itself."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lutetia import __version__
from lutetia.app.case.settings import Case
from lutetia.app.report.preview import preview_png
from lutetia.app.workflow.load import LoadedScan, share_a_frame
from lutetia.app.workflow.output import MARK, finished_folder, refuse_unsafe_output
from lutetia.app.workflow.quantify import (
    activity_image,
    calibrated,
    daughters_shown,
    in_words,
    peaks_of,
    photopeaks_mev,
    settings_of,
)
from lutetia.errors import DicomError, GridError, InputError
from lutetia.images.acquisition import Projections
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.index import SeriesInfo, index_dicom
from lutetia.images.dicom.nm import read_projections
from lutetia.images.dicom.open import open_dicom
from lutetia.images.dicom.write_common import identity_from_dataset
from lutetia.images.dicom.write_nm import write_nm_recon
from lutetia.images.nifti import write_nifti
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import Nuclide, nuclide
from lutetia.recon.calibrate.tables import sha256_of
from lutetia.recon.camera import FWHM_PER_SIGMA
from lutetia.recon.peaks import Peak
from lutetia.recon.reconstruct import Reconstruction, reconstruct_time_point
from lutetia.units import BQ_PER_MBQ, KEV_PER_MEV, MBQ_PER_BQ

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to reconstruct.

    Attributes
    ----------
    emission : raw NM files, or folders with them: the beds of one scan
    ct : folder (or file) with the CT of the session, None without attenuation correction
    case : camera and reconstruction settings; its nuclide is the first of ``nuclides``
    nuclides : one image for each, told apart by their windows
    sensitivities_cps_per_bq : of one head, one for each nuclide or none; None: from the case
    parent : nuclide by which the images decay, where it is not the imaged one (daughters in equilibrium)
    trust_frames : emission and CT lie in one frame although they name different ones
    """

    emission: tuple[Path, ...]
    ct: Path | None
    case: Case
    nuclides: tuple[str, ...] = ()
    sensitivities_cps_per_bq: tuple[float, ...] = field(default=())
    parent: str | None = None
    trust_frames: bool = False


def reconstruct_to_folder(
    request: Request, out: Path, *, force: bool = False, progress: Progress
) -> dict[str, Any]:
    """Reconstruct, calibrate where a sensitivity is known, and write DICOM, NIfTI, a picture and a JSON document.

    Returns
    -------
    The document of reconstruction.json.

    Raises
    ------
    LutetiaError
        One of its kinds; nothing is left in ``out``.
    """
    inputs = (*request.emission, *((request.ct,) if request.ct else ()))
    refuse_unsafe_output(out, inputs=inputs, force=force)
    loaded, found = _loaded(request, progress)
    nuclides = _nuclides(request, found)
    case = calibrated(replace(request.case, nuclide=nuclides[0].name), nuclides[0], [loaded])
    result, method, told = _reconstructed(request, case, nuclides, loaded, progress)
    images, more = _calibrated_images(request, case, result, nuclides)
    warnings = tuple(dict.fromkeys((*case.warnings, *loaded.warnings, *told, *more)))
    document = _document(loaded, result, nuclides, images, method, warnings, case)
    with finished_folder(out) as folder:
        _write(folder, loaded, images, nuclides, result, document)
    return {**document, "out": str(out.resolve())}


def _loaded(request: Request, progress: Progress) -> tuple[LoadedScan, list[SeriesInfo]]:
    progress("Reading", 0.0)
    series = [s for path in request.emission for s in index_dicom(path).series if s.role == "nm raw"]
    files = tuple(dict.fromkeys(file for s in series for file in s.files))
    if not files:
        names = ", ".join(path.name for path in request.emission)
        raise InputError(f"{names}: no raw NM projections (image type TOMO) here.")
    _require_one_patient(files)
    beds = tuple(read_projections(file) for file in files)
    ct, ct_files = _ct(request.ct)
    warnings = tuple(dict.fromkeys(w for bed in beds for w in bed.warnings))
    loaded = LoadedScan(
        label="scan",
        time_s=1.0,
        beds=beds,
        image=None,
        ct=ct,
        emission_files=files,
        ct_files=ct_files,
        warnings=warnings,
    )
    return _in_one_frame(loaded, trust=request.trust_frames), series


def _require_one_patient(files: Sequence[Path]) -> None:
    patients = {str(open_dicom(file, only=("PatientID",)).get("PatientID") or "") for file in files}
    if len(patients) > 1:
        raise DicomError(f"The projections belong to {len(patients)} patients; expected the beds of one scan.")


def _ct(path: Path | None) -> tuple[Volume | None, tuple[Path, ...]]:
    if path is None:
        return None, ()
    series = [s for s in index_dicom(path).series if s.role == "ct"]
    if len(series) != 1:
        raise InputError(
            f"{path.name}: {len(series)} CT series; expected the one of the session. Point at its folder."
        )
    return read_ct(series[0].files), tuple(series[0].files)


def _in_one_frame(loaded: LoadedScan, *, trust: bool) -> LoadedScan:
    """The scan, its CT moved into the frame of the emission on the user's word; GridError without."""
    if share_a_frame([bed.frame_of_reference_uid for bed in loaded.beds], loaded.ct):
        return loaded
    if not trust:
        raise GridError(
            "Emission and CT name different frames of reference (0020,0052), so they were not acquired together. Give the "
            "CT of the same session, or --trust-frames if you know that their coordinates are the same."
        )
    frame = loaded.beds[0].frame_of_reference_uid
    ct = loaded.ct
    moved = None if ct is None else Volume(grid=ct.grid.moved_to_frame(frame), values=ct.values, unit=ct.unit)
    beds = tuple(replace(bed, frame_of_reference_uid=frame) for bed in loaded.beds)
    told = "Emission and CT name different frames of reference; they were taken as one, as asked."
    return replace(loaded, beds=beds, ct=moved, warnings=(*loaded.warnings, told))


def _nuclides(request: Request, series: Sequence[SeriesInfo]) -> list[Nuclide]:
    named = request.nuclides or tuple(dict.fromkeys(s.nuclide for s in series if s.nuclide))
    if not named or (not request.nuclides and len(named) > 1):
        raise InputError(
            f"The nuclide is not clear from the files ({', '.join(named) or 'none named'}); give it (--nuclide Lu-177)."
        )
    return [nuclide(name) for name in named]


def _reconstructed(
    request: Request, case: Case, nuclides: Sequence[Nuclide], loaded: LoadedScan, progress: Progress
) -> tuple[Reconstruction, str, tuple[str, ...]]:
    first = loaded.beds[0]
    if len(nuclides) > 1 and case.reconstruction.photopeaks_mev:
        raise InputError(
            "--photopeak-keV goes with one nuclide; of several the strongest line with a window is taken."
        )
    energies = [photopeaks_mev(case, element, first) for element in nuclides]
    peaks: list[Peak] = []
    told: list[str] = []
    for number, element in enumerate(nuclides):
        found, more = peaks_of(case, element, first, energies[number], image=number)
        peaks += found
        told += [*more, *daughters_shown(element.name, energies[number], time_s=None)]
    flat = [energy for own in energies for energy in own]
    imaged = [(element.name, energy) for element, own in zip(nuclides, energies, strict=True) for energy in own]
    settings, more = settings_of(case, first, imaged, has_ct=loaded.ct is not None)
    if loaded.ct is None:
        more = (*more, "No CT was given: attenuation was not corrected, and activities would be far too low.")
    if len(nuclides) > 1 and settings.scatter != "model":
        more = (*more, "Scatter of one nuclide in the window of the other is corrected by --scatter model only.")
    decays = nuclide(request.parent) if request.parent else nuclides[0]
    if len(nuclides) > 1 and request.parent is None:
        more = (*more, f"All images are decay-corrected as {decays.name}; name the parent of the chain (--parent).")
    result = reconstruct_time_point(
        loaded.beds, loaded.ct, None, flat[0], settings, decay_constant_per_s=decays.decay_constant_per_s,
        peaks=peaks, progress=progress,
    )  # fmt: skip
    return result, in_words(result, peaks), (*told, *more, *result.warnings)


def _calibrated_images(
    request: Request, case: Case, result: Reconstruction, nuclides: Sequence[Nuclide]
) -> tuple[list[Volume], tuple[str, ...]]:
    """Each image in Bq/mL where a sensitivity is known, else in counts/s."""
    given = request.sensitivities_cps_per_bq
    if not given and case.camera.sensitivity_cps_per_bq is not None and len(nuclides) == 1:
        given = (case.camera.sensitivity_cps_per_bq,)
    if not given or result.attenuation is None:
        why = "No sensitivity was given" if not given else "Without attenuation correction there is no activity"
        return list(result.volumes), (f"{why}: images are in counts/s.",)
    if len(given) != len(nuclides):
        raise InputError(
            f"{len(given)} sensitivities for {len(nuclides)} nuclides; give one for each, in their order."
        )
    images = [
        activity_image(case, result, volume, sensitivity)
        for volume, sensitivity in zip(result.volumes, given, strict=True)
    ]
    return images, ()


def _document(
    loaded: LoadedScan, result: Reconstruction, nuclides: Sequence[Nuclide], images: Sequence[Volume], method: str,
    warnings: tuple[str, ...], case: Case,
) -> dict[str, Any]:  # fmt: skip
    used = result.settings
    return {
        "lutetia_reconstruction": 1,
        "research_use_only": True,
        "software": f"Lutetia {__version__}",
        "method": method,
        "start_time": result.start_time.isoformat() if result.start_time else None,
        "settings": {
            "algorithm": used.algorithm, "iterations": used.iterations, "subsets": used.subsets, "scatter": used.scatter,
            "device": used.device, "until_change": used.until_change,
        },
        "calibration": {
            "u_relative": case.camera.sensitivity_relative_uncertainty, "dead_time_us": case.camera.dead_time_s * 1e6,
        },
        "images": [
            {
                "nuclide": element.name,
                "unit": image.unit,
                "total_activity_MBq": _total(image),
                "files": [f"{_stem(element, nuclides)}.dcm", f"{_stem(element, nuclides)}.nii.gz"],
            }
            for element, image in zip(nuclides, images, strict=True)
        ],
        "beds": [_bed_document(bed, projections) for bed, projections in zip(result.beds, loaded.beds, strict=True)],
        "inputs": {
            "emission_sha256": [sha256_of(file) for file in loaded.emission_files],
            "ct_sha256": sha256_of(*sorted(loaded.ct_files)) if loaded.ct_files else None,
        },
        "warnings": list(warnings),
    }  # fmt: skip


def _bed_document(bed: Any, projections: Projections) -> dict[str, Any]:
    return {
        "views_used": bed.system.n_views,
        "views": int(projections.angle_rad.size),
        "counts_per_second_per_head": round(bed.count_rate_cps, 2),
        "largest_shift_between_views_mm": round(bed.motion.largest_mm, 2),
        "explained_over_measured": [round(e / bed.log.measured_counts, 5) for e in bed.log.explained_counts],
        "converged": bed.log.converged,
        "peaks": [
            {
                "photopeak_keV": round(p.peak.energy_mev * KEV_PER_MEV, 2),
                "window_keV": [
                    round(p.window.lower_mev * KEV_PER_MEV, 2),
                    round(p.window.upper_mev * KEV_PER_MEV, 2),
                ],
                "counts": float(p.counts.sum(dtype=np.float64)),
                "scatter_share": round(
                    float(p.scatter.counts.sum(dtype=np.float64) / p.counts.sum(dtype=np.float64)), 4
                ),
                "weight": round(p.weight, 4),
                "response_fwhm_at_100_mm_mm": None
                if p.peak.camera is None
                else round(float(p.peak.camera.sigma_mm(100.0)) * FWHM_PER_SIGMA, 2),
                "septal_tail_share": p.peak.camera.tail.share if p.peak.camera and p.peak.camera.tail else None,
            }
            for p in bed.peaks
        ],
    }


def _total(image: Volume) -> float | None:
    if image.unit != "Bq/mL":
        return None
    return round(float(image.values.sum(dtype=np.float64)) * image.grid.voxel_ml * MBQ_PER_BQ, 4)


def _stem(element: Nuclide, nuclides: Sequence[Nuclide]) -> str:
    return "spect" if len(nuclides) == 1 else f"spect_{element.name}"


def _write(
    folder: Path, loaded: LoadedScan, images: Sequence[Volume], nuclides: Sequence[Nuclide], result: Reconstruction,
    document: dict[str, Any],
) -> None:  # fmt: skip
    identity = identity_from_dataset(open_dicom(loaded.emission_files[0]))
    corrections = ["DECY", *(["ATTN"] if result.attenuation is not None else [])]
    corrections += ["SCAT"] if result.settings.scatter != "none" else []
    for element, image in zip(nuclides, images, strict=True):
        stem = _stem(element, nuclides)
        write_nifti(image, folder / f"{stem}.nii.gz")
        write_nm_recon(
            image, folder / f"{stem}.dcm", identity=identity, nuclide=element.name, acquisition_time=result.start_time,
            corrections=corrections, source=loaded.beds[0], description=f"Lutetia {element.name} SPECT (research)",
        )  # fmt: skip
        (folder / f"{stem}.png").write_bytes(
            preview_png(image, loaded.ct, title=f"{element.name}: {document['method']}")
        )
    if result.attenuation is not None:
        write_nifti(result.attenuation, folder / "attenuation_per_cm.nii.gz")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "reconstruction.json").write_text(text, "utf-8")
    (folder / MARK).write_text(text, "utf-8")


def sensitivities(values_cps_per_mbq: Sequence[float]) -> tuple[float, ...]:
    """In counts/s/Bq; InputError unless positive."""
    if any(not value > 0 for value in values_cps_per_mbq):
        raise InputError(f"--sensitivity-cps-per-MBq {list(values_cps_per_mbq)}: expected numbers above 0.")
    return tuple(value / BQ_PER_MBQ for value in values_cps_per_mbq)
