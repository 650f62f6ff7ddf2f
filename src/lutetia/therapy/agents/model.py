"""An agent of radiopharmaceutical therapy or of its imaging, as plain frozen data."""

from dataclasses import dataclass
from typing import Literal

from lutetia.therapy.protocols.model import Origin, Protocol
from lutetia.therapy.rules.conditions import Span

Route = Literal["intravenous", "intra-arterial"]
Setting = Literal["in vitro", "in vivo", "shelf life"]
Response = Literal["CR", "PR", "SD", "PD"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What every part of an agent says of itself.

    Attributes
    ----------
    origin : where it is from
    cites : numbers of the statements on targeted alpha therapy (C01 to C46) that it holds
    """

    origin: Origin
    cites: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Regimen(Entry):
    """How an agent is given.

    Attributes
    ----------
    id : of the regimen; that of the protocol where it is one that ships
    protocol : its activity, cycles, interval and highest sum; of a regimen that no protocol states only these parts say
        anything
    shipped : whether it is a protocol that ships
    route, artery : how it is given, and into which artery
    """

    id: str
    protocol: Protocol
    shipped: bool
    route: Route
    artery: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance(Entry):
    """An activity above which more toxicity was seen, or up to which a schedule was tolerated.

    Attributes
    ----------
    id, what : name, and words
    kind : of one administration, of repeated ones together within ``within``, or of all
    activity_bq : [Bq]
    within : the stretch of time of repeated administrations, None otherwise
    agent : with which it was found
    """

    id: str
    what: str
    kind: Literal["single", "repeated", "cumulative"]
    activity_bq: float
    within: Span | None
    agent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stability(Entry):
    """How long a preparation was shown to stay what it is: at least so long, or allowed to be used so long. [s]"""

    setting: Setting
    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Purity(Entry):
    """Least radiochemical purity, as a fraction, and until when after preparation it was set. [1, s]"""

    at_least: float
    until_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Imaging(Entry):
    """How the agent or its partner is imaged.

    Attributes
    ----------
    modality, purpose : words
    partner : agent that is imaged in place of this one, empty for this one
    member : nuclide of the chain that emits the line, empty for the agent's own
    line_kev : lines used. [keV]
    at_s : times after administration. [s]
    """

    modality: str
    purpose: str
    partner: str
    member: str
    line_kev: tuple[float, ...]
    at_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A part of the patients of a study."""

    name: str
    patients: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Responses:
    """Best responses of the patients assessed; counts where they were stated, and percentages as printed.

    Attributes
    ----------
    criterion : by which it was judged
    assessed : patients, None where not stated
    counts, percent : of CR, PR, SD, PD, each only where stated; percentages need not add up to 100
    responders : with CR or PR, where only these together were counted
    responders_percent : the same as printed
    """

    criterion: str
    assessed: int | None
    counts: tuple[tuple[Response, int], ...]
    percent: tuple[tuple[Response, float], ...]
    responders: int | None
    responders_percent: float | None

    @property
    def objective(self) -> int | None:
        """Patients with a complete or partial response, None where no count is known."""
        counts = dict(self.counts)
        if self.responders is not None or not counts:
            return self.responders
        return counts.get("CR", 0) + counts.get("PR", 0)

    @property
    def controlled(self) -> int | None:
        """Patients without progression, None where the counts do not say."""
        counts = dict(self.counts)
        return counts.get("CR", 0) + counts.get("PR", 0) + counts["SD"] if "SD" in counts else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A number that a study reports; ``bound`` is empty for the number itself, None as value for not reached."""

    what: str
    value: float | None
    unit: str
    at_months: float | None
    bound: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Study(Entry):
    """A trial, series or case, and what it reported.

    Attributes
    ----------
    id, design : name, and words
    trial : number in a registry, empty for none
    patients, enrolled_of : how many, None where not stated
    groups : parts of them; they may be chosen by different criteria
    activity : what was given, in words; numbers that bind are in regimens and tolerances
    combined_with, control, endpoint : empty for none
    follow_up_months : median, None where not stated
    responses : one for each group of patients assessed
    outcomes, toxicity, remarks : the rest
    """

    id: str
    design: str
    trial: str
    patients: int | None
    groups: tuple[Group, ...]
    activity: str
    combined_with: str
    control: tuple[str, ...]
    endpoint: str
    follow_up_months: float | None
    responses: tuple[Responses, ...]
    outcomes: tuple[Outcome, ...]
    toxicity: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caution(Entry):
    """Something to know before the agent is used."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(Entry):
    """One agent: a nuclide, what holds it, and what carries it where.

    Attributes
    ----------
    id, name, other_names : names
    purpose : therapy or imaging
    nuclide : for example Ac-225
    vector, chelator, target : words; no chelator where the nuclide is bound covalently
    role : what the vector is to its target
    """

    id: str
    name: str
    other_names: tuple[str, ...]
    purpose: Literal["therapy", "imaging"]
    nuclide: str
    vector: str
    chelator: str
    target: str
    role: Literal["agonist", "antagonist", "substrate", "bone seeker"]
    regimens: tuple[Regimen, ...]
    tolerances: tuple[Tolerance, ...]
    stability: tuple[Stability, ...]
    purity: tuple[Purity, ...]
    imaging: tuple[Imaging, ...]
    studies: tuple[Study, ...]
    cautions: tuple[Caution, ...]

    def entries(self) -> tuple[Entry, ...]:
        """The agent and all its parts."""
        parts = (self.regimens, self.tolerances, self.stability, self.purity, self.imaging, self.studies)
        return (self, *(entry for part in parts for entry in part), *self.cautions)
