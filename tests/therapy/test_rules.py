"""Kleene's tables, calendar spans, and the words for conditions."""

from datetime import date, datetime

import pytest

from lutetia.therapy.facts import Fact
from lutetia.therapy.rules.conditions import (
    AllOf,
    AnyOf,
    Bound,
    Choice,
    Flag,
    Not,
    Number,
    Since,
    Span,
    expected,
    items_of,
)
from lutetia.therapy.rules.judge import Known, all_of, any_of, judge, later, negation

T, F, U = True, False, None
DAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [  # Kleene 1952, section 64, strong tables
        (T, T, T, T), (T, F, F, T), (T, U, U, T),
        (F, T, F, T), (F, F, F, F), (F, U, F, U),
        (U, T, U, T), (U, F, F, U), (U, U, U, U),
    ],
)  # fmt: skip
def test_kleene_tables(left, right, both, either):
    assert all_of([left, right]) is both
    assert any_of([left, right]) is either
    # De Morgan
    assert negation(all_of([left, right])) is any_of([negation(left), negation(right)])


def test_negation_and_the_empty_ones():
    assert [negation(x) for x in (T, F, U)] == [F, T, U]
    assert all_of([]) is T
    assert any_of([]) is F


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        (date(2026, 1, 31), Span(value=1, unit="months"), date(2026, 2, 28)),
        (date(2024, 1, 31), Span(value=1, unit="months"), date(2024, 2, 29)),
        (date(2025, 12, 15), Span(value=3, unit="months"), date(2026, 3, 15)),
        (date(2026, 2, 2), Span(value=4, unit="weeks"), date(2026, 3, 2)),
        (date(2026, 2, 27), Span(value=2, unit="d"), date(2026, 3, 1)),
    ],
)
def test_calendar_spans(start, span, end):
    assert later(start, span) == end


def flag(item, value):
    return {item: [Fact(value=value, date=DAY)]}


def test_conditions_judge_as_their_tables():
    part = {T: flag("pregnant", True), F: flag("pregnant", False), U: {}}
    other = {T: flag("liver_dominant", True), F: flag("liver_dominant", False), U: {}}
    leaves = (Flag(item="pregnant", wanted=True), Flag(item="liver_dominant", wanted=True))
    for left in (T, F, U):
        for right in (T, F, U):
            known = Known(facts={**part[left], **other[right]}, as_of=DAY)
            assert judge(AllOf(parts=leaves), known).truth is all_of([left, right])
            assert judge(AnyOf(parts=leaves), known).truth is any_of([left, right])
        assert judge(Not(part=leaves[0]), Known(facts=part[left], as_of=DAY)).truth is negation(left)


def test_missing_names_only_what_could_decide():
    condition = AnyOf(parts=(Flag(item="pregnant", wanted=True), Flag(item="liver_dominant", wanted=True)))
    assert judge(condition, Known(facts=flag("pregnant", True), as_of=DAY)).missing == ()
    assert judge(condition, Known(facts=flag("pregnant", False), as_of=DAY)).missing == ("liver_dominant",)


def test_a_recent_event():
    condition = Since(item="diagnosis", least=None, most=Span(value=24, unit="h"))

    def truth(event, as_of):
        facts = {"diagnosis": [Fact(value=True, date=event)]}
        return judge(condition, Known(facts=facts, as_of=as_of)).truth

    assert truth(datetime(2026, 3, 1, 9), datetime(2026, 3, 2, 9)) is T
    assert truth(datetime(2026, 3, 1, 8), datetime(2026, 3, 2, 9)) is F
    assert truth(date(2026, 3, 1), date(2026, 3, 2)) is U
    assert truth(date(2026, 3, 2), date(2026, 3, 2)) is T
    assert truth(date(2026, 2, 27), date(2026, 3, 2)) is F


def test_words():
    low, high = Bound(value=10, inclusive=True), Bound(value=55, inclusive=False)
    number = Number(item="ki67", lower=low, upper=high, unit="%", of="value")
    assert expected(number) == "Ki-67 ≥ 10 and < 55 %"
    limit = Number(item="bilirubin", lower=None, upper=Bound(value=3, inclusive=True), unit="", of="xULN")
    assert expected(limit) == "bilirubin ≤ 3 × upper limit of normal"
    choice = Choice(item="grade", wanted=("G2", "G3"))
    assert expected(AnyOf(parts=(limit, AllOf(parts=(number, choice))))) == (
        "bilirubin ≤ 3 × upper limit of normal or (Ki-67 ≥ 10 and < 55 % and grade of the tumour: G2 or G3)"
    )
    assert expected(
        Since(item="progression", least=Span(value=1, unit="months"), most=Span(value=24, unit="months"))
    ) == ("radiological progression (RECIST 1.1) at least 1 months and at most 24 months ago")
    assert items_of(AllOf(parts=(number, Not(part=choice), number))) == ("ki67", "grade")


@pytest.mark.parametrize(
    ("comparator", "bound", "truth"),
    [
        ("<", {"below": 40}, True), ("<=", {"below": 40}, None), ("<=", {"at_most": 40}, True), ("<", {"below": 30}, None),
        ("<", {"at_least": 40}, False), ("<=", {"at_least": 40}, None), ("<=", {"above": 40}, False),
        ("<", {"at_least": 30}, None), (">", {"above": 40}, True), (">=", {"above": 40}, None),
        (">=", {"at_least": 40}, True), (">", {"at_least": 50}, None), (">", {"at_most": 40}, False),
        (">=", {"at_most": 40}, None), (">=", {"below": 40}, False), (">", {"at_least": 30, "at_most": 35}, False),
    ],
)  # fmt: skip
def test_a_number_known_only_by_a_bound_decides_where_all_of_it_does(comparator, bound, truth):
    # by hand: every number that the comparator leaves possible, beside 40 mL/min
    def end(inclusive, exclusive):
        name = inclusive if inclusive in bound else exclusive
        return Bound(value=bound[name], inclusive=name == inclusive) if name in bound else None

    rule = Number(
        item="creatinine_clearance", lower=end("at_least", "above"), upper=end("at_most", "below"), unit="mL/min",
        of="value",
    )  # fmt: skip
    fact = Fact(value=40.0, unit="mL/min", date=date(2026, 3, 2), comparator=comparator)
    found = judge(rule, Known(facts={"creatinine_clearance": [fact]}, as_of=date(2026, 3, 2)))
    assert found.truth is truth
    assert bool(found.missing) == (truth is None)
