"""What is found in a patient: records that are valid once built and never change.

Times are local and without zone, as clocks on the ward show them. None means unknown.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from lutetia.errors import InputError, MissingDataError
from lutetia.response.laboratory.catalogue import LabTest, find_test, find_unit
from lutetia.response.laboratory.result import LabResult
from lutetia.therapy.course.checks import Fields, ucum_codes
from lutetia.therapy.course.exposure import UNIT, distance_m, is_dose_rate, spelled_unit
from lutetia.therapy.facts import Fact, fault_of
from lutetia.therapy.items import in_reference_unit, item, item_of_words

Day = date
"""A calendar day; the name ``date`` is taken by fields below."""

Sex = Literal["female", "male", "other", "unknown"]
Comparator = Literal["", "<", "<=", ">", ">="]
Action = Literal["give", "hold", "reduce", "omit", "stop"]
Causality = Literal["unrelated", "unlikely", "possible", "probable", "definite"]
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """Who the course is of: a pseudonym, never a name.

    Attributes
    ----------
    pseudonym : letters, digits, dot, underscore, hyphen; no blanks, so that a full name is refused
    birth_date, birth_year : one of them at most
    """

    pseudonym: str
    sex: Sex
    birth_date: Day | None = None
    birth_year: int | None = None

    def __post_init__(self) -> None:
        fields = Fields(self, "patient").text("pseudonym").choice("sex", get_args(Sex))
        if not _PSEUDONYM.fullmatch(self.pseudonym):
            fields.refuse(
                "pseudonym", "expected up to 64 letters, digits, dots, underscores and hyphens, without blanks."
            )
        fields.day("birth_date", optional=True).whole("birth_year", least=1880, most=2200, optional=True)
        if self.birth_date is not None and self.birth_year is not None:
            fields.refuse("birth_year", "given beside birth_date; expected one of them.")

    @property
    def born(self) -> Day | None:
        """The birth date, or the first day of the birth year."""
        if self.birth_year is not None:
            return date(self.birth_year, 1, 1)
        return self.birth_date


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """A tumour and what histology says of it.

    Attributes
    ----------
    date : of the histology
    ki67_percent : share of proliferating cells. [%]
    metastatic_since : day of the first metastasis
    """

    date: Day
    histology: str
    primary_site: str = ""
    grade: Literal["G1", "G2", "G3"] | None = None
    ki67_percent: float | None = None
    metastatic_since: Day | None = None
    note: str = ""

    def __post_init__(self) -> None:
        (
            Fields(self, "diagnosis")
            .day("date")
            .text("histology")
            .note("primary_site", "note")
            .choice("grade", ("G1", "G2", "G3"), optional=True)
            .number("ki67_percent", least=0, most=100, optional=True)
            .day("metastatic_since", optional=True)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SstrRead:
    """A reader's judgement of somatostatin-receptor imaging: Krenning score 0 to 4, uptake, or words.

    ``lesion``, ``liver`` and ``spleen`` are uptakes in one unit on one image, from which a score follows where no reader
    gave one (``lutetia.therapy.imaging_scores.krenning_score``).
    """

    date: Day
    tracer: str
    krenning: int | None = None
    text: str = ""
    lesion: float | None = None
    liver: float | None = None
    spleen: float | None = None

    def __post_init__(self) -> None:
        fields = Fields(self, "sstr").day("date").text("tracer").note("text")
        fields.whole("krenning", least=0, most=4, optional=True)
        for name in ("lesion", "liver", "spleen"):
            fields.number(name, least=0, optional=True)
            if getattr(self, name) == 0:
                fields.refuse(name, "0 cannot be; expected an uptake above 0.")
        known = self.lesion is not None and self.liver is not None
        if self.krenning is None and not known and not self.text.strip():
            fields.refuse(
                "krenning", "missing; expected a score from 0 to 4, uptakes, or the read in words (text)."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskFactor:
    """Something that raises a risk (diabetes, hypertension, earlier chemotherapy), or its absence."""

    date: Day
    name: str
    present: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        Fields(self, "risk").day("date").text("name").flag("present").note("note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Medication:
    """A drug from its first to its last day.

    Attributes
    ----------
    drug_class : for example long-acting SSA, short-acting SSA
    end : None while it is taken
    """

    name: str
    start: Day
    end: Day | None = None
    drug_class: str = ""
    dose: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "medication").text("name").day("start").day("end", optional=True)
        fields.ordered("start", "end").note("drug_class", "dose")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lab:
    """A value of a laboratory with the limits of normal of that laboratory.

    Attributes
    ----------
    value : not negative
    comparator : "<" where the laboratory says less than the value
    lower_limit, upper_limit : of normal, in the value's unit
    """

    test: str
    time: datetime
    value: float
    unit: str
    comparator: Comparator = ""
    lower_limit: float | None = None
    upper_limit: float | None = None
    method: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "lab").text("test")
        object.__setattr__(self, "unit", _known_unit(self))
        (
            fields.moment("time")
            .number("value", least=0)
            .unit("unit")
            .choice("comparator", get_args(Comparator))
            .number("lower_limit", least=0, optional=True)
            .number("upper_limit", least=0, optional=True)
            .ordered("lower_limit", "upper_limit")
            .note("method")
        )
        _check_against_table(self)


def test_key(test: str) -> str:
    """One name for all names of a test: that of the table, else the name in small letters."""
    found = _table_test(test)
    return test.casefold() if found is None else found.name


def _table_test(test: str) -> LabTest | None:
    try:
        return find_test(test)
    except MissingDataError:
        return None


def _known_unit(lab: Lab) -> str:
    """The unit as written where it has a code, else as the table of the test spells it (10^9/l, x10*9/L)."""
    test = _table_test(lab.test)
    if test is None or lab.unit in ucum_codes() or not isinstance(lab.unit, str):
        return lab.unit
    return _test_unit(lab, test)


def _test_unit(lab: Lab, test: LabTest) -> str:
    """The unit as the table spells it; what was written is not repeated in the refusal, it may be anything."""
    try:
        return find_unit(test, lab.unit)
    except InputError:
        expected = ", ".join(unit or "none" for unit in test.factors)
        Fields(lab, "lab").refuse("unit", f"unknown unit of {test.name}; expected one of {expected}.")


def result_of(lab: Lab) -> LabResult:
    """The value as a result of a test of the table, without its comparator; raises as ``LabResult``."""
    return LabResult(
        test=lab.test,
        time=lab.time,
        value=lab.value,
        unit=lab.unit,
        lower_limit=lab.lower_limit,
        upper_limit=lab.upper_limit,
    )


def _check_against_table(lab: Lab) -> None:
    """Refuse a unit or a number that a test of the table cannot have; other tests are taken as they are."""
    test = _table_test(lab.test)
    if test is None:
        return
    _test_unit(lab, test)
    try:
        result_of(lab)
    except InputError as error:
        Fields(lab, "lab").refuse("value", str(error))


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """Something of the ward that no other kind holds: weight, ECOG, differentiation, pregnant.

    Attributes
    ----------
    name : of an item of the rules (``lutetia.therapy.items``) where a rule is to see it, else in free words; of a dose rate
        near the patient with its distance (dose rate 1 m)
    time : day, or day and local time
    value : number that is not negative, yes or no, or a text
    """

    name: str
    time: Day | datetime
    value: float | bool | str
    unit: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "observation").text("name").when("time").note("unit")
        known = item_of_words("observation", self.name)
        if known is not None:
            _check_against_item(known[0], self)
        elif is_dose_rate(self.name):
            _check_dose_rate(self)
        elif isinstance(self.value, str):
            fields.text("value").unit("unit")
        elif not isinstance(self.value, bool):
            fields.number("value", least=0).unit("unit")


def _check_dose_rate(seen: Observation) -> None:
    """Refuse a dose rate of no distance, time or unit: it says nothing without them."""
    fields = Fields(seen, "observation")
    if distance_m(seen.name) is None:
        fields.refuse("name", "a dose rate needs its distance in metres; expected for example dose rate 1 m.")
    unit = spelled_unit(seen.unit)
    if unit is None:
        fields.refuse("unit", f"unknown unit of a dose rate; expected {UNIT}.")
    object.__setattr__(seen, "unit", unit)
    fields.moment("time").number("value", least=0)


def _check_against_item(name: str, seen: Observation) -> None:
    """Refuse a unit or a value that an item of the rules cannot have."""
    fields = Fields(seen, "observation")
    if item(name).kind == "number":
        try:
            in_reference_unit(name, 1.0, seen.unit)
        except InputError as error:
            fields.refuse("unit", str(error))
    fault = fault_of(name, Fact(value=seen.value, unit=seen.unit, date=seen.time), None)
    if fault:
        fields.refuse("value", fault)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An adverse event and its CTCAE grade, with the version that graded it.

    Attributes
    ----------
    grade : 0 (resolved) to 5
    ctcae_version : for example 5.0; versions grade differently and are never converted silently
    causality : relation to the treatment as judged by a person
    end : None while it lasts
    """

    term: str
    grade: int
    ctcae_version: str
    start: Day
    end: Day | None = None
    causality: Causality | None = None
    note: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "event").text("term", "ctcae_version").whole("grade", least=0, most=5)
        fields.day("start").day("end", optional=True).ordered("start", "end").note("note")
        fields.choice("causality", get_args(Causality), optional=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """The protocol that is followed from a day on, by its id and version."""

    date: Day
    protocol: str
    version: str = ""

    def __post_init__(self) -> None:
        Fields(self, "enrolment").day("date").text("protocol").note("version")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A question that was answered, by which rule of which source, why, and by whom.

    Attributes
    ----------
    source : what the answer rests on: protocol, label, guideline, minutes of a board; a decision without is refused
    rule : of the source
    action, cycle, activity_bq : of a decision on a cycle. [Bq]
    """

    time: datetime
    question: str
    answer: str
    who: str
    source: str
    rule: str = ""
    reasons: tuple[str, ...] = ()
    action: Action | None = None
    cycle: int | None = None
    activity_bq: float | None = None

    def __post_init__(self) -> None:
        fields = Fields(self, "decision").moment("time").text("question", "answer", "who", "source")
        fields.note("rule").notes("reasons").choice("action", get_args(Action), optional=True)
        fields.whole("cycle", least=1, most=999, optional=True).activity("activity_bq")
        if self.action in ("hold", "omit", "stop") and self.activity_bq:
            fields.refuse("activity_bq", f"given beside the action {self.action}; expected none.")
