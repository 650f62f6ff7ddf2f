"""Absorbed doses by S coefficients scaled to the patient's masses, and by spheres where there is no coefficient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lutetia.app.case.settings import Case
from lutetia.app.workflow.chains.followed import FollowedChain
from lutetia.app.workflow.doses.maps import MASS_CONVENTION, PatientMaps
from lutetia.app.workflow.doses.voxel_methods import MethodDoses
from lutetia.dose.chains import Body, Contribution, chain_absorbed_doses
from lutetia.dose.organ import self_dose_of_sphere
from lutetia.dose.organ_level.coefficients import CONVENTIONS, ReferenceTable, shipped_reference_table
from lutetia.dose.organ_level.doses import REMAINDER, organ_absorbed_doses
from lutetia.dose.organ_level.folding import s_coefficients_from_icrp133
from lutetia.dose.organ_level.icrp133 import read_icrp133
from lutetia.errors import InputError, MissingDataError
from lutetia.physics.anatomy import Sex


def coefficients_of(case: Case, nuclide: str, chain: FollowedChain | None = None) -> ReferenceTable | None:
    """The S coefficients of the reference person that the case names; None when it names none.

    The user's own files of ICRP 133 where there is a folder of them, else the table that comes with Lutetia.

    Raises
    ------
    MissingDataError
        A folder of files without the sex of the reference person, or no table in this installation.
    InputError
        A file that cannot be read, or files of one's own for a chain, whose radiations they do not part.
    """
    sex, folder = case.dose.sex, case.dose.saf_folder
    if chain is not None and folder is not None:
        raise InputError(
            f"dose: saf_folder: doses of {nuclide} and its daughters come by the table that is shipped; leave it out."
        )
    if folder is None:
        return None if sex is None else shipped_reference_table(sex, nuclide)
    if sex is None:
        raise MissingDataError("dose: saf_folder needs dose: sex (male or female), whose reference person to take.")
    return s_coefficients_from_icrp133(read_icrp133(Path(case.folder) / folder, sex), nuclide)


def organ_method(
    maps: PatientMaps, table: ReferenceTable | None, parts: Sequence[Contribution] = ()
) -> MethodDoses:
    """Every region by the S coefficients of its organ, or, where there are none, as a sphere of its own mass.

    The sphere holds only what the region's own decays do; the rest is said in the record. ``parts`` are the decays of a
    chain that is followed.
    """
    return _of_chain(maps, table, parts) if parts else _of_nuclide(maps, table)


def _of_nuclide(maps: PatientMaps, table: ReferenceTable | None) -> MethodDoses:
    """A nuclide without its daughters."""
    decays = {name: r.time_integrated_activity_bq_s for name, r in maps.regions.items()}
    masses = {name: r.mass_g for name, r in maps.regions.items()}
    by_table = (
        {}
        if table is None
        else organ_absorbed_doses(time_integrated_activity_bq_s=decays, mass_g=masses, coefficients=table)
    )
    means: dict[str, float] = {name: dose.mean_gy for name, dose in by_table.items()}
    spheres = []
    for name in maps.regions:
        if name in means:
            continue
        sphere = self_dose_of_sphere(
            time_integrated_activity_bq_s=decays[name], mass_g=masses[name], nuclide=maps.nuclide
        )
        if sphere is not None:
            means[name] = sphere
            spheres.append(name)
    record: dict[str, Any] = {
        "S coefficients": "none" if table is None else f"{table.phantom}: {table.origin}",
        "reference masses": "none" if table is None else CONVENTIONS[table.convention],
        "masses": MASS_CONVENTION,
        "scaling": "own charged particles 1/mass, own photons mass^(-2/3), photons of other organs unscaled",
        "as spheres of their own mass": spheres,
        "sources left out": {name: list(dose.left_out) for name, dose in by_table.items() if dose.left_out},
    }
    words = "spheres of each region's mass, own decays only"
    if table is not None:
        words = f"S coefficients of the {table.phantom}, scaled to the patient's masses; other regions as {words}"
    return MethodDoses(
        name="organ",
        description=words,
        mean_gy={name: means[name] for name in maps.regions if name in means},
        statistical_gy={
            name: dose.standard_uncertainty_gy
            for name, dose in by_table.items()
            if dose.standard_uncertainty_gy is not None
        },
        record=record,
    )


def _of_chain(maps: PatientMaps, table: ReferenceTable | None, parts: Sequence[Contribution]) -> MethodDoses:
    """All members of a chain, each by the S coefficients of its own; other regions as spheres of their mass."""
    masses = {name: _Mass(value_g=region.mass_g) for name, region in maps.regions.items()}
    # without a reference person every region is a sphere, and its sex decides nothing
    sex: Sex = "female" if table is not None and "female" in table.phantom else "male"
    everything = frozenset(maps.regions)
    lesions = {name for name, region in maps.regions.items() if table is None or region.region.kind == "lesion"}
    organs, told = chain_absorbed_doses(
        parts, body=Body(sex=sex, masses=masses, lesions=frozenset(lesions - {REMAINDER}))
    )
    spheres, _ = chain_absorbed_doses(parts, body=Body(sex=sex, masses=masses, lesions=everything))
    found = {name: organs.get(name) or spheres[name] for name in maps.regions if name in spheres}
    words = "all chain members as spheres of each region's mass, own decays only"
    if table is not None:
        words = f"S coefficients of the {table.phantom}, scaled to the patient's masses; other regions: {words}"
    return MethodDoses(
        name="organ",
        description=words,
        mean_gy={name: dose.total_gy for name, dose in found.items()},
        record={
            "S coefficients": "none" if table is None else f"{table.phantom}: {table.origin}",
            "masses": MASS_CONVENTION,
            "assumption": parts[0].activities.assumption,
            "sources": list(parts[0].activities.sources),
            "as spheres of their own mass": [name for name in found if name not in organs or name in lesions],
        },
        warnings=tuple(dict.fromkeys((*told, *(w for dose in found.values() for w in dose.warnings)))),
        chain=found,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mass:
    """A mass whose uncertainty is in the region's own budget."""

    value_g: float
    relative_u: float | None = None
