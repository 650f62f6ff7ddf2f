"""What toxicity does to a course: full activity, held, reduced, stopped; driven by a protocol's data alone."""

from lutetia.therapy.modification.machine import modification_state
from lutetia.therapy.modification.model import CourseState, State, Step, Undecided

__all__ = ["CourseState", "State", "Step", "Undecided", "modification_state"]
