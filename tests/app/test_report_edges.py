"""What a report does with values at the edge, and that the same content gives the same bytes."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from lutetia.app.report.html import write_html
from lutetia.app.report.pdf import write_pdf
from lutetia.app.report.tables import write_tables
from lutetia.app.report.text import report_text
from lutetia.errors import MissingDataError


@pytest.mark.parametrize("u", [0.0, 0.01])
def test_a_dose_of_zero_still_makes_a_report(content, tmp_path, u):
    first = content.results[0]
    zero = replace(first, dose=replace(first.dose, mean_gy=0.0, standard_uncertainty_gy=u))
    write_html(replace(content, results=(zero, *content.results[1:])), {}, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 0


def test_a_truth_of_zero_has_no_relative_difference(content):
    first = content.results[0].region
    row = report_text(replace(content, truth_gy={first: 0.0}))["regions"][0]
    assert (row["truth"], row["difference"]) == ("0", "–")


def test_a_report_without_regions_is_refused_and_writes_nothing(content, tmp_path):
    with pytest.raises(MissingDataError, match="no region"):
        write_tables(replace(content, results=()), tmp_path, Path("out"))
    assert list(tmp_path.iterdir()) == []


def test_columns_of_the_csv_do_not_depend_on_which_region_comes_first(content, tmp_path):
    # the liver has a published range, the remainder has none
    headers = []
    for name, results in (("a", content.results), ("b", content.results[::-1])):
        (tmp_path / name).mkdir()
        write_tables(replace(content, results=results), tmp_path / name, Path("out"))
        with (tmp_path / name / "doses.csv").open(encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {len(rows[0])}
        headers.append(rows[0])
    assert headers[0] == headers[1]


def test_the_pdf_is_dated_by_the_run_so_that_it_can_be_made_again(content, tmp_path):
    dated = replace(content, provenance={"started": "2024-03-12T10:11:12"})
    for name in ("a", "b"):
        write_pdf(dated, {}, tmp_path / f"{name}.pdf")
    made = (tmp_path / "a.pdf").read_bytes()
    assert made == (tmp_path / "b.pdf").read_bytes()
    assert b"D:20240312101112" in made  # date string of ISO 32000-1, 7.9.4


def test_the_caption_speaks_of_ct_only_where_there_is_one(content, sparse):
    assert "over CT" in report_text(content)["captions"]["fused"]
    assert "CT" not in report_text(sparse)["captions"]["fused"]
