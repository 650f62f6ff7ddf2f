"""The next cycle's activity by the command line, from dose.json of cycles and from numbers."""

import json
import math

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

BUDGET = {"calibration": 0.04, "count rate": 0.03, "volume": 0.05}


def dose_json(folder, number, kidneys, *, marrow=0.3, agent="177Lu-DOTATATE", nuclide="Lu-177", budget=BUDGET):
    def region(name, dose):
        u = None if budget is None else dose * math.hypot(*budget.values())
        return {
            "region": name, "kind": "organ", "absorbed_dose_Gy": dose, "u_absorbed_dose_Gy": u,
            "effective_half_life_h": 50.0, "uncertainty_budget": budget or {}, "uncertainty_shared": ["calibration"],
        }  # fmt: skip

    document = {
        "schema": "lutetia dose 1",
        "subject": "patient A",
        "administration": {
            "nuclide": nuclide, "agent": agent, "activity_MBq": 7400.0, "time": f"2026-0{number}-05T10:00:00",
        },
        "calibration": {"sensitivity_cps_per_MBq": 9.3},
        "regions": [
            region("kidney left", kidneys[0]), region("kidney right", kidneys[1]), region("red marrow", marrow),
        ],
    }  # fmt: skip
    path = folder / f"cycle{number}.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.fixture
def three(tmp_path):
    return [dose_json(tmp_path, n, kidneys) for n, kidneys in ((1, (4.4, 5.0)), (3, (4.6, 5.1)), (5, (4.5, 5.2)))]


def test_fourth_cycle_from_the_files_of_three(lutetia, three, tmp_path):
    figure = tmp_path / "plan.png"
    code, document, _ = lutetia(
        "plan", *three, "--strategy", "tailored-4th", "--limit", "kidney-23Gy", "--limit", "marrow-2Gy", "--scans", 3,
        "--protocol", "bordet-phase-3", "--plot", figure,
    )  # fmt: skip
    assert code == 0
    left, right, marrow = document["limits"]
    assert [row["organ"] for row in (left, right, marrow)] == ["kidney left", "kidney right", "red marrow"]
    # calibration and the outline whole, counts by the root: the sum of the right kidney is 15.3 Gy
    doses = (5.0, 5.1, 5.2)
    u = math.hypot(math.hypot(0.04, 0.05) * 15.3, *(0.03 * dose for dose in doses))
    assert (right["so_far_Gy"], right["u_so_far_Gy"]) == pytest.approx((15.3, u))
    assert right["prediction"]["Gy_per_GBq"] == pytest.approx(5.2 / 7.4)
    assert right["prediction"]["u_relative"] == pytest.approx(0.13)
    # (23 - 15.3)/(5.2/7.4)
    assert right["allows_by_estimate_GBq"] == pytest.approx(7.7 * 7.4 / 5.2)
    assert right["allows_GBq"] < left["allows_GBq"]
    assert document["action"] == "reduce"
    assert document["activity_GBq"] == right["allows_GBq"]
    assert right["probability_exceeded"] == pytest.approx(0.05, abs=1e-6)
    assert not marrow["decides"]
    assert (document["cycle"], document["given_GBq"]) == (4, pytest.approx(22.2))
    assert "Research use only" in document["note"]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_higher_probability_never_gives_less(lutetia, three):
    words = ("plan", *three, "--strategy", "tailored-4th", "--probability")
    given = [lutetia(*words, percent)[1]["limits"][1]["allows_GBq"] for percent in ("1%", "5%", "20%")]
    assert given == sorted(given)


def test_numbers_in_place_of_files(lutetia):
    code, document, _ = lutetia(
        "plan", "--strategy", "tailored-4th", "--dose-Gy", "kidney=6.1,6.2,6.2", "--activity-GBq", "7.4,7.4,7.4",
        "--Gy-per-GBq", "kidney=0.64",
    )  # fmt: skip
    assert code == 0
    # spec: 7.03 GBq after 18.5 Gy at 0.64 Gy/GBq
    assert document["action"] == "reduce"
    assert document["activity_GBq"] == pytest.approx(7.03125)
    assert document["limits"][0]["probability_exceeded"] is None
    assert any("may be one half" in text for text in document["warnings"])
    assert any("marrow-2Gy was not judged" in text for text in document["warnings"])


def test_bed_needs_a_half_life(lutetia):
    words = ("plan", "--dose-Gy", "kidney=4.736,4.736", "--Gy-per-GBq", "kidney=0.64", "--limit", "kidney-BED-28Gy")
    code, document, _ = lutetia(*words)
    assert (code, document["error"]["kind"]) == (3, "MissingDataError")
    assert "--half-life-h" in document["error"]["message"]
    code, document, _ = lutetia(*words, "--half-life-h", "kidney=50")
    assert code == 0
    assert document["limits"][0]["so_far_Gy"] == pytest.approx(2 * 5.1935, abs=2e-4)  # spec/clinical 3.2


def test_first_cycle_by_renal_function(lutetia):
    code, document, _ = lutetia("plan", "--strategy", "danish")
    assert (code, document["error"]["kind"]) == (3, "MissingDataError")
    assert "--prior sood2026" in document["error"]["message"]
    code, document, _ = lutetia(
        "plan", "--strategy", "p-prrt", "--prior", "sood2026", "--clearance-mL-min", 50, "--linear"
    )
    assert code == 0
    # 5 Gy at 6.363 Gy per 7.4 GBq
    assert document["wanted_GBq"] == pytest.approx(7.4 * 5 / 6.363, rel=1e-3)


def test_doses_of_another_agent_count_but_do_not_predict(lutetia, tmp_path):
    files = [
        dose_json(tmp_path, 1, (9.0, 9.0), agent="90Y-DOTATOC", nuclide="Y-90"), dose_json(tmp_path, 3, (4.0, 4.2)),
    ]  # fmt: skip
    code, document, _ = lutetia("plan", *files, "--strategy", "fixed-until-limit")
    assert code == 0
    assert document["limits"][1]["so_far_Gy"] == pytest.approx(13.2)
    assert document["limits"][1]["prediction"]["Gy_per_GBq"] == pytest.approx(4.2 / 7.4)
    assert any("without weights of their radiation" in text for text in document["warnings"])


def test_unknown_uncertainty_and_a_wanted_probability(lutetia, tmp_path):
    path = dose_json(tmp_path, 1, (4.0, 4.2), budget=None)
    assert lutetia("plan", path)[0] == 0
    code, document, _ = lutetia("plan", path, "--probability", "5%")
    assert code == 3
    assert "uncertainty of a dose is not known" in document["error"]["message"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--strategy", "feeling"), 2, "there are fixed"),
        (("--limit", "knee-9Gy"), 2, "No limit 'knee-9Gy'"),
        (("--limit", "kidney-9"), 2, "No limit 'kidney-9'; there are kidney-23Gy"),
        (("--protocol", "bi213-dotatoc"), 3, "an individual activity without a number"),
        (("--probability", "0.05"), 2, "per cent with their sign"),
        (("--probability", "60%"), 2, "at most 50 %"),
        (("--dose-Gy", "kidney"), 2, "for example kidney=4.7"),
        (("--dose-Gy", "kidney=a"), 2, "numbers with commas"),
        (("--dose-Gy", "kidney=4", "--dose-Gy", "kidneys=4"), 2, "given twice"),
        (("--dose-Gy", "kidney=4,5", "--dose-Gy", "liver=4"), 2, "expected 2, one for each cycle"),
        (("--dose-Gy", "kidney=4,5", "--activity-GBq", "7.4"), 2, "expected 2, one for each cycle"),
        (("--prior", "sood2026"), 2, "go together"),
        (("--prior", "other", "--clearance-mL-min", "50"), 2, "expected sood2026"),
        (("--protocol", "nobody"), 9, "No protocol 'nobody'"),
        (("--plot", "plan.txt"), 2, "expected a file that ends"),
        (("missing.json",), 3, "cannot be read"),
    ],
)
def test_what_goes_wrong(lutetia, words, status, message):
    code, document, _ = lutetia("plan", "--Gy-per-GBq", "kidney=0.6", "--u-percent", "13", *words)
    assert code == status
    assert message in document["error"]["message"]


def test_words(three):
    found = CliRunner().invoke(application, ["plan", *map(str, three), "--strategy", "tailored-4th"])
    assert found.exit_code == 0
    assert "It does not decide" in " ".join(found.stdout.split())
    assert "Research use only" in found.stdout
