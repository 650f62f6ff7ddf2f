"""One result of a laboratory test."""

from dataclasses import dataclass
from datetime import datetime

from lutetia.errors import InputError
from lutetia.response.laboratory.catalogue import TIMES_ULN, convert, find_test, find_unit, require_plausible


@dataclass(frozen=True, kw_only=True, slots=True)
class LabResult:
    """A result with the limits of normal of its laboratory.

    Attributes
    ----------
    test : name or synonym of the table; afterwards the table's name
    time : local, without offset
    value : in ``unit``
    unit : one of the test's units; afterwards as the table spells it. "x ULN": a multiple of the upper limit
    lower_limit, upper_limit : of normal, of this laboratory, in ``unit``; None when not known

    Raises
    ------
    MissingDataError
        A test that the table does not have.
    InputError
        A unit that the test does not have; a number that it cannot have in this unit, with the units in which it
        could; limits that are none; a time with an offset.
    """

    test: str
    time: datetime
    value: float
    unit: str
    lower_limit: float | None = None
    upper_limit: float | None = None

    def __post_init__(self) -> None:
        test = find_test(self.test)
        unit = find_unit(test, self.unit)
        object.__setattr__(self, "test", test.name)
        object.__setattr__(self, "unit", unit)
        if not isinstance(self.time, datetime) or self.time.tzinfo is not None:
            raise InputError(
                f"time {self.time!r} of {test.name}; expected a local date and time without an offset."
            )
        require_plausible(test, self.value, unit)
        for what in ("lower_limit", "upper_limit"):
            limit = getattr(self, what)
            if limit is not None:
                require_plausible(test, limit, unit, what=what)
        if unit == TIMES_ULN:
            self._take_one_as_limit()
        if self.lower_limit is not None and self.upper_limit is not None and self.lower_limit >= self.upper_limit:
            raise InputError(
                f"lower_limit {self.lower_limit:g} of {test.name} is not below upper_limit {self.upper_limit:g}."
            )

    def _take_one_as_limit(self) -> None:
        if self.lower_limit is not None or self.upper_limit not in (None, 1.0):
            raise InputError(
                f"limits {self.lower_limit} to {self.upper_limit} of {self.test} in {TIMES_ULN}; limits are in the unit "
                "of the value, so that the upper one is 1."
            )
        object.__setattr__(self, "upper_limit", 1.0)


def in_unit(result: LabResult, unit: str) -> LabResult:
    """A result, with its limits, in another unit.

    Raises
    ------
    InputError
        A unit that the test does not have; a multiple of the upper limit where that is not known, or the reverse.
    """
    target = find_unit(find_test(result.test), unit)
    if target == result.unit:
        return result
    if target == TIMES_ULN and result.upper_limit:
        return LabResult(
            test=result.test, time=result.time, value=result.value / result.upper_limit, unit=TIMES_ULN
        )

    def converted(value: float) -> float:
        return convert(result.test, value, result.unit, target)

    return LabResult(
        test=result.test,
        time=result.time,
        value=converted(result.value),
        unit=target,
        lower_limit=None if result.lower_limit is None else converted(result.lower_limit),
        upper_limit=None if result.upper_limit is None else converted(result.upper_limit),
    )
