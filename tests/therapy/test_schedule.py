"""Windows, washout, laboratory, the day of a cycle, and calendars, by the shipped protocols."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lutetia.errors import InputError, MissingDataError, ProtocolError
from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.chronicle import Chronicle, Given, Measured, Timed, findings_of
from lutetia.therapy.facts import Fact
from lutetia.therapy.protocols import read_protocol
from lutetia.therapy.schedule import (
    Entry,
    calendar_text,
    check_day,
    cycle_windows,
    day_orders,
    earliest_date,
    lab_plan,
    washout_dates,
)

LABEL = read_protocol("us-label")
START = date(2026, 1, 5)
ONE = Chronicle(administrations=(Given(date=START, activity_bq=7.4e9),))


def after(days):
    return START + timedelta(days=days)


@pytest.mark.parametrize(
    ("protocol", "earliest", "due", "latest", "extended"),
    [
        ("us-label", 49, 56, 63, 112),  # 8 weeks, give or take 1, up to 16 (spec/clinical.md X4)
        ("bordet-phase-3", 49, 56, 63, None),  # 8 weeks, give or take 1 (E06)
        ("application-note", 56, 56, 70, 112),  # 8 to 10 weeks, up to 16 (A24)
    ],
)
def test_windows(protocol, earliest, due, latest, extended):
    windows = cycle_windows(read_protocol(protocol), ONE, after(1))
    first = windows[0]
    assert [window.cycle for window in windows] == [2, 3, 4]
    assert [window.planned for window in windows] == [False, True, True]
    assert (first.earliest, first.due, first.latest) == (after(earliest), after(due), after(latest))
    if extended:
        # by both readings: since the administration, and since the due day
        assert (first.extended_from_last, first.extended_from_due) == (after(extended), after(due + extended))
    assert windows[1].due == after(2 * due)


def test_both_readings_of_the_stop():
    first = cycle_windows(LABEL, ONE, after(1))[0]
    assert (first.stops_from_last, first.stops_from_due) == (after(112), after(56 + 112))


def test_no_windows():
    assert cycle_windows(LABEL, Chronicle(), START) == ()
    four = Chronicle(administrations=tuple(Given(date=after(56 * i), activity_bq=7.4e9) for i in range(4)))
    assert cycle_windows(LABEL, four, after(400)) == ()
    with pytest.raises(MissingDataError, match="states no interval between cycles"):
        cycle_windows(replace(LABEL, interval=None), ONE, START)


def medicated(**last):
    return replace(ONE, facts={name: (Fact(value=True, date=when),) for name, when in last.items()})


def test_washout():
    noon = datetime(2026, 3, 1, 12)
    course = medicated(long_acting_ssa=date(2026, 2, 10), short_acting_ssa=noon)
    long, short = washout_dates(LABEL, course, date(2026, 3, 1))
    # 4 weeks after 10 February is 10 March (28 days in February 2026); 24 h after noon
    assert (long.earliest, long.least) == (date(2026, 3, 10), "4 weeks")
    assert (short.earliest, short.last) == (noon + timedelta(hours=24), noon)
    windows = cycle_windows(LABEL, course, date(2026, 3, 1))
    # the window opens on 23 February; the long-acting analogue decides
    assert earliest_date(windows, (long, short)) == date(2026, 3, 10)
    assert earliest_date((), ()) is None


def test_washout_of_a_day_counts_to_its_end_and_the_unknown_stays_unknown():
    course = medicated(short_acting_ssa=date(2026, 3, 1))
    long, short = washout_dates(LABEL, course, date(2026, 3, 1))
    assert short.earliest == datetime(2026, 3, 3)
    assert (long.noted, long.earliest) == (False, None)
    # the sister trial of NCT01860742 asks for 48 h (A20)
    assert washout_dates(read_protocol("bordet-phase-3"), course, date(2026, 3, 1))[1].earliest == datetime(
        2026, 3, 4
    )


def lab(test, days, value, unit):
    when = after(days)
    return Measured(
        date=when,
        result=LabResult(test=test, time=datetime(when.year, when.month, when.day), value=value, unit=unit),
    )


COUNTS = [
    ("haemoglobin", 13, "g/dL"),
    ("leukocytes", 5, "10^9/L"),
    ("neutrophils", 3, "10^9/L"),
    ("platelets", 200, "10^9/L"),
]
RENAL = [("creatinine", 0.8, "mg/dL"), ("creatinine clearance", 90, "mL/min")]


def plan(course, days, protocol="application-note"):
    rules = read_protocol(protocol)
    return lab_plan(rules, course, findings_of(course, rules.ctcae_version), after(days))


def test_weekly_then_monthly_and_what_is_overdue():
    # weekly for the first month after each cycle, then monthly (A26)
    assert next((one.due - START).days for one in plan(ONE, 0)) == 7
    weekly = [one.due for one in plan(ONE, 60) if (one.due - START).days % 7 == 0 and one.due <= after(28)]
    assert weekly == [after(7), after(14), after(21), after(28)]
    monthly = [one.due for one in plan(ONE, 60) if one.due.day == START.day]
    assert monthly == [date(2026, 2, 5), date(2026, 3, 5), date(2026, 4, 5)]
    full = tuple(lab(name, 8, value, unit) for name, value, unit in COUNTS + RENAL)
    course = replace(ONE, labs=full)
    states = [one.status for one in plan(course, 16)][:3]
    # day 8 counts for day 7; that of day 14 is overdue on day 16; day 21 opens on day 18
    assert states == ["measured", "overdue", "planned"]
    part = replace(ONE, labs=full[:-1])
    assert plan(part, 9)[0].missing == ("creatinine_clearance",)
    assert next(one.status for one in plan(part, 9)) == "overdue"
    assert next(one.status for one in plan(part, 30)) == "missed"


def test_before_each_and_after_the_course():
    # EU: within 2 to 4 weeks before each; due on day 56: 28 to 42, overdue until the administration
    (before,) = [one for one in plan(ONE, 30, "eu-smpc") if one.visit == "before cycle 2"]
    assert (before.opens, before.due, before.closes, before.status) == (after(28), after(42), after(56), "due")
    four = Chronicle(administrations=tuple(Given(date=after(56 * i), activity_bq=7.4e9) for i in range(4)))
    course = [one.due for one in plan(four, 168 + 100, "eu-smpc") if one.visit == "after the course"]
    # every 4 weeks for 3 months after the last (day 168)
    assert course[:3] == [after(168 + 28), after(168 + 56), after(168 + 84)]
    assert not [one for one in plan(ONE, 500, "eu-smpc") if one.visit == "after the course"]


def test_order_set_of_the_label():
    agent = datetime(2026, 3, 2, 10)
    orders = {order.event: order for order in day_orders(LABEL, agent, 1800)}
    # antiemetic 30 min before the amino acids, these 30 min before the agent and 3 h after, observation 2 h,
    # long-acting octreotide 4 to 24 h after (spec/clinical.md 2.1)
    assert orders["antiemetic"].start == datetime(2026, 3, 2, 9, 0)
    assert orders["amino-acids"].start == datetime(2026, 3, 2, 9, 30)
    assert orders["agent"].end_latest == datetime(2026, 3, 2, 10, 30)
    assert orders["amino-acids-go-on"].end_earliest == datetime(2026, 3, 2, 13, 30)
    assert orders["observation"].end_earliest == datetime(2026, 3, 2, 12, 30)
    octreotide = orders["long-acting-octreotide"]
    assert (octreotide.start, octreotide.latest) == (datetime(2026, 3, 2, 14, 30), datetime(2026, 3, 3, 10, 30))
    assert all(order.source for order in orders.values())
    # the note states 30 min for the agent itself (A23)
    note = {order.event: order for order in day_orders(read_protocol("application-note"), agent)}
    assert note["agent"].end_latest == datetime(2026, 3, 2, 10, 30)
    assert (note["amino-acids"].earliest, note["amino-acids"].end_earliest) == (
        datetime(2026, 3, 2, 9, 0),
        datetime(2026, 3, 2, 13, 30),
    )


def test_order_set_refusals():
    agent = datetime(2026, 3, 2, 10)
    with pytest.raises(MissingDataError, match="does not state how long agent lasts, from which amino-acids-go-on"):
        day_orders(LABEL, agent)
    with pytest.raises(MissingDataError, match="states nothing of the day of a cycle"):
        day_orders(read_protocol("netter-1"), agent)
    with pytest.raises(InputError, match="expected more than 0"):
        day_orders(LABEL, agent, 0)
    first, second = LABEL.cycle_day[:2]
    loop = replace(LABEL, cycle_day=(first, replace(second, relative_to="antiemetic_start")))
    with pytest.raises(ProtocolError, match="antiemetic, amino-acids wait for each other"):
        day_orders(loop, agent)


def timed(event, start, end=None):
    day = datetime(2026, 3, 2)
    minutes = [None if at is None else day + timedelta(minutes=at) for at in (start, end)]
    return Timed(cycle=1, event=event, start=minutes[0], end=minutes[1])


def checks(protocol, *given):
    return {(one.event, one.of): one for one in check_day(read_protocol(protocol), given)}


@pytest.mark.parametrize(
    ("before", "lasted", "start", "duration"),
    [  # amino acids 60 to 30 min before the agent, at least 4 h (A22)
        (60, 240, "as stated", "as stated"),
        (30, 240, "as stated", "as stated"),
        (29, 240, "deviates", "as stated"),
        (61, 240, "deviates", "as stated"),
        (45, 239, "as stated", "deviates"),
    ],
)
def test_what_was_given(before, lasted, start, duration):
    found = checks(
        "application-note",
        timed("agent", 600, 630),
        timed("amino-acids", 600 - before, 600 - before + lasted),
    )
    assert found["amino-acids", "start"].status == start
    assert found["amino-acids", "start"].found == f"-{before} min"
    assert found["amino-acids", "start"].expected == "-60 to -30 min of the start of agent"
    assert found["amino-acids", "duration"].status == duration
    assert found["observation", "start"].status == "not noted"


def test_tolerance_is_the_protocols():
    given = timed("agent", 600, 630), timed("amino-acids", 565, 800), timed("antiemetic", 535)
    # 35 min before the agent where 30 are stated without tolerance: told, not judged
    assert checks("us-label", *given)["amino-acids", "start"].status == "not judged"
    assert checks("us-label", *given)["antiemetic", "start"].status == "as stated"
    event = next(event for event in LABEL.cycle_day if event.event == "amino-acids")
    for tolerance_s, status in ((300.0, "as stated"), (240.0, "deviates")):
        rules = replace(LABEL, cycle_day=(replace(event, tolerance_s=tolerance_s),))
        assert check_day(rules, given[:2])[0].status == status


def test_what_was_given_refusals():
    with pytest.raises(InputError, match="no event 'lunch' on the day of us-label; there are agent, amino-acids"):
        check_day(LABEL, [timed("lunch", 720)])
    with pytest.raises(InputError, match="agent of cycle 1 stands there twice"):
        check_day(LABEL, [timed("agent", 600), timed("agent", 610)])


def parsed(text):
    """Properties of each event, unfolded and unescaped, by the grammar of RFC 5545, 3.1."""
    assert text.endswith("\r\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    lines = text.replace("\r\n ", "").split("\r\n")[:-1]
    assert (lines[0], lines[1], lines[-1]) == ("BEGIN:VCALENDAR", "VERSION:2.0", "END:VCALENDAR")
    events = []
    for line in lines:
        name, value = line.split(":", 1)
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and not line.startswith("END"):
            assert name not in events[-1]
            events[-1][name] = re.sub(r"\\([\\;,nN])", lambda match: "\n" if match[1] in "nN" else match[1], value)
    return events


def test_calendar_is_read_back():
    entries = [
        Entry(
            summary="Cycle 2 due; call, then write\\plan", description="à " * 60 + "\nend", start=date(2026, 3, 2)
        ),
        Entry(summary="agent", description="", start=datetime(2026, 3, 2, 10), end=datetime(2026, 3, 2, 10, 30)),
    ]
    stamp = datetime(2026, 1, 1, 8, tzinfo=UTC)
    day, moment = parsed(calendar_text(entries, stamp=stamp, key="a"))
    assert day["SUMMARY"] == entries[0].summary
    assert day["DESCRIPTION"] == entries[0].description
    # the end of a day is the next one (RFC 5545, 3.6.1)
    assert (day["DTSTART;VALUE=DATE"], day["DTEND;VALUE=DATE"]) == ("20260302", "20260303")
    # floating: neither Z nor TZID
    assert (moment["DTSTART"], moment["DTEND"]) == ("20260302T100000", "20260302T103000")
    assert day["DTSTAMP"] == "20260101T080000Z"
    assert day["UID"] != moment["UID"]
    other = parsed(calendar_text(entries, stamp=stamp, key="b"))
    assert other[0]["UID"] != day["UID"]
    assert parsed(calendar_text(entries, stamp=stamp, key="a"))[0]["UID"] == day["UID"]
