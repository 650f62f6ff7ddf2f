"""The page docs/reference/agents.md: agents, pairs and published doses side by side, made from their files.

python tools/docs/agents.py docs/reference/agents.md
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from lutetia.app.cli.agent_documents import agent_document, doses_document, pairs_document
from lutetia.app.cli.agent_sheet import regimen_text, study_text
from lutetia.therapy.agents import pairs, shipped_agents
from lutetia.therapy.agents.doses import published_doses
from lutetia.therapy.agents.nuclide_classes import nuclide_classes

HEAD = """\
# Agents

Made from the agent files by `tools/docs/agents.py`; `lutetia agents ID` shows one in full. An asterisk marks what was
not compared with its source (`verified: false`); – is not stated in what was read. Research use only.

A regimen that a [protocol](protocols.md) states takes its numbers from there. `lutetia agents ID --regimen R
--mass-kg M --given DAY=MBq` gives the activity of the next cycle and what is left of the sum, and warns above
tolerances: of one administration, of repeated ones within some months (those exactly as long ago are outside; a first
administration is not a repeated one), and of all. Tolerances found with 225Ac-DOTATOC are shown for 225Ac-DOTATATE
too, and say so.

A preparation is usable to the end of its shelf life. A stability in vitro is a time for which it was shown: later the
check is open, not failed; a stability in vivo says nothing of a vial.
"""
DOSES = """\
## Published dose coefficients

Tables print `w = r D_alpha + D_beta,gamma` with r = 1, r = 5, or without saying: a value with r = 5 read as an absorbed
dose is up to five times too high. Each row here says which it is. `lutetia.therapy.agents.doses.absorbed_dose_gy_per_mbq`
returns an absorbed dose as it is; of a weighted one it asks for the fraction f of the absorbed dose that alpha particles
give, `D = w / (1 + (r - 1) f)`, and without it tells the bounds w/r and w; where r is not stated it refuses.
`alpha_share_at_equilibrium` has f for an organ whose dose is its own and daughters that stay. A coefficient is weighted
at most once: `weighted` takes an absorbed one only. Rows of the members of a chain add up by `total_gy_per_mbq`, each
once. No organ doses of patients were found for 225Ac-DOTATATE, 213Bi-DOTATOC and 212Pb-DOTAMTATE.
"""
CITES = """\
## What holds which statement

Numbers are those of the list of statements on targeted alpha therapy in neuroendocrine tumours that the catalogue was
checked against; entries cite them (`cites`).
"""


def star(entry: dict) -> str:
    """Mark of what was not compared with its source."""
    return "" if entry["verified"] else " *"


def line(cells: Iterable[object]) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown."""
    head = list(head)
    return [line(head), line("---" for _ in head), *(line(row) for row in rows), ""]


def identities(documents: Iterable[dict]) -> list[str]:
    """What each agent is."""
    rows = [
        (
            f"`{d['id']}`",
            d["name"] + star(d),
            d["works_by"],
            d["vector"],
            d["chelator"] or "–",
            f"{d['target']}, {d['role']}",
        )
        for d in documents
    ]
    head = ("id", "agent", "works by", "vector", "chelator", "target")
    return ["## What they are", "", *table(head, rows)]


def practice(documents: Iterable[dict]) -> list[str]:
    """Regimens, tolerances, preparation and imaging."""
    listed = list(documents)
    regimens = [(f"`{d['id']}`", regimen_text(r) + star(r), r["source"]) for d in listed for r in d["regimens"]]
    tolerances = [
        (
            t["agent"],
            t["kind"],
            f"{t['activity_MBq']:g} MBq",
            t["within_months"] or "–",
            t["what"] + star(t),
            t["source"],
        )
        for d in listed
        for t in d["tolerances"]
        if t["agent"] == d["name"]
    ]
    vials = [
        (d["name"], f"{s['duration_h']:g} h {s['setting']}{star(s)}", s["source"])
        for d in listed
        for s in d["stability"]
    ]
    vials += [
        (d["name"], f"radiochemical purity at least {p['at_least_percent']:g} %{star(p)}", p["source"])
        for d in listed
        for p in d["purity"]
    ]
    images = [
        (
            d["name"],
            i["modality"],
            i["partner"] or "–",
            ", ".join(f"{k:g}" for k in i["line_keV"]) or "–",
            ", ".join(f"{h:g}" for h in i["at_h"]) or "–",
            f"{i['purpose']}{star(i)}",
        )
        for d in listed
        for i in d["imaging"]
    ]
    return [
        "## Regimens", "", *table(("agent", "regimen", "source"), regimens),
        "## Tolerances", "", *table(("found with", "kind", "activity", "months", "what", "source"), tolerances),
        "## Preparation", "", *table(("agent", "stated", "source"), vials),
        "## Imaging", "", *table(("agent", "modality", "of", "keV", "h", "for"), images),
    ]  # fmt: skip


def studies(documents: Iterable[dict]) -> list[str]:
    """Studies and what they reported."""
    rows = [
        (d["name"], study_text(s) + star(s), "; ".join(s["toxicity"]) or "–", s["source"])
        for d in documents
        for s in d["studies"]
    ]
    return ["## Studies", "", *table(("agent", "study", "toxicity", "source"), rows)]


def pair_tables() -> list[str]:
    """Theranostic pairs and measured ratios."""
    found = pairs_document(pairs())["pairs"]
    rows = [
        (
            f"{p['imaging']} / {p['therapy']}{star(p)}",
            p["chemistry"],
            f"{p['half_life_ratio']:.3g}",
            p["differs"],
            p["source"],
        )
        for p in found
    ]
    ratios = [
        (
            f"{p['imaging']} / {p['therapy']}",
            f"{r['vector']}, {r['region']}",
            f"{r['ratio']:.3g}" + ("" if r["u_relative"] is None else f" ({100 * r['u_relative']:g} %)"),
            f"{r['quantity']}; {r['at']}{star(r)}",
            r["source"],
        )
        for p in found
        for r in p["ratios"]
    ]
    return [
        "## Theranostic pairs", "",
        *table(("imaging / therapy", "chemistry", "half-lives, therapy over imaging", "to keep in mind", "source"), rows),
        *table(("imaging / therapy", "of", "therapy over imaging (relative standard error)", "what", "source"), ratios),
    ]  # fmt: skip


def doses() -> list[str]:
    """Published dose coefficients, with the factor inside."""
    inside = {None: "not stated", 1.0: "none"}
    rows = [
        (
            d["agent"] + (f", from {d['member']}" if d["member"] else ""),
            d["region"],
            d["printed"] + star(d),
            inside.get(d["rbe_inside"], f"{d['rbe_inside'] or 0:g}"),
            "–" if d["absorbed_dose_mGy_per_MBq"] is None else f"{d['absorbed_dose_mGy_per_MBq']:.3g}",
            d["source"],
        )
        for d in doses_document(published_doses())["doses"]
    ]
    head = ("agent", "region", "as printed", "factor for alpha inside", "absorbed dose, mGy/MBq", "source")
    return [*DOSES.splitlines(), "", *table(head, rows)]


def statements(documents: Iterable[dict]) -> list[str]:
    """Number of a statement and the entries that hold it."""
    held: dict[str, list[str]] = {}
    for row in nuclide_classes().values():
        for number in row.cites:
            held.setdefault(number, []).append(f"class of {row.nuclide}")
    for pair in pairs():
        for number in pair.cites:
            held.setdefault(number, []).append(f"pair {pair.imaging} / {pair.therapy}")
    for d in documents:
        parts = ("regimens", "tolerances", "stability", "purity", "imaging", "studies", "cautions")
        named = [(d["name"], d), *((f"{d['name']}: {e.get('id', part)}", e) for part in parts for e in d[part])]
        for name, entry in named:
            for number in entry["cites"]:
                held.setdefault(number, []).append(name)
    rows = [(number, ", ".join(dict.fromkeys(held[number]))) for number in sorted(held)]
    return [*CITES.splitlines(), "", *table(("", "held by"), rows)]


def page() -> str:
    """The whole page."""
    documents = [agent_document(agent) for agent in shipped_agents()]
    parts = [
        *identities(documents), *practice(documents), *studies(documents), *pair_tables(), *doses(), *statements(documents),
    ]  # fmt: skip
    return HEAD + "\n" + "\n".join(parts).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.parse_args().out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
