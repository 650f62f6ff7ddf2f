"""Agents from checked documents."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from lutetia.errors import InputError
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.agents.model import (
    Agent,
    Caution,
    Group,
    Imaging,
    Outcome,
    Purity,
    Regimen,
    Responses,
    Stability,
    Study,
    Tolerance,
)
from lutetia.therapy.agents.regimens import own_protocol, protocol_with_id
from lutetia.therapy.documents import Document, Place, at
from lutetia.therapy.protocols.model import Origin
from lutetia.therapy.protocols.schema import Schema, check_document
from lutetia.therapy.rules.conditions import Span
from lutetia.units import BQ_PER_MBQ, S_PER_H

T = TypeVar("T")


@cache
def agent_schema() -> Schema:
    """The JSON schema (2020-12) of agent files."""
    schema: Schema = json.loads((files("lutetia.therapy.agents") / "schema.json").read_text(encoding="utf-8"))
    return schema


def agent_of(document: Document, others: Callable[[str], Agent]) -> Agent:
    """The agent in a document.

    Parameters
    ----------
    document : a YAML file with lines
    others : agent by id, for tolerances that were found with another

    Raises
    ------
    ProtocolError
        The document departs from the schema, or says something that cannot be; all places with line and field.
    """
    check_document(document, agent_schema())
    return _Reader(document, others).agent()


class _Reader:
    """Turns the places of one document into the parts of an agent."""

    def __init__(self, document: Document, others: Callable[[str], Agent]) -> None:
        self.document = document
        self.content = document.content
        self.others = others

    def agent(self) -> Agent:
        content = self.content
        self.check_nuclide(("nuclide",))
        return Agent(
            id=content["id"],
            name=content["name"],
            other_names=tuple(content.get("other_names", ())),
            purpose=content["purpose"],
            nuclide=content["nuclide"],
            vector=content["vector"],
            chelator=content.get("chelator", ""),
            target=content["target"],
            role=content["role"],
            regimens=self.each("regimens", self.regimen),
            tolerances=(*self.each("tolerances", self.tolerance), *self.borrowed()),
            stability=self.each("stability", self.stability),
            purity=self.each("purity", self.purity),
            imaging=self.each("imaging", self.imaging),
            studies=self.each("studies", self.study),
            cautions=self.each("cautions", self.caution),
            **self.entry(()),
        )

    def check_nuclide(self, place: Place) -> None:
        try:
            nuclide(at(self.content, place))
        except InputError as reason:
            raise self.document.refusal(place, str(reason)) from reason

    def each(self, key: str, read: Callable[[Place], T]) -> tuple[T, ...]:
        names: set[str] = set()
        for i, entry in enumerate(self.content.get(key, ())):
            name = entry.get("id", entry.get("protocol"))
            if name is not None and name in names:
                raise self.document.refusal((key, i, "id"), f"{name!r} stands there twice.")
            names |= {name} if name is not None else set()
        return tuple(read((key, i)) for i in range(len(self.content.get(key, ()))))

    def borrowed(self) -> Iterator[Tolerance]:
        for i, name in enumerate(self.content.get("tolerances_of", ())):
            try:
                other = self.others(name)
            except self.document.error as reason:
                raise self.document.refusal(("tolerances_of", i), str(reason)) from reason
            yield from (tolerance for tolerance in other.tolerances if tolerance.agent == other.name)

    def entry(self, place: Place) -> dict[str, Any]:
        """What every part has: its origin and what it cites."""
        found, sources = at(self.content, place), self.content["sources"]
        if found["source"] not in sources:
            known = ", ".join(sources)
            raise self.document.refusal((*place, "source"), f"{found['source']!r} is not among sources ({known}).")
        cited = sources[found["source"]]
        identifier = f" ({cited['identifier']})" if "identifier" in cited else ""
        origin = Origin(
            source=cited["citation"] + identifier,
            verified=found["verified"],
            conflicts=tuple(found.get("conflicts", ())),
            note=found.get("note", ""),
        )
        return {"origin": origin, "cites": tuple(found.get("cites", ()))}

    def regimen(self, place: Place) -> Regimen:
        found, entry = at(self.content, place), self.entry(place)
        if ("protocol" in found) == ("id" in found):
            told = "give either the id of a protocol, or an id and an activity of its own."
            raise self.document.refusal((*place, "protocol"), told)
        if "protocol" not in found:
            protocol = own_protocol(self.content, found, entry["origin"])
            return Regimen(
                id=found["id"],
                protocol=protocol,
                shipped=False,
                route=found["route"],
                artery=found.get("artery", ""),
                **entry,
            )
        known = protocol_with_id(found["protocol"])
        if known is None or known.nuclide != self.content["nuclide"]:
            what = "there is no such protocol" if known is None else f"it is of {known.nuclide}"
            raise self.document.refusal((*place, "protocol"), f"{found['protocol']!r}: {what}.")
        if known.route == "intra-arterial" and "artery" not in found:
            raise self.document.refusal((*place, "artery"), "missing; the protocol is intra-arterial.")
        return Regimen(
            id=known.id, protocol=known, shipped=True, route=known.route, artery=found.get("artery", ""), **entry
        )

    def tolerance(self, place: Place) -> Tolerance:
        found = at(self.content, place)
        months = found.get("within_months")
        return Tolerance(
            id=found["id"],
            what=found["what"],
            kind=found["kind"],
            activity_bq=found["activity_MBq"] * BQ_PER_MBQ,
            within=None if months is None else Span(value=months, unit="months"),
            agent=self.content["name"],
            **self.entry(place),
        )

    def stability(self, place: Place) -> Stability:
        found = at(self.content, place)
        return Stability(setting=found["setting"], duration_s=found["hours"] * S_PER_H, **self.entry(place))

    def purity(self, place: Place) -> Purity:
        found = at(self.content, place)
        if found["at_least_percent"] > 100:
            raise self.document.refusal((*place, "at_least_percent"), f"{found['at_least_percent']}; above 100 %.")
        until = found.get("until_h")
        return Purity(
            at_least=found["at_least_percent"] / 100,
            until_s=None if until is None else until * S_PER_H,
            **self.entry(place),
        )

    def imaging(self, place: Place) -> Imaging:
        found = at(self.content, place)
        if "member" in found:
            self.check_nuclide((*place, "member"))
        return Imaging(
            modality=found["modality"],
            purpose=found.get("purpose", ""),
            partner=found.get("partner", ""),
            member=found.get("member", ""),
            line_kev=tuple(map(float, found.get("line_keV", ()))),
            at_s=tuple(hours * S_PER_H for hours in found.get("at_h", ())),
            **self.entry(place),
        )

    def study(self, place: Place) -> Study:
        found = at(self.content, place)
        return Study(
            id=found["id"],
            design=found["design"],
            trial=found.get("trial", ""),
            patients=found.get("patients"),
            groups=tuple(Group(**group) for group in found.get("groups", ())),
            activity=found.get("activity", ""),
            combined_with=found.get("with", ""),
            control=tuple(found.get("control", ())),
            endpoint=found.get("endpoint", ""),
            follow_up_months=found.get("follow_up_months"),
            responses=tuple(
                self.responses((*place, "responses", i)) for i in range(len(found.get("responses", ())))
            ),
            outcomes=tuple(
                Outcome(
                    what=one["what"],
                    value=one.get("value"),
                    unit=one["unit"],
                    at_months=one.get("at_months"),
                    bound=one.get("bound", ""),
                )
                for one in found.get("outcomes", ())
            ),
            toxicity=tuple(found.get("toxicity", ())),
            remarks=tuple(found.get("remarks", ())),
            **self.entry(place),
        )

    def responses(self, place: Place) -> Responses:
        found = at(self.content, place)
        counts, assessed = found.get("counts", {}), found.get("assessed")
        counted = max(sum(counts.values()), found.get("responders", 0))
        if assessed is not None and counted > assessed:
            raise self.document.refusal(place, f"{counted} patients with a response, of {assessed} assessed.")
        return Responses(
            criterion=found["criterion"],
            assessed=assessed,
            counts=tuple(counts.items()),
            percent=tuple(found.get("percent", {}).items()),
            responders=found.get("responders"),
            responders_percent=found.get("responders_percent"),
        )

    def caution(self, place: Place) -> Caution:
        return Caution(text=at(self.content, place)["text"], **self.entry(place))
