"""Gamma cameras: how far a point spreads on the detector, from its collimator's holes or from measured values."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.units import MM_PER_CM

FWHM_PER_SIGMA: Final = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
LEAD_DENSITY_G_PER_CM3: Final = 11.35
TYPICAL_ENERGY_FWHM: Final = 0.098
"""Of NaI(Tl) cameras at 140 keV (makers' NEMA NU 1 sheets give 0.094 to 0.099)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Collimator:
    """A parallel-hole lead collimator. [mm]"""

    name: str
    hole_diameter_mm: float
    hole_length_mm: float
    septa_mm: float

    def __post_init__(self) -> None:
        if min(self.hole_diameter_mm, self.hole_length_mm, self.septa_mm) <= 0:
            raise InputError(
                f"Collimator {self.name!r}: hole {self.hole_diameter_mm} mm, length {self.hole_length_mm} mm, "
                f"septa {self.septa_mm} mm; all must be positive."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SeptalTail:
    """Photons that reach the crystal through lead: a second, wider Gaussian that takes ``share`` of all counts.

    Its standard deviation grows with the distance from the collimator's face, ``intercept + slope d``. [mm, 1]
    """

    share: float
    intercept_mm: float
    slope: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.intercept_mm < 0 or self.slope < 0 or self.intercept_mm + self.slope == 0:
            raise InputError(
                f"Septal tail of share {self.share}, {self.intercept_mm} mm + {self.slope} d; expected a share between "
                "0 and 1 and a width."
            )

    def sigma_mm(self, distance_mm: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation at a distance; behind the face the value at the face holds. [mm]"""
        return np.asarray(self.intercept_mm + self.slope * np.maximum(np.asarray(distance_mm, dtype=float), 0.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Spatial response of a camera with its collimator at one photon energy.

    ``FWHM(d)^2 = intrinsic^2 + (intercept + slope d)^2`` with d from the collimator's face. Sensitivity is part of
    the calibration, not of the camera.

    Attributes
    ----------
    name : str
    intrinsic_fwhm_mm : full width at half maximum of the crystal and its electronics. [mm]
    intercept_mm, slope : of the collimator's full width at half maximum over distance. [mm, 1]
    energy_fwhm_at_140_kev : relative energy resolution at 140 keV
    tail : septal penetration, None for none
    warnings : assumptions made when it was built
    """

    name: str
    intrinsic_fwhm_mm: float
    intercept_mm: float
    slope: float
    energy_fwhm_at_140_kev: float = TYPICAL_ENERGY_FWHM
    tail: SeptalTail | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = (self.intrinsic_fwhm_mm, self.intercept_mm, self.slope)
        if not np.all(np.isfinite(values)) or min(values) < 0 or max(values[:2]) == 0:
            raise InputError(
                f"Camera {self.name!r}: intrinsic FWHM {values[0]} mm, intercept {values[1]} mm, "
                f"slope {values[2]}; "
                "expected values of at least 0 and a width above 0."
            )

    def sigma_mm(self, distance_mm: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of the response at a distance from the collimator's face. [mm]

        Behind the face (negative distance) the value at the face holds.
        """
        distance = np.maximum(np.asarray(distance_mm, dtype=float), 0.0)
        fwhm = np.hypot(self.intrinsic_fwhm_mm, self.intercept_mm + self.slope * distance)
        return np.asarray(fwhm / FWHM_PER_SIGMA)


@cache
def collimators() -> dict[str, Collimator]:
    """Collimators that come with Lutetia, by name (data/simind_collimators)."""
    table = files("lutetia.recon").joinpath("data/simind_collimators/collimators.csv").read_text("utf-8")
    return {
        row["name"]: Collimator(
            name=row["name"],
            hole_diameter_mm=float(row["hole_diameter_mm"]),
            hole_length_mm=float(row["hole_length_mm"]),
            septa_mm=float(row["septa_mm"]),
        )
        for row in csv.DictReader(table.splitlines())
    }


@cache
def _lead_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = files("lutetia.recon").joinpath("data/nist_lead/lead.csv").read_text("utf-8").splitlines()
    values = np.array([line.split(",") for line in table[1:]], dtype=float)
    return values[:, 0], values[:, 1]


def lead_attenuation_per_cm(photon_energy_mev: float) -> float:
    """Linear attenuation coefficient of lead, log-log interpolated from NISTIR 5632. [1/cm]

    Raises
    ------
    OutOfRangeError
        Outside 0.05 to 1 MeV.
    """
    energy, mass_attenuation = _lead_table()
    if not energy[0] <= photon_energy_mev <= energy[-1]:
        raise OutOfRangeError(
            f"Lead attenuation at {photon_energy_mev} MeV: the table holds {energy[0]} to {energy[-1]} MeV."
        )
    log = np.interp(np.log(photon_energy_mev), np.log(energy), np.log(mass_attenuation))
    return float(np.exp(log)) * LEAD_DENSITY_G_PER_CM3


def camera_from_collimator(
    *, collimator: Collimator, photopeak_mev: float, intrinsic_fwhm_mm: float, name: str = ""
) -> Camera:
    r"""Geometric response of a parallel-hole collimator.

    :math:`\mathrm{FWHM}_c(d) = D (L_e + d) / L_e` with hole diameter D and length :math:`L_e = L - 2/\mu`
    shortened by penetration through lead at the photopeak. Septal penetration tails and scatter in the collimator
    are not part of it: for 131I or 225Ac daughters give a measured response instead.

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
    )


TYPICAL_INTRINSIC_FWHM_MM: Final = 3.8
"""Of a 9.5 mm NaI(Tl) crystal at 140 keV (makers' NEMA NU 1 sheets give 3.7 to 3.9 mm); used with a warning."""


def read_camera(path_or_name: str | Path, *, photopeak_mev: float | None = None) -> Camera:
    """Camera from a YAML file, or of a collimator by name.

    The file holds ``name``, ``intrinsic_fwhm_mm`` and either ``resolution: {intercept_mm, slope}`` or
    ``collimator``: a name in :func:`collimators`, or ``{hole_diameter_mm, hole_length_mm, septa_mm}``. A collimator
    needs the photon energy, as ``photopeak_mev`` here or ``photopeak_keV`` in the file.

    Raises
    ------
    MissingDataError
        No such file or collimator, or the energy or a key is missing.
    InputError
        The file is no table of these keys.
    """
    text = str(path_or_name)
    if text in collimators():
        return _camera_of({"name": text, "collimator": text}, photopeak_mev, where=text)
    path = Path(path_or_name)
    if not path.is_file():
        raise MissingDataError(
            f"Camera {text!r} is neither a file nor one of the collimators {', '.join(sorted(collimators()))}."
        )
    table = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(table, dict):
        raise InputError(f"{path.name}: expected the keys name, intrinsic_fwhm_mm and collimator or resolution.")
    return _camera_of(table, photopeak_mev, where=path.name)


def _camera_of(table: Mapping[str, Any], photopeak_mev: float | None, *, where: str) -> Camera:
    warnings: tuple[str, ...] = ()
    intrinsic = table.get("intrinsic_fwhm_mm")
    if intrinsic is None:
        intrinsic = TYPICAL_INTRINSIC_FWHM_MM
        warnings = (f"Camera {where}: intrinsic resolution not given, {intrinsic} mm FWHM assumed.",)
    name = str(table.get("name", where))
    if "resolution" in table:
        values = _numbers(table["resolution"], ("intercept_mm", "slope"), where)
        return Camera(
            name=name,
            intrinsic_fwhm_mm=float(intrinsic),
            intercept_mm=values["intercept_mm"],
            slope=values["slope"],
            warnings=warnings,
        )
    energy = photopeak_mev if photopeak_mev is not None else table.get("photopeak_keV", 0.0) / 1000.0
    if not energy:
        raise MissingDataError(f"Camera {where}: a collimator's response needs photopeak_mev (or photopeak_keV).")
    camera = camera_from_collimator(
        collimator=_collimator_of(table, where),
        photopeak_mev=energy,
        intrinsic_fwhm_mm=float(intrinsic),
        name=name,
    )
    return Camera(
        name=camera.name,
        intrinsic_fwhm_mm=camera.intrinsic_fwhm_mm,
        intercept_mm=camera.intercept_mm,
        slope=camera.slope,
        warnings=warnings,
    )


def _collimator_of(table: Mapping[str, Any], where: str) -> Collimator:
    entry = table.get("collimator")
    if isinstance(entry, dict):
        keys = ("hole_diameter_mm", "hole_length_mm", "septa_mm")
        return Collimator(name=str(table.get("name", where)), **_numbers(entry, keys, where))
    if entry not in collimators():
        raise MissingDataError(
            f"Camera {where}: collimator {entry!r} is not known; give its hole_diameter_mm, hole_length_mm and "
            f"septa_mm, or one of {', '.join(sorted(collimators()))}."
        )
    return collimators()[str(entry)]


def _numbers(entry: Any, keys: tuple[str, ...], where: str) -> dict[str, float]:
    try:
        return {key: float(entry[key]) for key in keys}
    except (KeyError, TypeError, ValueError) as error:
        raise MissingDataError(f"Camera {where}: expected numbers for {', '.join(keys)}; found {entry}.") from error
