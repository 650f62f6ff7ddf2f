"""The ``cycles`` command."""

import json
import math

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

BUDGET = {"calibration": 0.03, "count rate": 0.04, "volume": 0.05, "decay energy": 0.005}
SHARED = ["calibration", "decay energy"]


def region(name="kidney left", dose=4.0, budget=BUDGET, half_life_h=51.0, **changes):
    u = None if budget is None else dose * math.hypot(*budget.values())
    return {
        "region": name, "kind": "organ", "absorbed_dose_Gy": dose, "u_absorbed_dose_Gy": u,
        "effective_half_life_h": half_life_h, "uncertainty_budget": budget or {}, "uncertainty_shared": SHARED,
    } | changes  # fmt: skip


def dose_json(path, regions, *, time=None, subject="patient A", sensitivity=9.3, schema="lutetia dose 1"):
    document = {
        "schema": schema,
        "subject": subject,
        "administration": {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE", "activity_MBq": 7400.0, "time": time},
        "calibration": {"sensitivity_cps_per_MBq": sensitivity, "sensitivity_relative_uncertainty": 0.03},
        "regions": regions,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")
    return str(path)


@pytest.fixture
def four(tmp_path):
    days = ("2026-01-05", "2026-03-02", "2026-04-27", "2026-06-22")  # eight weeks apart
    return [
        dose_json(
            tmp_path / str(i) / "dose.json",
            [region(dose=4.0 - 0.2 * i), region("lesion 1", 40.0 / (i + 1))],
            time=f"{day}T10:00:00",
        )
        for i, day in enumerate(days)
    ]


def run(*words):
    found = CliRunner().invoke(application, ["cycles", *map(str, words), "--json"])
    return found.exit_code, json.loads(found.stdout)


def test_sum_of_four_cycles_with_what_they_share(four):
    code, document = run(*four)
    assert code == 0
    kidney = document["regions"][0]
    doses = [4.0, 3.8, 3.6, 3.4]
    assert [c["absorbed_dose_Gy"] for c in kidney["cycles"]] == pytest.approx(doses)
    assert kidney["absorbed_dose_Gy"] == pytest.approx(sum(doses))
    # closed form: calibration, energy and the outline's rule whole, counts by the root of the squares
    whole = math.hypot(0.03, 0.005, 0.05) * sum(doses)
    assert kidney["u_absorbed_dose_Gy"] == pytest.approx(math.hypot(whole, *(0.04 * d for d in doses)))
    assert kidney["u_by_source_Gy"]["kidney left: volume"] == pytest.approx(0.05 * sum(doses))
    assert document["interval_h"] == [1344.0] * 3
    assert document["activity_MBq"] == 4 * 7400
    assert document["warnings"] == []
    assert document["schema"] == "lutetia cycles 1"


def test_another_calibration_is_independent(tmp_path):
    files = [
        dose_json(tmp_path / f"{s}.json", [region(budget={"calibration": 0.03})], sensitivity=s) for s in (9.0, 9.5)
    ]
    _, document = run(*files, "--interval-h", 1344)
    assert document["regions"][0]["u_absorbed_dose_Gy"] == pytest.approx(0.03 * 4 * math.sqrt(2))
    assert "different calibrations" in document["warnings"][0]


def test_short_intervals_warn_of_what_is_left(four):
    _, document = run(*four[:2], "--interval-h", 72)
    # closed form 2^(-72/51) = 0.376
    assert "kidney left: 38% of cycle 1 is left when cycle 2 begins, 72 h later" in document["warnings"][0]


def test_unknown_stays_unknown(tmp_path, four):
    unknown = dose_json(tmp_path / "u.json", [region(budget=None)], time="2026-09-01T10:00:00")
    _, document = run(four[0], unknown)
    kidney, lesion = document["regions"]
    assert kidney["absorbed_dose_Gy"] == pytest.approx(8.0)
    assert kidney["u_absorbed_dose_Gy"] is None
    assert lesion["absorbed_dose_Gy"] is None
    assert lesion["cycles"][1] is None
    assert "lesion 1: only in cycle 1, so no sum is given." in document["warnings"]


def test_what_is_assumed_is_told(tmp_path):
    old = region()
    del old["uncertainty_shared"]
    files = [dose_json(tmp_path / f"{i}.json", [old], sensitivity=None) for i in range(2)]
    _, document = run(*files)
    told = " ".join(document["warnings"])
    assert "1344 h (eight weeks) were taken" in told
    assert "does not say which sensitivity" in told
    assert "does not say which errors are shared" in told
    assert document["regions"][0]["u_absorbed_dose_Gy"] == pytest.approx(
        math.hypot(8 * math.hypot(0.03, 0.005, 0.05), 4 * 0.04 * math.sqrt(2))
    )


def test_the_table_names_regions_and_sums(four):
    shown = CliRunner().invoke(application, ["cycles", *four]).stdout
    assert "kidney left" in shown
    assert "14.8 ± " in shown
    assert "…" not in shown  # nothing is cut off at 80 columns
    assert "29600 MBq in 4 cycles" in shown


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"subject": "patient B"}, 2, "different subjects"),
        ({"schema": "lutetia dose 9"}, 3, "schema 'lutetia dose 9'; expected 'lutetia dose 1'"),
        ({"time": "2026-01-05T10:00:00"}, 2, "same administration"),
        ({"time": "2025-01-05T10:00:00"}, 2, "not in the order"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path, four, change, code, words):
    other = dose_json(tmp_path / "other.json", [region()], **({"time": "2026-09-01T10:00:00"} | change))
    status, document = run(four[0], other)
    assert status == code
    assert words in document["error"]["message"]
    assert "patient A" not in document["error"]["message"]


def test_files_that_are_no_dose_json(tmp_path, four):
    empty = tmp_path / "empty.json"
    empty.write_text("{", "utf-8")
    for path, words in ((empty, "not JSON"), (tmp_path / "none.json", "cannot be read")):
        status, document = run(four[0], path)
        assert status == 3
        assert words in document["error"]["message"]
    status, document = run(four[0], four[0])
    assert status == 2
    assert "given twice" in document["error"]["message"]
    assert run(four[0])[0] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"absorbed_dose_Gy": "4"}, "other.json, kidney left: absorbed_dose_Gy is '4'; expected a number from 0"),
        ({"absorbed_dose_Gy": math.nan}, "absorbed_dose_Gy is nan"),
        ({"absorbed_dose_Gy": -4.0}, "absorbed_dose_Gy is -4.0"),
        ({"u_absorbed_dose_Gy": math.inf}, "u_absorbed_dose_Gy is inf"),
        ({"uncertainty_budget": None}, "uncertainty_budget is None; expected an object"),
        ({"uncertainty_budget": {"volume": "a"}}, "other.json, kidney left, uncertainty_budget: volume is 'a'"),
        ({"uncertainty_shared": 3}, "uncertainty_shared is 3"),
        ({"effective_half_life_h": 0}, "effective_half_life_h is 0"),
        ({"region": None}, "other.json, region 1: expected an object with region and kind"),
    ],
)
def test_regions_that_cannot_be_are_told_by_file_region_and_key(tmp_path, four, change, words):
    other = dose_json(tmp_path / "other.json", [region() | change], time="2026-09-01T10:00:00")
    status, document = run(four[0], other)
    assert (status, words in document["error"]["message"]) == (2, True), document


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": "yesterday"}, "other.json, administration: time is 'yesterday'; expected a date and time"),
        ({"time": "2026-09-01T10:00:00+02:00"}, "time zone"),
        ({"activity_MBq": None}, "activity_MBq is None"),
        ({"nuclide": None}, "administration has no nuclide"),
    ],
)
def test_administrations_that_cannot_be(tmp_path, four, change, words):
    path = tmp_path / "other.json"
    dose_json(path, [region()], time="2026-09-01T10:00:00")
    document = json.loads(path.read_text("utf-8"))
    document["administration"] |= change
    path.write_text(json.dumps(document), "utf-8")
    status, found = run(four[0], path)
    assert (status, words in found["error"]["message"]) == (2, True), found


def test_a_region_that_is_there_twice_is_refused(tmp_path, four):
    other = dose_json(tmp_path / "other.json", [region(), region(dose=3.0)], time="2026-09-01T10:00:00")
    status, document = run(four[0], other)
    assert status == 2
    assert "other.json: kidney left is there twice" in document["error"]["message"]


@pytest.mark.parametrize("given", [["0"], ["-5"], ["nan"], ["inf"], ["1000", "1000"]])
def test_impossible_intervals(four, given):
    words = [word for value in given for word in ("--interval-h", value)]
    status, document = run(*four, *words)
    assert status == 2
    assert "expected one interval for all, or 3, each above 0" in document["error"]["message"]
