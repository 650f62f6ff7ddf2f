"""Biologically effective doses of a run: from the region's own curve, in JSON, HTML and PDF."""

import json
import math
import re
from dataclasses import replace

import pytest

from lutetia.app.report.html import write_html
from lutetia.app.report.pdf import write_pdf
from lutetia.app.report.tables import write_tables
from lutetia.app.report.text import report_text
from lutetia.app.workflow.doses.biology import region_biology

AGENT = "177Lu-DOTATATE"


def with_biology(content):
    results = tuple(
        replace(r, biology=region_biology(r.dose, agent=AGENT, curve=r.curve, fit=r.fit)) for r in content.results
    )
    return replace(content, results=results)


@pytest.fixture(scope="module")
def report(content):
    return with_biology(content)


def biology_of(report, region):
    return next(r.biology for r in report.results if r.region == region)


def test_bed_of_a_kidney(report):
    found = biology_of(report, "kidney left")
    # mono-exponential of 51 h: G = 2.8/53.8; D 4.9 Gy
    g = 2.8 / 53.8
    assert found.bed.g == pytest.approx(g, rel=1e-8)
    assert found.bed.bed_gy == pytest.approx(4.9 + g * 4.9**2 / 2.6)
    assert found.bed.standard_uncertainty_gy == pytest.approx((1 + 2 * g * 4.9 / 2.6) * 0.118 * 4.9)
    assert found.bed.eqd2_gy == pytest.approx(found.bed.bed_gy / (1 + 2 / 2.6))


def test_exponentials_of_a_fit_are_used(content):
    result = next(r for r in content.results if r.region == "kidney left")
    shape = ((0.7, math.log(2) / (8 * 3600)), (0.3, math.log(2) / (60 * 3600)))
    fit = replace(result.fit, exponentials=shape)
    found = region_biology(result.dose, agent=AGENT, curve=result.curve, fit=fit)
    assert found.bed.g == pytest.approx(0.065815, abs=5e-7)  # double sum of 0.7/0.3, 8/60 h


def test_lesions_are_tumours_and_what_has_no_parameters_has_none(report, content):
    lesion = biology_of(report, "lesion 2")
    assert (lesion.bed.alpha_beta_gy, lesion.repair_half_life_s) == (10, 1.5 * 3600)
    assert biology_of(report, "spleen") is None
    assert biology_of(report, "remainder") is None
    result = next(r for r in content.results if r.region == "lesion 2")
    prostate = region_biology(result.dose, agent="177Lu-PSMA-617", curve=result.curve, fit=result.fit)
    assert prostate.bed.alpha_beta_gy == 1.5


def test_unknown_uncertainty_stays_unknown(sparse):
    report = with_biology(sparse)
    assert report.results[0].biology.bed.standard_uncertainty_gy is None


def test_dose_json(report, tmp_path):
    document = write_tables(report, tmp_path, tmp_path / "out")
    assert json.loads((tmp_path / "dose.json").read_text("utf-8")) == document
    rows = {row["region"]: row["biology"] for row in document["regions"]}
    assert rows["spleen"] is None
    assert rows["kidney left"] == {
        "g": pytest.approx(0.052045, abs=5e-7),
        "bed_Gy": pytest.approx(5.3806, abs=5e-5),
        "u_bed_Gy": pytest.approx(0.6916, abs=5e-5),
        "eqd2_Gy": pytest.approx(3.0412, abs=5e-5),
        "alpha_beta_Gy": 2.6,
        "repair_half_life_h": pytest.approx(2.8),
        "source": rows["kidney left"]["source"],
        "verified": True,
    }
    assert "MIRD Pamphlet 20" in rows["kidney left"]["source"]
    assert rows["lesion 1"]["verified"] is False
    assert "biology" not in (tmp_path / "doses.csv").read_text("utf-8").splitlines()[0]


def test_page_and_paper(report, content, tmp_path):
    text = report_text(report)
    assert [row[0] for row in text["biology"]] == [
        "liver", "kidney left", "kidney right", "red marrow", "lesion 1", "lesion 2",
    ]  # fmt: skip
    kidney = text["biology"][1]
    assert kidney[1:7] == ["4.90", "0.0520", "5.38 ± 0.69", "3.04", "2.6", "2.8"]
    source = text["biology_sources"][int(kidney[7]) - 1]
    assert "MIRD Pamphlet 20" in source
    assert any("not verified" in source for source in text["biology_sources"])
    write_html(report, {}, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Biologically effective dose" in page
    assert "5.38 ± 0.69" in page
    write_html(content, {}, tmp_path / "without.html")
    assert "Biologically effective dose" not in (tmp_path / "without.html").read_text("utf-8")
    write_pdf(report, {}, tmp_path / "report.pdf")
    assert re.search(rb"%PDF-1.7", (tmp_path / "report.pdf").read_bytes()[:20])
