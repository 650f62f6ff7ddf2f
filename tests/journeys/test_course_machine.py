"""Random courses: whatever is found, given and computed, the answer on the next cycle keeps its bounds."""

import json
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lutetia.app.cli.course.asked import Asked
from lutetia.app.cli.course.planning import decision_of
from lutetia.app.cli.plan_course import Wanted, plan_answer
from lutetia.app.store.courses import StoredCourse
from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.therapy.activity.strategies import STRATEGIES
from lutetia.therapy.chronicle import findings_of, view_of
from lutetia.therapy.course import Administration, Course, DoseRecord, Enrolment, Event, Lab, Observation, Patient
from lutetia.therapy.protocols import shipped_protocols
from lutetia.units import BQ_PER_GBQ

START = date(2026, 1, 5)
PROTOCOLS = {protocol.id: protocol for protocol in shipped_protocols()}
# most of them have nothing but an activity; those that hold, stop, tailor and limit sums are drawn as often as the rest
CHOSEN = st.one_of(
    st.sampled_from(["us-label", "eu-smpc", "bordet-phase-3", "netter-2"]), st.sampled_from(sorted(PROTOCOLS))
)
TESTS = {
    "platelets": ("10^9/L", 5, 400, 150),
    "haemoglobin": ("g/dL", 5, 17, 12),
    "neutrophils": ("10^9/L", 0.1, 9, 1.8),
    "creatinine": ("mg/dL", 0.5, 4, None),
    "creatinine clearance": ("mL/min", 15, 130, None),
    "bilirubin": ("µmol/L", 3, 200, None),
}
OBSERVATIONS = {
    "weight": (st.integers(40, 130).map(float), "kg"),
    "renal_toxicity_resolved": (st.booleans(), ""),
    "pregnant": (st.booleans(), ""),
    "sstr_positive": (st.booleans(), ""),
}
TERMS = ["nausea", "Thrombocytopenia", "Neutropenia", "Hypersensitivity"]
REGIONS = ["kidney left", "kidney right", "kidneys", "liver", "red marrow", "lesion 1"]
LIMITS = ["kidney-23Gy", "kidney-BED-28Gy", "kidney-17.5Gy", "marrow-2Gy", "liver-30Gy", "parotid-gland-20Gy"]
BUDGET = {"calibration": 0.05, "count rate": 0.04}
DOCUMENTED = (InputError, MissingDataError, OutOfRangeError)
"""What a course that the rules cannot take may say: contradictions, and a prior without clearance or of adults."""


def dose_text(given, doses, *, known, marrow):
    rows = [
        {"region": name, "kind": "lesion" if name.startswith("lesion") else "organ", "absorbed_dose_Gy": dose,
         "u_absorbed_dose_Gy": 0.1 if known else None, "uncertainty_budget": BUDGET if known else None,
         "effective_half_life_h": 50.0 if known else None}
        for name, dose in doses.items()
    ]  # fmt: skip
    section = None
    if marrow is not None:
        section = {
            "methods": [{"method": "blood, as blood", "absorbed_dose_Gy": marrow, "u_absorbed_dose_Gy": None}]
        }
    stated = {"nuclide": given.nuclide, "activity_MBq": 1.0, "time": given.start.isoformat()}
    return json.dumps(
        {"schema": "lutetia dose 1", "subject": "P-1", "administration": stated, "regions": rows, "marrow": section,
         "note": f"{given.cycle}"}
    )  # fmt: skip


WANTED = st.builds(
    Wanted,
    strategy=st.sampled_from([None, None, None, *STRATEGIES]),
    limits=st.lists(st.sampled_from(LIMITS), max_size=2).map(tuple),
    probability=st.sampled_from([None, None, 0.05, 0.5]),
    gy_per_gbq=st.sampled_from([(), (), ("kidney=0.6",)]),
    u_percent=st.sampled_from([None, 15.0]),
    half_life_h=st.sampled_from([(), ("kidney=50",)]),
    target_gy=st.sampled_from([None, 5.0]),
    prior=st.sampled_from([False, False, False, True]),
    mass_kg=st.sampled_from([None, None, 70.0]),
)


class RandomCourse(RuleBasedStateMachine):
    """A patient whose doctor at times gives what is said, and at times anything at any time."""

    @initialize(
        name=CHOSEN, born=st.sampled_from([None, date(1961, 5, 2), date(1961, 5, 2), date(2013, 5, 2)]),
        enrolled=st.booleans(), cycles=st.sampled_from([0, 1, 1, 2, 3, 3, 3, 4]), per_gbq=st.floats(0.3, 1.2),
        known=st.booleans(), missed=st.integers(1, 5), mass=st.booleans(),
    )  # fmt: skip
    def begin(self, name, born, enrolled, cycles, per_gbq, known, missed, mass):
        """Cycles as planned, kidneys and marrow imaged in most."""
        self.protocol = PROTOCOLS[name]
        self.enrolled = enrolled
        self.today = START
        self.wanted = Wanted()
        self.last = self.held = None
        enrolments = (Enrolment(date=START, protocol=name, version=self.protocol.version),) if enrolled else ()
        self.course = Course(patient=Patient(pseudonym="P-1", sex="male", birth_date=born), enrolments=enrolments)
        if mass:
            self.put(Observation(name="weight", time=self.at(), value=80.0, unit="kg"))
        usual = self.protocol.activity.activity_bq or 80 * (self.protocol.activity.activity_bq_per_kg or 1e6)
        for cycle in range(1, cycles + 1):
            self.give(usual, self.protocol.agent, self.protocol.nuclide)
            if cycle != missed:
                doses = {"kidney left": per_gbq * usual / BQ_PER_GBQ, "kidney right": 5.0}
                text = dose_text(self.course.administrations[-1], doses, known=known, marrow=0.3)
                self.put(DoseRecord(cycle=cycle, time=self.at(12), text=text))
            self.today += timedelta(days=56)

    def at(self, hour=8):
        return datetime(self.today.year, self.today.month, self.today.day, hour)

    def put(self, record):
        """What the store would refuse is not part of a course."""
        try:
            self.course = self.course.with_records(record)
        except InputError:
            return

    def asked(self, when):
        course = self.course.as_of(when)
        view = view_of(
            course, when, since=START if self.enrolled else None, ctcae_version=self.protocol.ctcae_version
        )
        return Asked(
            stored=StoredCourse(course=self.course, version=1, entries=(), history=(), audit=()), course=course, as_of=when,
            protocol=self.protocol, chronicle=view.chronicle,
            findings=findings_of(view.chronicle, self.protocol.ctcae_version), warnings=view.warnings,
        )  # fmt: skip

    def answer(self, when):
        """Of a course that did not change, on a day, the same; asked once."""
        asked = (self.course, self.wanted, when)
        if self.last is None or not all(
            one is other or one == other for one, other in zip(asked, self.last[0], strict=True)
        ):
            self.last = (asked, self._answered(when))
        return self.last[1]

    def _answered(self, when):
        try:
            return plan_answer(self.asked(when), self.wanted)
        except DOCUMENTED:
            return None

    @rule(
        worst=st.sampled_from([20.0, 60.0, 74.0]),
        recovered=st.sampled_from([80.0, 160.0]),
        days=st.integers(7, 130),
    )
    def platelets_fall_and_rise(self, worst, recovered, days):
        for value in (worst, recovered):
            self.put(Lab(test="platelets", time=self.at(), value=value, unit="10^9/L", lower_limit=150.0))
            self.today += timedelta(days=days if value == worst else 1)

    @rule(days=st.integers(1, 60))
    def wait(self, days):
        self.today += timedelta(days=days)

    @rule(data=st.data(), test=st.sampled_from(sorted(TESTS)), limits=st.booleans())
    def measure(self, data, test, limits):
        unit, low, high, lower = TESTS[test]
        value = data.draw(st.floats(low, high).map(lambda number: float(f"{number:.3g}")))
        self.put(Lab(test=test, time=self.at(), value=value, unit=unit, lower_limit=lower if limits else None,
                     upper_limit=21.0 if limits and test == "bilirubin" else None))  # fmt: skip

    @rule(data=st.data(), name=st.sampled_from(sorted(OBSERVATIONS)))
    def observe(self, data, name):
        values, unit = OBSERVATIONS[name]
        self.put(Observation(name=name, time=self.at(), value=data.draw(values), unit=unit))

    @rule(term=st.sampled_from(TERMS), grade=st.integers(0, 4))
    def suffer(self, term, grade):
        self.put(Event(term=term, grade=grade, ctcae_version="5.0", start=self.today))

    def give(self, activity_bq, agent, nuclide):
        self.put(
            Administration(
                cycle=max((one.cycle for one in self.course.administrations), default=0) + 1, agent=agent, nuclide=nuclide,
                start=self.at(10), stop=self.at(11), measured_activity_bq=activity_bq,
                measured_at=None if activity_bq is None else self.at(10),
            )
        )  # fmt: skip

    @rule()
    def give_what_is_said(self):
        found = self.answer(self.today)
        if found is not None and found.document["action"] in ("give", "reduce"):
            before = found.document["modification"]["state"]
            assert before in ("FULL", "REDUCED")
            self.give(found.document["activity_GBq"] * BQ_PER_GBQ, self.protocol.agent, self.protocol.nuclide)

    @rule(activity_bq=st.sampled_from([None, 5e6, 3.7e9, 7.4e9]), other=st.booleans())
    def give_without_asking(self, activity_bq, other):
        agent, nuclide = ("90Y-DOTATOC", "Y-90") if other else (self.protocol.agent, self.protocol.nuclide)
        self.give(activity_bq, agent, nuclide)

    @rule(
        data=st.data(), doses=st.dictionaries(st.sampled_from(REGIONS), st.floats(0, 12).map(lambda v: round(v, 2))),
        known=st.booleans(), marrow=st.sampled_from([None, 0.2, 1.8]),
    )  # fmt: skip
    def compute(self, data, doses, known, marrow):
        if self.course.administrations:
            given = data.draw(st.sampled_from(self.course.administrations))
            text = dose_text(given, doses, known=known, marrow=marrow)
            self.put(DoseRecord(cycle=given.cycle, time=self.at(12), text=text))

    @rule(wanted=WANTED)
    def ask_otherwise(self, wanted):
        self.wanted = wanted

    @rule(days=st.integers(-400, 400))
    def look_at_any_day(self, days):
        found = self.answer(self.today + timedelta(days=days))
        if found is not None:
            self.holds(found)

    @invariant()
    def bounds_hold(self):
        if hasattr(self, "course"):
            found = self.answer(self.today)
            if found is not None and found is not self.held:
                self.holds(found)
                self.held = found

    def holds(self, found):
        document = found.document
        json.dumps(document, allow_nan=False)
        state, action, activity = document["modification"]["state"], document["action"], document["activity_GBq"]
        assert action in ("give", "reduce", "omit", "hold", "stop")
        assert document["reasons"]
        assert all(text.strip() for text in (*document["reasons"], *document["warnings"]))
        if action in ("give", "reduce"):
            assert state in ("FULL", "REDUCED")
            assert document["eligibility"]["verdict"] != "not_eligible"
            assert activity > 0
            self.within_the_protocol(document, activity)
        else:
            assert activity == (None if action == "hold" else 0)
        if state in ("HELD", "STOPPED"):
            assert action in ("hold", "stop")
        if document["eligibility"]["unknown"]:
            # what decides and is missing holds
            assert action in ("hold", "omit", "stop")
            assert any(text.startswith("Unknown whether eligible") for text in document["reasons"])
        self.limits_are_kept(document, activity)
        assert all(each["source"] for each in document["sources"])
        decision = decision_of(document, who="board", question=None, time=datetime(2026, 1, 5))
        assert decision.source
        assert bool(decision.activity_bq) == (action in ("give", "reduce"))

    def within_the_protocol(self, document, activity):
        """Its bounds from its own data, not from the answer."""
        rules, mass = self.protocol.activity, self.wanted.mass_kg
        known = [one.value for one in self.course.as_of(date.fromisoformat(document["as_of"])).observations
                 if one.name == "weight"]  # fmt: skip
        mass = mass or (known[-1] if known else None)
        per_kg = [*rules.levels_bq_per_kg, *filter(None, [rules.activity_bq_per_kg])]
        fixed = [*rules.levels_bq, *filter(None, [rules.activity_bq, rules.highest_bq])]
        most = max((*fixed, *((mass or 0) * each for each in per_kg)), default=float("inf"))
        assert activity * BQ_PER_GBQ <= most * (1 + 1e-9)
        tailored = [one for one in self.protocol.tailored_cycles if one.cycle == document["protocol_cycle"]]
        for one in tailored:
            assert one.lowest_bq * (1 - 1e-9) <= activity * BQ_PER_GBQ <= one.highest_bq * (1 + 1e-9)
        if self.protocol.cycles.at_most is not None:
            assert document["protocol_cycle"] <= self.protocol.cycles.at_most
        if document["modification"]["activity_GBq"] is not None:
            assert activity <= document["modification"]["activity_GBq"] * (1 + 1e-9)

    def limits_are_kept(self, document, activity):
        for row in document["limits"]:
            if row["not_known"] is not None:
                assert row["so_far_Gy"] is None
                # what is known alone never passes a limit that decides while something is given
                assert not activity or not row["decides"] or row["at_least_Gy"] < row["limit_Gy"]
            elif activity and row["decides"]:
                assert activity <= row["allows_GBq"] * (1 + 1e-6)
                assert row["predicted_Gy"] <= row["limit_Gy"] * (1 + 1e-9)


def _settings(examples):
    return settings(
        max_examples=examples,
        stateful_step_count=12,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class TestRandomCourses(RandomCourse.TestCase):
    settings = _settings(60)


@pytest.mark.slow
class TestManyRandomCourses(RandomCourse.TestCase):
    settings = _settings(10_000)
