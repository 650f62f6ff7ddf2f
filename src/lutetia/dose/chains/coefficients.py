"""S coefficients of one decay by radiation: between regions of the reference person, and of spheres."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from lutetia.dose.chains.model import RadiationDose
from lutetia.dose.organ_level.coefficients import ReferenceTable, shipped_reference_table
from lutetia.dose.organ_level.doses import scaled_to_mass
from lutetia.dose.s_values.table import RED_MARROW, shipped_table
from lutetia.dose.sphere import sphere_dose
from lutetia.physics.anatomy import Sex
from lutetia.physics.emissions import emissions
from lutetia.units import G_PER_KG, GY_PER_MEV_PER_G, J_PER_MEV

DENSITY_G_PER_ML: Final = 1.04
"""Of soft tissue, for lesions as spheres."""


@lru_cache(maxsize=64)
def reference_table_of(sex: Sex, nuclide: str) -> ReferenceTable:
    """S coefficients of one chain member in the reference person that comes with Lutetia."""
    return shipped_reference_table(sex, nuclide)


@lru_cache(maxsize=2)
def _local_per_kg(sex: Sex) -> Mapping[tuple[str, str], float]:
    """(target, source) -> share of what is absorbed on the spot, over the target's mass. [1/kg]"""
    found = {
        (target, source): fractions.limit_per_kg
        for (source, target), fractions in shipped_table(sex).electron.items()
    }
    # spongiosa holds more than marrow: what is emitted in active marrow stays in it, as in the S coefficients
    own = shipped_table(sex).electron[RED_MARROW, RED_MARROW]
    return {**found, (RED_MARROW, RED_MARROW): G_PER_KG / own.target_mass_g}


def s_by_radiation(
    sex: Sex, nuclide: str, *, target: str, source: str, mass_g: float | None
) -> RadiationDose | None:
    r"""Absorbed dose of a target per decay in a source, by radiation. [Gy/(Bq s)]

    :math:`S_\alpha = E_\alpha\,\Phi(0)` and so for recoil, with the fraction absorbed on the spot; the rest of the
    charged particles' part is of electrons. Scaled to mass as in ``lutetia.dose.organ_level.doses``.

    Parameters
    ----------
    sex, nuclide : of the table; progeny is not included
    target, source : of the table
    mass_g : of the target, None for the reference mass. [g]

    Returns
    -------
    RadiationDose or None
        None where the table has no such pair.
    """
    entry = reference_table_of(sex, nuclide).entries.get((target, source))
    if entry is None:
        return None
    scaled = entry if mass_g is None else scaled_to_mass(entry, mass_g)
    ratio = entry.target_mass_g / scaled.target_mass_g if source == target else 1.0
    local = _local_per_kg(sex)[target, source] * ratio * J_PER_MEV
    emitted = emissions(nuclide)
    alpha, recoil = emitted.alpha_energy_mev * local, emitted.recoil_energy_mev * local
    return RadiationDose(
        alpha_gy=alpha,
        recoil_gy=recoil,
        electron_gy=max(scaled.charged_gy_per_bq_s - alpha - recoil, 0.0),
        photon_gy=scaled.photon_gy_per_bq_s,
    )


@lru_cache(maxsize=1024)
def sphere_s_by_radiation(nuclide: str, mass_g: float) -> RadiationDose:
    """Absorbed dose of a sphere of soft tissue per decay in it, by radiation. [Gy/(Bq s)]

    Raises
    ------
    OutOfRangeError
        A sphere too small for the model.
    """
    absorbed = sphere_dose(nuclide=nuclide, mass_g=mass_g, density_g_per_ml=DENSITY_G_PER_ML).absorbed
    factor = GY_PER_MEV_PER_G / mass_g
    return RadiationDose(
        alpha_gy=factor * absorbed.alpha,
        recoil_gy=factor * absorbed.recoil,
        electron_gy=factor * absorbed.electrons,
        photon_gy=factor * absorbed.photons,
    )
