"""One patient's course: what was given, measured and noted, and what follows from it."""

from lutetia.therapy.chronicle.findings import Findings, GradeRange, findings_of
from lutetia.therapy.chronicle.model import Administration, Course, Lab, Timed, check_course
from lutetia.therapy.chronicle.reading import read_course

__all__ = [
    "Administration",
    "Course",
    "Findings",
    "GradeRange",
    "Lab",
    "Timed",
    "check_course",
    "findings_of",
    "read_course",
]
