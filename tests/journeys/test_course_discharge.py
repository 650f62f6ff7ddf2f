"""A patient goes home by what the course says: the sheet of a cycle from the store."""

import json
import math

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

HALF_LIFE_H = 6.6443 * 24  # Lu-177, as the package has it; see tests/physics
CYCLE_1 = (
    "administration", "cycle=1", "agent=177Lu-DOTATATE", "nuclide=Lu-177", "start=2026-01-05T10:00",
    "stop=2026-01-05T10:30",
    "measured_activity_MBq=7450", "measured_at=2026-01-05T10:00", "residual_activity_MBq=50",
    "residual_measured_at=2026-01-05T10:00",
)  # fmt: skip
CYCLE_2 = (
    "administration", "cycle=2", "agent=177Lu-DOTATATE", "nuclide=Lu-177", "start=2026-03-02T14:15",
    "measured_activity_MBq=7400", "measured_at=2026-03-02T14:15",
)  # fmt: skip


@pytest.fixture
def course(lutetia, tmp_path, monkeypatch):
    """``lutetia course ... --json`` of a course with one cycle: (exit code, document, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "nurse")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)

    def call(*words):
        return lutetia("course", *words)

    assert call("new", "P-001", "--sex", "female", "--born", "1961-05-02")[0] == 0
    assert call("add", "P-001", *CYCLE_1)[0] == 0
    return call


def note(course, value, time, distance="1", unit="µSv/h"):
    code, document, _ = course(
        "add",
        "P-001",
        "observation",
        f"name=dose rate {distance} m",
        f"value={value}",
        f"unit={unit}",
        f"time={time}",
    )
    assert code == 0
    return document


def sheet(course, *words):
    code, document, messages = course("discharge", "P-001", *words)
    assert code == 0, messages
    return document


def test_without_measurements_nothing_is_taken_as_excreted(course):
    document = sheet(course)
    assert (document["cycle"], document["activity_MBq"]) == (1, 7400.0)  # 7450 less 50 left
    assert (document["nuclide"], document["agent"]) == ("Lu-177", "177Lu-DOTATATE")
    assert document["administered_at_h"] == 10.0
    assert (document["retention"]["name"], document["measurements"]) == ("physical", [])
    told = " ".join(document["warnings"])
    assert "No dose rate was noted after cycle 1" in told
    assert "most cautious" in told
    assert "Research use only" in document["note"]


def test_one_dose_rate_is_passed_through(course, tmp_path):
    assert note(course, 8, "2026-01-06T10:00", "2", "uSv/h")["warnings"] == []
    document = sheet(course, "--retention", "dotatate-label", "--country", "US", "--plot", tmp_path / "rate.png")
    (seen,) = document["measurements"]
    assert (seen["time_h"], seen["distance_m"], seen["uSv_h"]) == (24.0, 2.0, pytest.approx(8))
    at_24_h = next(row for row in document["course"] if row["time_h"] == 24)
    assert at_24_h["dose_rate_1_m_uSv_h"] == pytest.approx(8 * 2**1.5)  # by the distance's power 1.5
    assert [limit["place"] for limit in document["limits"]] == ["US", "US"]
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")


def test_several_dose_rates_are_a_curve(course):
    hours = (1, 4, 20, 44, 68)
    biological_h = 60.0
    rate = math.log(2) / HALF_LIFE_H + math.log(2) / biological_h
    for hour in hours:
        day, clock = divmod(10 + hour, 24)
        note(course, f"{20 * math.exp(-rate * hour):.6f}", f"2026-01-0{5 + day}T{clock:02d}:00")
    document = sheet(course, "--retention", "measured", "--u-dose-rate-percent", 5)
    assert document["caution"] is None
    assert document["retention"]["source"] == "measured"
    assert document["dose_rate"]["at_0_h_uSv_h"] == pytest.approx(20, rel=1e-3)
    for row in document["course"][:6]:
        expected = 20 * math.exp(-rate * row["time_h"])
        # the values were written with six decimals; the fit finds the exact exponential
        assert row["dose_rate_1_m_uSv_h"] == pytest.approx(expected, rel=1e-3)


def test_dose_rates_that_rise_are_not_a_curve(course):
    for day, value in ((6, 10), (7, 30), (8, 25)):
        note(course, value, f"2026-01-0{day}T10:00")
    document = sheet(course, "--retention", "measured")
    assert "they rise" in document["caution"]
    # physical decay from the highest, 30 after 48 h
    assert document["dose_rate"]["at_0_h_uSv_h"] == pytest.approx(30 * 2 ** (48 / HALF_LIFE_H), rel=1e-4)


def test_a_dose_rate_that_cannot_be_withholds_the_verdict(course):
    note(course, 80, "2026-01-05T14:00")
    document = sheet(course, "--country", "US")
    # 80 / 46.5 corrected for 4 h of decay; nothing is taken as excreted
    assert "above an unattenuated source of the activity given: 1.75 times" in document["caution"]
    assert all(limit["withheld"] and limit["exceeded"] is None for limit in document["limits"])
    printed = CliRunner().invoke(application, ["course", "discharge", "P-001", "--country", "US"]).stdout
    assert printed.startswith("CAUTION:")


def test_each_cycle_has_its_measurements(course):
    note(course, 12, "2026-01-06T10:00")
    assert course("add", "P-001", *CYCLE_2)[0] == 0
    note(course, 20, "2026-03-02T16:15")
    note(course, 0, "2026-03-09T16:15")
    last = sheet(course)
    assert (last["cycle"], last["administered"], last["administered_at_h"]) == (2, "2026-03-02T14:15:00", 14.25)
    assert [seen["uSv_h"] for seen in last["measurements"]] == [pytest.approx(20)]
    assert last["treatments_per_year"] == 2
    told = " ".join(last["warnings"])
    for words in ("residual was not measured", "2 cycles were given in the year", "of 0, below what a meter shows"):
        assert words in told
    first = sheet(course, "--cycle", 1)
    assert [seen["uSv_h"] for seen in first["measurements"]] == [pytest.approx(12)]
    assert first["treatments_per_year"] == 1
    assert sheet(course, "--as-of", "2026-02-01")["cycle"] == 1
    assert sheet(course, "--treatments-per-year", 4)["treatments_per_year"] == 4


def test_what_is_measured_while_it_runs_in_is_left_out(course):
    note(course, 5, "2026-01-05T10:10")
    document = sheet(course)
    assert document["measurements"] == []
    assert "1 dose rate(s) before the administration ended left out." in document["warnings"]


def test_dose_rates_of_a_day_promise_nothing_of_the_week(course):
    """Two early points would fit a half-life of half a day; what is left afterwards is slow."""
    note(course, 20, "2026-01-05T11:00")
    note(course, 8, "2026-01-06T10:00")
    document = sheet(course)
    assert document["retention"]["name"] == "physical"
    # through the first: decay-corrected it is the higher one
    assert document["dose_rate"]["at_0_h_uSv_h"] == pytest.approx(20 * 2 ** (1 / HALF_LIFE_H), rel=1e-4)
    assert any("highest, decay-corrected, decides" in told for told in document["warnings"])
    fitted = sheet(course, "--retention", "measured")
    assert fitted["course"][-1]["dose_rate_1_m_uSv_h"] < document["course"][-1]["dose_rate_1_m_uSv_h"] / 100


def test_with_a_profile_the_last_dose_rate_decides(course):
    note(course, 20, "2026-01-05T12:00")
    note(course, 7, "2026-01-06T10:00")
    document = sheet(course, "--retention", "dotatate-label")
    at_24_h = next(row for row in document["course"] if row["time_h"] == 24)
    assert at_24_h["dose_rate_1_m_uSv_h"] == pytest.approx(7)
    assert any("Of 2 dose rates the last decides" in told for told in document["warnings"])


def test_the_waste_is_what_was_left(course):
    document = sheet(course, "--clearance-kBq", 1, "--residual-impurity-percent", 0.3)
    assert document["waste"]["activity_MBq"] == 50
    assert sheet(course, "--clearance-kBq", 1, "--residual-MBq", 100)["waste"]["activity_MBq"] == 100


def test_as_people_read_it(course):
    note(course, 20, "2026-01-05T12:00")
    result = CliRunner().invoke(application, ["course", "discharge", "P-001"], env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.stderr
    for words in (
        "P-001: cycle 1 of 2026-01-05 10:00; measured: 20 µSv/h at 1 m after 2.0 h",
        "Discharge sheet",
        "sleeping with another person",
        "Research use only",
    ):
        assert words in result.stdout


WRONG = [
    (("--cycle", 3), 3, "--cycle 3: not in the course"),
    (("--as-of", "2026-01-01"), 3, "administration: none up to 2026-01-01"),
    (("--cycle", 2), 3, "administration.measured_activity_MBq: not measured in cycle 2"),
    (("--cycle", 1, "--u-dose-rate-percent", -1), 2, "--u-dose-rate-percent -1; expected 0 or more"),
    (("--cycle", 1, "--distance-exponent", 0), 2, "--distance-exponent 0; expected above 0"),
    (("--cycle", 1, "--retention", "measured"), 3, "--retention measured: 0 dose rate(s) after cycle 1"),
    (("--cycle", 1, "--retention", "guess"), 3, "No retention profile 'guess'"),
    (("--cycle", 1, "--country", "Atlantis"), 3, "No release limits of 'Atlantis'"),
    (("--cycle", 1, "--plot", "rate.gif"), 2, "expected a file that ends in .png"),
]


@pytest.mark.parametrize(("words", "code", "message"), WRONG, ids=[message[:40] for _, _, message in WRONG])
def test_what_goes_wrong_is_told(course, words, code, message):
    assert course("add", "P-001", *CYCLE_2[:-2], "prescribed_activity_MBq=7400")[0] == 0
    found, document, messages = course("discharge", "P-001", *words)
    assert found == code, document
    assert message in document["error"]["message"]
    assert message in messages


NOTED = [
    (("name=dose rate", "value=5", "unit=µSv/h", "time=2026-01-06T10:00"), "observation.name: a dose rate needs its"),
    (("name=dose rate 0 m", "value=5", "unit=µSv/h", "time=2026-01-06T10:00"), "observation.name: a dose rate needs"),
    (("name=dose rate 1 m", "value=5", "unit=mSv/a", "time=2026-01-06T10:00"), "observation.unit: unknown unit of a dose"),
    (("name=dose rate 1 m", "value=5", "time=2026-01-06T10:00"), "observation.unit: unknown unit of a dose rate"),
    (("name=Dose rate 1 m", "value=5", "unit=µSv/h", "time=2026-01-06"), "observation.time: missing or not a date"),
    (("name=dose rate 1 m", "value=high", "unit=µSv/h", "time=2026-01-06T10:00"), "observation.value: missing or not a"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), NOTED, ids=[str(i) for i in range(len(NOTED))])
def test_a_dose_rate_of_no_place_or_time_is_refused(course, words, message):
    code, document, _ = course("add", "P-001", "observation", *words)
    assert code == 2
    assert document["error"]["message"].startswith(message)


def test_the_answer_is_a_pure_function_of_the_course(course, tmp_path):
    from lutetia.app.cli.course.asked import loaded
    from lutetia.app.cli.course.protection import discharge_answer
    from lutetia.app.cli.discharge import Circumstances

    note(course, 20, "2026-01-05T12:00")
    found = loaded(str(tmp_path / "courses.sqlite"), "P-001", as_of="2026-02-01")
    document = discharge_answer(found, 1, Circumstances(country="US"))
    assert document == sheet(course, "--as-of", "2026-02-01", "--country", "US")
    assert json.loads(json.dumps(document)) == document


def test_a_timeline_shows_what_is_to_come(course):
    assert course("timeline", "P-001")[1]["to_come"] == []
    assert course("add", "P-001", "enrolment", "protocol=us-label", "date=2026-01-05")[0] == 0
    document = course("timeline", "P-001", "--as-of", "2026-01-06")[1]
    (cycle,) = [row for row in document["to_come"] if row["what"].startswith("cycle")]
    # 8 weeks after 5 January, the interval of the label
    assert (cycle["date"], cycle["what"][:11]) == ("2026-03-02", "cycle 2 due")
    assert cycle["source"]
    assert any(row["what"].startswith("laboratory before cycle 2") for row in document["to_come"])
    assert [row["date"] for row in document["to_come"]] == sorted(row["date"] for row in document["to_come"])
    taken = (
        "medication",
        "name=octreotide LAR",
        "drug_class=long-acting SSA",
        "start=2026-01-06",
        "end=2026-01-10",
    )
    assert course("add", "P-001", *taken)[0] == 0
    (washout,) = [
        row
        for row in course("timeline", "P-001", "--as-of", "2026-01-12")[1]["to_come"]
        if "washed out" in row["what"]
    ]
    # 4 weeks after the last day
    assert (washout["date"], washout["what"]) == (
        "2026-02-07",
        "long_acting_ssa washed out (4 weeks since 2026-01-10)",
    )
    # of a day in the past the records say what came
    assert course("add", "P-001", *CYCLE_2)[0] == 0
    assert course("timeline", "P-001", "--as-of", "2026-01-12")[1]["to_come"] == []
    printed = CliRunner().invoke(application, ["course", "timeline", "P-001"], env={"COLUMNS": "160"}).stdout
    assert "To come" in printed
    assert "cycle 3 due" in printed


def test_a_timeline_without_a_protocol_that_can_be_read(course):
    assert course("add", "P-001", "enrolment", "protocol=ours", "date=2026-01-05")[0] == 0
    document = course("timeline", "P-001")[1]
    assert (document["to_come"], len(document["timeline"])) == ([], 2)
    (told,) = document["warnings"]
    assert "cannot be told: enrolment.protocol: " in told
