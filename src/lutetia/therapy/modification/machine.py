"""The state machine: what is noted, given and waited for moves a course between its states."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import get_args

from lutetia.errors import InputError, ProtocolError
from lutetia.therapy.chronicle.findings import Findings, findings_of
from lutetia.therapy.chronicle.model import Chronicle, Given, check_chronicle, is_after
from lutetia.therapy.facts import day, moment
from lutetia.therapy.modification.activity import Allowed, allowed_activity, cycles_left, judged_activity
from lutetia.therapy.modification.judging import Finding, find
from lutetia.therapy.modification.model import CountedFrom, CourseState, State, Step, Undecided
from lutetia.therapy.protocols.model import Modification, Origin, Protocol
from lutetia.therapy.rules.conditions import expected, items_of
from lutetia.units import MBQ_PER_BQ


def modification_state(
    protocol: Protocol,
    course: Chronicle,
    as_of: date,
    *,
    counted_from: CountedFrom | None = None,
    findings: Findings | None = None,
) -> CourseState:
    """State of a course on a day by the dose modifications of a protocol.

    A trigger holds the course from the first administration on; the end of a hold needs findings later than the last
    trigger, and gives the reduced activity. After an administration at it, findings without the trigger that are
    later lead back to full; a trigger after it ends the course. A hold whose delay reaches the protocol's ends it too.
    Where only days are known, what is noted on the day of an administration counts as known before it; on the day of
    the first only what stops for good counts, as its effect.

    Parameters
    ----------
    protocol : whose data decide
    course : of one patient
    as_of : day, or day and time; what is later is left out
    counted_from : reading of the delay; the protocol's own when None
    findings : of the course by the protocol's CTCAE (``findings_of``) where they are known already

    Raises
    ------
    InputError
        A course that cannot be, or another reading of the delay.
    ProtocolError
        A delay to be counted from the due date in a protocol without interval.
    """
    check_chronicle(course)
    reading = counted_from or (protocol.delay.counted_from if protocol.delay else None)
    if reading is not None and reading not in get_args(CountedFrom):
        raise InputError(f"counted_from {reading!r}; expected {' or '.join(get_args(CountedFrom))}.")
    if reading == "due_date" and protocol.delay is not None and protocol.interval is None:
        raise ProtocolError(f"{protocol.id} has no interval, so that no delay counts from a due date.")
    known = findings_of(course, protocol.ctcae_version) if findings is None else findings
    machine = _Machine(protocol, known, reading)
    for entry in _entries(protocol, course, known, as_of):
        machine.take(entry)
    machine.wait_until(day(as_of))
    return machine.result(as_of)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Learnt:
    """Items that got a new value at a moment; ``first_day`` where it may be older than the first administration."""

    date: date
    names: frozenset[str]
    first_day: bool


def _entries(protocol: Protocol, course: Chronicle, findings: Findings, as_of: date) -> Iterator[_Learnt | Given]:
    """What happens from the first administration on, in order."""
    given = course.until(as_of)
    if not given:
        return
    first = given[0].date
    wanted = {name for rule in protocol.modifications for name in items_of(rule.trigger)}
    wanted |= {
        name for rule in protocol.modifications if rule.withhold_until for name in items_of(rule.withhold_until)
    }
    learnt: dict[date, set[str]] = {}
    for name in wanted:
        for when in findings.dates(name):
            if not is_after(when, as_of) and (is_after(when, first) or day(when) == day(first)):
                learnt.setdefault(when, set()).add(name)
    everything: list[_Learnt | Given] = [
        *(
            _Learnt(date=when, names=frozenset(names), first_day=not is_after(when, first))
            for when, names in learnt.items()
            if not (isinstance(when, datetime) and isinstance(first, datetime) and when < first)
        ),
        *given,
    ]
    for _, group in groupby(sorted(everything, key=lambda entry: day(entry.date)), lambda entry: day(entry.date)):
        entries = list(group)
        exact = all(isinstance(entry.date, datetime) for entry in entries)
        # without times, what is noted on the day of an administration is taken as known before it, except of the first
        late = not exact and day(entries[0].date) != day(first)
        early = not exact and not late
        yield from sorted(
            entries,
            key=lambda entry: (
                (isinstance(entry, Given) and late) or (isinstance(entry, _Learnt) and early),
                moment(entry.date),
            ),
        )


class _Machine:
    """A course as it goes through its states."""

    def __init__(self, protocol: Protocol, findings: Findings, reading: CountedFrom | None) -> None:
        self.protocol = protocol
        self.findings = findings
        self.reading = reading
        self.state: State = "FULL"
        self.full_bq: float | None = None
        self.given: list[Given] = []
        self.held: dict[str, date] = {}
        self.reduced_by: dict[str, Modification] = {}
        self.resumed_after: dict[str, int] = {}
        self.released: dict[str, date] = {}
        self.reduced_given = False
        self.cleared: set[str] = set()
        self.undecided: dict[str, Undecided] = {}
        self.steps: list[Step] = []
        self.warnings: list[str] = list(findings.warnings)

    def take(self, entry: _Learnt | Given) -> None:
        self.wait_until(day(entry.date))
        if isinstance(entry, Given):
            self.administer(entry)
        else:
            self.learn(entry)
        self.wait_until(day(entry.date))

    def step(
        self, when: date, rule: str, after: State, what: str, finding: Finding, expect: str, origin: Origin
    ) -> None:
        self.steps.append(
            Step(
                date=when,
                rule=rule,
                before=self.state,
                after=after,
                what=what,
                found=finding.found,
                expected=expect,
                source=origin.source,
                verified=origin.verified,
                note=origin.note,
            )
        )
        self.state = after

    # what is noted

    def learn(self, learnt: _Learnt) -> None:
        for rule in self.protocol.modifications:
            # values of the first day are those it was given on; only what stops for good is taken as its effect
            effect = not learnt.first_day or rule.action == "stop"
            if effect and learnt.names & set(items_of(rule.trigger)):
                self.judge_trigger(rule, learnt.date)
        for rule in self.protocol.modifications:
            until = rule.withhold_until
            if rule.id in self.held and until is not None and learnt.names & set(items_of(until)):
                self.judge_release(rule, learnt.date)

    def judge_trigger(self, rule: Modification, when: date) -> None:
        finding = self.find_trigger(rule, when)
        if finding.truth is None:
            self.leave_open(rule, when, finding, expected(rule.trigger))
            return
        self.undecided.pop(rule.id, None)
        if finding.truth:
            self.triggered(rule, when, finding)
        elif self.reduced_given and rule.id in self.reduced_by and self.state == "REDUCED":
            self.judge_return(rule, when)

    def find_trigger(self, rule: Modification, when: date) -> Finding:
        """Truth of a trigger; a value from before the day on which its hold ended is no recurrence beside a new one."""
        finding, released = find(rule.trigger, self.findings, when), self.released.get(rule.id)
        if not finding.truth or released is None:
            return finding
        return find(rule.trigger, self.findings, when, since=day(released) - timedelta(days=1))

    def leave_open(self, rule: Modification, when: date, finding: Finding, expect: str) -> None:
        if rule.action == "none" or self.state == "STOPPED":
            return
        known = self.undecided.get(rule.id)
        self.undecided[rule.id] = Undecided(rule=rule.id, date=when, missing=finding.missing)
        if known is None or known.missing != finding.missing:
            what = f"{rule.what}: cannot be judged without {', '.join(finding.missing)}"
            self.step(when, rule.id, self.state, what, finding, expect, rule.origin)

    def triggered(self, rule: Modification, when: date, finding: Finding) -> None:
        expect = expected(rule.trigger)
        if self.state == "STOPPED":
            return
        if rule.action == "none":
            self.step(when, rule.id, self.state, f"{rule.what}: modifies nothing", finding, expect, rule.origin)
        elif rule.action == "stop":
            self.stop(when, rule.id, f"{rule.what}: stop for good", finding, expect, rule.origin)
        elif rule.id in self.held:
            self.held[rule.id] = when
        elif rule.recurrence == "stop" and len(self.given) > self.resumed_after.get(rule.id, len(self.given)):
            what = f"{rule.what}, again after an administration that followed its hold: stop for good"
            self.stop(when, rule.id, what, finding, expect, rule.origin)
        else:
            self.held[rule.id] = when
            self.cleared.discard(rule.id)
            self.step(when, rule.id, "HELD", f"{rule.what}: hold", finding, expect, rule.origin)

    def stop(self, when: date, rule: str, what: str, finding: Finding, expect: str, origin: Origin) -> None:
        self.step(when, rule, "STOPPED", what, finding, expect, origin)
        self.held.clear()
        self.undecided.clear()

    def judge_release(self, rule: Modification, when: date) -> None:
        assert rule.withhold_until is not None
        finding = find(rule.withhold_until, self.findings, when, since=self.held[rule.id])
        expect = expected(rule.withhold_until)
        if finding.truth is None and finding.found is not None:
            self.leave_open(rule, when, finding, expect)
        if not finding.truth:
            return
        del self.held[rule.id]
        self.undecided.pop(rule.id, None)
        self.resumed_after[rule.id], self.released[rule.id] = len(self.given), when
        self.reduced_by[rule.id] = rule
        self.reduced_given, self.cleared = False, set()
        others = f", still held by {', '.join(self.held)}" if self.held else ""
        after: State = "HELD" if self.held else "REDUCED"
        what = f"{rule.what}: {'the hold ends' if others else 'resume at the reduced activity'}{others}"
        self.step(when, rule.id, after, what, finding, expect, rule.origin)

    def judge_return(self, rule: Modification, when: date) -> None:
        """Back to full when no rule that reduced is triggered by what was found after the reduced administration."""
        finding = find(rule.trigger, self.findings, when, since=self.given[-1].date)
        if finding.truth is not False:
            return
        self.cleared.add(rule.id)
        thens = [one.then_bq for one in self.reduced_by.values()]
        if self.cleared < set(self.reduced_by) or not all(then is not None for then in thens):
            return
        self.full_bq = min(then for then in thens if then is not None)
        self.reduced_by, self.reduced_given, self.cleared = {}, False, set()
        what = f"{rule.what}: not after the reduced activity, next {self.full_bq * MBQ_PER_BQ:g} MBq"
        self.step(when, rule.id, "FULL", what, finding, f"not ({expected(rule.trigger)})", rule.origin)

    # what is given

    def allowed(self) -> Allowed:
        return allowed_activity(
            self.protocol,
            state=self.state,
            given=self.given,
            reduced_by=tuple(self.reduced_by.values()),
            full_bq=self.full_bq,
            held_by=tuple(self.held),
            undecided=tuple(self.undecided),
        )

    def administer(self, one: Given) -> None:
        allowed = self.allowed()
        verdict = judged_activity(self.protocol, self.state, one, allowed, tuple(self.reduced_by.values()))
        if verdict.warning:
            same_day = any(day(step.date) == day(one.date) and step.before != step.after for step in self.steps)
            order = " What was noted on that day may be later; give the time of each." if same_day else ""
            self.warnings.append(verdict.warning + order)
        found = None if one.activity_bq is None else f"{one.activity_bq * MBQ_PER_BQ:g} MBq"
        finding = Finding(truth=None, found=found, missing=())
        what = f"administration {len(self.given) + 1}"
        self.step(
            one.date, "administration", self.state, what, finding, verdict.expected, self.protocol.activity.origin
        )
        self.given.append(one)
        if self.state == "REDUCED":
            self.reduced_given, self.cleared = self.reduced_given or verdict.at_reduced, set()

    # what is waited for

    def stops_on(self) -> date | None:
        """Day on which the delay ends the course; None where nothing is held or no administration is left."""
        delay = self.protocol.delay
        held = [rule for rule in self.protocol.modifications if rule.id in self.held and rule.delay_stops]
        if delay is None or not held or not self.given or cycles_left(self.protocol, self.given) == 0:
            return None
        start = day(self.given[-1].date)
        if self.reading == "due_date":
            assert self.protocol.interval is not None
            start += timedelta(days=self.protocol.interval.planned_days)
        first = min(day(self.held[rule.id]) for rule in held)
        return max(start + timedelta(days=delay.stop_at_days), first)

    def wait_until(self, today: date) -> None:
        stops_on, delay = self.stops_on(), self.protocol.delay
        if stops_on is None or delay is None or today < stops_on:
            return
        assert self.reading is not None
        rules = [rule.id for rule in self.protocol.modifications if rule.id in self.held and rule.delay_stops]
        counted = f"counted from the {self.reading.replace('_', ' ')}"
        what = f"still held by {', '.join(rules)} after {delay.stop_at_days} days, {counted}: stop for good"
        last = day(self.given[-1].date)
        finding = Finding(
            truth=True, found=f"{(stops_on - last).days} d since the administration of {last}", missing=()
        )
        expect = f"delay < {delay.stop_at_days} d {counted}"
        self.stop(stops_on, "delay", what, finding, expect, delay.origin)

    # what comes out

    def result(self, as_of: date) -> CourseState:
        allowed = self.allowed()
        unchecked = dict.fromkeys(
            step.rule for step in self.steps if not step.verified and step.rule != "administration"
        )
        if unchecked:
            self.warnings.append(f"Not compared with their source: {', '.join(unchecked)}.")
        if not self.protocol.modifications:
            self.warnings.append(f"{self.protocol.id} states no dose modifications.")
        return CourseState(
            protocol=self.protocol.id,
            version=self.protocol.version,
            as_of=as_of,
            counted_from=self.reading,
            state=self.state,
            activity_bq=allowed.activity_bq,
            reason=allowed.reason,
            cycles_given=len(self.given),
            held_by=tuple(self.held),
            stops_on=self.stops_on(),
            undecided=tuple(self.undecided.values()),
            not_noted=self.not_noted(as_of),
            steps=tuple(self.steps),
            warnings=tuple(dict.fromkeys((*self.protocol.warnings, *self.warnings))),
        )

    def not_noted(self, as_of: date) -> tuple[str, ...]:
        if not self.given:
            return ()
        start = day(self.given[0].date)
        return tuple(
            rule.id
            for rule in self.protocol.modifications
            if rule.action != "none"
            and not any(
                start <= day(when) and not is_after(when, as_of)
                for name in items_of(rule.trigger)
                for when in self.findings.dates(name)
            )
        )
