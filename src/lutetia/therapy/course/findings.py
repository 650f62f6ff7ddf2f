"""What is found in a patient: records that are valid once built and never change.

Times are local and without zone, as clocks on the ward show them. None means unknown.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from lutetia.therapy.course.checks import Fields

Day = date
"""A calendar day; the name ``date`` is taken by fields below."""

Sex = Literal["female", "male", "other", "unknown"]
Comparator = Literal["", "<", "<=", ">", ">="]
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
    """A reader's judgement of somatostatin-receptor imaging; Krenning score 0 to 4, or words."""

    date: Day
    tracer: str
    krenning: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "sstr").day("date").text("tracer").note("text")
        fields.whole("krenning", least=0, most=4, optional=True)
        if self.krenning is None and not self.text.strip():
            fields.refuse("krenning", "missing; expected a score from 0 to 4, or the read in words (text).")


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
        (
            Fields(self, "lab")
            .text("test")
            .moment("time")
            .number("value", least=0)
            .unit("unit")
            .choice("comparator", get_args(Comparator))
            .number("lower_limit", least=0, optional=True)
            .number("upper_limit", least=0, optional=True)
            .ordered("lower_limit", "upper_limit")
            .note("method")
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """A value of the ward: weight, height, blood pressure, ECOG, KPS."""

    name: str
    time: datetime
    value: float
    unit: str = ""

    def __post_init__(self) -> None:
        Fields(self, "observation").text("name").moment("time").number("value", least=0).unit("unit")


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
class Decision:
    """A question that was answered, by which rule of which source, why, and by whom."""

    time: datetime
    question: str
    answer: str
    who: str
    rule: str = ""
    source: str = ""
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields = Fields(self, "decision").moment("time").text("question", "answer", "who")
        fields.note("rule", "source").notes("reasons")
