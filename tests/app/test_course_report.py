"""The report on a course: what stands in it, how it is drawn, and how it becomes a file."""

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date, datetime
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from lutetia.app.cli.course.reporting import NO_PROTOCOL, gathered, write_report
from lutetia.app.report.course import html_bytes, pdf_bytes
from lutetia.app.report.course.patient import age_text
from lutetia.app.report.course.pictures.laboratory import bands_of, draw_panel, panels_of
from lutetia.app.report.course.writing import figures_of, report_document
from lutetia.errors import InputError, OutputError
from lutetia.therapy.course import Administration, Course, DoseRecord, Event, Lab, Medication, Patient

spec = spec_from_file_location("course_of_four_cycles", Path(__file__).with_name("course_of_four_cycles.py"))
made_up = module_from_spec(spec)
spec.loader.exec_module(made_up)

RUO = "Research use only"
MADE_AT = datetime(2026, 8, 27, 9, 30)
PLAN = {
    "action": "reduce",
    "activity_GBq": 3.7,
    "reasons": ["thrombocytopenia asks for 3.7 GBq"],
    "limits": [
        {"organ": "kidney left", "quantity": "absorbed dose", "limit_Gy": 23.0, "so_far_Gy": 14.1, "predicted_Gy": 16.47,
         "probability_exceeded": 1e-5, "allows_GBq": 9.129},
        {"organ": "kidney right", "quantity": "BED", "limit_Gy": 40.0, "so_far_Gy": 20.0, "predicted_Gy": 23.0,
         "probability_exceeded": None, "allows_GBq": None},
    ],
    "warnings": ["a warning of the plan"],
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("courses")
    made = {"full": {}, "without doses": {"doses": False}, "empty": {"empty": True}}
    for name, options in made.items():
        made_up.store_at(str(folder / name), **options)
    return {name: str(folder / name) for name in made}


def content(places, name="full", as_of="2026-08-26"):
    return gathered(places[name], "NET-017", protocol=None, as_of=as_of, now=MADE_AT)


@pytest.fixture(scope="module")
def full(places):
    return content(places)


def words(document) -> str:
    """All that a report says, cell by cell."""
    found = [*map(" ".join, document["header"]), document["standing"]["line"], *document["standing"]["facts"]]
    for section in document["sections"]:
        found.append(section["title"])
        for block in section["blocks"]:
            found += [
                block.get("caption", ""),
                block.get("text", ""),
                block.get("title", ""),
                *block.get("items", ()),
                *block.get("heads", ()),
            ]
            for row in block.get("rows", ()):
                cells = [c if isinstance(c, str) else f"{c['text']} {c['small']}".strip() for c in row]
                found.append(" | ".join(cells))
    return "\n".join(found)


def said(given) -> str:
    return words(report_document(given, dict.fromkeys(("timeline", "laboratory", "limits"), b"")))


def standing(places, as_of):
    return report_document(content(places, as_of=as_of), {})["standing"]


# what stands in it


def test_who_and_what_without_the_birth_date(full):
    text = said(full)
    assert "NET-017; male; 65 years" in text  # 2 May 1961 to 26 August 2026
    assert "(us-label, version 2024-04)" in text
    assert full.audit_hash in text
    assert "version 2" in text
    assert "1961" not in text


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ({"birth_date": date(1961, 8, 27)}, "64 years"),
        ({"birth_date": date(1961, 8, 26)}, "65 years"),
        ({"birth_date": date(2025, 1, 1)}, "1 year"),
        ({"birth_year": 1961}, "64 or 65 years"),
        ({"birth_year": 2026}, "0 years"),
        ({}, "age not known"),
    ],
)
def test_age(patient, expected):
    assert age_text(Patient(pseudonym="P", sex="male", **patient), date(2026, 8, 26)) == expected


def test_cycles_with_what_was_given_and_why(full):
    text = said(full)
    # measured at the start: 7460 - 38, 7432 - 41, 7445 with no residual, 3725 - 22 MBq
    assert (
        "1 | 2026-01-12 | 177Lu-DOTATATE | 7.400 | 7.422 | 38 | intravenous | L-2231 99.1 % | give: as planned"
        in text
    )
    assert "| 7.400 | ≤ 7.445 | not known |" in text
    assert (
        "4 | 2026-07-13 | 177Lu-DOTATATE | 3.700 | 3.703 | 22 | intravenous | L-2234 99.1 % | reduce: at half"
        in text
    )
    assert "177Lu-DOTATATE: ≤ 25.961 GBq" in text


def test_doses_by_cycle_summed_and_beside_limits(full):
    text = said(full)
    u = np.sqrt(0.04**2 + 0.06**2 + 2 * 0.05**2)  # the parts of each cycle's budget
    assert f"{0.66 * 7.422:.2f} ± {u * 0.66 * 7.422:.2f} 0.660 Gy/GBq" in text
    left = 0.66 * 7.422 + 0.63 * 7.391 + 0.61 * 7.445 + 0.64 * 3.703
    assert f"{left:.1f} ± 1.0" in text
    assert f"kidney-23Gy | kidney left | {left:.1f} ± 1.0 | {100 * left / 23:.0f} %" in text
    assert "marrow-2Gy warns, never decides" in text
    second = 4.1 * 7.422 + 2.9 * 7.445 + 2.2 * 3.703  # cycle 2 has none
    assert f"≥ {second:.1f} ± 4.3 without cycle 2" in text


def test_toxicity_renal_function_rules_and_decisions(full):
    text = said(full)
    assert "platelets Platelet count decreased | 212 10⁹/L 2026-01-08 | 62 10⁹/L | 2 | 2026-06-01" in text
    assert "recovered to grade 0 or 1 on 2026-06-29" in text
    assert "nausea | 2 | 5.0 | 2026-01-12 | 2026-01-14 | probable" in text
    assert "fatigue | 1 | 5.0 | 2026-05-10 | lasts | possible" in text
    assert "| 17 | 0.62 |" in text  # creatinines, and years from 8 January to 24 August
    assert "extrapolation" in text
    assert "2026-06-01 | thrombocytopenia | FULL → HELD | thrombocytopenia of grade 2 or more: hold" in text
    assert (
        "2026-06-02 16:00 | Cycle 4? cycle 4 | wait for platelets platelets 62 on 1 June | hold | tumour board"
        in text
    )


def test_sources_are_numbered_and_what_was_not_compared_is_starred(full):
    text = said(full)
    numbers = dict(re.findall(r"^\[(\d+)\] \| (.*?)(?: \| .*)?$", text, re.MULTILINE))
    by_name = {source: number for number, source in numbers.items()}
    memory = by_name["Lutathera prescribing information table 2, noted from memory"]
    assert f"[{memory}]*" in text
    assert (
        f"[{memory}] | Lutathera prescribing information table 2, noted from memory | * not compared with it"
        in text
    )
    assert {int(one) for one in re.findall(r"\[(\d+)\]", text)} == set(range(1, len(numbers) + 1))


# where the course stands


def test_standing_before_the_first_cycle_while_held_when_due_and_at_the_end(places):
    assert standing(places, "2026-01-10")["line"] == (
        "Cycle 1: 7.4 GBq (full activity), possible since 2026-01-02; not all rules can be judged."  # 4 weeks after
    )
    held = standing(places, "2026-06-16")
    assert held["line"] == (
        "Cycle 4 is held by thrombocytopenia. The course stops on 2026-08-24 if it still is."  # 16 weeks from 4 May
    )
    assert (held["tone"], held["facts"][0]) == (
        "warn",
        "Window of cycle 4: 2026-06-22 to 2026-07-06, due 2026-06-29.",
    )
    assert "not met: platelets" in held["facts"][1]
    assert standing(places, "2026-02-12")["line"].startswith(
        "Cycle 2: 7.4 GBq (full activity), not before 2026-03-02"
    )
    assert "possible since 2026-06-22 (its window ended on 2026-07-06)" in standing(places, "2026-07-10")["line"]
    end = standing(places, "2026-08-26")
    assert "Plan" not in said(content(places))
    assert end == {"line": "No next activity: all 4 administrations are given.", "tone": "info", "facts": []}


def test_next_cycle_stands_there_only_while_one_may_follow(places, full):
    titles = [section["title"] for section in report_document(full, {})["sections"]]
    assert not [title for title in titles if title.startswith("Next cycle")]
    text = said(content(places, as_of="2026-06-16"))
    assert "Next cycle: 4" in text
    assert "long acting ssa | 4 weeks | 2025-12-05 | 2026-01-02" in text
    assert "short acting ssa | 24 h | nothing noted" in text
    assert "short-acting-ssa | unknown | not known missing: short acting ssa" in text
    assert "Eligibility before" not in said(full)  # all cycles are given
    assert "before cycle 4 | 2026-06-29 | due | leukocytes, bilirubin, albumin, alat, asat" in text


def test_the_plan_is_that_of_course_plan(places):
    held = content(places, as_of="2026-06-16")
    assert held.plan["action"] == "hold"
    assert "Plan by organ dose: hold; the physician decides." in said(held)
    due = said(content(places, as_of="2026-07-10"))
    assert "Were it met: Give a reduced activity, 3.7 GBq." in due
    assert "23 Gy absorbed dose | kidney left | 14.1 |" in due


def test_a_plan_stands_beside_the_doses_and_in_the_next_cycle(places):
    planned = replace(content(places, as_of="2026-07-10"), plan=PLAN)
    text = said(planned)
    assert "Plan by organ dose: give the reduced activity of 3.7 GBq." in text
    assert "23 Gy absorbed dose | kidney left | 14.1 | 16.5 | < 0.001 | 9.12" in text  # rounded down
    assert "40 Gy BED | kidney right | 20.0 | 23.0 | not known | not known" in text
    assert "a warning of the plan" in text
    assert "Stars" in text
    assert set(figures_of(planned)) == {"timeline", "laboratory", "limits"}


# courses of which little is known


def test_empty_course(places):
    empty = content(places, "empty")
    assert figures_of(empty) == {}
    document = report_document(empty, {})
    assert [section["title"] for section in document["sections"]] == ["Sources, assumptions, method"]
    assert "protocol none" in words(document)
    assert NO_PROTOCOL in words(document)
    assert document["standing"]["tone"] == "warn"
    assert pdf_bytes(empty).startswith(b"%PDF")


def test_course_without_doses(places):
    without = content(places, "without doses")
    assert set(figures_of(without)) == {"timeline", "laboratory"}
    text = words(report_document(without, figures_of(without)))
    assert "Absorbed doses, " not in text
    assert "No absorbed doses are noted." in text


def bare(full, **records):
    """A content of some records alone, without protocol."""
    from lutetia.therapy.chronicle import view_of

    course = Course(patient=Patient(pseudonym="P-1", sex="unknown"), **records)
    none = dict.fromkeys(("protocol", "eligibility", "labs", "modification", "schedule", "plan"))
    return replace(full, course=course, chronicle=view_of(course, full.as_of).chronicle, warnings=(), **none)


def test_what_is_not_known_is_said(full):
    given = Administration(cycle=1, agent="177Lu-DOTATATE", nuclide="Lu-177", start=datetime(2026, 1, 12, 10))
    text = '{"schema": "lutetia dose 1", "subject": "P-1", "administration": {"nuclide": "Lu-177"}, "regions": ['
    text += '{"region": "kidneys", "kind": "organ", "absorbed_dose_Gy": 4.0, "u_absorbed_dose_Gy": null}, '
    text += '{"region": "liver", "kind": "organ", "absorbed_dose_Gy": null, "u_absorbed_dose_Gy": null}]}'
    dose = DoseRecord(cycle=1, time=datetime(2026, 1, 20), text=text)
    known = bare(full, administrations=(given,), doses=(dose,))
    shown = said(known)
    assert "P-1; sex not known; age not known" in shown
    row = (
        "1 | 2026-01-12 | 177Lu-DOTATATE | not known | not known | not known | intravenous | not known not known |"
    )
    assert f"{row} not noted" in shown
    assert "kidneys | 4.00 activity not known | 4.00 u not known" in shown
    assert "liver | not known | not known" in shown
    assert set(figures_of(known)) >= {"timeline"}
    assert pdf_bytes(known).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("records", "figures"),
    [
        ({"medications": (Medication(name="a $b$ #c *d* <script>", start=date(2026, 2, 1)),)}, {"timeline"}),
        (
            {"labs": (Lab(test="platelets", time=datetime(2026, 8, 26, 8), value=150.0, unit="10^9/L"),)},
            {"laboratory"},
        ),
        ({"events": (Event(term="x" * 400, grade=5, ctcae_version="5.0", start=date(2026, 8, 26)),)}, {"timeline"}),
    ],
    ids=["drug of odd name", "one value", "long word"],
)
def test_single_records_are_drawn_and_set(full, records, figures):
    known = bare(full, **records)
    assert set(figures_of(known)) == figures
    assert pdf_bytes(known).startswith(b"%PDF")
    assert b"<script>" not in html_bytes(known)


def dose_on(n):
    return made_up.dose_text(1).replace("2026-01-12", f"2025-{n:02d}-12")


def test_many_cycles_go_into_a_second_table(full):
    given = tuple(
        Administration(cycle=n, agent="177Lu-DOTATATE", nuclide="Lu-177", start=datetime(2025, n, 12, 10))
        for n in range(1, 9)
    )
    doses = tuple(DoseRecord(cycle=n, time=datetime(2025, n, 20), text=dose_on(n)) for n in range(1, 9))
    document = report_document(bare(full, administrations=given, doses=doses), {})
    (section,) = [one for one in document["sections"] if one["title"].startswith("Absorbed")]
    first, second = section["blocks"][:2]
    assert [head.split("\n")[0] for head in first["heads"]] == ["region", *(f"cycle {n}" for n in range(1, 7))]
    assert [head.split("\n")[0] for head in second["heads"]] == ["region", "cycle 7", "cycle 8", "all cycles"]


# pictures


def test_bands_are_the_grades_of_the_criteria(full):
    panel = next(one for one in panels_of(full) if one.test == "platelets")
    bands = bands_of(panel, "5.0", np.linspace(1.0, 200.0, 1991))  # steps of 0.1
    assert [found for *_, found in bands] == [4, 3, 2, 1]
    # CTCAE 5.0: below 25, 50, 75 and the lower limit of normal, 150 here; the step is the tolerance
    assert [end for _, end, _ in bands] == pytest.approx([25, 50, 75, 150], abs=0.1)
    creatinine = next(one for one in panels_of(full) if one.test == "creatinine")
    edges = [start for start, _, found in bands_of(creatinine, "5.0", np.linspace(50.0, 300.0, 2501)) if found]
    # above the upper limit 105; from 1.5 times the baseline of 84; from 3 times the baseline
    assert edges == pytest.approx([105, 126, 252], abs=0.1)


def test_the_worst_value_is_marked_with_its_grade(full):
    panel = next(one for one in panels_of(full) if one.test == "platelets")
    assert panel.worst == (datetime(2026, 6, 1, 8, 10), 62.0, 2)
    axis = matplotlib.figure.Figure().add_subplot()
    axis.plot([panel.times[0], panel.times[-1]], [0, 0])
    draw_panel(axis, panel, "5.0")
    assert "62 (G2)" in [text.get_text() for text in axis.texts]


def test_without_criteria_there_are_values_and_no_bands(full):
    axis = matplotlib.figure.Figure().add_subplot()
    draw_panel(axis, panels_of(full)[0], None)
    assert not axis.patches


# files


def pdf_pages(data: bytes, folder: Path) -> list[str]:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler) is not installed")
    (folder / "look.pdf").write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", "look.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().split("\f")[:-1]


def test_pdf_says_what_the_document_says_on_four_or_five_pages(full, tmp_path):
    pages = pdf_pages(pdf_bytes(full), tmp_path)
    assert len(pages) in (4, 5)
    for number, page in enumerate(pages, start=1):
        assert RUO in page
        assert f"page {number} of {len(pages)}" in page
    text = re.sub(r"\s+", " ", " ".join(pages))
    for words_in_order in ("No next activity", "Diagnosis", "Cycles", "Course over time", "Toxicity", "Absorbed doses",
                           "Renal function", "Dose modifications", "Decisions", "Sources"):  # fmt: skip
        assert words_in_order in text, words_in_order
        text = text[text.index(words_in_order) :]
    assert "1961" not in " ".join(pages)


def test_pdf_is_the_same_each_time(full):
    assert pdf_bytes(full) == pdf_bytes(full)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.references, self.words = [], []

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)


def test_html_needs_nothing_else(full):
    page = Page()
    page.feed(html_bytes(full).decode())
    assert len(page.references) == 3
    assert all(one.startswith("data:image/png;base64,") for one in page.references)
    text = " ".join(page.words)
    assert RUO in text
    assert "kidney-23Gy" in text
    assert "1961" not in text


def test_a_file_is_whole_or_not_there(full, tmp_path, monkeypatch):
    out = tmp_path / "course.html"
    write_report(out, full, force=False)
    before = out.read_bytes()
    with pytest.raises(OutputError, match="exists; give another name or --force"):
        write_report(out, full, force=False)
    with pytest.raises(InputError, match=r"expected a name that ends in \.pdf or \.html"):
        write_report(tmp_path / "course.docx", full, force=False)
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "nowhere" / "course.html", full, force=False)

    def full_disk(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_report(out, full, force=True)
    assert out.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["course.html"]
