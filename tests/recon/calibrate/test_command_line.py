"""A department calibrates its camera from the command line."""

import json
import math
from datetime import date

import numpy as np
import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.images.calibration import measured_rate
from lutetia.physics.nuclides import nuclide
from lutetia.recon.calibrate.in_force import factor_in_force, recovery_in_force
from lutetia.recon.calibrate.record import read_record

WHERE = ["--camera", "Camera 1", "--collimator", "MEGP", "--nuclide", "Lu-177"]
WINDOW = ["--window-keV", "187.2", "228.8"]
SOURCE = ["--activity-MBq", "100", "--activity-at", "2026-03-02T12:00", "--activity-uncertainty-percent", "2"]
SOURCE += ["--meter", "Meter A", "--clock-uncertainty-s", "30"]
DATED = ["--date", "2026-03-02T12:00"]


@pytest.fixture
def calibrate():
    """Call ``lutetia calibrate``: exit code, standard output (a document under --json), messages."""

    def call(*arguments, as_json=True):
        given = ["calibrate", *map(str, arguments), *(["--json"] if as_json else [])]
        result = CliRunner().invoke(application, given, terminal_width=200)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, json.loads(result.stdout) if as_json else result.stdout, result.stderr

    return call


@pytest.fixture
def record(tmp_path):
    return tmp_path / "camera1.json"


def _rates(path):
    time_h = np.arange(8) * 24.0
    true = 2.5e5 * np.exp(-nuclide("Lu-177").decay_constant_per_s * time_h * 3600)
    lines = [f"{t},{r},60" for t, r in zip(time_h, measured_rate(true, 1.1e-6), strict=True)]
    path.write_text("\n".join(["time_h,rate_cps,duration_s", *lines]), "utf-8")
    return path


def _spheres(path):
    lines = [f"{d},{1 / (1 + (2 / (math.pi / 6 * d**3 / 1000)) ** 0.9)},0.02" for d in (10, 13, 17, 22, 28, 37)]
    path.write_text("\n".join(["diameter_mm,measured_over_true,u", *lines]), "utf-8")
    return path


def test_a_camera_is_calibrated_and_its_factor_found(calibrate, record, tmp_path, write_static):
    keep = ["--record", record, "--by", "physicist A"]
    image, empty = write_static([[300_000], [8000], [2000]]), write_static([[3000], [900], [700]], "empty.dcm")
    code, first, _ = calibrate("planar", image, "--background", empty, *WHERE, *SOURCE, *keep)
    assert code == 0
    assert first["entry"] == "0001"
    assert first["drift"] is None
    assert first["measurement"]["window_keV"] == [187.2, 228.8]
    assert first["measurement"]["sensitivity_cps_per_MBq"] == pytest.approx(
        9.6, rel=0.02
    )  # 297000/300/100 less scatter
    code, curve, _ = calibrate(
        "dead-time", _rates(tmp_path / "rates.csv"), *WHERE, *DATED, "--window-keV", 50, 400, *keep
    )
    assert code == 0
    assert curve["measurement"]["dead_time_us"] == pytest.approx(1.1, rel=1e-4)
    code, _, _ = calibrate("recovery", _spheres(tmp_path / "spheres.csv"), *WHERE, *WINDOW, *DATED, *keep)
    assert code == 0
    later = [
        "--activity-MBq",
        "100",
        "--activity-at",
        "2026-05-02T12:00",
        *SOURCE[4:],
        "--date",
        "2026-05-02T12:00",
    ]
    code, drifted, _ = calibrate("planar", "--counts", 270_000, "--duration-s", 300, *WHERE, *WINDOW, *later, *keep)
    assert code == 0
    assert drifted["drift"]["earlier"] == "0001"
    assert drifted["drift"]["z"] < -3
    assert any("before the cause is known" in w for w in drifted["warnings"])
    code, shown, _ = calibrate("show", record, *WHERE, *WINDOW, "--at", "2026-04-01")
    assert [e["number"] for e in shown["entries"]] == ["0001", "0002", "0003", "0004"]
    assert shown["in_force"]["entries"] == ["0001"]
    assert shown["in_force"]["dead_time_us"] == pytest.approx(1.1, rel=1e-4)
    wanted = {"nuclide": "Lu-177", "collimator": "MEGP", "window_mev": (0.1872, 0.2288), "at": date(2026, 4, 1)}
    held = factor_in_force(read_record(record), **wanted).calibration
    assert held.sensitivity_cps_per_bq * 1e6 == pytest.approx(shown["in_force"]["sensitivity_cps_per_MBq"])
    assert recovery_in_force(read_record(record), **wanted).recovery(2.0)[0] == pytest.approx(0.5, rel=1e-3)


def test_a_phantom_is_reconstructed(calibrate, phantom, record):
    folder, volume_ml = phantom
    source = ["--activity-MBq", "400", *SOURCE[2:], "--nuclide", "Lu-177"]
    code, document, _ = calibrate(
        "tomographic", folder / "tomo.dcm", "--ct", folder / "ct", "--collimator", "GE-Discovery-670-MEGP",
        *source, "--phantom-mL", volume_ml, "--phantom-uncertainty-percent", 0.3, "--subsets", 4, "--record", record,
        "--by", "A",
    )  # fmt: skip
    assert code == 0
    measured = document["measurement"]
    assert measured["sensitivity_cps_per_MBq"] == pytest.approx(9.0, rel=0.04)  # simulated; see test_from_images
    assert measured["collimator"] == "GE-Discovery-670-MEGP"
    assert set(measured["budget_percent"]) == {
        "counting",
        "activity",
        "clocks",
        "scatter correction",
        "phantom volume",
    }
    code, text, _ = calibrate("show", record, as_json=False)
    assert code == 0
    assert "0001" in text


def test_tables_are_shown(calibrate, record, tmp_path, write_static):
    keep = ["--record", record, "--by", "physicist A"]
    _, text, _ = calibrate("planar", write_static([[300_000, 290_000]]), *WHERE, *SOURCE, *keep, as_json=False)
    assert "sensitivity of one head / cps/MBq" in text
    assert "head 2 / cps/MBq" in text
    assert "as entry 0001" in " ".join(text.split())
    assert "warning: No background was measured" in text
    rates, spheres = _rates(tmp_path / "rates.csv"), _spheres(tmp_path / "spheres.csv")
    _, text, _ = calibrate("dead-time", rates, *WHERE, *WINDOW, *DATED, *keep, as_json=False)
    assert "dead time / us" in text
    _, text, _ = calibrate("recovery", spheres, *WHERE, *WINDOW, *DATED, as_json=False)
    assert "alpha / mL" in text
    assert "Kept nowhere" in text
    calibrate("recovery", spheres, *WHERE, *WINDOW, *DATED, "--reconstruction", "OSEM 6 x 6", *keep)
    _, text, _ = calibrate("show", record, *WHERE, *WINDOW, "--at", "2026-03-05", as_json=False)
    assert "In force: 9.8" in text  # (300000 + 290000)/2/300/100
    calibrate("planar", write_static([[299_000, 290_000]]), *WHERE, *SOURCE, *keep, "--supersedes", "0001")
    _, text, _ = calibrate("show", record, as_json=False)
    shown = " ".join(text.replace("│", " ").split())
    assert "corrected" in shown
    assert "1.1 ±" in shown  # us
    assert "6 spheres" in shown


def test_numbers_of_two_heads(calibrate):
    numbers = ["--counts", 600_000, "--duration-s", 300, "--heads", 2]
    code, document, _ = calibrate("planar", *numbers, *WHERE, *WINDOW, *DATED, *SOURCE)
    assert code == 0
    decay = nuclide("Lu-177").decay_constant_per_s
    assert document["measurement"]["sensitivity_cps_per_MBq"] == pytest.approx(10.0 * (1 + 150 * decay), rel=1e-6)
    background = ["--background-counts", 6000, "--background-duration-s", 600, "--photopeak-keV", 208.4]
    _, less, _ = calibrate("planar", *numbers, *background, "--depth-mm", 3, *WHERE, *WINDOW, *DATED, *SOURCE)
    depth = less["measurement"]["budget_percent"]["attenuation in the source"] * 4 / 100  # a quarter is assumed
    assert less["measurement"]["sensitivity_cps_per_MBq"] == pytest.approx(
        (10.0 - 0.05) * (1 + 150 * decay) * (1 + depth), rel=1e-6
    )


def test_dead_time_by_activities_and_by_two_sources(calibrate, tmp_path):
    table = tmp_path / "activities.csv"
    rows = [f"{a},{float(measured_rate(a * 120.0, 1.1e-6))},10" for a in (20, 200, 800, 1600)]
    table.write_text("\n".join(["activity_MBq,rate_cps,u_rate_cps", *rows]), "utf-8")
    where = [*WHERE, *WINDOW, *DATED]
    assert calibrate("dead-time", table, *where)[1]["measurement"]["dead_time_us"] == pytest.approx(1.1, rel=1e-4)
    rates = [float(measured_rate(n, 1.1e-6)) for n in (6e4, 5e4, 1.1e5)]
    code, document, _ = calibrate("dead-time", *where, "--two-sources-cps", *rates, "--duration-s", 600)
    assert code == 0
    assert document["measurement"]["dead_time_us"] == pytest.approx(1.1, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["planar", *WHERE, *SOURCE, *DATED], 3, "Give either a static NM image, or --counts"),
        (["planar", *WHERE, *SOURCE, *DATED, "--counts", 5], 3, "Counts need their duration"),
        (["planar", *WHERE, *SOURCE, *DATED, "--counts", 5, "--duration-s", 9], 3, "--window-keV"),
        (["planar", *WHERE, *SOURCE, *WINDOW, "--counts", 5, "--duration-s", 9], 3, "time of the measurement"),
        (["planar", *WHERE[2:], *SOURCE, *WINDOW, *DATED, "--counts", 5, "--duration-s", 9], 3, "--camera"),
        (["dead-time", *WHERE, *WINDOW, *DATED], 3, "a table of count rates, or --two-sources-cps"),
        (["dead-time", *WHERE, *WINDOW, *DATED, "--two-sources-cps", 5, 5, 9], 3, "rates needs their duration"),
        (["recovery", "none.csv", *WHERE, *WINDOW, *DATED], 3, "cannot be read"),
        (["show", "none.json"], 3, "none.json cannot be read"),
    ],
)
def test_what_is_missing_is_asked_for(calibrate, arguments, code, message):
    got, document, _ = calibrate(*arguments)
    assert got == code
    assert message in document["error"]["message"]


def test_a_record_is_looked_at_before_anything_is_measured(calibrate, tmp_path, record):
    code, document, _ = calibrate("planar", "none.dcm", *WHERE, *SOURCE, "--record", record)
    assert (code, "--by" in document["error"]["message"]) == (3, True)
    record.write_text("{}", "utf-8")
    code, document, _ = calibrate("planar", "none.dcm", *WHERE, *SOURCE, "--record", record, "--by", "A")
    assert (code, "no calibration record" in document["error"]["message"]) == (2, True)
    assert record.read_text("utf-8") == "{}"


def test_another_nuclide_is_refused_by_name(calibrate, record, write_static):
    calibrate("planar", write_static([[300_000]]), *WHERE, *SOURCE, "--record", record, "--by", "A")
    wrong = ["--camera", "Camera 1", "--collimator", "MEGP", "--nuclide", "I-131", "--window-keV", 328, 400]
    code, document, _ = calibrate("show", record, *wrong, "--at", "2026-03-05")
    assert code == 3
    assert "for Camera 1, MEGP, I-131, 328.0-400.0 keV; it holds 0001" in document["error"]["message"]
    code, document, _ = calibrate("show", record, "--nuclide", "Lu-177")
    assert (code, "needs --nuclide" in document["error"]["message"]) == (3, True)
    code, document, _ = calibrate("show", record, *WHERE, *WINDOW, "--at", "in spring")
    assert (code, "--at: 'in spring'" in document["error"]["message"]) == (2, True)
