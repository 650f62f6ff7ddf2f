"""Protocols from checked documents."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

from lutetia.therapy.documents import Document, Place, at
from lutetia.therapy.items import item, items
from lutetia.therapy.protocols.model import (
    ActivityRule,
    Cumulative,
    CycleRule,
    DayEvent,
    Delay,
    ImagingVisit,
    Interval,
    LabVisit,
    Modification,
    Origin,
    Protocol,
    Rule,
    TailoredCycle,
    Washout,
)
from lutetia.therapy.protocols.schema import check_document, protocol_schema
from lutetia.therapy.rules.conditions import Condition, Span
from lutetia.therapy.rules.parse import parse_condition, parse_span
from lutetia.units import BQ_PER_MBQ, S_PER_MIN

DAYS_PER_WEEK = 7

T = TypeVar("T")


def protocol_of(document: Document) -> Protocol:
    """The protocol in a document.

    Raises
    ------
    ProtocolError
        The document departs from the schema, or says something that cannot be; all places with line and field.
    """
    check_document(document, protocol_schema())
    return _Reader(document).protocol()


class _Reader:
    """Turns the places of one document into the parts of a protocol."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.content = document.content

    def protocol(self) -> Protocol:
        content = self.content
        return Protocol(
            id=content["id"],
            version=content["version"],
            title=content["title"],
            indication=content["indication"],
            agent=content["agent"],
            nuclide=content["nuclide"],
            accompanied_by=content.get("with", ""),
            route=content["route"],
            ctcae_version=content["ctcae"]["version"],
            ctcae_origin=self.origin(("ctcae",)),
            activity=self.activity(("activity",)),
            tailored_cycles=self.each("tailored_cycles", self.tailored),
            cycles=self.cycles(("cycles",)),
            cumulative=self.one("cumulative", self.cumulative),
            interval=self.one("interval", self.interval),
            eligibility=self.named("eligibility", self.rule),
            retreatment=self.named("retreatment", self.rule),
            washout=self.named("washout", self.washout),
            cycle_day=self.day(),
            labs=self.each("labs", self.lab),
            delay=self.one("delay", self.delay),
            modifications=self.named("modifications", self.modification),
            imaging=self.each("imaging", self.visit),
            warnings=tuple(content.get("warnings", ())),
            sources={key: _cited(entry) for key, entry in content["sources"].items()},
        )

    def each(self, key: str, read: Callable[[Place], T]) -> tuple[T, ...]:
        return tuple(read((key, i)) for i in range(len(self.content.get(key, ()))))

    def one(self, key: str, read: Callable[[Place], T]) -> T | None:
        return read((key,)) if key in self.content else None

    def named(self, key: str, read: Callable[[Place], T]) -> tuple[T, ...]:
        names: set[str] = set()
        for i, entry in enumerate(self.content.get(key, ())):
            if entry["id"] in names:
                raise self.document.refusal((key, i, "id"), f"{entry['id']!r} stands there twice.")
            names.add(entry["id"])
        return self.each(key, read)

    def origin(self, place: Place) -> Origin:
        entry = at(self.content, place)
        sources = self.content["sources"]
        if entry["source"] not in sources:
            known = ", ".join(sources)
            raise self.document.refusal((*place, "source"), f"{entry['source']!r} is not among sources ({known}).")
        return Origin(
            source=_cited(sources[entry["source"]]),
            verified=entry["verified"],
            conflicts=tuple(entry.get("conflicts", ())),
            note=entry.get("note", ""),
        )

    def condition(self, place: Place) -> Condition | None:
        return None if at(self.content, place) is None else parse_condition(self.document, place)

    def ordered(self, place: Place, *keys: str) -> None:
        """Refuse numbers that do not rise in the order of their keys."""
        entry = at(self.content, place)
        known = [(key, entry[key]) for key in keys if key in entry]
        for (low, less), (high, more) in pairwise(known):
            if less > more:
                raise self.document.refusal((*place, high), f"{more} is below {low}, {less}.")

    def activity(self, place: Place) -> ActivityRule:
        entry = at(self.content, place)
        self.ordered(place, "lowest_MBq", "highest_MBq")
        if entry["basis"] == "levels" and not entry.get("levels_MBq") and not entry.get("levels_MBq_per_kg"):
            raise self.document.refusal((*place, "basis"), "levels needs levels_MBq or levels_MBq_per_kg.")
        tolerance = entry.get("tolerance_percent")
        return ActivityRule(
            basis=entry["basis"],
            activity_bq=_bq(entry.get("activity_MBq")),
            activity_bq_per_kg=_bq(entry.get("activity_MBq_per_kg")),
            lowest_bq=_bq(entry.get("lowest_MBq")),
            highest_bq=_bq(entry.get("highest_MBq")),
            levels_bq=tuple(value * BQ_PER_MBQ for value in entry.get("levels_MBq", ())),
            levels_bq_per_kg=tuple(value * BQ_PER_MBQ for value in entry.get("levels_MBq_per_kg", ())),
            tolerance=None if tolerance is None else tolerance / 100,
            origin=self.origin(place),
        )

    def tailored(self, place: Place) -> TailoredCycle:
        entry = at(self.content, place)
        self.ordered(place, "lowest_MBq", "highest_MBq")
        return TailoredCycle(
            cycle=entry["cycle"],
            lowest_bq=entry["lowest_MBq"] * BQ_PER_MBQ,
            highest_bq=entry["highest_MBq"] * BQ_PER_MBQ,
            limited_by=tuple(entry["limited_by"]),
            below_lowest=entry["below_lowest"],
            origin=self.origin(place),
        )

    def cycles(self, place: Place) -> CycleRule:
        entry = at(self.content, place)
        self.ordered(place, "planned", "at_most")
        return CycleRule(planned=entry.get("planned"), at_most=entry.get("at_most"), origin=self.origin(place))

    def cumulative(self, place: Place) -> Cumulative:
        return Cumulative(at_most_bq=at(self.content, place)["at_most_MBq"] * BQ_PER_MBQ, origin=self.origin(place))

    def interval(self, place: Place) -> Interval:
        self.ordered(place, "earliest_weeks", "planned_weeks", "latest_weeks", "extended_weeks")
        return Interval(
            planned_days=self.days(place, "planned_weeks") or 0,
            earliest_days=self.days(place, "earliest_weeks"),
            latest_days=self.days(place, "latest_weeks"),
            extended_days=self.days(place, "extended_weeks"),
            origin=self.origin(place),
        )

    def days(self, place: Place, key: str) -> int | None:
        """Whole days of a field in weeks."""
        weeks = at(self.content, (*place, key))
        if weeks is None:
            return None
        if not float(weeks * DAYS_PER_WEEK).is_integer():
            raise self.document.refusal((*place, key), f"{weeks}; expected weeks that are whole days.")
        return int(weeks * DAYS_PER_WEEK)

    def rule(self, place: Place) -> Rule:
        entry = at(self.content, place)
        return Rule(
            id=entry["id"],
            require=parse_condition(self.document, (*place, "require")),
            window_days=entry.get("window_days"),
            origin=self.origin(place),
        )

    def washout(self, place: Place) -> Washout:
        entry = at(self.content, place)
        if entry["item"] not in items() or item(entry["item"]).kind != "event":
            events = ", ".join(name for name, known in items().items() if known.kind == "event")
            raise self.document.refusal((*place, "item"), f"{entry['item']!r}; expected an event: {events}.")
        return Washout(
            id=entry["id"],
            item=entry["item"],
            least=parse_span(self.document, (*place, "at_least"), entry["at_least"], entry["unit"]),
            before=entry["before"],
            origin=self.origin(place),
        )

    def day(self) -> tuple[DayEvent, ...]:
        known = {"agent"} | {entry["event"] for entry in self.content.get("cycle_day", ())}
        for i, entry in enumerate(self.content.get("cycle_day", ())):
            if entry["relative_to"].rsplit("_", 1)[0] not in known:
                told = f"{entry['relative_to']!r} is of no event of the day ({', '.join(sorted(known))})."
                raise self.document.refusal(("cycle_day", i, "relative_to"), told)
        return self.each("cycle_day", self.event)

    def event(self, place: Place) -> DayEvent:
        entry = at(self.content, place)
        self.ordered(place, "earliest_minutes", "latest_minutes")
        self.ordered(place, "lasts_at_least_minutes", "lasts_at_most_minutes")
        return DayEvent(
            event=entry["event"],
            what=entry.get("what", ""),
            relative_to=entry["relative_to"],
            at_s=_s(entry.get("at_minutes")),
            tolerance_s=_s(entry.get("tolerance_minutes")),
            earliest_s=_s(entry.get("earliest_minutes")),
            latest_s=_s(entry.get("latest_minutes")),
            lasts_at_least_s=_s(entry.get("lasts_at_least_minutes")),
            lasts_at_most_s=_s(entry.get("lasts_at_most_minutes")),
            origin=self.origin(place),
        )

    def lab(self, place: Place) -> LabVisit:
        entry = at(self.content, place)
        for i, name in enumerate(entry["items"]):
            if name not in items():
                raise self.document.refusal((*place, "items", i), f"no item {name!r}.")
        return LabVisit(
            items=tuple(entry["items"]),
            relative_to=entry["relative_to"],
            first=self.span((*place, "from")),
            last=self.span((*place, "until")),
            every=self.span((*place, "every")),
            origin=self.origin(place),
        )

    def span(self, place: Place) -> Span | None:
        entry = at(self.content, place)
        return None if entry is None else parse_span(self.document, place, entry["value"], entry["unit"])

    def delay(self, place: Place) -> Delay:
        return Delay(
            stop_at_days=self.days(place, "stop_at_weeks") or 0,
            counted_from=at(self.content, place)["counted_from"],
            origin=self.origin(place),
        )

    def modification(self, place: Place) -> Modification:
        entry = at(self.content, place)
        if entry.get("delay_stops") and "delay" not in self.content:
            raise self.document.refusal((*place, "delay_stops"), "true, but the protocol has no delay.")
        return Modification(
            id=entry["id"],
            what=entry["what"],
            trigger=parse_condition(self.document, (*place, "trigger")),
            action=entry["action"],
            withhold_until=self.condition((*place, "withhold_until")),
            resume_bq=_bq(entry.get("resume_MBq")),
            then_bq=_bq(entry.get("then_MBq")),
            recurrence=entry.get("recurrence"),
            delay_stops=entry.get("delay_stops", False),
            origin=self.origin(place),
        )

    def visit(self, place: Place) -> ImagingVisit:
        entry = at(self.content, place)
        places = [(*place, "at", i) for i in range(len(entry["at"]))]
        spans = [parse_span(self.document, p, v, entry["unit"]) for p, v in zip(places, entry["at"], strict=True)]
        every = entry.get("then_every")
        return ImagingVisit(
            modality=entry["modality"],
            purpose=entry.get("purpose", ""),
            relative_to=entry["relative_to"],
            at=tuple(spans),
            then_every=None
            if every is None
            else parse_span(self.document, (*place, "then_every"), every, entry["unit"]),
            origin=self.origin(place),
        )


def _cited(entry: dict[str, Any]) -> str:
    return f"{entry['citation']} ({entry['identifier']})" if "identifier" in entry else str(entry["citation"])


def _bq(mbq: float | None) -> float | None:
    return None if mbq is None else mbq * BQ_PER_MBQ


def _s(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * S_PER_MIN
