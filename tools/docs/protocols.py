"""The page docs/reference/protocols.md: key numbers of the shipped protocols side by side, made from their files.

python tools/docs/protocols.py docs/reference/protocols.md
"""

import argparse
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import yaml

from lutetia.app.cli.protocol_sheet import activity_text, cycles_text, interval_text, protocol_document
from lutetia.therapy.protocols import shipped_protocols
from lutetia.therapy.protocols.model import Protocol, Rule
from lutetia.therapy.rules.conditions import expected, items_of

HEAD = """\
# Protocols

Made from the protocol files by `tools/docs/protocols.py`; `lutetia protocols ID` shows one in full. An asterisk marks
what was not compared with its source (`verified: false`); – is not stated in what was read.
[How rules are judged](../methods/eligibility.md). Research use only.
"""
SIDE_BY_SIDE = (
    ("age", ("age",)),
    ("grade, Ki-67", ("grade", "ki67")),
    ("performance", ("kps", "ecog")),
    ("uptake", ("sstr_positive", "krenning_score", "mibg_positive")),
    ("renal function", ("creatinine", "creatinine_clearance", "gfr", "gfr_normalised", "renal_function_adequate")),
    ("haemoglobin", ("haemoglobin", "grade_anaemia")),
    ("leukocytes, neutrophils", ("leukocytes", "neutrophils", "grade_neutropenia")),
    ("platelets", ("platelets", "grade_thrombocytopenia")),
    ("bilirubin", ("bilirubin",)),
    ("albumin", ("albumin",)),
    ("transaminases", ("asat", "alat")),
)


def star(verified: bool) -> str:
    """Mark of what was not compared with its source."""
    return "" if verified else " *"


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table in Markdown."""
    head = list(head)
    return [line(head), line("---" for _ in head), *(line(row) for row in rows), ""]


def regimens(protocols: Iterable[Protocol]) -> list[str]:
    """Activity, cycles and interval."""
    rows = []
    for protocol in protocols:
        document = protocol_document(protocol)
        interval, total = document["interval"], document["cumulative"]
        rows.append(
            (
                f"`{protocol.id}`",
                protocol.version,
                f"{protocol.agent}{f' with {protocol.accompanied_by}' if protocol.accompanied_by else ''}",
                protocol.route,
                activity_text(document["activity"]) + star(protocol.activity.origin.verified),
                cycles_text(document["cycles"]) + star(protocol.cycles.origin.verified),
                interval_text(interval) + (star(interval["verified"]) if interval else ""),
                f"{total['at_most_MBq']:g} MBq{star(total['verified'])}" if total else "–",
                protocol.ctcae_version + star(protocol.ctcae_origin.verified),
            )
        )
    head = (
        "id",
        "version",
        "agent",
        "route",
        "activity per cycle",
        "cycles",
        "interval",
        "in all at most",
        "CTCAE",
    )
    return ["## Regimens", "", *table(head, rows)]


def told(rules: Iterable[Rule], names: tuple[str, ...]) -> str:
    """Rules on some items, in words."""
    found = [rule for rule in rules if set(items_of(rule.require)) & set(names)]
    return "; ".join(expected(rule.require) + star(rule.origin.verified) for rule in found) or "–"


def rules(protocols: tuple[Protocol, ...]) -> list[str]:
    """Rules of eligibility side by side, protocols down and items across in two tables."""
    text = []
    kinds = (("Before the first cycle", "eligibility"), ("Before later cycles", "retreatment"))
    for title, kind in kinds:
        text += [f"## {title}", ""]
        listed = [protocol for protocol in protocols if getattr(protocol, kind)]
        for part in (SIDE_BY_SIDE[:5], SIDE_BY_SIDE[5:]):
            rows = [
                (f"`{p.id}`", *(told(getattr(p, kind), names) for _, names in part))
                for p in listed
                if any(told(getattr(p, kind), names) != "–" for _, names in part)
            ]
            text += table(("id", *(label for label, _ in part)), rows) if rows else []
    return text


def washouts(protocols: Iterable[Protocol]) -> list[str]:
    """Washout of somatostatin analogues."""
    rows = [
        (f"`{p.id}`", w.item.replace("_", " "), f"{w.least}{star(w.origin.verified)}", w.before)
        for p in protocols
        for w in p.washout
    ]
    return ["## Washout", "", *table(("id", "what", "at least", "before which cycle"), rows)]


def conflicts() -> list[str]:
    """Where sources disagree."""
    text = (files("lutetia.therapy.protocols") / "conflicts.yaml").read_text(encoding="utf-8")
    rows = [
        (number, entry["item"], "<br>".join(entry["readings"]), entry["in_lutetia"])
        for number, entry in yaml.safe_load(text).items()
    ]
    head = ("", "of what", "readings", "in Lutetia")
    return ["## Where sources disagree", "", "A rule names the numbers it belongs to.", "", *table(head, rows)]


def page() -> str:
    """The whole page."""
    protocols = shipped_protocols()
    parts = [*regimens(protocols), *rules(protocols), *washouts(protocols), *conflicts()]
    return HEAD + "\n" + "\n".join(parts).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.parse_args().out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
