"""What a course that is kept gives to a plan: what was given in each cycle and its doses, and the patient's last values."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lutetia.app.cli.cycles import require_possible
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.activity.course import organ_of
from lutetia.therapy.items import in_reference_unit
from lutetia.therapy.rules.judge import Known
from lutetia.units import MBQ_PER_BQ

if TYPE_CHECKING:
    from lutetia.app.cli.course.asked import Asked
    from lutetia.therapy.course import Course, DoseRecord
    from lutetia.therapy.protocols.model import Protocol

RED_MARROW: Final = "red marrow"
AS_REGION: Final = "image, as the other regions"
"""Name in dose.json of the method by which a marrow among the regions has its dose."""

Document = dict[str, Any]


def documents_of(course: "Course", protocol: "Protocol") -> tuple[tuple[Document, ...], list[str]]:
    """One document for each cycle that was given or has doses, in their order, and what has to be told.

    What was given is the ledger's: net activity, agent, nuclide. A dose document of a cycle that the ledger does not have
    counts with what it says itself. Cycles without a dose document have no regions.

    Raises
    ------
    InputError
        A number in a dose document that cannot be; with cycle and region.
    """
    given = {one.cycle: one for one in course.administrations}
    net = {one.cycle: one.activity_bq for one in course.net_activities()}
    doses = {one.cycle: _checked(one) for one in course.doses}
    told = [
        f"Cycle {cycle}: has doses, but no administration; both count." for cycle in doses if cycle not in given
    ]
    told += [f"Cycle {cycle}: what was given is not known." for cycle, activity in net.items() if activity is None]
    marrow, said = _marrow(doses)
    found = []
    for cycle in sorted({*given, *doses}):
        document = doses.get(cycle, {})
        stated = document.get("administration", {})
        one, activity = given.get(cycle), net.get(cycle)
        administration = {
            "nuclide": one.nuclide if one else nuclide(stated["nuclide"]).name,
            "agent": one.agent if one else stated.get("agent") or protocol.agent,
            "activity_MBq": (None if activity is None else activity * MBQ_PER_BQ)
            if one
            else stated["activity_MBq"],
        }
        found.append(
            {
                "cycle": cycle,
                "administration": administration,
                "calibration": document.get("calibration", {}),
                "regions": [
                    *(row for row in document.get("regions", ()) if not (marrow and _is_marrow(row))),
                    *marrow.get(cycle, ()),
                ],
            }
        )
    return tuple(found), [*told, *said]


def _checked(dose: "DoseRecord") -> Document:
    """A dose document whose numbers can be; a budget of which a part is unknown is unknown."""
    document = dose.document
    regions = []
    for row in document["regions"]:
        budget = row.get("uncertainty_budget")
        unknown = budget is None or (isinstance(budget, dict) and None in budget.values())
        regions.append({**row, "u_absorbed_dose_Gy": None, "uncertainty_budget": None} if unknown else row)
    given = document["administration"]
    checked = {
        **document,
        "regions": regions,
        "administration": {**given, "activity_MBq": given.get("activity_MBq") or 0.0},
    }
    require_possible(checked, f"dose of cycle {dose.cycle}")
    return {**checked, "administration": {**given, "activity_MBq": given.get("activity_MBq") or None}}


def _is_marrow(row: Mapping[str, Any]) -> bool:
    return bool(row["kind"] != "lesion" and organ_of(row["region"]) == RED_MARROW)


def _marrow(doses: Mapping[int, Document]) -> tuple[dict[int, list[Document]], list[str]]:
    """Marrow of each cycle by the one method that most cycles have, since methods differ by up to a factor of 3."""
    by_method = {cycle: _methods(document) for cycle, document in doses.items()}
    counted = Counter(name for methods in by_method.values() for name in methods)
    if not counted:
        return {}, []
    # of methods that are as frequent that of the regions counts, then the one the documents name first
    chosen = max(counted, key=lambda name: (counted[name], name == AS_REGION))
    found = {cycle: [methods[chosen]] for cycle, methods in by_method.items() if chosen in methods}
    cycles = ", ".join(map(str, sorted(found)))
    return found, [f"The red marrow's dose of cycle {cycles} is by the method: {chosen}."]


def _methods(document: Document) -> dict[str, Document]:
    """Method -> a region of the marrow."""
    regions = [row for row in document["regions"] if _is_marrow(row) and row["absorbed_dose_Gy"] is not None]
    found = {AS_REGION: regions[0]} if regions else {}
    section = document.get("marrow")
    methods = section.get("methods", ()) if isinstance(section, dict) else ()
    for row in methods if isinstance(methods, list) else ():
        if isinstance(row, dict) and isinstance(row.get("method"), str) and _is_number(row.get("absorbed_dose_Gy")):
            found.setdefault(row["method"], _as_region(row))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _as_region(row: Mapping[str, Any]) -> Document:
    budget = row.get("budget")
    parts = budget if isinstance(budget, dict) and budget and all(map(_is_number, budget.values())) else None
    known = parts is not None and _is_number(row.get("u_absorbed_dose_Gy"))
    return {
        "region": RED_MARROW,
        "kind": "organ",
        "absorbed_dose_Gy": row["absorbed_dose_Gy"],
        "u_absorbed_dose_Gy": row["u_absorbed_dose_Gy"] if known else None,
        "uncertainty_budget": parts if known else None,
    }


def latest(found: "Asked", name: str) -> float | None:
    """The last value of an item in its reference unit, None where nothing was noted."""
    past = Known(facts=found.findings.facts, as_of=found.as_of).past(name)
    if not past:
        return None
    return in_reference_unit(name, float(past[-1].value), past[-1].unit)  # type: ignore[arg-type]
