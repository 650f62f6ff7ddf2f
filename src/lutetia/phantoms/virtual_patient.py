"""Virtual patients: an anatomy with lesions and the kinetics of 177Lu-DOTATATE, drawn with a seed."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.errors import InputError
from lutetia.images.acquisition import Administration
from lutetia.phantoms.stylised import DENSITY_G_PER_ML, Anatomy, Sex, Shape, region_volume_ml, stylised_anatomy
from lutetia.physics.nuclides import nuclide
from lutetia.units import BQ_PER_MBQ, GBQ_PER_BQ, GY_PER_MEV_PER_G, S_PER_H

NUCLIDE: Final = "Lu-177"
AGENT: Final = "177Lu-DOTATATE"
ADMINISTERED_MBQ: Final = 7400.0
ADMINISTERED_AT: Final = datetime(2026, 3, 2, 10, 15)
BLOOD_SHARE: Final = 0.97
"""Organs start from what the blood holds, so that no more than this is ever in the body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kinetics:
    """Activity of a region: ``sum_i a_i exp(-k_i t)``, [Bq] and [1/s]; uptake has a negative amplitude."""

    amplitudes_bq: tuple[float, ...]
    rates_per_s: tuple[float, ...]

    def activity_bq(self, time_s: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Activity at times after administration. [Bq]"""
        t = np.asarray(time_s, dtype=float)
        return np.asarray(
            sum(a * np.exp(-k * t) for a, k in zip(self.amplitudes_bq, self.rates_per_s, strict=True))
        )

    @property
    def time_integrated_activity_bq_s(self) -> float:
        """Exact integral from administration to infinity. [Bq s]"""
        return sum(a / k for a, k in zip(self.amplitudes_bq, self.rates_per_s, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class VirtualPatient:
    """Anatomy, administration and the kinetics of every region with activity."""

    seed: int
    sex: Sex
    anatomy: Anatomy
    administration: Administration
    kinetics: Mapping[str, Kinetics]

    def activity_bq_at(self, region: str, time_s: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Activity of a region at times after administration. [Bq]

        Raises
        ------
        InputError
            No activity is known for the region.
        """
        if region not in self.kinetics:
            raise InputError(f"No activity in region {region!r}; there is in {sorted(self.kinetics)}.")
        return self.kinetics[region].activity_bq(time_s)


def draw_patient(seed: int, sex: Sex | None = "male") -> VirtualPatient:
    """A virtual patient; the same seed gives the same patient.

    Three to eight lesions (the first of 20 to 40 mL in the liver, then liver, retroperitoneal node and bone), kinetics
    log-normal around published medians, cut where doses per activity would leave the published ranges.

    Parameters
    ----------
    seed : of everything that is drawn
    sex : of the anatomy; None draws it too

    References
    ----------
    Medians, spreads and bounds with their sources: data/dotatate_kinetics.
    """
    if sex is None:
        sex = get_args(Sex)[int(np.random.default_rng([seed, 2]).integers(2))]
    rng = np.random.default_rng([seed, 0 if sex == "male" else 1])
    anatomy = stylised_anatomy(sex)
    anatomy = anatomy.with_lesions(_lesions(anatomy, rng))
    given = Administration(
        nuclide=NUCLIDE, activity_bq=ADMINISTERED_MBQ * BQ_PER_MBQ, time=ADMINISTERED_AT, agent=AGENT
    )
    kinetics = _kinetics(anatomy, given, rng)
    return VirtualPatient(seed=seed, sex=sex, anatomy=anatomy, administration=given, kinetics=kinetics)


def _lesions(anatomy: Anatomy, rng: np.random.Generator) -> list[Shape]:
    """Spheres that touch neither each other nor the kidneys."""
    liver, spine = anatomy.shape_of("liver"), anatomy.shape_of("red marrow")
    lx, ly, lz = liver.axes_mm
    sites = [
        ("liver", np.array([-0.65 * lx, -0.05 * ly, liver.centre_mm[2] + 0.4 * lz])),
        ("soft", np.array([0.25 * lx, 0.15 * ly, liver.centre_mm[2] - 1.5 * lz])),
        ("liver", np.array([-0.33 * lx, -0.48 * ly, liver.centre_mm[2] + 0.54 * lz])),
        ("bone", np.array([0.0, spine.centre_mm[1], 0.55 * spine.centre_mm[2]])),
        ("liver", np.array([-0.78 * lx, -0.1 * ly, liver.centre_mm[2] - 0.3 * lz])),
        ("soft", np.array([-0.25 * lx, 0.05 * ly, liver.centre_mm[2] - 2.0 * lz])),
        ("bone", np.array([0.0, spine.centre_mm[1], 1.3 * spine.centre_mm[2]])),
        ("soft", np.array([0.1 * lx, -0.2 * ly, liver.centre_mm[2] - 2.6 * lz])),
    ]
    lesions = []
    for number, (material, site) in enumerate(sites[: int(rng.integers(3, 9))], 1):
        volume_ml = float(rng.uniform(20, 40) if number == 1 else rng.uniform(2, 14))
        radius = (3 * volume_ml * 1e3 / (4 * math.pi)) ** (1 / 3)
        x, y, z = (float(v) for v in site + rng.uniform(-4, 4, 3))
        lesions.append(
            Shape(
                region=f"lesion {number}",
                shape="ellipsoid",
                material=material,
                centre_mm=(x, y, z),
                axes_mm=(radius, radius, radius),
            )
        )
    return lesions


def _table() -> dict[str, dict[str, str]]:
    path = files("lutetia.phantoms") / "data" / "dotatate_kinetics" / "kinetics.csv"
    with path.open("r", encoding="utf-8") as file:
        return {row["region"]: row for row in csv.DictReader(file)}


def region_masses_g(anatomy: Anatomy) -> dict[str, float]:
    """Mass of every organ and lesion, from its equations and not from voxels. [g]"""
    materials = {s.region: s.material for s in anatomy.shapes if s.region != "remainder"}
    return {
        name: region_volume_ml(anatomy, name) * DENSITY_G_PER_ML[material] for name, material in materials.items()
    }


def _kinetics(anatomy: Anatomy, given: Administration, rng: np.random.Generator) -> dict[str, Kinetics]:
    table, masses = _table(), region_masses_g(anatomy)
    decay = nuclide(NUCLIDE).decay_constant_per_s
    kinetics: dict[str, Kinetics] = {}
    for organ in ("kidneys", "liver", "spleen", "red marrow"):
        names = ["kidney left", "kidney right"] if organ == "kidneys" else [organ]
        dose, half_life_h = _drawn(table[organ], rng)
        for name in names:
            share = float(rng.lognormal(0, 0.03)) if organ == "kidneys" else 1.0
            kinetics[name] = _organ(table[organ], dose * share, half_life_h, masses[name], given, decay)
    for name in [n for n in masses if n.startswith("lesion")]:
        dose, half_life_h = _drawn(table["lesion"], rng)
        kinetics[name] = _organ(table["lesion"], dose, half_life_h, masses[name], given, decay)
    slow, slow_h = _drawn(table["remainder slow"], rng)
    fast, fast_h = _drawn(table["remainder fast"], rng)
    held = sum(max(k.amplitudes_bq) for k in kinetics.values()) / given.activity_bq
    # what the organs take up comes out of the blood: the remainder holds it until then
    fast = min(fast, BLOOD_SHARE - slow - held)
    if fast <= 0:
        raise InputError("The drawn uptakes exceed the administered activity; choose another seed.")
    rates = [math.log(2) / (h * S_PER_H) for h in (slow_h, fast_h)]
    kinetics["remainder"] = Kinetics(
        amplitudes_bq=(slow * given.activity_bq, fast * given.activity_bq),
        rates_per_s=(max(rates[0], decay), max(rates[1], decay)),
    )
    return kinetics


def _drawn(row: Mapping[str, str], rng: np.random.Generator) -> tuple[float, float]:
    """A value and an effective half-life, log-normal, cut at two standard deviations and at the value's bounds."""
    z = np.clip(rng.standard_normal(2), -2, 2)
    drawn = float(row["median"]) * float(row["geometric sd"]) ** float(z[0])
    value = float(np.clip(drawn, float(row["least"]), float(row["most"])))
    half_life = float(row["effective half-life [h]"]) * float(row["half-life geometric sd"]) ** float(z[1])
    return value, half_life


def _organ(
    row: Mapping[str, str],
    dose_gy_per_gbq: float,
    half_life_h: float,
    mass_g: float,
    given: Administration,
    decay: float,
) -> Kinetics:
    """Uptake and washout with the time-integrated activity that gives about the drawn dose by its own electrons."""
    washout = max(math.log(2) / (half_life_h * S_PER_H), decay)
    uptake = math.log(2) / (float(row["uptake half-time [h]"]) * S_PER_H)
    per_decay = decay_energy(NUCLIDE).local_mev * GY_PER_MEV_PER_G / mass_g
    tia = dose_gy_per_gbq * given.activity_bq * GBQ_PER_BQ / per_decay
    amplitude = tia / (1 / washout - 1 / uptake)
    return Kinetics(amplitudes_bq=(amplitude, -amplitude), rates_per_s=(washout, uptake))
