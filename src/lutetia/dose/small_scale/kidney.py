"""Parts of the kidney: cortex, medulla and pelvis by mass, and the nephron's tubule and glomerulus by geometry."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from math import pi, sqrt
from typing import Final

from lutetia.dose.energies import decay_energy
from lutetia.dose.small_scale.distances import chances, source_points
from lutetia.dose.small_scale.tracks import absorbed_by_radiation
from lutetia.dose.small_scale.tubule import TARGETS, TubuleDose, Tubules, TubuleSource, TubuleTarget, tubule_dose
from lutetia.errors import InputError, MissingDataError
from lutetia.physics.emissions import emissions
from lutetia.units import CM_PER_UM, GY_PER_MEV_PER_G

FOLDER: Final = ("data", "kidney_sub_regions")
KIDNEY_DENSITY_G_PER_ML: Final = 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class NephronSize:
    """One size of a nephron and where it comes from."""

    name: str
    value: float
    unit: str
    source: str
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NephronDose:
    """Dose by alphas and recoil of the parts of cortex full of tubules, by the members of a chain at one place.

    Attributes
    ----------
    source : the part that holds the activity
    to_mean : dose of each part over the mean dose of the tissue with this activity
    members : decays per decay of the parent, and the energies of a decay
    """

    source: TubuleSource
    to_mean: dict[TubuleTarget, float]
    members: tuple[tuple[float, TubuleDose], ...]


def _rows(name: str) -> list[dict[str, str]]:
    with files("lutetia.dose").joinpath(*FOLDER, name).open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def nephron_sizes() -> dict[str, NephronSize]:
    """Sizes of a human nephron by name; those that nobody checked say so."""
    return {
        row["name"]: NephronSize(
            name=row["name"],
            value=float(row["value"]),
            unit=row["unit"],
            source=row["source"],
            verified=row["verified"] == "true",
        )
        for row in _rows("nephron.csv")
    }


def nephron_size(name: str) -> float:
    """One of the sizes, in the unit of the table."""
    if name not in nephron_sizes():
        raise MissingDataError(f"No size {name!r} of a nephron; known: {', '.join(nephron_sizes())}.")
    return nephron_sizes()[name].value


def kidney_part_masses_g(kidney_mass_g: float) -> dict[str, float]:
    """Masses of cortex, medulla and pelvis of a kidney (or of both), by the shares of ICRP Publication 110. [g]

    A voxel of an image holds more than one of them; where all activity is in the cortex, charged particles that stay there
    give it 1/0.70 of the mean dose of the kidney.
    """
    if not kidney_mass_g > 0:
        raise InputError(f"Kidney of {kidney_mass_g:g} g; expected more than 0.")
    return {row["region"]: float(row["fraction"]) * kidney_mass_g for row in _rows("mass_fractions.csv")}


def kidney_part_doses_gy(
    members: Mapping[str, float], decays_by_part: Mapping[str, float], kidney_mass_g: float
) -> dict[str, float]:
    """Absorbed dose of cortex, medulla and pelvis by what stays in them: charged particles and photons below 10 keV. [Gy]

    Right for alphas, whose range is a hundredth of the cortex. Electrons cross from part to part (half of the energy of
    177Lu is left within 0.2 mm, of 90Y within 2.3 mm); photons are not counted (the images' dose of the kidney has them).

    Parameters
    ----------
    members : decays of each nuclide per decay of the parent, all where the parent decays
    decays_by_part : decays of the parent in each part; parts that are not named have none
    kidney_mass_g : of all parts together. [g]

    Raises
    ------
    InputError
        An unknown part, negative decays.
    """
    masses = kidney_part_masses_g(kidney_mass_g)
    if not set(decays_by_part) <= set(masses) or any(not n >= 0 for n in decays_by_part.values()):
        raise InputError(f"Decays by part: {dict(decays_by_part)}; expected none negative, of {', '.join(masses)}.")
    local_mev = sum(n * decay_energy(name).local_mev for name, n in members.items())
    return {
        part: decays_by_part.get(part, 0.0) * local_mev / mass * GY_PER_MEV_PER_G for part, mass in masses.items()
    }


def human_tubules(share: float | None = None) -> Tubules:
    """Proximal tubules of a human cortex, by the table of sizes (largely unverified).

    Parameters
    ----------
    share : of the cortex that they fill, evenly spaced, the rest without activity; by default that of the table

    Raises
    ------
    InputError
        A share that leaves no room for the interstitial gap.
    """
    outer, gap = nephron_size("tubule_outer_radius"), nephron_size("interstitial_gap")
    filled = nephron_size("tubule_share_of_cortex") if share is None else share
    most = pi * outer**2 / (2 * sqrt(3) * (outer + gap) ** 2)
    if not 0 < filled <= most:
        raise InputError(f"Tubules that fill {filled:g} of the cortex; expected over 0 and at most {most:.2f}.")
    return Tubules(
        lumen_radius_um=nephron_size("tubule_lumen_radius"),
        outer_radius_um=outer,
        spacing_um=outer * sqrt(2 * pi / (sqrt(3) * filled)),
        density_g_per_ml=KIDNEY_DENSITY_G_PER_ML,
    )


def nephron_dose(members: Mapping[str, float], source: TubuleSource, tubules: Tubules | None = None) -> NephronDose:
    """Dose of lumen, epithelium and interstitium over the mean dose of the cortex, from macro to micro.

    Parameters
    ----------
    members : decays of each nuclide per decay of the parent, all in the same part; members without alphas are left out
    source : the part
    tubules : sizes with spacing; a human's by default

    Raises
    ------
    InputError
        No alphas, or tubules without spacing.

    References
    ----------
    After Hobbs et al., Phys Med Biol 57 (2012) 4403, doi:10.1088/0031-9155/57/13/4403, with tubules that irradiate their
    neighbours, and by integration in place of Monte Carlo.
    """
    tubules = tubules or human_tubules()
    if tubules.spacing_um is None:
        raise InputError("One tubule alone has no mean dose of the tissue around it; give a spacing.")
    doses = [
        (n, tubule_dose(name, tubules, source))
        for name, n in members.items()
        if emissions(name).alpha_energy_mev > 0 and n > 0
    ]
    emitted = sum(n * dose.emitted_mev for n, dose in doses)
    if emitted == 0:
        raise InputError(f"{', '.join(members) or 'Nothing'} emits no alphas.")
    to_mean = {
        part: sum(n * dose.emitted_mev * (dose.to_mean or {})[part] for n, dose in doses) / emitted
        for part in TARGETS
    }
    return NephronDose(source=source, to_mean=to_mean, members=tuple(doses))


def tubule_gy_per_bq_s(
    nuclide: str, source: TubuleSource, target: TubuleTarget = "epithelium", length_mm: float | None = None
) -> float:
    """Absorbed dose by alphas and recoil of a part of a human proximal tubule per decay in it. [Gy/(Bq s)]

    The turns of the tubule lie side by side, an interstitial gap around each, and irradiate each other.

    Parameters
    ----------
    nuclide : progeny are not included
    source : the part that holds the activity
    target : lumen or epithelium
    length_mm : of the tubule; a human's by default (unverified, as its radii). [mm]

    Raises
    ------
    InputError
        An unknown part, or a target without a mass.
    """
    outer, gap = nephron_size("tubule_outer_radius"), nephron_size("interstitial_gap")
    turns = replace(human_tubules(), spacing_um=2 * (outer + gap))
    length = nephron_size("tubule_length") if length_mm is None else length_mm
    if target not in ("lumen", "epithelium") or not length > 0:
        raise InputError(
            f"{target} of a tubule of {length:g} mm; expected lumen or epithelium and a positive length."
        )
    return tubule_dose(nuclide, turns, source).gy_per_bq_s_and_mm[target] / length


def glomerulus_gy_per_bq_s(nuclide: str, radius_um: float | None = None) -> float:
    """Absorbed dose of a glomerulus by alphas and recoil per decay spread evenly in it. [Gy/(Bq s)]

    Parameters
    ----------
    nuclide : progeny are not included
    radius_um : of the sphere; a human's by default (unverified). [um]
    """
    radius = radius_um if radius_um is not None else nephron_size("glomerulus_radius")
    points = source_points(inner_um=0.0, outer_um=radius, distance_um=0.0, target_radius_um=radius)
    r, psi = chances(points, radius)
    found = absorbed_by_radiation((r * CM_PER_UM * KIDNEY_DENSITY_G_PER_ML, psi), nuclide, "transport")
    mass_g = 4 / 3 * pi * (radius * CM_PER_UM) ** 3 * KIDNEY_DENSITY_G_PER_ML
    return (found.alpha + found.recoil) / mass_g * GY_PER_MEV_PER_G
