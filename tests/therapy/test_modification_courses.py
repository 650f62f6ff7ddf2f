"""Random courses: whatever is measured, given and waited for, the bounds of the protocol hold."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.chronicle import Chronicle, Given, Measured, findings_of
from lutetia.therapy.facts import Fact
from lutetia.therapy.modification import modification_state
from lutetia.therapy.protocols import read_protocol
from lutetia.therapy.schedule import cycle_windows, lab_plan

LEVELS = {None, 3.7e9, 7.4e9}
TESTS = {
    "platelets": ("10^9/L", 5, 400, 150),
    "haemoglobin": ("g/dL", 5, 17, 12),
    "neutrophils": ("10^9/L", 0.1, 9, 1.8),
    "lymphocytes": ("10^9/L", 0.1, 4, 1.0),
    "creatinine": ("mg/dL", 0.5, 4, None),
    "creatinine clearance": ("mL/min", 15, 130, None),
    "bilirubin": ("µmol/L", 3, 200, None),
    "albumin": ("g/L", 20, 50, None),
}
NOTES = {
    "hypersensitivity_grade": st.sampled_from([0, 1, 2, 3, 4]),
    "grade_other_non_haematological": st.sampled_from([0, 1, 2, 3, 4]),
    "renal_toxicity_resolved": st.booleans(),
    "hepatic_toxicity_resolved": st.booleans(),
}


class RandomCourse(RuleBasedStateMachine):
    """A patient whose doctor gives what is allowed, and at times what is not."""

    @initialize(
        protocol=st.sampled_from(["us-label", "eu-smpc"]),
        reading=st.sampled_from([None, "last_administration", "due_date"]),
    )
    def begin(self, protocol, reading):
        self.protocol, self.reading = read_protocol(protocol), reading
        self.today = date(2026, 1, 5)
        self.course = Chronicle()
        self.obeyed = True
        self.known = (None, None, None)

    def state(self):
        """Of today; computed once for each course and day."""
        course, today, state = self.known
        if course is not self.course or today != self.today:
            state = modification_state(self.protocol, self.course, self.today, counted_from=self.reading)
            self.known = (self.course, self.today, state)
        return state

    @rule(days=st.integers(1, 60))
    def wait(self, days):
        before = self.state()
        self.today += timedelta(days=days)
        if before.state == "STOPPED":
            assert self.state().state == "STOPPED"

    @rule(data=st.data(), test=st.sampled_from(sorted(TESTS)), limits=st.booleans())
    def measure(self, data, test, limits):
        if any(lab.date == self.today and lab.result.test == test for lab in self.course.labs):
            return
        unit, low, high, lower = TESTS[test]
        value = data.draw(st.floats(low, high).map(lambda number: float(f"{number:.3g}")))
        result = LabResult(
            test=test,
            time=datetime.combine(self.today, time()),
            value=value,
            unit=unit,
            lower_limit=lower if limits else None,
            upper_limit=21 if limits and test == "bilirubin" else None,
        )
        self.course = replace(self.course, labs=(*self.course.labs, Measured(date=self.today, result=result)))

    @rule(data=st.data(), item=st.sampled_from(sorted(NOTES)))
    def note(self, data, item):
        known = self.course.facts.get(item, ())
        if any(fact.date == self.today for fact in known):
            return
        fact = Fact(value=data.draw(NOTES[item]), date=self.today)
        self.course = replace(self.course, facts={**self.course.facts, item: (*known, fact)})

    def give(self, activity_bq):
        one = Given(date=self.today, activity_bq=activity_bq)
        self.course = replace(self.course, administrations=(*self.course.administrations, one))
        self.today += timedelta(days=1)

    def given_today(self):
        return any(one.date == self.today for one in self.course.administrations)

    @precondition(lambda self: not self.given_today())
    @rule()
    def give_what_is_allowed(self):
        state = self.state()
        if state.activity_bq is not None:
            assert state.state in ("FULL", "REDUCED")
            self.give(state.activity_bq)

    @precondition(lambda self: not self.given_today())
    @rule(activity_bq=st.sampled_from([3.7e9, 7.4e9]))
    def give_without_asking(self, activity_bq):
        before = self.state()
        self.give(activity_bq)
        self.obeyed = False
        if before.state in ("HELD", "STOPPED"):
            after = self.state()
            assert after.state in ("HELD", "STOPPED")
            assert any("given, but" in warning for warning in after.warnings)

    @invariant()
    def bounds_hold(self):
        if not hasattr(self, "course"):
            return
        state = self.state()
        assert state.activity_bq in LEVELS
        if state.state in ("HELD", "STOPPED"):
            assert state.activity_bq is None
        if state.state == "REDUCED":
            assert state.activity_bq in (None, 3.7e9)
        assert (state.state == "HELD") == bool(state.held_by)
        if state.cycles_given >= 4 or state.undecided:
            assert state.activity_bq is None
        if state.stops_on is not None:
            assert state.stops_on > self.today
        if self.obeyed:
            assert not [text for text in state.warnings if "given, but" in text or "allowed." in text]
            assert sum(one.activity_bq for one in self.course.administrations) <= 4 * 7.4e9

    @invariant()
    def every_step_has_its_reason(self):
        if not hasattr(self, "course"):
            return
        before = "FULL"
        last = date.min
        for step in self.state().steps:
            assert step.source
            assert step.what
            assert step.expected
            assert step.before == before
            assert step.date >= last
            assert step.before != "STOPPED" or step.after == "STOPPED"
            # one never goes from a hold to full without a reduction
            assert (step.before, step.after) != ("HELD", "FULL")
            before, last = step.after, step.date
        assert self.state().state == before

    @invariant()
    def the_schedule_can_be_made(self):
        if not hasattr(self, "course"):
            return
        windows = cycle_windows(self.protocol, self.course, self.today)
        given = len(self.course.administrations)
        assert len(windows) == (max(4 - given, 0) if given else 0)
        for lab in lab_plan(self.protocol, self.course, findings_of(self.course, "5.0"), self.today):
            assert lab.due <= lab.closes
            assert lab.missing or lab.status == "measured"


def _settings(examples):
    return settings(
        max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )


class TestRandomCourses(RandomCourse.TestCase):
    settings = _settings(25)


@pytest.mark.slow
class TestManyRandomCourses(RandomCourse.TestCase):
    settings = _settings(10_000)
