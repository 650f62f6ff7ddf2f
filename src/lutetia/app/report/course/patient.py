"""Sections that say what was found and done: the patient, cycles and decisions."""

from datetime import date

from lutetia.app.report.course.blocks import (
    NOT_KNOWN,
    Block,
    Cell,
    Sources,
    cell,
    clock_text,
    day_text,
    gbq_text,
    note,
    of_items,
    pairs,
    section,
    table,
)
from lutetia.app.report.course.content import CourseContent
from lutetia.therapy.course import (
    Administration,
    Course,
    Decision,
    Diagnosis,
    Medication,
    NetActivity,
    Observation,
    Patient,
    SstrRead,
)
from lutetia.therapy.facts import day
from lutetia.units import MBQ_PER_BQ

NET = "Given, net: what was measured, decayed to the start, less what was left; ≤: the residual was not measured."
ACTION_TONES = {"give": "good", "reduce": "warn", "hold": "warn", "omit": "warn", "stop": "bad"}


def header(content: CourseContent) -> list[list[str]]:
    """Who and what the report is about; never a birth date."""
    patient, protocol = content.course.patient, content.protocol
    followed = "none" if protocol is None else f"{protocol.title} ({protocol.id}, version {protocol.version})"
    return [
        ["patient", f"{patient.pseudonym}; {_sex(patient)}; {age_text(patient, day(content.as_of))}"],
        ["protocol", followed],
        ["course", f"as of {clock_text(content.as_of)}; version {content.version}"],
        ["audit trail ends with", content.audit_hash],
        ["report made", content.made_at.strftime("%Y-%m-%d %H:%M")],
    ]


def _sex(patient: Patient) -> str:
    return (
        "sex not known"
        if patient.sex == "unknown"
        else f"sex: {patient.sex}"
        if patient.sex == "other"
        else patient.sex
    )


def age_text(patient: Patient, when: date) -> str:
    """Age on a day; of a birth year both ages that it can be."""
    if patient.birth_year is not None:
        older = when.year - patient.birth_year
        return f"{max(older - 1, 0)} or {older} years" if older else "0 years"
    if patient.birth_date is None:
        return "age not known"
    born = patient.birth_date
    years = when.year - born.year - ((when.month, when.day) < (born.month, born.day))
    return f"{years} year{'s' * (years != 1)}"


def findings_sections(content: CourseContent) -> list[Block]:
    """Diagnosis, receptor imaging, risk factors, medication."""
    course = content.course
    present = [one.name for one in course.risk_factors if one.present]
    absent = [one.name for one in course.risk_factors if not one.present]
    rows = [
        *(("diagnosis", _diagnosis(one)) for one in course.diagnoses),
        *(
            ("receptor imaging", f"{one.tracer}, {one.date}: {_read(one)}") for one in course.sstr_reads
        ),
        *([("risk factors", ", ".join(present))] if present else []),
        *([("not present", ", ".join(absent))] if absent else []),
        *([("last noted", "; ".join(_noted(one) for one in course.current_observations().values()))]
          if course.observations else []),
        *(("medication", _drug(one)) for one in course.medications),
    ]  # fmt: skip
    return section("Diagnosis, imaging, risk factors, medication", pairs(rows))


def _diagnosis(one: Diagnosis) -> str:
    ki67 = "" if one.ki67_percent is None else f"Ki-67 {one.ki67_percent:g} %"
    since = "" if one.metastatic_since is None else f"metastatic since {one.metastatic_since}"
    site = f"primary: {one.primary_site}" if one.primary_site else "primary site not known"
    return (
        ", ".join(part for part in (one.histology, site, one.grade, ki67, since) if part)
        + f" (histology of {one.date})"
    )


def _read(one: SstrRead) -> str:
    uptakes = {"lesion": one.lesion, "liver": one.liver, "spleen": one.spleen}
    known = ", ".join(f"{name} {value:g}" for name, value in uptakes.items() if value is not None)
    score = "" if one.krenning is None else f"Krenning {one.krenning}"
    return "; ".join(part for part in (score, f"uptake of {known}" if known else "", one.text) if part)


def _noted(one: Observation) -> str:
    value = {True: "yes", False: "no"}[one.value] if isinstance(one.value, bool) else one.value
    shown = f"{value:g}" if isinstance(value, float) else value
    return f"{of_items([one.name])} {shown} {one.unit}".rstrip() + f" ({day_text(one.time)})"


def _drug(one: Medication) -> str:
    kind = f" ({one.drug_class})" if one.drug_class else ""
    dose = f", {one.dose}" if one.dose else ""
    return f"{one.name}{kind}{dose}: {one.start} to {'now' if one.end is None else one.end}"


def cycles_sections(content: CourseContent) -> list[Block]:
    """A row for each cycle: what was ordered, given and left, and the decision behind it."""
    course = content.course
    rows = [
        _cycle(given, net, decision_before(given, course.decisions))
        for given, net in zip(course.administrations, course.net_activities(), strict=True)
    ]
    if not rows:
        return []
    totals = [
        f"{agent}: {_bound(course, agent)}{gbq_text(total)}{'' if total is None else ' GBq'}"
        for agent, total in course.cumulative_activity_bq().items()
    ]
    heads = (
        "cycle", "date", "agent", "prescribed\nGBq", "given, net\nGBq", "residual\nMBq", "route", "batch\npurity",
        "decision",
    )  # fmt: skip
    return section(
        "Cycles",
        table(heads, rows, widths=(0, 0, 0, 0, 0, 0, 0, 0, 1), right=(3, 4, 5)),
        note(f"Given over all cycles: {'; '.join(totals)}. {NET}"),
    )


def _bound(course: Course, agent: str) -> str:
    """A sign where the residual of a cycle was not measured and the sum is an upper bound."""
    nets = [net for net in course.net_activities() if net.agent == agent]
    known = all(net.activity_bq is not None for net in nets)
    return "≤ " if known and not all(net.residual_known for net in nets) else ""


def decision_before(given: Administration, decisions: tuple[Decision, ...]) -> Decision | None:
    """The last decision to give a cycle or to reduce it, up to its start."""
    found = [
        one for one in decisions
        if one.cycle == given.cycle and one.action in ("give", "reduce") and one.time <= given.start
    ]  # fmt: skip
    return found[-1] if found else None


def _cycle(given: Administration, net: NetActivity, decision: Decision | None) -> list[Cell]:
    bound = "" if net.residual_known or net.activity_bq is None else "≤ "
    left = given.residual_activity_bq
    purity = NOT_KNOWN if given.purity_percent is None else f"{given.purity_percent:g} %"
    return [
        str(given.cycle),
        day_text(given.start),
        given.agent,
        gbq_text(given.prescribed_activity_bq),
        cell(f"{bound}{gbq_text(net.activity_bq)}"),
        NOT_KNOWN if left is None else f"{left * MBQ_PER_BQ:.0f}",
        given.route,
        cell(given.batch or NOT_KNOWN, purity),
        cell("not noted", tone="soft")
        if decision is None
        else cell(f"{decision.action}: {decision.answer}", f"{decision.who}, {day_text(decision.time)}"),
    ]


def decisions_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """All decisions, latest first, by whom and by what."""
    rows = [
        [
            clock_text(one.time),
            cell(one.question, "" if one.cycle is None else f"cycle {one.cycle}"),
            cell(one.answer, "; ".join(one.reasons)),
            cell(one.action or "–", "" if one.activity_bq is None else f"{gbq_text(one.activity_bq)} GBq",
                 ACTION_TONES.get(one.action or "", "")),
            one.who,
            cell(sources.mark(one.source, True), one.rule),
        ]
        for one in reversed(content.course.decisions)
    ]  # fmt: skip
    heads = ("date", "question", "answer, reasons", "action", "who", "source, rule")
    return section("Decisions", table(heads, rows, widths=(0, 1.1, 1.8, 0, 0.9, 0)))
