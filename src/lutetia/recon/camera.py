"""Gamma cameras: how far a point spreads on the detector, from its collimator's holes or from measured values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.recon.collimator import (
    Collimator,
    SeptalTail,
    collimators,
    lead_attenuation_per_cm,
    septal_tail,
    usable_energy,
)
from lutetia.units import MM_PER_CM

__all__ = [
    "FWHM_PER_SIGMA",
    "TYPICAL_INTRINSIC_FWHM_MM",
    "Camera",
    "Collimator",
    "SeptalTail",
    "camera_from_collimator",
    "collimators",
    "lead_attenuation_per_cm",
    "read_camera",
]

FWHM_PER_SIGMA: Final = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
TYPICAL_ENERGY_FWHM: Final = 0.098
"""Of NaI(Tl) cameras at 140 keV (makers' NEMA NU 1 sheets give 0.094 to 0.099)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Spatial response of a camera with its collimator at one photon energy.

    ``FWHM(d)^2 = intrinsic^2 + (intercept + slope d)^2`` with d from the collimator's face. With a tail this is the
    core's width, and the core holds the rest of the photons. Sensitivity is part of the calibration, not of the camera.

    Attributes
    ----------
    name : str
    intrinsic_fwhm_mm : full width at half maximum of the crystal and its electronics. [mm]
    intercept_mm, slope : of the collimator's full width at half maximum over distance. [mm, 1]
    energy_fwhm_at_140_kev : relative energy resolution at 140 keV
    tail : photons through the septa, None where they are not modelled
    collimator : its geometry, from which follows what it lets through at other energies; None where it is not known
    warnings : assumptions made when it was built
    """

    name: str
    intrinsic_fwhm_mm: float
    intercept_mm: float
    slope: float
    energy_fwhm_at_140_kev: float = TYPICAL_ENERGY_FWHM
    tail: SeptalTail | None = None
    collimator: Collimator | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = (self.intrinsic_fwhm_mm, self.intercept_mm, self.slope)
        if not 0.001 < self.energy_fwhm_at_140_kev < 1:
            raise InputError(
                f"Camera {self.name!r}: energy resolution {self.energy_fwhm_at_140_kev:.1%} at 140 keV; expected 0.1 to "
                "100 %."
            )
        if not np.all(np.isfinite(values)) or min(values) < 0 or max(values[:2]) == 0:
            raise InputError(
                f"Camera {self.name!r}: intrinsic FWHM {values[0]} mm, intercept {values[1]} mm, "
                f"slope {values[2]}; "
                "expected values of at least 0 and a width above 0."
            )

    def sigma_mm(self, distance_mm: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of the response, without its tail, at a distance from the collimator's face. [mm]

        Behind the face (negative distance) the value at the face holds.
        """
        distance = np.maximum(np.asarray(distance_mm, dtype=float), 0.0)
        fwhm = np.hypot(self.intrinsic_fwhm_mm, self.intercept_mm + self.slope * distance)
        return np.asarray(fwhm / FWHM_PER_SIGMA)


def camera_from_collimator(
    *, collimator: Collimator, photopeak_mev: float, intrinsic_fwhm_mm: float, name: str = ""
) -> Camera:
    r"""Geometric response of a parallel-hole collimator.

    :math:`\mathrm{FWHM}_c(d) = D (L_e + d) / L_e` with hole diameter D and length :math:`L_e = L - 2/\mu`
    shortened by penetration through the edges of the holes at the photopeak. Photons through whole septa are not part
    of it (:func:`lutetia.recon.collimator.septal_tail` has them), nor is scatter in the collimator; where many cross
    its lead the camera carries a warning.

    References
    ----------
    Anger HO. Radioisotope cameras. In: Instrumentation in nuclear medicine, vol 1 (1967) 485-552.
    Cherry SR, Sorenson JA, Phelps ME. Physics in nuclear medicine, 4th ed. (2012), eqs 14-7 and 14-8.
    """
    effective_mm = collimator.hole_length_mm - 2.0 * MM_PER_CM / lead_attenuation_per_cm(photopeak_mev)
    if effective_mm <= 0:
        raise OutOfRangeError(
            f"Collimator {collimator.name}: photons of {photopeak_mev} MeV pass its {collimator.hole_length_mm} mm "
            "of lead; give a measured resolution instead."
        )
    return Camera(
        name=name or collimator.name,
        intrinsic_fwhm_mm=intrinsic_fwhm_mm,
        intercept_mm=collimator.hole_diameter_mm,
        slope=collimator.hole_diameter_mm / effective_mm,
        collimator=collimator,
        warnings=_unverified(collimator) + usable_energy(collimator, photopeak_mev),
    )


def _unverified(collimator: Collimator) -> tuple[str, ...]:
    if collimator.verified:
        return ()
    return (
        f"Collimator {collimator.name}: hole {collimator.hole_diameter_mm} mm, length {collimator.hole_length_mm} mm, "
        f"septa {collimator.septa_mm} mm are not verified; compare them with the maker's data sheet.",
    )


TYPICAL_INTRINSIC_FWHM_MM: Final = 3.8
"""Of a 9.5 mm NaI(Tl) crystal at 140 keV (makers' NEMA NU 1 sheets give 3.7 to 3.9 mm); used with a warning."""


def read_camera(
    path_or_name: str | Path, *, photopeak_mev: float | None = None, intrinsic_fwhm_mm: float | None = None
) -> Camera:
    """Camera from a YAML file, or of a collimator by name.

    The file holds ``name``, ``intrinsic_fwhm_mm`` and either ``resolution: {intercept_mm, slope}`` or
    ``collimator``: a name in :func:`collimators`, or ``{hole_diameter_mm, hole_length_mm, septa_mm}``. A collimator
    needs the photon energy, as ``photopeak_mev`` here or ``photopeak_keV`` in the file. ``septal_tail`` is
    ``{share, intercept_mm, slope}`` (of the tail's standard deviation) or ``computed``, from the collimator's geometry;
    without it there is no tail. ``energy_resolution_percent_at_140_keV`` is 9.8 where it is not given. An
    ``intrinsic_fwhm_mm`` given here goes before that of the file.

    Raises
    ------
    MissingDataError
        No such file or collimator, or the energy or a key is missing.
    InputError
        The file is no table of these keys.
    """
    text = str(path_or_name)
    given: dict[str, Any] = {} if intrinsic_fwhm_mm is None else {"intrinsic_fwhm_mm": intrinsic_fwhm_mm}
    if text in collimators():
        return _camera_of({"name": text, "collimator": text, **given}, photopeak_mev, where=text)
    path = Path(path_or_name)
    if not path.is_file():
        raise MissingDataError(
            f"Camera {text!r} is neither a file nor one of the collimators {', '.join(sorted(collimators()))}."
        )
    table = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(table, dict):
        raise InputError(f"{path.name}: expected the keys name, intrinsic_fwhm_mm and collimator or resolution.")
    return _camera_of({**table, **given}, photopeak_mev, where=path.name)


def _camera_of(table: Mapping[str, Any], photopeak_mev: float | None, *, where: str) -> Camera:
    warnings: tuple[str, ...] = ()
    intrinsic = table.get("intrinsic_fwhm_mm")
    if intrinsic is None:
        intrinsic = TYPICAL_INTRINSIC_FWHM_MM
        warnings = (f"Camera {where}: intrinsic resolution not given, {intrinsic} mm FWHM assumed.",)
    name = str(table.get("name", where))
    if "resolution" in table:
        values = _numbers(table["resolution"], ("intercept_mm", "slope"), where, "resolution")
        camera = Camera(
            name=name,
            intrinsic_fwhm_mm=float(intrinsic),
            intercept_mm=values["intercept_mm"],
            slope=values["slope"],
        )
    else:
        camera = camera_from_collimator(
            collimator=_collimator_of(table, where),
            photopeak_mev=_energy_of(table, photopeak_mev, where),
            intrinsic_fwhm_mm=float(intrinsic),
            name=name,
        )
    tail = _tail_of(table, photopeak_mev, where)
    resolution = float(table.get("energy_resolution_percent_at_140_keV") or 100.0 * TYPICAL_ENERGY_FWHM)
    return replace(
        camera, tail=tail, energy_fwhm_at_140_kev=resolution / 100.0, warnings=warnings + camera.warnings
    )


def _tail_of(table: Mapping[str, Any], photopeak_mev: float | None, where: str) -> SeptalTail | None:
    entry = table.get("septal_tail")
    if entry is None:
        return None
    if entry == "computed":
        return septal_tail(_collimator_of(table, where), _energy_of(table, photopeak_mev, where))
    return SeptalTail(**_numbers(entry, ("share", "intercept_mm", "slope"), where, "septal_tail"))


def _energy_of(table: Mapping[str, Any], photopeak_mev: float | None, where: str) -> float:
    energy = photopeak_mev if photopeak_mev is not None else table.get("photopeak_keV", 0.0) / 1000.0
    if not energy:
        raise MissingDataError(f"Camera {where}: a collimator's response needs photopeak_mev (or photopeak_keV).")
    return float(energy)


def _collimator_of(table: Mapping[str, Any], where: str) -> Collimator:
    entry = table.get("collimator")
    if isinstance(entry, dict):
        values = _numbers(entry, ("hole_diameter_mm", "hole_length_mm", "septa_mm"), where, "collimator")
        return Collimator(
            name=str(table.get("name", where)),
            hole_diameter_mm=values["hole_diameter_mm"],
            hole_length_mm=values["hole_length_mm"],
            septa_mm=values["septa_mm"],
        )
    if entry not in collimators():
        raise MissingDataError(
            f"Camera {where}: collimator {entry!r} is not known; give its hole_diameter_mm, hole_length_mm and "
            f"septa_mm, or one of {', '.join(sorted(collimators()))}."
        )
    return collimators()[str(entry)]


def _numbers(entry: Any, keys: tuple[str, ...], where: str, section: str) -> dict[str, float]:
    try:
        return {key: float(entry[key]) for key in keys}
    except (KeyError, TypeError, ValueError) as error:
        raise MissingDataError(
            f"Camera {where}, {section}: expected numbers for {', '.join(keys)}; found {entry}."
        ) from error
