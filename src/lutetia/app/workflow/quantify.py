"""From a loaded scan to its quantitative image."""

from collections.abc import Callable
from dataclasses import dataclass

from lutetia.app.case import Case
from lutetia.app.workflow.load import LoadedScan
from lutetia.errors import MissingDataError
from lutetia.images.acquisition import Equipment, Projections
from lutetia.images.calibration import Calibration
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import Nuclide, detectable_photopeaks
from lutetia.recon.bed import ReconSettings
from lutetia.recon.camera import Camera, collimators, read_camera
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


def photopeak_mev(case: Case, nuclide: Nuclide, projections: Projections) -> float:
    """Photon energy to image: the one asked for, else the strongest line that has a window. [MeV]

    Raises
    ------
    MissingDataError
        No window covers a line of the nuclide.
    """
    if case.reconstruction.photopeak_mev is not None:
        return case.reconstruction.photopeak_mev
    lines = detectable_photopeaks(nuclide.name)
    for line in lines:
        if any(w.lower_mev < line.energy_mev < w.upper_mev for w in projections.windows):
            return line.energy_mev
    windows = ", ".join(f"{w.lower_mev * 1e3:.0f}-{w.upper_mev * 1e3:.0f}" for w in projections.windows)
    peaks = ", ".join(f"{line.energy_mev * 1e3:.0f}" for line in lines)
    raise MissingDataError(
        f"No energy window (0054,0012) covers a photopeak of {nuclide.name}: windows {windows} keV, photopeaks {peaks} keV."
    )


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
    energy = photopeak_mev(case, nuclide, loaded.beds[0])
    camera, warnings = camera_of(case, loaded.beds[0].equipment, energy)
    scatter, told = _scatter_method(case, loaded.beds[0], energy)
    settings = ReconSettings(
        iterations=case.reconstruction.iterations, subsets=case.reconstruction.subsets, scatter=scatter
    )
    result = reconstruct_time_point(
        loaded.beds, loaded.ct, camera, energy, settings, decay_constant_per_s=nuclide.decay_constant_per_s,
        progress=progress,
    )  # fmt: skip
    sensitivity = case.camera.sensitivity_cps_per_bq
    if sensitivity is None:
        raise MissingDataError("The camera's sensitivity is missing (camera: sensitivity_cps_per_MBq).")
    calibration = Calibration(
        sensitivity_cps_per_bq=sensitivity,
        relative_uncertainty=case.camera.sensitivity_relative_uncertainty,
        dead_time_s=case.camera.dead_time_s,
    )
    rate = max(bed.count_rate_cps for bed in result.beds) if case.camera.dead_time_s > 0 else None
    image = calibration.activity_concentration(result.volume, measured_rate_cps=rate)
    method = (
        f"OSEM {settings.iterations} x {settings.subsets}, {energy * 1e3:.0f} keV, attenuation by CT, scatter {scatter}, "
        f"response of {camera.name}, {len(loaded.beds)} bed(s); {sensitivity * 1e6:g} cps/MBq per head"
    )
    all_told = dict.fromkeys((*warnings, *told, *result.warnings))
    return QuantifiedScan(
        loaded=loaded,
        image=image,
        reconstruction=result,
        method=method,
        warnings=tuple(f"{loaded.label}: {w}" for w in all_told),
    )


def _scatter_method(
    case: Case, projections: Projections, energy_mev: float
) -> tuple[ScatterMethod, tuple[str, ...]]:
    """The scatter estimate asked for, or the best that the windows allow."""
    wanted = case.reconstruction.scatter
    if wanted != "auto":
        return wanted, ()
    roles = classify_windows(projections.windows, energy_mev)
    if roles.lower is not None and roles.upper is not None:
        return "tew", ()
    if roles.lower is not None:
        return "dew", ("No upper scatter window: scatter was estimated from the lower one alone.",)
    return "none", ("No scatter window: scatter was not corrected, activities are too high by its share.",)
