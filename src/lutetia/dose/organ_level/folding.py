"""From specific absorbed fractions at single energies to the S coefficients of a nuclide."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from lutetia.dose.energies import decay_energy
from lutetia.dose.organ_level.coefficients import ReferenceTable, reference_table
from lutetia.dose.organ_level.icrp133 import ReferencePerson, SpecificAbsorbedFractions
from lutetia.dose.point_kernel import electron_spectrum
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.physics.emissions import emissions
from lutetia.units import G_PER_KG, GY_PER_MEV_PER_G

REGIONS: Final[Mapping[str, str]] = {
    "Adrenals": "adrenals", "Brain": "brain", "Breast": "breasts", "GB-wall": "gallbladder wall", "Ht-wall": "heart wall",
    "Kidneys": "kidneys", "Liver": "liver", "Lungs": "lungs", "Oesophagus": "oesophagus", "Ovaries": "ovaries",
    "P-gland": "pituitary", "Pancreas": "pancreas", "Prostate": "prostate", "R-marrow": "red marrow",
    "S-glands": "salivary glands", "Skin": "skin", "Spleen": "spleen", "Testes": "testes", "Thymus": "thymus",
    "Thyroid": "thyroid", "UB-cont": "urinary bladder contents", "UB-wall": "urinary bladder wall", "Uterus": "uterus",
    "Muscle": "muscle", "Adipose": "adipose tissue", "AI": "lungs",
}  # fmt: skip
"""Standard terms of the regions of ICRP 133; the others keep their names. Its lungs are "Lungs" as a source and "AI" (the
alveolar-interstitial region, which is nearly all of their mass) as a target."""

PAIRED: Final[Mapping[str, tuple[str, str]]] = {
    "kidneys": ("kidney left", "kidney right"),
    "adrenals": ("adrenal left", "adrenal right"),
    "lungs": ("lung left", "lung right"),
}


def s_coefficients_from_icrp133(person: ReferencePerson, nuclide: str) -> ReferenceTable:
    r"""S coefficients of a nuclide in a reference person of ICRP 133, organ masses with their blood.

    :math:`S = \sum_i y_i E_i\, \Phi(E_i)` over beta spectrum, conversion and Auger electrons, photons and alphas, with the
    specific absorbed fraction :math:`\Phi` interpolated in energy by a monotonic cubic (Fritsch and Carlson). Recoil
    nuclei and what lies below the lowest energy count as at the lowest energy of alphas or of their own kind.

    Raises
    ------
    InputError
        Unknown nuclide.

    References
    ----------
    ICRP Publication 133, doi:10.1177/0146645316661077; decay data of ICRP Publication 107.
    """
    found = emissions(nuclide)
    soft = found.photons.mean_energy_per_decay_mev - decay_energy(nuclide).photons.mean_energy_per_decay_mev
    lines = decay_energy(nuclide).photons
    energy, probability = electron_spectrum(found)
    electron = folded_per_kg(person.electron, energy, energy * probability)
    # photons below 10 keV go less than 3 mm: they count with the charged particles, as everywhere here
    electron += folded_per_kg(person.electron, np.array([0.0]), np.array([soft]))
    alpha = folded_per_kg(
        person.alpha, found.alpha.energy_mev, found.alpha.energy_mev * found.alpha.yield_per_decay
    )
    alpha += folded_per_kg(person.alpha, np.array([0.0]), np.array([found.recoil_energy_mev]))
    photon = folded_per_kg(person.photon, lines.energy_mev, lines.energy_mev * lines.yield_per_decay)
    factor = GY_PER_MEV_PER_G / G_PER_KG
    entries = [
        SCoefficient(
            source=REGIONS.get(source, source),
            target=REGIONS.get(target, target),
            charged_gy_per_bq_s=float(electron[t, s] + alpha[t, s]) * factor,
            photon_gy_per_bq_s=float(photon[t, s]) * factor,
            target_mass_g=person.target_mass_g[target],
            u_relative=None,
        )
        for t, target in enumerate(person.photon.targets)
        if person.target_mass_g[target] > 0
        for s, source in enumerate(person.photon.sources)
    ]
    table = reference_table(
        entries, nuclide=found.name, phantom=f"ICRP 133 reference adult {person.sex}", convention="with blood",
        origin=f"ICRP Publication 133, {person.electron.file}, {person.photon.file}, {person.alpha.file}",
    )  # fmt: skip
    return with_sides(table)


def folded_per_kg(
    table: SpecificAbsorbedFractions, energy_mev: NDArray[np.float64], emitted_mev: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Energy absorbed per mass of every target per decay in every source. (targets, sources) [MeV/kg]

    Parameters
    ----------
    table : specific absorbed fractions
    energy_mev : (k,) of the particles; outside the table as at its ends. [MeV]
    emitted_mev : (k,) energy per decay that they carry. [MeV]
    """
    if energy_mev.size == 0:
        return np.zeros(table.per_kg.shape[:2])
    inside = np.clip(energy_mev, table.energy_mev[0], table.energy_mev[-1])
    values = PchipInterpolator(table.energy_mev, table.per_kg, axis=2)(inside)
    return np.asarray(values @ emitted_mev)


def with_sides(table: ReferenceTable, paired: Mapping[str, tuple[str, str]] = PAIRED) -> ReferenceTable:
    """The table with each pair of organs also as its two sides, half of the pair's mass each.

    A side absorbs of its own decays what the pair does, in half the mass (the little that crosses from one side to the
    other counts as the side's own, and the other side gets none of it); from other organs both sides get the dose of the
    pair.
    """
    entries = list(table.entries.values())
    for whole, sides in paired.items():
        if whole not in table.targets and whole not in table.sources:
            continue
        entries += [entry for side in sides for entry in _of_side(table, whole, side, sides)]
    return reference_table(
        _without_repeats(entries), nuclide=table.nuclide, phantom=table.phantom, convention=table.convention,
        origin=table.origin,
    )  # fmt: skip


def _of_side(table: ReferenceTable, whole: str, side: str, sides: Sequence[str]) -> list[SCoefficient]:
    """What concerns one side of a pair: itself, as source of others, as target of others."""
    added = []
    others = {half for names in PAIRED.values() for half in names} | set(sides)
    for entry in table.entries.values():
        if {entry.source, entry.target} & others:
            continue
        if entry.source == whole and entry.target == whole:
            added.append(
                replace(
                    entry,
                    source=side,
                    target=side,
                    charged_gy_per_bq_s=2 * entry.charged_gy_per_bq_s,
                    photon_gy_per_bq_s=2 * entry.photon_gy_per_bq_s,
                    target_mass_g=entry.target_mass_g / 2,
                )
            )
        elif entry.source == whole:
            added.append(replace(entry, source=side))
        elif entry.target == whole:
            added.append(replace(entry, target=side, target_mass_g=entry.target_mass_g / 2))
    return added


def _without_repeats(entries: list[SCoefficient]) -> list[SCoefficient]:
    return list({(entry.target, entry.source): entry for entry in entries}.values())
