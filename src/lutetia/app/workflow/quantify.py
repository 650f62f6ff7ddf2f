"""From a loaded scan to its quantitative image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from lutetia.app.case.settings import Case
from lutetia.app.workflow.load import LoadedScan
from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import Equipment, Projections
from lutetia.images.calibration import Calibration
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import Nuclide
from lutetia.recon.bed import ReconSettings
from lutetia.recon.bsrem import Penalty
from lutetia.recon.calibrate.in_force import FactorInForce, factor_in_force
from lutetia.recon.calibrate.record import read_record
from lutetia.recon.camera import Camera, collimators, read_camera
from lutetia.recon.chain_lines import imaged_member
from lutetia.recon.lines import emissions_of, hard_lines, photopeak_of
from lutetia.recon.peaks import Peak
from lutetia.recon.reconstruct import Reconstruction, reconstruct_time_point
from lutetia.recon.scatter import ScatterMethod, classify_windows

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QuantifiedScan:
    """One scan with its image in Bq/mL on its own grid, decay-corrected to ``time_s`` after administration."""

    loaded: LoadedScan
    image: Volume
    reconstruction: Reconstruction | None
    method: str
    warnings: tuple[str, ...]

    @property
    def total_activity_bq(self) -> float:
        """Activity in the field of view. [Bq]"""
        return float(self.image.values.sum(dtype="float64")) * self.image.grid.voxel_ml

    @property
    def scatter_to_primary(self) -> float | None:
        """Scattered over unscattered counts of the peak window as estimated; None where nothing was estimated."""
        if self.reconstruction is None or self.reconstruction.settings.scatter == "none":
            return None
        scattered = sum(float(bed.scatter.counts.sum(dtype="float64")) for bed in self.reconstruction.beds)
        counted = sum(float(bed.counts.sum(dtype="float64")) for bed in self.reconstruction.beds)
        return scattered / max(counted - scattered, 1.0)


def photopeaks_mev(case: Case, nuclide: Nuclide, projections: Projections) -> tuple[float, ...]:
    """Photon energies to image: those asked for, else the strongest line that has a window. [MeV]

    Raises
    ------
    MissingDataError
        No window covers a line of the nuclide.
    """
    return case.reconstruction.photopeaks_mev or (photopeak_of(nuclide.name, projections.windows),)


def camera_of(case: Case, equipment: Equipment, energy_mev: float) -> tuple[Camera, tuple[str, ...]]:
    """Spatial response of the camera: the collimator that the case names, matched with the maker of the camera.

    Raises
    ------
    MissingDataError
        The name fits none of the known collimators and no file.
    """
    wanted = (case.camera.collimator or equipment.collimator).strip()
    known = sorted(collimators())
    exact = [name for name in known if name.lower() == wanted.lower()]
    warnings: tuple[str, ...] = ()
    chosen = exact[0] if exact else wanted
    if not exact and not (case.folder / wanted).is_file():
        chosen = _matched(wanted, equipment, known)
        warnings = (f"Collimator {wanted!r} was taken to be {chosen} of the table.",)
    elif not exact:
        chosen = str(case.folder / wanted)
    intrinsic = case.camera.intrinsic_fwhm_mm
    return read_camera(chosen, photopeak_mev=energy_mev, intrinsic_fwhm_mm=intrinsic), warnings


def _matched(wanted: str, equipment: Equipment, known: list[str]) -> str:
    """Collimator of the table whose type, maker and model appear in the names of the camera."""
    text = f"{equipment.manufacturer} {equipment.model} {wanted}".lower().replace("_", " ").replace("-", " ")
    short = wanted.lower().replace("_", "-").split("-")[-1]
    fits = [name for name in known if name.lower().split("-")[-1] == short]
    ranked = sorted(fits, key=lambda name: -sum(part in text.split() for part in name.lower().split("-")))
    best = [n for n in ranked if any(part in text.split() for part in n.lower().split("-")[:-1])]
    if not best:
        raise MissingDataError(
            f"Collimator {wanted!r} of {equipment.manufacturer or 'an unnamed maker'} is not in the table; give one of "
            f"{', '.join(known)}, or a camera file with its measured resolution (camera: collimator)."
        )
    return best[0]


def quantify_scan(case: Case, nuclide: Nuclide, loaded: LoadedScan, *, progress: Progress) -> QuantifiedScan:
    """Reconstruct and calibrate raw projections, or take over an image that is quantitative already.

    Raises
    ------
    MissingDataError
        An image without the unit Bq/mL, or raw projections without CT.
    """
    if loaded.beds:
        return _from_projections(case, nuclide, loaded, progress)
    image = loaded.image
    if image is None or image.unit != "Bq/mL":
        unit = "no image" if image is None else f"values in {image.unit}"
        raise MissingDataError(
            f"{loaded.label}: {unit}, not Bq/mL; give quantitative images, raw projections, or (for NIfTI) "
            "scans: unit: Bq/mL in the case file."
        )
    method = "image as given in Bq/mL, taken as decay-corrected to the start of its acquisition"
    return QuantifiedScan(loaded=loaded, image=image, reconstruction=None, method=method, warnings=())


def _from_projections(case: Case, nuclide: Nuclide, loaded: LoadedScan, progress: Progress) -> QuantifiedScan:
    if loaded.ct is None:
        raise MissingDataError(
            f"{loaded.label}: raw projections need the CT of the session for attenuation (scans: ct)."
        )
    result, method, told = reconstruct_scan(case, nuclide, loaded, progress=progress)
    sensitivity = case.camera.sensitivity_cps_per_bq
    if sensitivity is None:
        raise MissingDataError("The camera's sensitivity is missing (camera: sensitivity_cps_per_MBq).")
    return QuantifiedScan(
        loaded=loaded,
        image=activity_image(case, result, result.volume, sensitivity),
        reconstruction=result,
        method=f"{method}; {sensitivity * 1e6:.4g} cps/MBq per head",
        warnings=tuple(f"{loaded.label}: {w}" for w in told),
    )


def activity_image(case: Case, result: Reconstruction, volume: Volume, sensitivity_cps_per_bq: float) -> Volume:
    """One image of a reconstruction in Bq/mL, dead time by the bed with the highest count rate."""
    calibration = Calibration(
        sensitivity_cps_per_bq=sensitivity_cps_per_bq,
        relative_uncertainty=case.camera.sensitivity_relative_uncertainty,
        dead_time_s=case.camera.dead_time_s,
    )
    rate = max(bed.count_rate_cps for bed in result.beds) if case.camera.dead_time_s > 0 else None
    return calibration.activity_concentration(volume, measured_rate_cps=rate)


def reconstruct_scan(
    case: Case, nuclide: Nuclide, loaded: LoadedScan, *, progress: Progress
) -> tuple[Reconstruction, str, tuple[str, ...]]:
    """Count-rate image of a scan's raw projections as the case wants it, in words, and what was assumed.

    Raises
    ------
    LutetiaError
        A window, collimator, camera file or CT is missing or does not fit; see the steps.
    """
    first = loaded.beds[0]
    energies = photopeaks_mev(case, nuclide, first)
    imaged = [(nuclide.name, energy) for energy in energies]
    settings, told = settings_of(case, first, imaged, has_ct=loaded.ct is not None)
    peaks, more = peaks_of(case, nuclide, first, energies)
    result = reconstruct_time_point(
        loaded.beds, loaded.ct, None, energies[0], settings, decay_constant_per_s=nuclide.decay_constant_per_s,
        peaks=peaks, progress=progress,
    )  # fmt: skip
    method = in_words(result, peaks)
    shown = daughters_shown(nuclide.name, energies, time_s=loaded.time_s)
    return result, method, tuple(dict.fromkeys((*shown, *more, *told, *result.warnings)))


def daughters_shown(name: str, energies_mev: Sequence[float], *, time_s: float | None) -> tuple[str, ...]:
    """What to say where an image of a nuclide is made of its daughters' photons.

    ``time_s`` is since administration: daughters that were in the syringe leave the agent, so it counts as pure then.
    """
    return tuple(w for energy in energies_mev for w in imaged_member(name, energy, time_s=time_s).warnings)


def peaks_of(
    case: Case, nuclide: Nuclide, projections: Projections, energies_mev: Sequence[float], *, image: int = 0
) -> tuple[tuple[Peak, ...], tuple[str, ...]]:
    """The photopeaks of one nuclide with the camera's response at each and the lines that scatter into it."""
    peaks: list[Peak] = []
    warnings: list[str] = []
    emissions = emissions_of(nuclide.name, energies_mev[0], projections.windows)
    for energy in energies_mev:
        camera, told = camera_of(case, projections.equipment, energy)
        warnings += told
        peaks.append(Peak(energy_mev=energy, camera=camera, emissions=emissions, image=image))
    return tuple(peaks), tuple(warnings)


def settings_of(
    case: Case, projections: Projections, imaged: Sequence[tuple[str, float]], *, has_ct: bool = True
) -> tuple[ReconSettings, tuple[str, ...]]:
    """Settings of the reconstruction, with the scatter estimate that the windows allow, and what was assumed.

    ``imaged``: each nuclide with its photopeak. [MeV]
    """
    wanted = case.reconstruction
    scatter, told = _scatter_method(wanted.scatter, projections, imaged, has_ct=has_ct)
    settings = ReconSettings(
        algorithm=wanted.algorithm,
        iterations=wanted.iterations,
        subsets=wanted.subsets,
        scatter=scatter,
        attenuation=has_ct,
        until_change=wanted.until_change,
        penalty=Penalty(strength=wanted.penalty),
        device=wanted.device,
    )
    return settings, told


def in_words(result: Reconstruction, peaks: Sequence[Peak]) -> str:
    """The reconstruction in one sentence."""
    used, log = result.settings, result.beds[0].log
    steps = {
        "osem": f"OSEM {log.iterations} x {log.subsets}",
        "mlem": f"MLEM {log.iterations}",
        "bsrem": f"penalised likelihood (relative difference prior of strength {used.penalty.strength:g}, "
        f"{log.iterations} x {log.subsets})",
    }[used.algorithm]
    energies = " + ".join(f"{peak.energy_mev * 1e3:.0f}" for peak in peaks)
    scatter = {"tew": "TEW", "dew": "DEW", "model": "by photon transport", "none": "not corrected"}[used.scatter]
    camera = peaks[0].camera
    return (
        f"{steps}, {energies} keV, attenuation {'by CT' if used.attenuation else 'not corrected'}, scatter {scatter}, "
        f"response of {camera.name if camera else 'no camera'}, {len(result.beds)} bed(s)"
    )


def _scatter_method(
    wanted: str, projections: Projections, imaged: Sequence[tuple[str, float]], *, has_ct: bool
) -> tuple[ScatterMethod, tuple[str, ...]]:
    """The scatter estimate asked for; by transport where there is a map of the body, else the best of the windows.

    Hard photons through the collimator are in the windows beside the peak, but not in the transport: they go first.
    """
    if wanted in ("tew", "dew", "model", "none"):
        return cast(ScatterMethod, wanted), ()
    hard = _hard_in_words(imaged)
    if has_ct and not hard:
        return "model", ()
    roles = [classify_windows(projections.windows, energy) for _, energy in imaged]
    if all(r.lower is not None for r in roles):
        both = all(r.upper is not None for r in roles)
        told = () if both else ("No upper scatter window: scatter was estimated from the lower one alone.",)
        why = (f"Scatter was taken from the windows beside the peak, as they hold {hard}.",) if hard else ()
        return ("tew" if both else "dew"), why + told
    if has_ct:
        return "model", (
            f"There is no scatter window beside each peak, and scatter by transport does not hold {hard}: their flat "
            "background is missing from the correction, and activities are too high by its share.",
        )
    return "none", ("No scatter window: scatter was not corrected, activities are too high by its share.",)


def _hard_in_words(imaged: Sequence[tuple[str, float]]) -> str:
    """Hard photons of what is imaged, the two most frequent lines; empty where there are none."""
    lines = {line.energy_mev: line for name, energy in imaged for line in hard_lines(name, energy)}
    first = sorted(lines.values(), key=lambda line: -line.yield_per_parent_decay)[:2]
    if not first:
        return ""
    named = " and ".join(f"{line.energy_mev * 1e3:.0f} keV of {line.member}" for line in first)
    return f"photons of {named} that come through the collimator"


def calibrated(case: Case, nuclide: Nuclide, loaded: Sequence[LoadedScan]) -> Case:
    """The case with sensitivity and dead time from its calibration record, where it names one and gives none itself.

    Raises
    ------
    MissingDataError
        The record holds nothing for this nuclide, collimator and window, or the day of the scan is not known.
    """
    raw = [scan for scan in loaded if scan.beds]
    if case.camera.record is None or case.camera.sensitivity_cps_per_bq is not None or not raw:
        return case
    path = case.folder / case.camera.record
    found = [_factor(case, nuclide, scan.beds[0], path) for scan in raw]
    values = {factor.calibration.sensitivity_cps_per_bq for factor in found}
    if len(values) > 1:
        raise InputError(
            f"{path.name} gives {len(values)} sensitivities for the days of the scans; a case takes one. Give it as "
            "camera: sensitivity_cps_per_MBq."
        )
    first = found[0]
    camera = replace(
        case.camera,
        sensitivity_cps_per_bq=first.calibration.sensitivity_cps_per_bq,
        sensitivity_relative_uncertainty=first.calibration.relative_uncertainty,
        dead_time_s=case.camera.dead_time_s or first.calibration.dead_time_s,
    )
    told = (
        f"Sensitivity from {path.name}, {first.rule} of entry {', '.join(first.numbers)}.",
        *(w for factor in found for w in factor.warnings),
    )
    return replace(case, camera=camera, warnings=(*case.warnings, *dict.fromkeys(told)))


def _factor(case: Case, nuclide: Nuclide, bed: Projections, path: Path) -> FactorInForce:
    if bed.start_time is None:
        raise MissingDataError(
            f"The scan carries no date, so {path.name} cannot say which calibration held; give camera: "
            "sensitivity_cps_per_MBq."
        )
    energy = photopeaks_mev(case, nuclide, bed)[0]
    window = bed.windows[classify_windows(bed.windows, energy).peak]
    return factor_in_force(
        read_record(path),
        nuclide=nuclide.name,
        collimator=(bed.equipment.collimator or case.camera.collimator or "").strip(),
        window_mev=(window.lower_mev, window.upper_mev),
        at=bed.start_time.date(),
    )
