"""Sections that say what the rules answer: where the course stands, the trail, eligibility, the next cycle."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lutetia.app.report.course.blocks import (
    NOT_KNOWN,
    STATES,
    Block,
    Sources,
    as_read,
    box,
    cell,
    day_text,
    gy_text,
    note,
    of_items,
    section,
    table,
)
from lutetia.app.report.course.content import CourseContent
from lutetia.therapy.activity.planning import rounded_down

TONE_OF_STATE: Final = {"FULL": "info", "REDUCED": "warn", "HELD": "warn", "STOPPED": "bad"}
SAID: Final = {
    "give": "give {activity}", "reduce": "give the reduced activity of {activity}", "omit": "omit this cycle",
    "hold": "hold; the physician decides", "stop": "no further cycle",
}  # fmt: skip


def standing(content: CourseContent) -> dict[str, Any]:
    """One line that says where the course stands, its tone, and what else decides."""
    state = content.modification
    if state is None:
        line = "The course follows no protocol: what is due next, and whether it may be given, is not known."
        return {"line": line, "tone": "warn", "facts": []}
    rules = _rules_fact(content) if content.goes_on else ""
    return {
        "line": _line(state, content.schedule, content.eligibility),
        "tone": "warn" if rules and _held_up(content.eligibility) else TONE_OF_STATE[state["state"]],
        "facts": [fact for fact in (_window_fact(content), rules, _plan_fact(content)) if fact]
        + [f"Laboratory overdue: {text}." for text in (content.labs or {}).get("overdue", ())],
    }


def _line(
    state: Mapping[str, Any], schedule: Mapping[str, Any] | None, eligibility: Mapping[str, Any] | None
) -> str:
    windows = (schedule or {}).get("cycles", ())
    following = f"Cycle {state['cycles_given'] + 1}"
    if state["state"] == "STOPPED":
        return f"Stopped: {state['reason']}."
    if state["state"] == "HELD":
        ends = day_text(state["stops_on"]) if state["stops_on"] else None
        return f"{following} is {state['reason']}." + (
            f" The course stops on {ends} if it still is." if ends else ""
        )
    if state["activity_MBq"] is None:
        return f"No next activity: {state['reason']}."
    when = _when((schedule or {}).get("earliest"), windows, state["as_of"])
    return f"{following}: {state['activity_MBq'] / 1000:g} GBq ({state['reason']}), {when}{_held_up(eligibility)}."


def _when(earliest: str | None, windows: Sequence[Mapping[str, Any]], as_of: str) -> str:
    if earliest is None:
        return "the earliest date cannot be told"
    if day_text(earliest) > day_text(as_of):
        return f"not before {day_text(earliest)}"
    latest = windows[0]["latest"] if windows else None
    ended = f" (its window ended on {latest})" if latest is not None and day_text(latest) < day_text(as_of) else ""
    return f"possible since {day_text(earliest)}{ended}"


def _held_up(eligibility: Mapping[str, Any] | None) -> str:
    verdict = None if eligibility is None else eligibility["verdict"]
    return {"not_eligible": "; not all rules are met", "unknown": "; not all rules can be judged"}.get(
        verdict or "", ""
    )


def _window_fact(content: CourseContent) -> str:
    windows = (content.schedule or {}).get("cycles", ())
    if not windows or (content.modification or {}).get("state") == "STOPPED":
        return ""
    one = windows[0]
    earliest, latest, due = (day_text(one[key]) for key in ("earliest", "latest", "due"))
    return f"Window of cycle {one['cycle']}: {earliest} to {latest}, due {due}."


def _rules_fact(content: CourseContent) -> str:
    if content.eligibility is None:
        return ""
    named = {
        state: [rule["id"] for rule in content.eligibility["rules"] if rule["state"] == state]
        for state in ("not_met", "unknown")
    }
    parts = [f"{state.replace('_', ' ')}: {', '.join(ids)}" for state, ids in named.items() if ids]
    before = "a later cycle" if content.eligibility["kind"] == "retreatment" else "the first cycle"
    return f"Rules before {before}: {'; '.join(parts) if parts else 'all met'}."


def _plan_fact(content: CourseContent) -> str:
    return "" if content.next_plan is None else f"Plan by organ dose: {_planned(content.next_plan)}."


def _planned(plan: Mapping[str, Any]) -> str:
    activity = plan["activity_GBq"]
    return SAID[plan["action"]].format(
        activity=NOT_KNOWN if activity is None else f"{rounded_down(activity):g} GBq"
    )


def trail_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """Steps by which toxicity changed the course."""
    state = content.modification
    if state is None:
        return []
    rows = [
        [
            day_text(step["date"]),
            step["rule"],
            cell(step["after"] if step["before"] == step["after"] else f"{step['before']} → {step['after']}",
                 tone="" if step["before"] == step["after"] else _tone(step["after"])),
            step["what"],
            as_read(step["found"] or NOT_KNOWN),
            step["expected"],
            sources.mark(step["source"], step["verified"]),
        ]
        for step in state["steps"]
    ]  # fmt: skip
    undecided = [
        f"{one['rule']}, {day_text(one['date'])}: {of_items(one['missing'])}" for one in state["undecided"]
    ]
    return section(
        "Dose modifications",
        table(("date", "rule", "state", "what", "found", "expected", "source"), rows, widths=(0, 0, 0, 1.2, 1.3, 1.2, 0)),
        box("Cannot be judged", undecided),
        note(f"Nothing noted of: {', '.join(state['not_noted'])}.") if state["not_noted"] else None,
    )  # fmt: skip


def _tone(state: str) -> str:
    return {"FULL": "good", "STOPPED": "bad"}.get(state, "warn")


def eligibility_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """Every rule with what was found."""
    document = content.eligibility
    if document is None or not content.goes_on:
        return []
    rows = [
        [
            rule["id"],
            cell(rule["state"].replace("_", " "), tone=STATES[rule["state"]]),
            cell(as_read(rule["found"] or NOT_KNOWN),
                 f"missing: {of_items(rule['missing'])}" if rule["missing"] else ""),
            rule["expected"],
            cell(sources.mark(rule["source"], rule["verified"]), ", ".join(rule["conflicts"])),
        ]
        for rule in document["rules"]
    ]  # fmt: skip
    before = "a later cycle" if document["kind"] == "retreatment" else "the first cycle"
    verdict = document["verdict"].replace("_", " ")
    conflicts = [one for rule in document["rules"] for one in rule["conflicts"]]
    return section(
        f"Eligibility before {before} on {day_text(document['as_of'])}: {verdict}",
        table(("rule", "state", "found", "expected", "source"), rows, widths=(0, 0, 1.3, 1.5, 0)),
        note("X: sources conflict here; lutetia protocols names both.") if conflicts else None,
    )


def next_cycle_sections(content: CourseContent, sources: Sources) -> list[Block]:
    """Window, washout, laboratory, and the plan."""
    schedule = content.schedule or {}
    windows = schedule.get("cycles", ())
    due = [one for one in schedule.get("labs", ()) if one["status"] in ("due", "overdue")]
    if content.modification is None or not content.goes_on:
        return []
    return section(
        f"Next cycle: {content.modification['cycles_given'] + 1}",
        table(("cycle", "due", "earliest", "latest", "at most, for toxicity\nfrom last / from due", "source"),
              [_window(one, sources) for one in windows], widths=(1, 1, 1, 1, 2, 0)),
        table(("washout", "at least", "last", "free from", "source"),
              [_washout(one, sources) for one in schedule.get("washout", ())], widths=(1.2, 1, 1, 1, 0)),
        table(("laboratory", "due", "status", "still missing", "source"),
              [_visit(one, sources) for one in due], widths=(1, 0, 0, 2, 0)),
        *_plan_blocks(content.next_plan, sources),
    )  # fmt: skip


def _window(one: Mapping[str, Any], sources: Sources) -> list[Any]:
    extended = f"{day_text(one['extended_from_last'])} / {day_text(one['extended_from_due'])}"
    return [
        cell(str(one["cycle"]), "from a planned day" if one["planned"] else f"after {day_text(one['after'])}"),
        day_text(one["due"]), day_text(one["earliest"]), day_text(one["latest"]), extended,
        cell(sources.mark(one["source"], one["verified"]), ", ".join(one["conflicts"])),
    ]  # fmt: skip


def _washout(one: Mapping[str, Any], sources: Sources) -> list[Any]:
    last = day_text(one["last"]) if one["noted"] else cell("nothing noted", tone="warn")
    return [
        of_items([one["item"]]), one["least"], last, day_text(one["earliest"]), sources.mark(one["source"], one["verified"])
    ]  # fmt: skip


def _visit(one: Mapping[str, Any], sources: Sources) -> list[Any]:
    status = cell(one["status"], tone="bad" if one["status"] == "overdue" else "")
    missing = of_items(one["missing"]) or "–"
    return [one["visit"], day_text(one["due"]), status, missing, sources.mark(one["source"], one["verified"])]


def after(plan: Mapping[str, Any]) -> str:
    """After which activity the plan looks at the limits; what is considered may be held or reduced in the end."""
    considered = plan.get("considered_GBq")
    return "after it" if considered is None else f"after {rounded_down(considered):g} GBq"


def _plan_blocks(plan: Mapping[str, Any] | None, sources: Sources) -> Sequence[Block]:
    if plan is None:
        return ()
    planned = _planned(plan)
    tone = {"give": "info", "stop": "bad"}.get(plan["action"], "warn")
    heads = ("limit", "region", "so far\nGy", f"{after(plan)}\nGy", "P(passed)", "allows\nGBq", "source")
    rows = [_limit(one, sources) for one in plan["limits"]]
    return (
        box(f"Plan by organ dose: {planned}", [as_read(text) for text in plan["reasons"]] or [planned], tone),
        table(heads, rows, widths=(1, 1, 0, 0, 0, 0, 0), right=(2, 3, 4, 5)),
    )


def _limit(one: Mapping[str, Any], sources: Sources) -> list[Any]:
    chance, allows = one["probability_exceeded"], one["allows_GBq"]
    marks = " ".join(sources.mark(row["source"], row["verified"]) for row in one.get("sources", ()))
    return [
        cell(f"{one['limit_Gy']:g} Gy {one['quantity']}", "" if one.get("decides", True) else "warns, never decides"),
        one["organ"], _so_far(one), gy_text(one["predicted_Gy"]),
        NOT_KNOWN if chance is None else "< 0.001" if chance < 1e-3 else f"{chance:.2g}",
        NOT_KNOWN if allows is None else f"{rounded_down(allows):g}", marks or "–",
    ]  # fmt: skip


def _so_far(one: Mapping[str, Any]) -> str:
    """What was given of the limited quantity, or that it is at least so much."""
    least = one.get("at_least_Gy")
    if one["so_far_Gy"] is None and least:
        return f"≥ {gy_text(least)}"
    return gy_text(one["so_far_Gy"])
