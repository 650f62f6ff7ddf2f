"""Time-integrated activity of numbers from elsewhere, by the command line: good ways first, then what goes wrong."""

import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

HALF_LIFE_H = 6.647 * 24
TIMES_H = (4.0, 24.0, 72.0, 168.0)


def rows(region, activity_mbq, times_h=TIMES_H, relative=0.05):
    return [f"{region},{t:g},{activity_mbq(t):.10g},{relative * activity_mbq(t):.10g}" for t in times_h]


def washout(amplitude_mbq, effective_half_life_h):
    return lambda t: amplitude_mbq * 2 ** (-t / effective_half_life_h)


@pytest.fixture
def table(tmp_path):
    def write(*lines, heading="region,time_h,activity_MBq,u_MBq"):
        path = tmp_path / "curves.csv"
        path.write_text("\n".join([heading, *lines]) + "\n")
        return path

    return write


@pytest.fixture
def kidney(table):
    return table(*rows("kidney left", washout(100, 51.6)))


def test_a_curve_without_noise_is_recovered(lutetia, kidney, tmp_path):
    picture = tmp_path / "curves.png"
    code, document, _ = lutetia("fit", kidney, "--nuclide", "Lu-177", "--activity-MBq", 7400, "--plot", picture)
    assert code == 0
    row = document["curves"][0]
    expected = 100 * 51.6 / math.log(2)
    assert row["time_integrated_activity_MBq_h"] == pytest.approx(expected, rel=1e-6)
    assert row["effective_half_life_h"] == pytest.approx(51.6, rel=1e-6)
    assert row["parameters"]["amplitude_MBq"] == pytest.approx(100, rel=1e-6)
    assert row["parameters"]["rate_per_h"] == pytest.approx(math.log(2) / 51.6, rel=1e-6)
    assert row["extrapolated_fraction"] == pytest.approx(2 ** (-168 / 51.6), rel=1e-6)
    assert row["time_integrated_activity_coefficient_h"] == pytest.approx(expected / 7400, rel=1e-6)
    low, high = row["interval_95_MBq_h"]
    assert low < expected < high
    assert row["u_time_integrated_activity_MBq_h"] > 0
    assert {"model", "aicc", "warnings", "candidates", "points"} <= set(row)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_model_by_name(lutetia, table):
    times = (1.0, 4.0, 24.0, 48.0, 96.0, 168.0, 240.0)
    path = table(*rows("liver", lambda t: 80 * 2 ** (-t / 60) + 30 * 2 ** (-t / 8), times))
    for model in ("auto", "average", "mono", "bi", "trapezoid"):
        code, document, errors = lutetia("fit", path, "--nuclide", "Lu-177", "--model", model)
        assert code == 0, errors
        exact = (80 * 60 + 30 * 8) / math.log(2)
        limit = {"mono": 0.1, "trapezoid": 0.2, "average": 1e-3}.get(model, 1e-6)
        assert document["curves"][0]["time_integrated_activity_MBq_h"] == pytest.approx(exact, rel=limit), model


def test_one_scan_by_four_methods(lutetia, kidney, tmp_path):
    _, first, _ = lutetia("fit", kidney, "--nuclide", "Lu-177")
    earlier = tmp_path / "cycle1.json"
    earlier.write_text(json.dumps(first))
    exact = 100 * 51.6 / math.log(2)
    one = ("fit", kidney, "--nuclide", "Lu-177", "--scan-h", 72)
    found = {
        "haenscheid2018": lutetia(*one, "--method", "haenscheid2018"),
        "madsen2018": lutetia(*one, "--method", "madsen2018", "--effective-half-life-h", 51.6),
        "known": lutetia(*one, "--method", "known", "--earlier", earlier),
        "known half-life": lutetia(*one, "--method", "known", "--effective-half-life-h", 51.6),
        "population": lutetia(*one, "--method", "population", "--agent", "177Lu-DOTATATE"),
    }
    x = 72 / 51.6
    ratio = {"haenscheid2018": 2 * x * 2**-x}  # closed form: ratio to a mono-exponential truth
    for method, (code, document, errors) in found.items():
        assert code == 0, (method, errors)
        row = document["curves"][0]
        # the population's median is 51.6 h, and its log-normal spread moves the mean by less than 2 %
        limit = 0.03 if method == "population" else 1e-6
        assert row["time_integrated_activity_MBq_h"] / exact == pytest.approx(ratio.get(method, 1), rel=limit), (
            method
        )
        low, high = row["interval_95_MBq_h"]
        assert low < exact < high, method


def test_in_words(kidney):
    result = CliRunner().invoke(application, ["fit", str(kidney), "--nuclide", "Lu-177"])
    assert result.exit_code == 0
    assert "kidney left" in result.stdout
    assert "51.6" in result.stdout
    assert "Research use only" in result.stdout


def test_zeros_and_rising_curves_say_what_was_done(lutetia, table):
    path = table(*rows("kidney left", washout(100, 51.6), (4, 24, 72)), "kidney left,168,0,1",
                 *rows("lesion 1", lambda t: 10 * (1 - np.exp(-t / 300))))  # fmt: skip
    code, document, errors = lutetia("fit", path, "--nuclide", "Lu-177")
    assert code == 0, errors
    assert document["curves"][1]["warnings"]


LONG_LIVED = ["liver,24,10,1"], ("--method", "madsen2018", "--effective-half-life-h", "1000")


@pytest.mark.parametrize(
    ("lines", "options", "code", "message"),
    [
        (
            rows("liver", washout(10, 60), (4, 24)),
            ("--model", "bi"),
            6,
            "liver: the bi-exponential fit has 4 parameters",
        ),
        (
            rows("liver", washout(10, 60), (4,)),
            ("--model", "mono"),
            6,
            "liver: the mono-exponential fit has 2 param",
        ),
        (["liver,24,nan,1"], (), 2, "line 2, column activity_MBq"),
        (["liver,-2,10,1"], (), 2, "after it"),
        (["liver,24,-10,1"], (), 2, "an activity is not negative"),
        (["liver,24,10,1", "liver,24,9,1"], (), 2, "lines 2 and 3: liver has two activities at 24 h"),
        (["liver,24,0,1", "liver,48,0,1"], (), 6, "no activity at any time"),
        (rows("liver", washout(10, 60)), ("--model", "spline"), 2, "Model 'spline'"),
        (rows("liver", washout(10, 60)), ("--method", "haenscheid2018"), 6, "takes one time point"),
        (rows("liver", washout(10, 60)), ("--scan-h", "30"), 6, "no scan at 30 h; there are 4, 24, 72, 168 h"),
        (rows("liver", washout(10, 60), (24,)), ("--method", "known"), 3, "needs this region's kinetics"),
        (rows("liver", washout(10, 60), (24,)), ("--method", "population"), 3, "no population is known"),
        (rows("liver", washout(10, 60)), ("--method", "known", "--model", "mono"), 2, "one of them"),
        (["liver,24,1e200,1"], (), 2, "line 2, column activity_MBq: '1e200'; expected at most 1e+12"),
        (rows("liver", washout(10, 60)), ("--activity-MBq", "-5"), 2, "--activity-MBq -5 MBq; expected above 0"),
        (rows("liver", washout(10, 60)), ("--activity-MBq", "inf"), 2, "--activity-MBq inf MBq"),
        (*LONG_LIVED, 2, "half-life of 1000 h was given; expected above 0 and at most the physical one of Lu-177"),
        (*LONG_LIVED[:1], (*LONG_LIVED[1][:3], "nan"), 2, "--effective-half-life-h nan h"),
        (*LONG_LIVED[:1], (*LONG_LIVED[1][:2], "--half-life-sd-percent", "inf"), 2, "--half-life-sd-percent inf"),
    ],
)
def test_refused(lutetia, table, lines, options, code, message):
    found, document, errors = lutetia("fit", table(*lines), "--nuclide", "Lu-177", *options)
    assert found == code
    assert message in document["error"]["message"]
    assert message in errors


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[1]", "earlier.json: not the JSON of lutetia fit"),
        ('[{"amplitude_MBq": 10, "rate_per_h": 0}]', "earlier.json, kidney left: exponentials"),
        ('[{"amplitude_MBq": 10, "rate_per_h": -0.01}]', "rates above 0"),
        ('[{"amplitude_MBq": NaN, "rate_per_h": 0.01}]', "finite amplitudes"),
    ],
)
def test_kinetics_of_an_earlier_cycle_that_cannot_be(lutetia, kidney, tmp_path, rows, words):
    curve = (
        f'{{"region": "kidney left", "model": "x", "time_integrated_activity_MBq_h": 1, "exponentials": {rows}}}'
    )
    earlier = tmp_path / "earlier.json"
    earlier.write_text(f'{{"curves": [{rows[1:-1] if rows == "[1]" else curve}]}}')
    one = ("fit", kidney, "--nuclide", "Lu-177", "--scan-h", 72, "--method", "known", "--earlier", earlier)
    code, document, _ = lutetia(*one)
    assert (code, words in document["error"]["message"]) == (2, True), document


def test_no_region_holds_more_than_was_given(lutetia, table):
    path = table(*rows("liver", washout(9000, 60)))
    code, document, _ = lutetia("fit", path, "--nuclide", "Lu-177", "--activity-MBq", 5000)
    assert code == 6
    # 9000 * 2^(-4/60) and 5000 * 2^(-4/159.5)
    assert "liver (4 h) shows 8594 MBq where at most 4914 MBq" in document["error"]["message"]
    code, document, _ = lutetia("fit", path, "--nuclide", "Lu-177", "--activity-MBq", 7400)
    assert code == 0  # within the tolerance of calibrations, and the field's own coefficient says so
    assert document["curves"][0]["time_integrated_activity_coefficient_h"] == pytest.approx(
        9000 / 7400 * 60 / math.log(2)
    )


def test_the_administered_activity_reaches_the_population(lutetia, table, tmp_path):
    """A cohort that states it tells how much is taken up: one early scan is bounded from both sides."""
    rng = np.random.default_rng(5)
    lines = []
    for patient in range(12):
        curve = washout(100 * math.exp(0.2 * rng.normal()), 51.6 * math.exp(0.2 * rng.normal()))
        lines += [f"p{patient},kidney,{t:g},{curve(t) * (1 + 0.03 * rng.normal()):.5g},7400" for t in TIMES_H]
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("patient,region,time_h,activity_MBq,administered_MBq\n" + "\n".join(lines) + "\n")
    model = tmp_path / "model.json"
    assert lutetia("population", "fit", cohort, "--nuclide", "Lu-177", "--out", model)[0] == 0
    one = ("fit", table("kidney,4,95,4"), "--nuclide", "Lu-177", "--method", "population", "--population", model)
    _, free, _ = lutetia(*one)
    _, known, _ = lutetia(*one, "--activity-MBq", 7400)
    _, half, _ = lutetia(*one, "--activity-MBq", 14800)
    key = "time_integrated_activity_MBq_h"
    # twice the administered activity for the same kidney: a patient who takes up little, as the cohort does not
    assert half["curves"][0][key] != pytest.approx(known["curves"][0][key], rel=1e-3)
    assert known["curves"][0]["u_" + key] <= 1.02 * free["curves"][0]["u_" + key]


def test_a_plot_is_not_replaced(lutetia, kidney, tmp_path):
    there = tmp_path / "curves.png"
    there.write_text("mine")
    code, document, _ = lutetia("fit", kidney, "--nuclide", "Lu-177", "--plot", there)
    assert code == 10
    assert there.read_text() == "mine"
    assert "exists" in document["error"]["message"]
    code, document, _ = lutetia("fit", kidney, "--nuclide", "Lu-177", "--plot", tmp_path / "curves.gif")
    assert code == 2
