"""Sensitivity from DICOM files: static images of a source, or projections and CT of a phantom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow, Equipment
from lutetia.images.calibration import dead_time_factor
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.index import index_dicom
from lutetia.images.dicom.nm import read_projections
from lutetia.images.dicom.nm_static import PlanarImage, read_nm_static
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import linear_attenuation_per_cm
from lutetia.physics.materials import material
from lutetia.physics.nuclides import nuclide
from lutetia.recon.bed import BedReconstruction, ReconSettings
from lutetia.recon.calibrate.conditions import Conditions, Source
from lutetia.recon.calibrate.sensitivity import (
    Counted,
    PlanarCounts,
    SensitivityMeasurement,
    planar_sensitivity,
    slab_transmission,
    tomographic_sensitivity,
)
from lutetia.recon.calibrate.tables import sha256_of
from lutetia.recon.camera import read_camera
from lutetia.recon.channels import Progress
from lutetia.recon.lines import photopeak_of
from lutetia.recon.reconstruct import Reconstruction, reconstruct_time_point
from lutetia.recon.recovery import count_uncertainty, region_means
from lutetia.recon.scatter import ScatterMethod, classify_windows, estimate_scatter

PlanarScatter = Literal["auto", "tew", "dew", "none"]

END_SHARE: Final = 0.2
"""A phantom whose end slice holds more than this share of the fullest reaches out of the field of view; a sphere cut
there misses less than 1 % of its volume."""
ASSUMED_SHARE_OF_CORRECTION: Final = 0.25
"""Standard uncertainty of attenuation in the source, where none is given: this share of the correction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What the department calls camera and collimator; None for what the file says."""

    camera: str | None = None
    collimator: str | None = None

    def conditions(self, equipment: Equipment, source: Source, window: EnergyWindow) -> Conditions:
        """With names from the file where none are given."""
        return Conditions(
            camera=self.camera or f"{equipment.manufacturer} {equipment.model}".strip(),
            collimator=self.collimator or equipment.collimator,
            nuclide=source.nuclide,
            window_mev=(window.lower_mev, window.upper_mev),
        )


def planar_from_files(
    path: Path,
    source: Source,
    *,
    names: Names,
    background: Path | None = None,
    head: int | None = None,
    scatter: PlanarScatter = "auto",
    photopeak_mev: float | None = None,
    depth_mm: float = 0.0,
    transmission_relative_uncertainty: float | None = None,
    dead_time_s: float = 0.0,
    start_time: datetime | None = None,
) -> SensitivityMeasurement:
    """Planar sensitivity from static DICOM images of a source and of the room without it; the whole field counts.

    Parameters
    ----------
    path, background : static NM objects
    source : activity
    names : of camera and collimator
    head : number from 1 of the head to use; None for all
    scatter : taken out by "tew", "dew" or "none"; "auto" for what the windows allow, as in the reconstruction
    photopeak_mev : None for the strongest line that has a window. [MeV]
    depth_mm : of the liquid that the photons leave, 0 for none. [mm]
    transmission_relative_uncertainty : of the attenuation in it; None for a quarter of the correction, told
    dead_time_s : of the whole spectrum. [s]
    start_time : None for that of the file

    Raises
    ------
    MissingDataError
        The time of the acquisition, a window or a name is not known.
    """
    image = read_nm_static(path)
    when = start_time or image.start_time
    if when is None:
        raise MissingDataError(f"{path.name}: the time of the acquisition is not in the file; give it (--date).")
    energy = photopeak_mev or photopeak_of(source.nuclide, image.windows)
    peak = image.windows[classify_windows(image.windows, energy).peak]
    counts, told = planar_counts(image, energy, scatter=scatter, head=head)
    empty, files = None, [path]
    if background is not None:
        empty, _ = planar_counts(read_nm_static(background), energy, scatter=scatter, head=head)
        files.append(background)
    transmission, u_transmission, assumed = attenuation_in_source(
        energy, depth_mm, transmission_relative_uncertainty
    )
    spectrum = float(_of_head(image, head, path.name).sum(dtype=np.float64)) / image.duration_s / counts.heads
    return planar_sensitivity(
        counts,
        source,
        names.conditions(image.equipment, source, peak),
        start_time=when,
        background=empty,
        transmission=transmission,
        transmission_relative_uncertainty=u_transmission,
        dead_time_s=dead_time_s,
        spectrum_rate_cps=spectrum,
        source_sha256=tuple(sha256_of(file) for file in files),
        warnings=(*image.warnings, *_other_nuclide(image, source), *told, *assumed),
    )


def planar_counts(
    image: PlanarImage, photopeak_mev: float, *, scatter: PlanarScatter = "auto", head: int | None = None
) -> tuple[PlanarCounts, tuple[str, ...]]:
    """Counts of each head in the peak window with their scatter, and what was assumed."""
    used = _of_head(image, head, "The image")
    roles = classify_windows(image.windows, photopeak_mev)
    method, told = _planar_method(scatter, roles.lower is not None, roles.upper is not None)
    # sums of whole heads: smoothing would change nothing
    sums = used.sum(axis=(2, 3), dtype=np.float64)[:, :, None, None]
    estimate = estimate_scatter(sums, image.windows, roles, method, smoothing_fwhm_pixels=0.0)
    counted = tuple(
        Counted(total=float(total), scatter=float(s), scatter_variance=float(v))
        for total, s, v in zip(
            sums[roles.peak].ravel(), estimate.counts.ravel(), estimate.variance.ravel(), strict=True
        )
    )
    return PlanarCounts(counted=counted, heads=len(counted), duration_s=image.duration_s), told


def _planar_method(scatter: PlanarScatter, lower: bool, upper: bool) -> tuple[ScatterMethod, tuple[str, ...]]:
    if scatter != "auto":
        return scatter, ()
    if lower:
        return ("tew" if upper else "dew"), ()
    return "none", ("There are no scatter windows: scatter in source, collimator and room counts as sensitivity.",)


def _of_head(image: PlanarImage, head: int | None, name: str) -> NDArray[np.float32]:
    """Counts (windows, heads, rows, columns) of one head, or of all."""
    n = image.counts.shape[1]
    if head is None:
        return image.counts
    if not 1 <= head <= n:
        raise InputError(f"{name}: head {head} of {n}; expected a number from 1 to {n}.")
    return image.counts[:, head - 1 : head]


def _other_nuclide(image: PlanarImage, source: Source) -> tuple[str, ...]:
    if image.nuclide is None or image.nuclide == nuclide(source.nuclide).name:
        return ()
    return (f"The file names {image.nuclide} as its nuclide; {source.nuclide} was used as given.",)


def attenuation_in_source(
    energy_mev: float, depth_mm: float, given: float | None
) -> tuple[float, float, tuple[str, ...]]:
    """Share that leaves a layer of water, its relative uncertainty (as given, or assumed), and what was assumed."""
    if depth_mm == 0:
        return 1.0, given or 0.0, ()
    share = slab_transmission(float(linear_attenuation_per_cm(material("water"), energy_mev)), depth_mm)
    if given is not None:
        return share, given, ()
    assumed = ASSUMED_SHARE_OF_CORRECTION * (1 / share - 1)
    return (
        share,
        assumed,
        (
            f"Attenuation in {depth_mm:g} mm of source was corrected by {100 * (1 / share - 1):.1f} %; its uncertainty was "
            f"assumed to be {100 * assumed:.1f} %.",
        ),
    )


def tomographic_from_files(
    path: Path,
    ct_files: Sequence[Path],
    source: Source,
    *,
    names: Names,
    response: str | Path,
    settings: ReconSettings,
    phantom_ml: float | None = None,
    phantom_relative_uncertainty: float | None = None,
    margin_mm: float = 25.0,
    photopeak_mev: float | None = None,
    dead_time_s: float = 0.0,
    start_time: datetime | None = None,
    progress: Progress | None = None,
) -> SensitivityMeasurement:
    """Sensitivity from raw projections and CT of a phantom, reconstructed as patients are.

    Without ``phantom_ml`` the whole image counts; with it the inside of a uniform phantom of that volume, at least
    ``margin_mm`` from where its activity falls to half.

    Parameters
    ----------
    path, ct_files : raw NM tomo, one bed; slices of its CT
    source : activity in the phantom
    names : of camera and collimator, for the record
    response : collimator of the table, or a camera file, for ``read_camera``
    settings : of the reconstruction; those used for patients

    Raises
    ------
    MissingDataError
        The time of the acquisition, a window or a name is not known.
    """
    projections = read_projections(path)
    energy = photopeak_mev or photopeak_of(source.nuclide, projections.windows)
    done = reconstruct_time_point(
        [projections],
        read_ct(ct_files),
        read_camera(response, photopeak_mev=energy),
        energy,
        settings,
        decay_constant_per_s=source.decay_constant_per_s,
        progress=progress,
    )
    when = start_time or done.start_time
    if when is None:
        raise MissingDataError(f"{path.name}: the time of the acquisition is not in the file; give it (--date).")
    bed = done.beds[0]
    region = None if phantom_ml is None else inside_phantom(done.volume, margin_mm)
    counting = _whole_counting(bed) if region is None else _inside_counting(done, region)
    return tomographic_sensitivity(
        done.volume,
        source,
        names.conditions(projections.equipment, source, projections.windows[bed.roles.peak]),
        start_time=when,
        region=region,
        phantom_ml=phantom_ml,
        phantom_relative_uncertainty=phantom_relative_uncertainty,
        counting_relative_uncertainty=counting,
        scatter_to_primary=_scatter_to_primary(bed),
        dead_time_correction=dead_time_factor(measured_rate_cps=bed.count_rate_cps, dead_time_s=dead_time_s),
        reconstruction=settings_in_words(settings),
        source_sha256=(sha256_of(path), sha256_of(*sorted(ct_files))),
        warnings=(*done.warnings, *(_cut_off(done.volume, bed) if region is None else ())),
    )


def settings_in_words(settings: ReconSettings) -> str:
    """What a calibration shares with the images it is used for."""
    parts = [f"OSEM {settings.iterations} x {settings.subsets}", f"scatter {settings.scatter}"]
    parts += [name for name in ("attenuation", "resolution") if getattr(settings, name)]
    return ", ".join(parts)


def inside_phantom(image: Volume, margin_mm: float) -> NDArray[np.bool_]:
    """Voxels of a uniform phantom at least a margin from where its activity falls to half.

    Raises
    ------
    InputError
        Nothing is that far inside.
    """
    bright = image.values > 0.5 * float(np.percentile(image.values, 99.5))
    plateau = float(np.median(image.values[bright])) if bright.any() else 0.0
    filled = image.values > 0.5 * plateau
    padded = np.pad(filled, 1)  # the phantom ends where the image does
    depth = distance_transform_edt(padded, sampling=image.grid.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    inside = np.asarray(depth > margin_mm)
    if not plateau > 0 or not inside.any():
        raise InputError(
            f"No voxel lies {margin_mm:g} mm inside the phantom; choose a smaller margin, or let the whole image count "
            "(no phantom volume)."
        )
    return inside


def _whole_counting(bed: BedReconstruction) -> float:
    """Relative uncertainty of the unscattered counts of all views."""
    counts, scatter, variance = (
        float((part * bed.system.usable).sum(dtype=np.float64))
        for part in (bed.counts, bed.scatter.counts, bed.scatter.variance)
    )
    return float(np.sqrt(counts + variance) / max(counts - scatter, 1.0))


def _scatter_to_primary(bed: BedReconstruction) -> float:
    counts, scatter = (
        float((part * bed.system.usable).sum(dtype=np.float64)) for part in (bed.counts, bed.scatter.counts)
    )
    return scatter / max(counts - scatter, 1.0)


def _inside_counting(done: Reconstruction, region: NDArray[np.bool_]) -> float:
    lit = done.volume.values > 0
    occupancy = {"inside": region.astype(np.float32), "rest": (lit & ~region).astype(np.float32)}
    return count_uncertainty(done, occupancy, region_means(done.volume.values, occupancy))["inside"]


def _cut_off(image: Volume, bed: BedReconstruction) -> tuple[str, ...]:
    seen = np.asarray(np.max(bed.system.usable, axis=1))[::-1]  # rows run from the head, slices to it
    profile = image.values.sum(axis=(1, 2), dtype=np.float64)[seen]
    ends = max(profile[0], profile[-1])
    if ends <= END_SHARE * profile.max():
        return ()
    return (
        f"The slices at the ends hold up to {ends / profile.max():.0%} of the fullest: the phantom reaches out of the "
        "field of view, and the whole image misses activity. Use its inside (--phantom-mL).",
    )


def ct_files_in(folder: Path) -> tuple[Path, ...]:
    """Slices of the only CT series below a folder.

    Raises
    ------
    MissingDataError
        There is none.
    InputError
        There are several.
    """
    found = [series for series in index_dicom(folder).series if series.role == "ct"]
    if not found:
        raise MissingDataError(f"No CT series below {folder}; attenuation correction needs the phantom's (--ct).")
    if len(found) > 1:
        raise InputError(f"{len(found)} CT series below {folder}; name a folder that holds the phantom's alone.")
    return tuple(found[0].files)
