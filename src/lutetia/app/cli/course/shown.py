"""What the ``course`` commands say: documents for --json, and the same for people."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from lutetia.app.cli.course.ahead import to_come
from lutetia.app.store.courses import StoredCourse
from lutetia.app.store.documents import document_of
from lutetia.app.store.exchange import NOTICE
from lutetia.therapy.course import (
    Administration,
    Course,
    Decision,
    Diagnosis,
    DoseRecord,
    Enrolment,
    Event,
    Imaging,
    Lab,
    Medication,
    Observation,
    Patient,
    Record,
    RiskFactor,
    SstrRead,
    cumulative_doses,
    end_of,
    moment_of,
    net_administered_activity_bq,
)
from lutetia.therapy.course.doubts import doubts_of
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ


def course_now(stored: StoredCourse, as_of: date | None) -> Course:
    """The course, or the course as of a day."""
    return stored.course if as_of is None else stored.course.as_of(as_of)


def show_document(stored: StoredCourse, as_of: date | None) -> dict[str, Any]:
    """Where a course stands; keys as in docs/reference/json.md."""
    course = course_now(stored, as_of)
    totals = course.cumulative_activity_bq()
    return {
        "notice": NOTICE,
        "pseudonym": course.patient.pseudonym,
        "version": stored.version,
        "as_of": None if as_of is None else as_of.isoformat(),
        "patient": document_of(course.patient),
        "diagnoses": [document_of(found) for found in course.diagnoses],
        "cycles": _cycles(course),
        "activity_MBq": {agent: None if bq is None else bq * MBQ_PER_BQ for agent, bq in totals.items()},
        "labs": [{**document_of(lab), "flag": flag_of(lab)} for lab in course.current_labs().values()],
        "observations": [document_of(seen) for seen in course.current_observations().values()],
        "medications": [document_of(drug) for drug in course.medications if drug.end is None],
        "events": [document_of(event) for event in course.events],
        "doses": [
            {
                "region": dose.region,
                "kind": dose.kind,
                "by_cycle_Gy": {str(cycle): gy for cycle, gy in dose.by_cycle_gy.items()},
                "absorbed_dose_Gy": dose.absorbed_dose_gy,
                "known_Gy": dose.sum_gy if dose.by_cycle_gy else None,
                "u_known_Gy": dose.standard_uncertainty_gy,
                "missing_cycles": list(dose.missing_cycles),
            }
            for dose in cumulative_doses(course)
        ],
        "enrolments": [document_of(enrolment) for enrolment in course.enrolments],
        "decisions": [document_of(decision) for decision in course.decisions],
        "warnings": list(doubts_of(course)),
    }


def _cycles(course: Course) -> list[dict[str, Any]]:
    return [
        {
            "cycle": given.cycle,
            "agent": given.agent,
            "nuclide": given.nuclide,
            "start": given.start.isoformat(),
            "prescribed_MBq": _mbq(given.prescribed_activity_bq),
            "net_MBq": _mbq(net.activity_bq),
            "residual_known": net.residual_known,
        }
        for given, net in zip(course.administrations, course.net_activities(), strict=True)
    ]


def _mbq(value_bq: float | None) -> float | None:
    return None if value_bq is None else value_bq / BQ_PER_MBQ


def flag_of(lab: Lab) -> str | None:
    """low, normal or high by the laboratory's own limits; None where one that decides is unknown."""
    if lab.lower_limit is not None and lab.value < lab.lower_limit and not lab.comparator.startswith(">"):
        return "low"
    if lab.upper_limit is not None and lab.value > lab.upper_limit and not lab.comparator.startswith("<"):
        return "high"
    known = lab.lower_limit is not None and lab.upper_limit is not None and not lab.comparator
    return "normal" if known else None


def timeline_document(stored: StoredCourse, as_of: date | None) -> dict[str, Any]:
    """All records in the order of time, each with its key and a sentence, and what is to come by the protocol."""
    ahead, told = to_come(stored, as_of, datetime.now().date())
    kept = [entry for entry in stored.entries if not isinstance(entry.record, Patient)]
    dated = [(moment_of(entry.record), entry) for entry in kept]  # type: ignore[arg-type]
    if as_of is not None:
        dated = [(when, entry) for when, entry in dated if when <= end_of(as_of)]
    return {
        "notice": NOTICE,
        "pseudonym": stored.course.patient.pseudonym,
        "version": stored.version,
        "as_of": None if as_of is None else as_of.isoformat(),
        "timeline": [
            {
                "time": when.isoformat(),
                "key": entry.key,
                "kind": entry.kind,
                "revision": entry.revision,
                "text": sentence(entry.record),  # type: ignore[arg-type]
            }
            for when, entry in sorted(dated, key=lambda pair: pair[0])
        ],
        "to_come": ahead,
        "warnings": told,
    }


def sentence(record: Record) -> str:
    """A record in words."""
    match record:
        case Lab() | Observation():
            return _measured(record)
        case Administration():
            return _given(record)
        case Medication():
            kind = f" ({record.drug_class})" if record.drug_class else ""
            return f"{record.name}{kind} begun{'' if record.end is None else f', until {record.end}'}"
        case Event():
            lasting = "" if record.end is None else f", until {record.end}"
            return f"{record.term}, grade {record.grade} (CTCAE {record.ctcae_version}){lasting}"
        case DoseRecord():
            n = len(record.document["regions"])
            return f"doses of cycle {record.cycle}: {n} region{'s' * (n != 1)}"
        case _:
            return _finding(record)


def _finding(record: Diagnosis | SstrRead | RiskFactor | Imaging | Enrolment | Decision) -> str:
    match record:
        case Diagnosis():
            ki67 = "" if record.ki67_percent is None else f"Ki-67 {record.ki67_percent:g} %"
            return ", ".join(part for part in (record.histology, record.primary_site, record.grade, ki67) if part)
        case SstrRead():
            score = "" if record.krenning is None else f"Krenning {record.krenning}"
            return f"{record.tracer}: " + ", ".join(part for part in (score, record.text) if part)
        case RiskFactor():
            return f"{record.name}: {'yes' if record.present else 'no'}"
        case Imaging():
            return " ".join(part for part in (record.modality, record.agent, record.note) if part)
        case Enrolment():
            return f"follows {record.protocol} {record.version}".rstrip()
        case Decision():
            rule = f" ({record.rule})" if record.rule else ""
            return f"{record.question} {record.answer}{rule}, {record.who}"


def _measured(record: Lab | Observation) -> str:
    if isinstance(record, Observation):
        return f"{record.name} {_value(record.value)} {record.unit}".rstrip()
    flag = flag_of(record)
    shown = f"{record.test} {record.comparator}{record.value:g} {record.unit}".rstrip()
    return f"{shown}, {flag}" if flag in ("low", "high") else shown


def _value(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def _given(record: Administration) -> str:
    net = net_administered_activity_bq(record)
    bound = "" if record.residual_activity_bq is not None else ", residual not measured"
    activity = "activity not measured" if net is None else f"{net * MBQ_PER_BQ:.0f} MBq{bound}"
    return f"cycle {record.cycle}: {record.agent}, {activity}"


def audit_document(stored: StoredCourse) -> dict[str, Any]:
    """The audit trail, checked."""
    from lutetia.app.store.audit import check_chain
    from lutetia.app.store.exchange import check_history, export_document

    check_chain(stored.audit)
    check_history(stored.course, stored.history, stored.audit)
    return {
        "notice": NOTICE,
        "pseudonym": stored.course.patient.pseudonym,
        "version": stored.version,
        "holds": True,
        "audit": export_document(stored)["audit"],
    }


def print_show(document: dict[str, Any]) -> None:
    """Show where a course stands."""
    console = _console()
    patient = document["patient"]
    born = patient.get("birth_date") or patient.get("birth_year")
    seen = f", as of {document['as_of']}" if document["as_of"] else ""
    born_text = f", born {born}" if born else ""
    console.print(f"{document['pseudonym']}: {patient['sex']}{born_text}; version {document['version']}{seen}")
    for followed in document["enrolments"]:
        console.print(f"Follows {followed['protocol']} {followed.get('version', '')} since {followed['date']}")
    for found in document["diagnoses"]:
        console.print(f"Diagnosis of {found['date']}: {found['histology']}")
    _table(console, "Cycles", ("cycle", "date", "agent", "given / MBq"), [
        (str(c["cycle"]), c["start"].replace("T", " ")[:16], c["agent"], _number(c["net_MBq"])) for c in document["cycles"]
    ])  # fmt: skip
    for agent, mbq in document["activity_MBq"].items():
        console.print(f"{agent}, all cycles: {_number(mbq)} MBq")
    _table(console, "Last values", ("test", "time", "value", "unit", ""), [
        (v.get("test") or v["name"], v["time"].replace("T", " ")[:16], f"{v.get('comparator', '')}{_value(v['value'])}",
         v.get("unit", ""), v.get("flag") or "") for v in (*document["labs"], *document["observations"])
    ])  # fmt: skip
    _table(console, "Absorbed doses; ± is k=1", ("region", "Gy", "cycles missing"), [
        (d["region"], _dose(d), ", ".join(map(str, d["missing_cycles"]))) for d in document["doses"]
    ])  # fmt: skip
    for drug in document["medications"]:
        console.print(f"Takes {drug['name']} since {drug['start']}")
    for event in document["events"]:
        console.print(f"{event['start']}: {event['term']}, grade {event['grade']} (CTCAE {event['ctcae_version']})")
    for decision in document["decisions"]:
        console.print(f"{decision['time'][:10]}: {decision['question']} {decision['answer']}")
    finish(document["warnings"])


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0f}"


def _dose(row: dict[str, Any]) -> str:
    if row["known_Gy"] is None:
        return "-"
    u = "" if row["u_known_Gy"] is None else f" ± {row['u_known_Gy']:.2g}"
    return f"{row['known_Gy']:.3g}{u}"


def print_labs(document: dict[str, Any]) -> None:
    """Show a line for each test: before treatment, at its worst, last, and whether it recovered."""
    console = _console()
    worst = {row["test"]: row for row in document["nadirs"]}
    before = {row["test"]: row for row in document["baselines"]}
    last = {row["test"]: row for row in sorted(document["grades"], key=lambda row: row["date"])}
    title = f"Laboratory, grades by CTCAE {document['version']}; all values with --json"
    _table(console, title, ("test", "unit", "before", "worst", "last", "recovery"), [
        (test, row["unit"], f"{before[test]['value']:g}" if test in before else "-",
         _graded(worst[test]) if test in worst else "-", _graded(row),
         worst[test]["recovery"] if test in worst else "-") for test, row in last.items()
    ])  # fmt: skip
    for overdue in document["overdue"]:
        console.print(f"overdue: {overdue}", style="yellow")
    # the last values before treatment have no baseline of their own
    later = [row for row in document["grades"] if row["date"][:10] > (document["baseline_until"] or "")]
    told = [f"{row['test']}: {text}" for row in later for text in row["warnings"]]
    finish(tuple(dict.fromkeys((*document["warnings"], *told))))


def _graded(row: dict[str, Any]) -> str:
    """Value, grade and day; a range of grades where it cannot be told."""
    grade = row["grade"]
    if grade is None and "at_least" in row:
        grade = f"{row['at_least']}-{row['at_most']}?"
    return f"{row['value']:g}, grade {'?' if grade is None else grade}, {row['date'][:10]}"


def print_timeline(document: dict[str, Any]) -> None:
    """Show a timeline."""
    _table(_console(), f"Course of {document['pseudonym']}, version {document['version']}", ("time", "what", "key"), [
        (_clock(line["time"]), line["text"], line["key"]) for line in document["timeline"]
    ])  # fmt: skip
    _table(_console(), "To come", ("date", "what", "source"), [
        (_clock(line["date"]), line["what"], line["source"]) for line in document["to_come"]
    ])  # fmt: skip
    finish(document["warnings"])


def _clock(time: str) -> str:
    return time[:10] if time.endswith("T00:00:00") else time.replace("T", " ")[:16]


def print_audit(document: dict[str, Any]) -> None:
    """Show an audit trail: who, when, what, from what to what."""
    console = _console()
    for said in document["audit"]:
        console.print(f"{said['position']}. {said['at'][:19].replace('T', ' ')} UTC, {said['who']}: {said['action']} "
                      f"{said['entry']}{': ' + said['reason'] if said['reason'] else ''}".rstrip())  # fmt: skip
        for line in _differences(said["old"], said["new"]):
            console.print(f"     {line}")
    console.print("Each entry follows from the one before.")
    finish(())


def _differences(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    if old is None or new is None:
        return []
    changed = [key for key in sorted(old | new) if old.get(key) != new.get(key)]
    return [f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}" for key in changed]


def _short(value: object) -> str:
    shown = "nothing" if value is None else str(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def finish(warnings: Sequence[str]) -> None:
    """Warnings, and what Lutetia is not."""
    console = _console()
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow")
    console.print("Research use only.")


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


def _table(console: Any, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(*heads, pad_edge=False, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
