"""How virtual patients of a nuclide are imaged: energy windows, photopeaks, collimator, and what its chain emits."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.phantoms.stylised import Rasterised, body_grid, rasterise
from lutetia.phantoms.virtual_patient import Kinetics, VirtualPatient
from lutetia.physics.attenuation import linear_attenuation_from_hu
from lutetia.physics.chains import chain
from lutetia.physics.nuclides import nuclide
from lutetia.recon.camera import Camera, read_camera
from lutetia.recon.chain_lines import equilibrium_activities, imaged_member
from lutetia.recon.collimator import collimators, septal_tail
from lutetia.recon.lines import emissions_of
from lutetia.recon.peaks import Peak, expected_weight
from lutetia.recon.scatter import classify_windows
from lutetia.units import KEV_PER_MEV, S_PER_H

INTRINSIC_MM: Final = 3.8


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagingSettings:
    """What a camera needs to know of a nuclide.

    Attributes
    ----------
    windows : energy windows
    photopeaks_mev : lines that are imaged; the first sets the scale. [MeV]
    collimator : name in lutetia.recon.collimator
    sensitivity_cps_per_mbq : unscattered counts of the first photopeak, one head, without attenuation, per activity of
        the nuclide that was given, its short-lived daughters in equilibrium. [counts/s/MBq]
    septal_tail : whether photons through the septa are modelled at the photopeaks
    penetration_share : counts in a peak window of photons of high energy that come through the collimator, over the
        counts that the activity in the field would give there without attenuation and scatter; spread evenly over the
        detector and over energy. What neither geometric response nor tail holds (2615 keV of 208Tl, 1567 keV of
        209Tl): an assumption, not a model
    intrinsic_fwhm_mm : of the crystal
    """

    windows: tuple[EnergyWindow, ...]
    photopeaks_mev: tuple[float, ...]
    collimator: str = "GE-Discovery-670-MEGP"
    sensitivity_cps_per_mbq: float = 6.0
    septal_tail: bool = False
    penetration_share: float = 0.0
    intrinsic_fwhm_mm: float = INTRINSIC_MM

    def __post_init__(self) -> None:
        if not self.photopeaks_mev or not self.windows:
            raise InputError("Imaging needs at least one energy window and one photopeak.")
        for energy in self.photopeaks_mev:
            classify_windows(self.windows, energy)
        if not self.sensitivity_cps_per_mbq > 0 or not 0 <= self.penetration_share < 100:
            raise InputError(
                f"Sensitivity {self.sensitivity_cps_per_mbq} cps/MBq, penetration share {self.penetration_share}; "
                "expected above 0, and 0 or more."
            )

    def camera(self, energy_mev: float) -> Camera:
        """Spatial response at an energy."""
        camera = read_camera(self.collimator, photopeak_mev=energy_mev, intrinsic_fwhm_mm=self.intrinsic_fwhm_mm)
        if not self.septal_tail:
            return camera
        return replace(camera, tail=septal_tail(collimators()[self.collimator], energy_mev))

    def peaks(self, name: str) -> tuple[Peak, ...]:
        """The photopeaks of a nuclide (and its daughters in equilibrium), weights as expected from yields and lead."""
        emissions = emissions_of(name, self.photopeaks_mev[0], self.windows)
        found = [
            Peak(energy_mev=energy, camera=self.camera(energy), emissions=emissions)
            for energy in self.photopeaks_mev
        ]
        of = [self.windows[classify_windows(self.windows, peak.energy_mev).peak] for peak in found]
        return tuple(
            replace(peak, weight=expected_weight(window, peak, of[0], found[0]))
            for peak, window in zip(found, of, strict=True)
        )


@cache
def imaging_of(name: str) -> ImagingSettings:
    """Windows, photopeaks and collimator for a nuclide, from data/imaging_windows.

    Raises
    ------
    MissingDataError
        None are known for the nuclide.
    """
    wanted = nuclide(name).name
    cameras = {row["nuclide"]: row for row in _rows("cameras.csv")}
    if wanted not in cameras:
        raise MissingDataError(
            f"No energy windows are known for {wanted}, only for {', '.join(sorted(cameras))}; give ImagingSettings."
        )
    rows = [row for row in _rows("windows.csv") if row["nuclide"] == wanted]
    camera = cameras[wanted]
    return ImagingSettings(
        windows=tuple(
            EnergyWindow(
                lower_mev=float(row["lower_keV"]) / KEV_PER_MEV,
                upper_mev=float(row["upper_keV"]) / KEV_PER_MEV,
                name=row["name"],
            )
            for row in rows
        ),
        photopeaks_mev=tuple(float(row["photopeak_keV"]) / KEV_PER_MEV for row in rows if row["photopeak_keV"]),
        collimator=camera["collimator"],
        sensitivity_cps_per_mbq=float(camera["sensitivity_cps_per_MBq"]),
        septal_tail=camera["septal_tail"] == "true",
        penetration_share=float(camera["penetration_share"]),
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (files("lutetia.phantoms") / "data" / "imaging_windows" / name).open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def with_nuclide(patient: VirtualPatient, name: str, activity_bq: float, *, agent: str = "") -> VirtualPatient:
    """The same biology with another nuclide on the agent: every rate differs by the decay constants.

    Raises
    ------
    InputError
        No activity above 0.
    """
    if not activity_bq > 0:
        raise InputError(f"{activity_bq} Bq of {name}; expected an activity above 0.")
    given = patient.administration
    change = nuclide(name).decay_constant_per_s - nuclide(given.nuclide).decay_constant_per_s
    share = activity_bq / given.activity_bq
    kinetics = {
        region: Kinetics(
            amplitudes_bq=tuple(share * a for a in k.amplitudes_bq),
            rates_per_s=tuple(rate + change for rate in k.rates_per_s),
        )
        for region, k in patient.kinetics.items()
    }
    administration = replace(
        given, nuclide=nuclide(name).name, activity_bq=activity_bq, agent=agent or f"{name} on {given.agent}"
    )
    return replace(patient, administration=administration, kinetics=kinetics)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Lines of the chain that come from one map of activity: a photopeak with its member's other lines.

    Attributes
    ----------
    peak : with the camera there and the lines of this source, yields relative to the photopeak's
    member : that emits the photopeak
    relative_sensitivity : counts of this photopeak per count of the first
    per_parent : activity of the member per activity of the parent in equilibrium
    """

    peak: Peak
    member: str
    relative_sensitivity: float
    per_parent: float


def sources_of(name: str, imaging: ImagingSettings) -> tuple[Source, ...]:
    """One source for each photopeak; the lines of members without a photopeak go with their nearest ancestor's.

    Raises
    ------
    MissingDataError
        A photopeak that no member of the chain has.
    """
    seen = [imaged_member(name, energy) for energy in imaging.photopeaks_mev]
    own = {image.member: k for k, image in reversed(list(enumerate(seen)))}
    place: dict[str, int] = {}
    whole = chain(name)
    for one in whole.members:
        mothers = [place[b.mother] for b in whole.branches if b.daughter == one.name and b.mother in place]
        place[one.name] = own.get(one.name, max(mothers, default=0))
    present = equilibrium_activities(name)
    peaks = imaging.peaks(name)
    found = []
    for member, k in sorted(own.items(), key=lambda pair: pair[1]):
        activities = {m: ratio for m, ratio in present.items() if place[m] == k}
        lines = emissions_of(name, imaging.photopeaks_mev[k], imaging.windows, activities=activities)
        found.append(
            Source(
                peak=replace(peaks[k], emissions=lines),
                member=member,
                relative_sensitivity=float(peaks[k].weight or 1.0),
                per_parent=seen[k].equilibrium_ratio,
            )
        )
    return tuple(found)


SourceMaps = Sequence[tuple[Source, Volume, Volume]]
"""Each imaged member with its activity as activity of the parent in equilibrium, and the attenuation at its peak."""


def source_maps(
    patient: VirtualPatient,
    imaging: ImagingSettings,
    hours: float,
    *,
    motion: NDArray[np.float64],
    spacing_mm: float,
    frame: str = "",
    members: Mapping[str, Mapping[str, Kinetics]] | None = None,
) -> SourceMaps:
    """What is imaged at the start of a visit.

    Parameters
    ----------
    patient, imaging : as given
    hours : after administration
    motion : from body to couch, 4 x 4. [mm]
    spacing_mm : of the grid
    frame : of reference
    members : activity of imaged daughters by region, where they are not in equilibrium with the parent

    Raises
    ------
    InputError
        Activity of a member that has no photopeak.
    """
    sources = sources_of(patient.administration.nuclide, imaging)
    own = dict(members or {})
    unseen = sorted(set(own) - {source.member for source in sources})
    if unseen:
        raise InputError(f"Activity of {', '.join(unseen)}; imaged are {', '.join(s.member for s in sources)}.")
    body, rest = _body(patient, motion, spacing_mm, frame)
    found = []
    for source in sources:
        here = replace(patient, kinetics=own.get(source.member, patient.kinetics))
        per_parent = source.per_parent if source.member in own else 1.0
        activity = _concentration(here, body, rest, hours)
        mu = linear_attenuation_from_hu(body.hu.values, source.peak.energy_mev)
        found.append(
            (
                source,
                activity.with_values(activity.values / np.float32(per_parent)),
                Volume(grid=body.hu.grid, values=mu, unit="1/cm"),
            )
        )
    return found


def _body(
    patient: VirtualPatient, motion: NDArray[np.float64], spacing_mm: float, frame: str
) -> tuple[Rasterised, NDArray[np.bool_]]:
    """The body on a fine grid, and where the remainder is."""
    still = body_grid(patient.anatomy, spacing_mm, frame_of_reference_uid=frame)
    origin = np.asarray(still.origin_mm) + motion[:3, 3] - 12.0
    size = tuple(n + round(24.0 / spacing_mm) for n in still.size)
    grid = Grid(
        size=(size[0], size[1], size[2]),
        spacing_mm=still.spacing_mm,
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        frame_of_reference_uid=frame,
    )
    body = rasterise(patient.anatomy, grid, motion=motion)
    named = [name for name in patient.kinetics if name != "remainder"]
    return body, body.body & ~np.isin(body.regions.labels, [body.regions.label_of(name) for name in named])


def _concentration(patient: VirtualPatient, body: Rasterised, rest: NDArray[np.bool_], hours: float) -> Volume:
    """Activity concentration at the start of the visit. [Bq/mL]"""
    grid = body.hu.grid
    values = np.zeros(grid.shape, np.float32)
    for name, kinetics in patient.kinetics.items():
        mask = rest if name == "remainder" else body.regions.mask(name)
        activity = float(kinetics.activity_bq(hours * S_PER_H))
        values[mask] = activity / (float(np.count_nonzero(mask)) * grid.voxel_ml)
    return Volume(grid=grid, values=values, unit="Bq/mL")


def flat_background(
    imaging: ImagingSettings,
    counts_per_s: Mapping[float, float],
    frame_duration_s: NDArray[np.float64],
    pixels: int,
) -> NDArray[np.float64]:
    """Counts per pixel (windows, views) of photons of high energy through the collimator.

    Parameters
    ----------
    imaging : windows and the share
    counts_per_s : by photopeak [MeV], what the activity in the field would give without attenuation and scatter; a
        window takes the density per energy of the nearest peak
    frame_duration_s : (views,)
    pixels : of the detector
    """
    rates = []
    for window in imaging.windows:
        energy = min(counts_per_s, key=lambda e: abs(e - window.centre_mev))
        width = imaging.windows[classify_windows(imaging.windows, energy).peak].width_mev
        rates.append(imaging.penetration_share * counts_per_s[energy] * window.width_mev / width / pixels)
    return np.asarray(np.multiply.outer(np.array(rates), frame_duration_s), dtype=np.float64)
