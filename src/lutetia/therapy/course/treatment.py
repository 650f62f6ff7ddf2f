"""What is done to a patient: administrations, images and the doses that followed."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from lutetia.errors import InputError
from lutetia.physics.nuclides import nuclide
from lutetia.therapy.course.checks import Fields

Route = Literal["intravenous", "intra-arterial", "intraperitoneal", "oral", "other"]
DOSE_SCHEMA: Final = "lutetia dose 1"
_DICOM_MODALITY: Final = re.compile(r"[A-Z][A-Z0-9]{1,15}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DayEvent:
    """Something else of the day of treatment: amino acids, an antiemetic; ``amount`` in words (1 L, 250 mL/h; 8 mg)."""

    name: str
    start: datetime
    stop: datetime | None = None
    amount: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "administration.events").text("name").moment("start").moment("stop", optional=True)
        fields.ordered("start", "stop").note("amount")


@dataclass(frozen=True, kw_only=True, slots=True)
class Administration:
    """One cycle: what was ordered, measured, given and left.

    Activities are kept to the whole becquerel. What was prescribed is never taken for what was given.

    Attributes
    ----------
    cycle : number in the course, over all agents
    prescribed_activity_bq : as ordered for the start. [Bq]
    measured_activity_bq, measured_at : of the vial or syringe before. [Bq]
    residual_activity_bq, residual_measured_at : of vial and lines after; None when not measured. [Bq]
    purity_percent : radiochemical purity of the batch. [%]
    events : the day's other events
    """

    cycle: int
    agent: str
    nuclide: str
    start: datetime
    stop: datetime | None = None
    route: Route = "intravenous"
    prescribed_activity_bq: float | None = None
    measured_activity_bq: float | None = None
    measured_at: datetime | None = None
    residual_activity_bq: float | None = None
    residual_measured_at: datetime | None = None
    batch: str = ""
    purity_percent: float | None = None
    events: tuple[DayEvent, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "administration").whole("cycle", least=1, most=999).text("agent", "nuclide")
        try:
            object.__setattr__(self, "nuclide", nuclide(self.nuclide).name)
        except InputError as error:
            fields.refuse("nuclide", str(error))
        fields.moment("start").moment("stop", optional=True).ordered("start", "stop")
        fields.choice("route", get_args(Route)).note("batch", "note")
        fields.number("purity_percent", least=0, most=100, optional=True)
        fields.activity("prescribed_activity_bq").activity("measured_activity_bq", "measured_at")
        fields.activity("residual_activity_bq", "residual_measured_at").ordered("start", "residual_measured_at")
        if not isinstance(self.events, tuple) or not all(isinstance(event, DayEvent) for event in self.events):
            fields.refuse("events", "expected a list of events of the day.")
        left, drawn = self.residual_activity_bq, self.measured_activity_bq
        if left is not None and drawn is not None and left > drawn:
            fields.refuse(
                "residual_activity_bq", "above measured_activity_MBq; more cannot be left than there was."
            )


def net_administered_activity_bq(administration: Administration) -> float | None:
    r"""Activity given, at the start of the administration; None when it was not measured. [Bq]

    :math:`A = A_m e^{-\lambda (t_0 - t_m)} - R e^{\lambda (t_R - t_0)}` with the measured activity :math:`A_m` at
    :math:`t_m`, the residual :math:`R` at :math:`t_R` and the start :math:`t_0`. A residual that was not measured
    counts as none left: the value is then an upper bound.

    Raises
    ------
    InputError
        The residual, decay-corrected, is above what was measured.
    """
    measured, at = administration.measured_activity_bq, administration.measured_at
    if measured is None or at is None:
        return None
    rate_per_s = nuclide(administration.nuclide).decay_constant_per_s
    net = measured * math.exp(-rate_per_s * (administration.start - at).total_seconds())
    residual, residual_at = administration.residual_activity_bq, administration.residual_measured_at
    if residual is not None and residual_at is not None:
        net -= residual * math.exp(rate_per_s * (residual_at - administration.start).total_seconds())
    if net < 0:
        raise InputError(
            f"administration.residual_activity_MBq: in cycle {administration.cycle} more was left, decay-corrected, than "
            "was measured before; check both activities and their times."
        )
    return net


def uid_hash(uid: str) -> str:
    """SHA-256 of a DICOM UID: finds the images again, and does not give the UID away to who does not have it."""
    return hashlib.sha256(uid.strip().encode("ascii", "replace")).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Imaging:
    """A study that was acquired; images themselves stay where they are.

    ``modality`` is a DICOM term (NM, PT, CT, MR); ``uid_sha256`` the hash of the study instance UID (``uid_hash``).
    """

    time: datetime
    modality: str
    agent: str = ""
    note: str = ""
    uid_sha256: str = ""

    def __post_init__(self) -> None:
        fields = Fields(self, "imaging").moment("time").text("modality").note("agent", "note", "uid_sha256")
        if not _DICOM_MODALITY.fullmatch(self.modality):
            fields.refuse("modality", "expected a DICOM modality, for example NM, PT, CT or MR.")
        if self.uid_sha256 and not _SHA256.fullmatch(self.uid_sha256):
            fields.refuse("uid_sha256", "expected the 64 hexadecimal digits of a SHA-256, never the UID itself.")


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseRecord:
    """Doses of one cycle: the dose.json of ``lutetia run``, character by character.

    Attributes
    ----------
    time : when the doses were computed
    text : of the file
    """

    cycle: int
    time: datetime
    text: str

    def __post_init__(self) -> None:
        fields = Fields(self, "dose").whole("cycle", least=1, most=999).moment("time")
        try:
            document = json.loads(self.text, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            fields.refuse(
                "text", f"not JSON (line {error.lineno}); expected the dose.json of lutetia run, unchanged."
            )
        except (ValueError, TypeError):
            fields.refuse("text", "not JSON; expected the dose.json of lutetia run, unchanged.")
        if not isinstance(document, dict) or document.get("schema") != DOSE_SCHEMA:
            fields.refuse("text", f"expected the schema {DOSE_SCHEMA!r}, the dose.json of lutetia run.")
        fault = _dose_fault(document)
        if fault:
            fields.refuse("text", fault)

    @property
    def document(self) -> dict[str, Any]:
        """The document as JSON reads it."""
        return dict(json.loads(self.text))

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _dose_fault(document: dict[str, Any]) -> str | None:
    """What this module and ``doses`` rely on, and is not there."""
    if not isinstance(document.get("subject"), str):
        return "subject missing; expected the dose.json of lutetia run."
    given = document.get("administration")
    if not isinstance(given, dict) or not isinstance(given.get("nuclide"), str):
        return "administration.nuclide missing; expected the dose.json of lutetia run."
    try:
        nuclide(given["nuclide"])
    except InputError as error:
        return f"administration.nuclide: {error}"
    calibration = document.get("calibration") or {}
    if not isinstance(calibration, dict) or not _number_or_none(calibration.get("sensitivity_cps_per_MBq")):
        return "calibration.sensitivity_cps_per_MBq is no number."
    if not _number_or_none(given.get("activity_MBq")) or (given.get("activity_MBq") or 0) < 0:
        return "administration.activity_MBq is no number from 0 on."
    regions = document.get("regions")
    if not isinstance(regions, list) or not all(_is_region(row) for row in regions):
        return "regions missing, or one without region, kind, absorbed_dose_Gy and u_absorbed_dose_Gy."
    if len({row["region"] for row in regions}) < len(regions):
        return "a region is there twice."
    return None


def _is_region(row: object) -> bool:
    if not isinstance(row, dict) or not {"absorbed_dose_Gy", "u_absorbed_dose_Gy"} <= set(row):
        return False
    named = isinstance(row.get("region"), str) and isinstance(row.get("kind"), str)
    budget = row.get("uncertainty_budget") or {}
    shared = row.get("uncertainty_shared", [])
    return (
        named
        and _number_or_none(row["absorbed_dose_Gy"])
        and _number_or_none(row["u_absorbed_dose_Gy"])
        and isinstance(budget, dict)
        and all(_number_or_none(value) for value in budget.values())
        and isinstance(shared, list)
        and all(isinstance(name, str) for name in shared)
    )


def _number_or_none(value: object) -> bool:
    # 1e400 is JSON, and infinity once read
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )
