"""The dose report: pictures, HTML, PDF, tables."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lutetia.app.report.colours import colours_of, line_styles_of
from lutetia.app.report.content import RESEARCH_USE
from lutetia.app.report.figures import all_figures
from lutetia.app.report.html import write_html
from lutetia.app.report.pdf import write_pdf
from lutetia.app.report.planes import body_box, coronal_projection, cut, cut_labels, plane_points
from lutetia.app.report.slices import round_below, shortened
from lutetia.app.report.tables import write_tables
from lutetia.app.report.text import number, report_text, with_uncertainty
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

NAMES = ["fused", "mip", "doses", "curves", "dvh", "budget"]


@pytest.fixture(scope="module")
def figures(content):
    return all_figures(content)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


# pictures


def assert_drawn(pictures):
    assert list(pictures) == NAMES
    for name, data in pictures.items():
        image = pixels(data)
        height, width, _ = image.shape
        assert width == 1296, name  # 7.2 inch at 180 dpi
        assert height <= 1.45 * width, name  # fits on A4 with its caption
        assert image.std() > 3, name


def test_figures_of_a_whole_report(figures):
    assert_drawn(figures)


def test_figures_of_one_scan_without_ct(sparse):
    assert_drawn(all_figures(sparse))


def test_figures_of_thirty_regions_and_six_scans(crowded):
    assert_drawn(all_figures(crowded))


def test_no_figure_is_cut_off(figures):
    """The outermost pixels are background."""
    for name, data in figures.items():
        image = pixels(data)
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert edge.min() > 250, name


def test_figures_are_deterministic(sparse):
    assert all_figures(sparse) == all_figures(sparse)


def test_colours_and_styles_name_a_region_together(crowded):
    colours, styles = colours_of(crowded), line_styles_of(crowded)
    assert len({(colours[r.region], styles[r.region]) for r in crowded.results}) == len(crowded.results)


# cuts: where the patient's sides are

UPRIGHT = Grid(size=(12, 10, 8), spacing_mm=(4.0, 5.0, 6.0), origin_mm=(-22.0, -22.5, -21.0))
QUARTER_TURN = Grid(
    size=(10, 12, 8),
    spacing_mm=(5.0, 4.0, 6.0),
    origin_mm=(22.0, -22.5, 21.0),
    directions=((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
)
GRIDS = pytest.mark.parametrize("grid", [UPRIGHT, QUARTER_TURN], ids=["upright", "turned"])


def coordinate(grid: Grid, axis: int) -> Volume:
    """An image whose value is where it is. [mm]"""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    position = grid.position_mm(np.stack((i, j, k), axis=-1).astype(float))
    return Volume(grid=grid, values=position[..., axis].astype(np.float32), unit="1")


@GRIDS
@pytest.mark.parametrize(
    ("view", "axis_right", "axis_down", "sign"),
    [("axial", 0, 1, 1), ("coronal", 0, 2, -1), ("sagittal", 1, 2, -1)],
)  # LPS: x to the patient's left, y to the back, z to the head
def test_cuts_have_the_patients_right_front_and_head_where_the_letters_are(grid, view, axis_right, axis_down, sign):
    box = body_box(None, Volume(grid=grid, values=np.ones(grid.shape, np.float32), unit="1"))
    points = plane_points(box, view, (0.0, 0.0, 0.0))
    across, along = cut(coordinate(grid, axis_right), points), cut(coordinate(grid, axis_down), points)
    inner = np.s_[5:-5, 5:-5]
    assert np.all(np.diff(across[inner], axis=1) > 0)
    assert np.all(np.sign(np.diff(along[inner], axis=0)) == sign)
    # linear interpolation of what is linear is exact, to the rounding of float32
    np.testing.assert_allclose(across[inner], points[inner][..., axis_right], atol=1e-4)


def test_labels_are_cut_where_the_image_is(content):
    box = body_box(content.ct, content.dose)
    points = plane_points(box, "axial", (0.0, 50.0, -25.0))
    labels = cut_labels(content.regions.labels, content.regions.grid, points)
    columns = {
        name: np.argwhere(labels == content.regions.label_of(name))[:, 1].mean()
        for name in ("kidney left", "kidney right")
    }
    assert columns["kidney right"] < labels.shape[1] / 2 < columns["kidney left"]


def test_outside_the_image_is_nothing():
    volume = Volume(grid=UPRIGHT, values=np.full(UPRIGHT.shape, 40, np.float32), unit="HU")
    far = np.array([[[500.0, 0.0, 0.0]]])
    assert cut(volume, far) == -1000
    assert cut_labels(np.ones(UPRIGHT.shape, np.int16), UPRIGHT, far) == 0


def test_the_couch_is_left_out(content):
    ct = content.ct.values.copy()
    ct[:, -2:, :] = 300.0
    assert body_box(content.ct.with_values(ct), content.dose) == body_box(content.ct, content.dose)


@GRIDS
def test_projection_has_the_head_on_top_and_the_right_on_the_left(grid):
    z, edges = coronal_projection(coordinate(grid, 2))
    x, _ = coronal_projection(coordinate(grid, 0))
    assert z[0, 0] == pytest.approx(21.0)  # 8 slices of 6 mm around 0
    assert x[0, 0] == pytest.approx(-22.0)  # 12 columns of 4 mm around 0
    assert edges == pytest.approx((-24.0, 24.0, -24.0, 24.0))


@pytest.mark.parametrize(("value", "rounded"), [(0.0, 0), (7.9, 6), (8.0, 8), (0.0123, 0.01), (99, 80)])
def test_round_below(value, rounded):
    assert round_below(value) == pytest.approx(rounded)


def test_shortened_names_keep_their_numbers():
    assert shortened("liver") == "liver"
    short = shortened("a very long name of a metastasis in segment 12", 20)
    assert len(short) <= 20
    assert short.endswith("ent 12")


# text


@pytest.mark.parametrize(
    ("value", "u", "text"),
    [
        (215616.3, 12937.0, "216000 ± 13000"),
        (3.1, 0.366, "3.10 ± 0.37"),
        (0.21, 0.0248, "0.210 ± 0.025"),
        (3.1, None, "3.10"),
        (3.1, math.nan, "3.10"),
        (math.nan, 0.1, "–"),
        (None, None, "–"),
    ],
)
def test_uncertainties_have_two_digits(value, u, text):
    assert with_uncertainty(value, u) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (math.inf, "–"), (None, "–"), (1234.4, "1234"), (0.4, "0.400")]
)
def test_numbers(value, text):
    assert number(value) == text


def changed(content, **dose):
    """The report with something else in its first dose."""
    first, *others = content.results
    return replace(content, results=(replace(first, dose=replace(first.dose, **dose)), *others))


@pytest.mark.parametrize(("per_gbq", "position"), [(0.1, "below"), (0.4, "within"), (0.7, "above")])
def test_published_range_is_said_in_words(content, per_gbq, position):
    report = changed(content, mean_gy=per_gbq * content.administered_gbq)
    row = report_text(report)["regions"][0]  # liver: 0.23 to 0.62 Gy/GBq
    assert (row["published"], row["position"]) == ("0.23–0.62", position)


def test_difference_from_truth_in_per_cent_and_uncertainties(content):
    row = report_text(changed(content, mean_gy=3.0, standard_uncertainty_gy=0.1))["regions"][0]
    assert row["difference"] == "−6.9 % (2.2 u)"  # truth 3.1 x 1.04 = 3.224 Gy


# HTML


class Page(HTMLParser):
    """Text of a page, and everything that it would load."""

    def __init__(self):
        super().__init__()
        self.text, self.tables, self.loads, self.open = "", 0, [], []

    def handle_starttag(self, tag, attrs):
        self.tables += tag == "table"
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def page_of(content, figures, folder):
    path = folder / "report.html"
    write_html(content, figures, path)
    page = Page()
    page.feed(path.read_text("utf-8"))
    assert page.open == []
    return page


def test_html_says_everything_and_loads_nothing(content, figures, tmp_path):
    page = page_of(content, figures, tmp_path)
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    assert len(page.loads) == len(NAMES)
    source = (tmp_path / "report.html").read_text("utf-8")
    assert source.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?://|@import|url\(", source)
    assert page.text.count(RESEARCH_USE) == 2
    assert "SUBJECT-01" in page.text
    for result in content.results:
        assert result.region in page.text
    for heading in ("Absorbed doses", "Images", "Kinetics", "Uncertainty", "Methods", "Provenance"):
        assert heading in page.text
    assert "INCOMPLETE" not in page.text
    assert not re.search(r"\b(nan|inf|None)\b", page.text, re.IGNORECASE)


def test_html_escapes_what_comes_from_files(content, figures, tmp_path):
    page = page_of(replace(content, subject="<img src=http://a.example/x>"), figures, tmp_path)
    assert "<img src=http://a.example/x>" in page.text
    assert "local deposition <checked>" in page.text


def test_incomplete_report_names_what_is_missing(sparse, tmp_path):
    page = page_of(sparse, {}, tmp_path)
    assert "INCOMPLETE" in page.text
    assert "three or more scans" in page.text
    assert "CT of every scan" in page.text
    assert "truth" not in page.text
    assert "unknown" in page.text  # the uncertainty


def unknown(content):
    """A report where nothing that may be missing or infinite is a number."""
    results = tuple(
        replace(
            r,
            fit=replace(r.fit, extrapolated_fraction=math.nan, effective_half_life_s=math.inf),
            dose=replace(r.dose, mean_gy=0.0, standard_uncertainty_gy=math.nan, cross_checks={"other": math.nan}),
            recovery_coefficients=(math.nan,),
        )
        for r in content.results
    )
    return replace(content, results=results, truth_gy={"liver": 0.0})


def test_no_nan_is_ever_printed(content, tmp_path):
    report = unknown(content)
    figures = all_figures(report)
    page = page_of(report, figures, tmp_path)
    assert not re.search(r"\b(nan|inf|None)\b", page.text, re.IGNORECASE)
    write_pdf(report, figures, tmp_path / "report.pdf")


# PDF


def pages_of(path):
    data = path.read_bytes()
    assert data.startswith(b"%PDF-1.7")
    assert b"pdfaid:part" in data  # PDF/A says so in its metadata
    return max(int(count) for count in re.findall(rb"/Count (\d+)", data))


def test_pdf(content, figures, tmp_path):
    write_pdf(content, figures, tmp_path / "report.pdf")
    assert 3 <= pages_of(tmp_path / "report.pdf") <= 10


def test_pdf_of_thirty_regions(crowded, figures, tmp_path):
    write_pdf(crowded, figures, tmp_path / "report.pdf")
    assert pages_of(tmp_path / "report.pdf") > 3


def test_pdf_takes_signs_of_its_language_as_text(sparse, tmp_path):
    report = replace(sparse, subject='#panic("x") $ * _ @ <a> \\', warnings=("#eval(1) `` // [",))
    write_pdf(report, {}, tmp_path / "report.pdf")
    assert pages_of(tmp_path / "report.pdf") >= 1


# tables

KEYS = {
    "region", "kind", "mass_g", "time_integrated_activity_MBq_h", "u_time_integrated_activity_MBq_h",
    "effective_half_life_h", "extrapolated_fraction", "absorbed_dose_Gy", "u_absorbed_dose_Gy",
    "absorbed_dose_Gy_per_GBq", "method", "volume_mL", "source", "model", "recovery_coefficients",
    "uncertainty_budget", "cross_checks_Gy", "published_range_Gy_per_GBq", "warnings",
}  # fmt: skip


def test_tables(content, tmp_path):
    document = write_tables(content, tmp_path, tmp_path / "out")
    assert json.loads((tmp_path / "dose.json").read_text("utf-8")) == document
    assert [row["region"] for row in document["regions"]] == [r.region for r in content.results]
    assert all(set(row) >= KEYS for row in document["regions"])
    liver = document["regions"][0]
    assert liver["absorbed_dose_Gy_per_GBq"] == pytest.approx(3.1 / 7.4)
    assert liver["effective_half_life_h"] == pytest.approx(68)
    assert liver["truth_Gy"] == pytest.approx(3.1 * 1.04)
    assert liver["published_range_Gy_per_GBq"] == [0.23, 0.62]


def test_tables_hold_finite_numbers_or_nothing(content, tmp_path):
    def no_constant(name):
        raise AssertionError(name)

    write_tables(unknown(content), tmp_path, tmp_path / "out")
    json.loads((tmp_path / "dose.json").read_text("utf-8"), parse_constant=no_constant)


def test_csv_files_have_a_row_per_region_and_scan(content, tmp_path):
    write_tables(content, tmp_path, tmp_path / "out")
    rows = {
        name: list(csv.DictReader((tmp_path / f"{name}.csv").read_text("utf-8").splitlines()))
        for name in ("doses", "curves", "dvh", "uncertainty_budget")
    }
    assert len(rows["doses"]) == len(content.results)
    assert len(rows["curves"]) == sum(r.curve.time_s.size for r in content.results)
    assert float(rows["curves"][0]["time_h"]) == pytest.approx(4.2)
    assert {row["region"] for row in rows["dvh"]} == {r.region for r in content.results} - {"remainder"}
    assert len(rows["uncertainty_budget"]) == 4 * len(content.results)
