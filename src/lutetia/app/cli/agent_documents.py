"""Agents, pairs, prescriptions and preparations as JSON documents in people's units."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from lutetia.app.cli.protocol_sheet import NOTE, protocol_document
from lutetia.units import H_PER_S, MBQ_PER_BQ, MGY_PER_GY

if TYPE_CHECKING:
    from lutetia.therapy.agents.doses import PublishedDose
    from lutetia.therapy.agents.model import Agent, Entry, Regimen, Responses, Study
    from lutetia.therapy.agents.pairs import Pair
    from lutetia.therapy.agents.prescription import Prescription
    from lutetia.therapy.agents.quality import Check


def _origin(entry: "Entry") -> dict[str, Any]:
    origin = entry.origin
    return {
        "source": origin.source,
        "verified": origin.verified,
        "conflicts": list(origin.conflicts),
        "note": origin.note or None,
        "cites": list(entry.cites),
    }


def _mbq(activity_bq: float | None) -> float | None:
    return None if activity_bq is None else round(activity_bq * MBQ_PER_BQ, 9)


def _h(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s * H_PER_S, 9)


def agent_line(agent: "Agent") -> dict[str, Any]:
    """What an agent is, in one line of a list."""
    from lutetia.therapy.agents.nuclide_classes import nuclide_classes

    known = nuclide_classes().get(agent.nuclide)
    return {
        "id": agent.id,
        "name": agent.name,
        "other_names": list(agent.other_names),
        "purpose": agent.purpose,
        "nuclide": agent.nuclide,
        "works_by": known.works_by if known else None,
        "vector": agent.vector,
        "chelator": agent.chelator or None,
        "target": agent.target,
        "role": agent.role,
    }


def list_document(agents: Iterable["Agent"]) -> dict[str, Any]:
    """All agents as a JSON document; keys as in docs/reference/json.md."""
    return {"agents": [agent_line(agent) for agent in agents], "note": NOTE}


def agent_document(agent: "Agent") -> dict[str, Any]:
    """All of an agent as a JSON document; keys as in docs/reference/json.md."""
    return {
        **agent_line(agent),
        **_origin(agent),
        "remark": agent.origin.note or None,
        "regimens": [_regimen(regimen) for regimen in agent.regimens],
        "tolerances": [
            {
                "id": each.id,
                "kind": each.kind,
                "activity_MBq": _mbq(each.activity_bq),
                "within_months": each.within and each.within.value,
                "what": each.what,
                "agent": each.agent,
                **_origin(each),
            }
            for each in agent.tolerances
        ],
        **_preparation_and_imaging(agent),
        "studies": [_study(study) for study in agent.studies],
        "cautions": [{"text": each.text, **_origin(each)} for each in agent.cautions],
        "published_doses": _doses(agent),
        "note": NOTE,
    }


def _preparation_and_imaging(agent: "Agent") -> dict[str, Any]:
    return {
        "stability": [
            {"setting": each.setting, "duration_h": _h(each.duration_s), **_origin(each)}
            for each in agent.stability
        ],
        "purity": [
            {"at_least_percent": round(100 * each.at_least, 9), "until_h": _h(each.until_s), **_origin(each)}
            for each in agent.purity
        ],
        "imaging": [
            {
                "modality": each.modality,
                "purpose": each.purpose or None,
                "partner": each.partner or None,
                "member": each.member or None,
                "line_keV": list(each.line_kev),
                "at_h": [_h(at) for at in each.at_s],
                **_origin(each),
            }
            for each in agent.imaging
        ],
    }


def _regimen(regimen: "Regimen") -> dict[str, Any]:
    """A regimen with the numbers of its protocol."""
    protocol = protocol_document(regimen.protocol)
    return {
        "id": regimen.id,
        "protocol": regimen.id if regimen.shipped else None,
        "route": regimen.route,
        "artery": regimen.artery or None,
        **{key: protocol[key] for key in ("activity", "cycles", "interval", "cumulative")},
        **_origin(regimen),
    }


def _study(study: "Study") -> dict[str, Any]:
    return {
        "id": study.id,
        "design": study.design,
        "trial": study.trial or None,
        "patients": study.patients,
        "groups": [{"name": group.name, "patients": group.patients} for group in study.groups],
        "activity": study.activity or None,
        "with": study.combined_with or None,
        "control": list(study.control),
        "endpoint": study.endpoint or None,
        "follow_up_months": study.follow_up_months,
        "responses": [_responses(each) for each in study.responses],
        "outcomes": [
            {
                "what": o.what,
                "value": o.value,
                "unit": o.unit or None,
                "bound": o.bound or None,
                "months": o.at_months,
            }
            for o in study.outcomes
        ],
        "toxicity": list(study.toxicity),
        "remarks": list(study.remarks),
        **_origin(study),
    }


def _responses(found: "Responses") -> dict[str, Any]:
    return {
        "criterion": found.criterion,
        "assessed": found.assessed,
        "counts": dict(found.counts),
        "percent": dict(found.percent),
        "objective": found.objective,
        "controlled": found.controlled,
        "responders_percent": found.responders_percent,
    }


def _doses(agent: "Agent") -> list[dict[str, Any]]:
    from lutetia.therapy.agents.doses import published_doses

    return [dose_line(row) for row in published_doses() if row.agent == agent.name]


def dose_line(row: "PublishedDose") -> dict[str, Any]:
    """A published dose; only an absorbed one has ``absorbed_dose_mGy_per_MBq``."""
    from lutetia.therapy.agents.doses import Absorbed, Weighted

    found = row.coefficient
    absorbed = found.gy_per_mbq * MGY_PER_GY if isinstance(found, Absorbed) else None
    weighted = found.weighted_gy_per_mbq * MGY_PER_GY if isinstance(found, Weighted) else None
    return {
        "agent": row.agent,
        "nuclide": row.nuclide,
        "region": row.region,
        "member": row.member or None,
        "statistic": row.statistic,
        "printed": row.printed,
        "absorbed_dose_mGy_per_MBq": absorbed,
        "weighted_dose_mGy_per_MBq": weighted,
        "rbe_inside": 1.0 if absorbed is not None else found.rbe if isinstance(found, Weighted) else None,
        "patients": row.patients,
        "source": row.source,
        "verified": row.verified,
        "note": row.note or None,
    }


def doses_document(found: Iterable["PublishedDose"]) -> dict[str, Any]:
    """Published dose coefficients as a JSON document; keys as in docs/reference/json.md."""
    return {"doses": [dose_line(row) for row in found], "note": NOTE}


def pairs_document(pairs: Iterable["Pair"]) -> dict[str, Any]:
    """Theranostic pairs as a JSON document; keys as in docs/reference/json.md."""
    return {
        "pairs": [
            {
                "imaging": pair.imaging,
                "therapy": pair.therapy,
                "imaging_agent": pair.imaging_agent,
                "therapy_agent": pair.therapy_agent,
                "same_element": pair.same_element,
                "chemistry": pair.chemistry,
                "differs": pair.differs,
                "half_life_ratio": pair.half_life_ratio,
                "ratios": [
                    {
                        "vector": ratio.vector,
                        "region": ratio.region,
                        "quantity": ratio.quantity,
                        "ratio": ratio.ratio,
                        "u_relative": ratio.relative_standard_error,
                        "at": ratio.at,
                        "patients": ratio.patients,
                        "source": ratio.source,
                        "verified": ratio.verified,
                    }
                    for ratio in pair.ratios
                ],
                "source": pair.source,
                "verified": pair.verified,
                "cites": list(pair.cites),
            }
            for pair in pairs
        ],
        "note": NOTE,
    }


def prescription_document(found: "Prescription", when: date) -> dict[str, Any]:
    """Activity of a cycle as a JSON document; keys as in docs/reference/json.md."""
    return {
        "regimen": found.rule,
        "on": when.isoformat(),
        "cycle": found.cycle,
        "activity_MBq": _mbq(found.activity_bq),
        "usual_MBq": _mbq(found.usual_bq),
        "given_MBq": _mbq(found.given_bq),
        "left_MBq": _mbq(found.left_bq),
        "cycles_left": found.cycles_left,
        "cycles_left_by_number": found.cycles_left_by_number,
        "due": found.due and found.due.isoformat(),
        "source": found.source,
        "verified": found.verified,
        "findings": [
            {"rule": f.rule, "kind": f.kind, "message": f.message, "source": f.source, "verified": f.verified}
            for f in found.findings
        ],
    }


def preparation_document(checks: Iterable["Check"]) -> list[dict[str, Any]]:
    """Checks of a preparation; keys as in docs/reference/json.md."""
    return [
        {
            "what": check.what,
            "passed": check.passed,
            "found": check.found,
            "expected": check.expected,
            "source": check.source or None,
            "verified": check.verified,
        }
        for check in checks
    ]
