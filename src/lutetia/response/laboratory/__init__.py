"""Laboratory tests: their units, names and bounds, and results as laboratories write them."""

from lutetia.response.laboratory.catalogue import LabTest, convert, find_test, laboratory_tests
from lutetia.response.laboratory.result import LabResult, in_unit

__all__ = ["LabResult", "LabTest", "convert", "find_test", "in_unit", "laboratory_tests"]
