"""What the rules see of a course: what was given, measured and noted, by item, and what follows from it."""

from lutetia.therapy.chronicle.findings import Findings, GradeRange, findings_of
from lutetia.therapy.chronicle.model import Chronicle, Given, Measured, Timed, check_chronicle
from lutetia.therapy.chronicle.of_course import View, view_of
from lutetia.therapy.chronicle.reading import read_chronicle

__all__ = [
    "Chronicle",
    "Findings",
    "Given",
    "GradeRange",
    "Measured",
    "Timed",
    "View",
    "check_chronicle",
    "findings_of",
    "read_chronicle",
    "view_of",
]
