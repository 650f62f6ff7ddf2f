"""Grades of laboratory values after the Common Terminology Criteria for Adverse Events, and how counts recover."""

from lutetia.response.toxicity.criteria import criteria, versions
from lutetia.response.toxicity.grading import Grade, grade, grades_by_term
from lutetia.response.toxicity.recovery import NadirRecovery, nadir_and_recovery

__all__ = ["Grade", "NadirRecovery", "criteria", "grade", "grades_by_term", "nadir_and_recovery", "versions"]
