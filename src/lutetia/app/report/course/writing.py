"""The report on a course as PDF/A-2b or as one HTML file: the same sections in the order in which they are read."""

import base64
from typing import Any, Final

from lutetia import __version__
from lutetia.app.report.content import RESEARCH_USE
from lutetia.app.report.course.blocks import TONES, Block, Sources, box, note, picture, section, table
from lutetia.app.report.course.content import CourseContent
from lutetia.app.report.course.doses import doses_sections
from lutetia.app.report.course.patient import cycles_sections, decisions_sections, findings_sections, header
from lutetia.app.report.course.pictures.accumulation import accumulation_figure
from lutetia.app.report.course.pictures.timeline import laboratory_figure, timeline_figure
from lutetia.app.report.course.rules import eligibility_sections, next_cycle_sections, standing, trail_sections
from lutetia.app.report.course.toxicity import renal_sections, toxicity_sections
from lutetia.app.report.pdf import typeset, width_mm
from lutetia.app.report.style import STYLE, encoded

CAPTIONS: Final = {
    "timeline": "The course over time. Diamonds: decisions (green give, orange hold, reduce or omit, red stop). Blue "
    "lines: administrations; blue area: window of the next cycle; dotted: day of the report.",
    "laboratory": "Laboratory on the same axis of time. Dashed: the laboratory's limits of normal. Bands: CTCAE grade that "
    "a value would have (G1 to G4). Rings: worst value after the start.",
}
METHOD: Final = (
    "Given activity: measured, decayed to the start, less the residual.",
    "Absorbed doses: sums over cycles of the dose.json of each, errors that return in every cycle taken as one.",
    "Rules, grades and limits: data of the protocol and of the tables named under sources; none is in the program.",
)


def figures_of(content: CourseContent) -> dict[str, bytes]:
    """Name -> PNG of the pictures for which there is something to draw: "timeline", "laboratory" and "limits"."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        drawn = {
            "timeline": timeline_figure(content),
            "laboratory": laboratory_figure(content),
            "limits": accumulation_figure(content),
        }
        return {name: encoded(figure) for name, figure in drawn.items() if figure is not None}


def report_document(content: CourseContent, figures: dict[str, bytes]) -> dict[str, Any]:
    """Everything that the templates print."""
    sources = Sources()
    sections: list[Block] = [
        *findings_sections(content),
        *cycles_sections(content),
        *section("Course over time", *(picture(name, CAPTIONS[name]) for name in CAPTIONS if name in figures)),
        *toxicity_sections(content, sources),
        *doses_sections(content, sources, figures),
        *renal_sections(content, sources),
        *trail_sections(content, sources),
        *eligibility_sections(content, sources),
        *next_cycle_sections(content, sources),
        *decisions_sections(content, sources),
    ]
    sections += _ending(content, sources)
    return {
        "title": "Course report",
        "notice": RESEARCH_USE,
        "version": __version__,
        "subject": content.course.patient.pseudonym,
        "made": {
            part: getattr(content.made_at, part) for part in ("year", "month", "day", "hour", "minute", "second")
        },
        "header": header(content),
        "standing": standing(content),
        "sections": sections,
        "tones": TONES,
    }


def _ending(content: CourseContent, sources: Sources) -> list[Block]:
    """Sources with what was compared with them, what was assumed, and how it was computed."""
    rows = [
        [f"[{place}]", source, "" if verified else "* not compared with it"]
        for place, (source, verified) in enumerate(sources.known.items(), start=1)
    ]
    answers = (content.eligibility, content.labs, content.modification, content.schedule, content.next_plan)
    without = (
        ["No absorbed doses are noted."] if content.course.administrations and not content.course.doses else []
    )
    told = [*content.warnings, *without, *(text for one in answers if one is not None for text in one["warnings"])]
    return section(
        "Sources, assumptions, method",
        table(("", "source", ""), rows, widths=(0, 1, 0)),
        note("*: what is quoted was not compared with its source.") if not all(sources.known.values()) else None,
        box("Warnings and assumptions", list(dict.fromkeys(told))),
        note(" ".join((*METHOD, f"Lutetia {__version__}."))),
    )


def pdf_bytes(content: CourseContent) -> bytes:
    """The report as PDF; the same content gives the same bytes."""
    figures = figures_of(content)
    document = report_document(content, figures)
    document["widths_mm"] = {name: width_mm(name, data) for name, data in figures.items()}
    return typeset("course.typ", document, figures, package="lutetia.app.report.course")


def html_bytes(content: CourseContent) -> bytes:
    """The report as one HTML file that needs nothing else."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("lutetia.app.report.course"), PackageLoader("lutetia.app.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = figures_of(content)
    pictures = {name: base64.b64encode(data).decode() for name, data in figures.items()}
    page = environment.get_template("course.html").render(figures=pictures, **report_document(content, figures))
    return page.lstrip().encode()
