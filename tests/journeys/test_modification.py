"""A course by the command line: what toxicity does to it and when things are due, then what goes wrong."""

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

COURSE = """\
birth_date: 1960-05-02
administrations:
  - {date: 2026-01-05T10:00, activity_MBq: 7400}
  - {date: 2026-03-02T10:00, activity_MBq: 7360}
labs:
  - {test: platelets, date: 2025-12-29, value: 210, unit: 10^9/L, lower_limit: 150}
  - {test: PLT, date: 2026-04-20, value: 60, unit: 10^9/L, lower_limit: 150}
medications:
  - {item: long_acting_ssa, date: 2026-04-10}
  - {item: short_acting_ssa, date: 2026-04-25T08:00}
events:
  - {item: grade_other_non_haematological, date: 2026-04-20, value: 1}
days:
  - {cycle: 2, event: agent, start: 2026-03-02T10:00, end: 2026-03-02T10:30}
  - {cycle: 2, event: observation, start: 2026-03-02T10:30, end: 2026-03-02T12:00}
"""
LABEL = ("--protocol", "us-label")


@pytest.fixture
def course(tmp_path):
    path = tmp_path / "course.yaml"
    path.write_text(COURSE, "utf-8")
    return path


def test_held_by_platelets(lutetia, course):
    code, document, _ = lutetia("modification", course, *LABEL, "--as-of", "2026-04-27")
    assert code == 0
    assert (document["state"], document["activity_MBq"]) == ("HELD", None)
    # 112 days after 2 March
    assert (document["held_by"], document["stops_on"]) == (["thrombocytopenia"], "2026-06-22")
    assert document["steps"][-1]["found"] == "platelets 60 10^9/L of 2026-04-20, grade 2"
    assert all(step["source"] for step in document["steps"])
    assert "Research use only" in document["note"]
    assert "1960" not in str(document)
    _, due, _ = lutetia("modification", course, *LABEL, "--as-of", "2026-04-27", "--delay-from", "due_date")
    assert (due["stops_on"], due["delay_counted_from"]) == ("2026-08-17", "due_date")


def test_resumed_at_half(lutetia, course):
    better = "  - {test: platelets, date: 2026-05-11, value: 90, unit: 10^9/L, lower_limit: 150}\nmedications:"
    course.write_text(COURSE.replace("medications:", better), "utf-8")
    _, document, _ = lutetia("modification", course, *LABEL, "--as-of", "2026-05-12")
    assert (document["state"], document["activity_MBq"]) == ("REDUCED", 3700)
    _, plan, _ = lutetia("schedule", course, *LABEL, "--as-of", "2026-05-12")
    # 28 days after 10 April
    assert (plan["state"], plan["earliest"]) == ("REDUCED", "2026-05-08")


def test_schedule_and_calendar(lutetia, course, tmp_path):
    early = ("--as-of", "2026-04-01", "--start", "2026-04-27T10:00", "--agent-minutes", "30")
    ics = tmp_path / "course.ics"
    code, document, _ = lutetia("schedule", course, *LABEL, *early, "--ics", ics)
    assert code == 0
    assert [window["due"] for window in document["cycles"]] == ["2026-04-27", "2026-06-22"]
    assert document["cycles"][0]["extended_from_due"] == "2026-08-17"
    assert document["order_set"][0]["start"] == "2026-04-27T09:00:00"
    assert any("long_acting_ssa" in text for text in document["warnings"])
    (short,) = [
        check
        for check in document["days"][0]["checks"]
        if (check["event"], check["of"]) == ("observation", "duration")
    ]
    assert (short["status"], short["found"]) == ("deviates", "90 min")
    text = ics.read_bytes().decode()
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert "SUMMARY:Cycle 3 due" in text
    assert "1960" not in text
    code, refused, _ = lutetia("schedule", course, *LABEL, *early, "--ics", ics)
    assert code != 0
    assert "not written (FileExistsError)" in refused["error"]["message"]


def test_what_is_held_has_no_date(lutetia, course, tmp_path):
    ics = tmp_path / "held.ics"
    _, document, _ = lutetia("schedule", course, *LABEL, "--as-of", "2026-04-27", "--ics", ics)
    assert (document["state"], document["earliest"]) == ("HELD", None)
    assert "Cycle" not in ics.read_text("utf-8")
    _, document, _ = lutetia("schedule", course, *LABEL, "--as-of", "2026-06-22")
    assert (document["state"], document["cycles"]) == ("STOPPED", [])


def test_text_output(course):
    for command in ("modification", "schedule"):
        result = CliRunner().invoke(application, [command, str(course), *LABEL, "--as-of", "2026-04-27"])
        assert result.exit_code == 0
        assert "HELD" in result.stdout
        assert "Research use only" in result.stdout


def test_every_protocol_has_an_answer(lutetia, course):
    _, listed, _ = lutetia("protocols")
    course.write_text(COURSE.split("days:")[0], "utf-8")
    for line in listed["protocols"]:
        for command in ("modification", "schedule"):
            assert lutetia(command, course, "--protocol", line["id"], "--as-of", "2026-04-27")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "activity_MBq: 7360",
            "activity_GBq: 7.36",
            "line 4, administrations[1].activity_GBq: unknown; expected date",
        ),
        (
            "activity_MBq: 7360",
            "activity_MBq: -1",
            "line 4, administrations[1].activity_MBq: -1; expected more than 0",
        ),
        (
            "2026-03-02T10:00, activity",
            "2999-03-02, activity",
            "line 4, administrations[1].date: 2999-03-02 is in the",
        ),
        ("value: 60, unit: 10^9/L", "value: 60, unit: g/dL", "line 7, labs[1]: "),
        ("date: 2025-12-29", "date: 1959-12-29", "line 6, labs[0].date: the date is before birth"),
        (
            "long_acting_ssa",
            "long_acting_sst",
            "line 9, medications[0].item: no medication 'long_acting_sst'; is it long",
        ),
        ("value: 1}", "value: 7}", "line 12, events[0]: 7"),
        ("T12:00}", "T10:00}", "line 15, days[1].end: 2026-03-02 10:00:00 is before the start"),
        ("labs:", "labors:", "line 5, labors: unknown; expected birth_date, administrations"),
        ("2026-03-02T10:00, a", "soon, a", "line 4, administrations[1].date: 'soon'; expected a date"),
    ],
)
def test_what_goes_wrong(lutetia, course, old, new, message):
    course.write_text(COURSE.replace(old, new, 1), "utf-8")
    code, document, _ = lutetia("modification", course, *LABEL, "--as-of", "2026-04-27")
    assert code == 2
    assert message in document["error"]["message"]


@pytest.mark.parametrize("start", ["2026-04-27", "ten", "2026-04-27T10:00Z"])
def test_a_start_needs_its_time(lutetia, course, start):
    code, document, _ = lutetia("schedule", course, *LABEL, "--start", start)
    assert code == 2
    assert "2026-03-02T10:00" in document["error"]["message"]
