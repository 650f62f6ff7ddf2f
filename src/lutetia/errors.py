"""All errors Lutetia raises on purpose.

::

    LutetiaError
    ├── InputError (also a ValueError)   a value that cannot be: negative time, unknown nuclide, unequal lengths
    ├── DicomError                       a DICOM object that cannot be read, or says contradictory things
    ├── MissingDataError                 something needed is absent and may not be guessed
    ├── GridError                        two images that do not share a grid, or do not cover each other
    ├── FitError                         a curve that no model describes, or a measurement that cannot be
    ├── ConvergenceError                 an iteration that did not reach its goal
    ├── OutOfRangeError                  outside the range in which a method or table holds
    ├── ProtocolError                    a protocol file that is wrong or does not allow what is asked
    ├── OutputError                      a result that could not be written; nothing half-written is left
    └── ConflictError                    somebody else changed the same thing first, or is changing it

A message says what was found, what was expected, where (file name, tag, region, time point) and what to do. It
never holds a patient's name or identifier.
"""


class LutetiaError(Exception):
    """Base of all errors below."""


class InputError(LutetiaError, ValueError):
    """A value that cannot be."""


class DicomError(LutetiaError):
    """A DICOM object that cannot be read, or that contradicts itself or its neighbours."""


class MissingDataError(LutetiaError):
    """Something needed is absent and may not be guessed."""


class GridError(LutetiaError):
    """Two images that do not share a grid, or do not cover each other."""


class FitError(LutetiaError):
    """A curve that no model describes, or that cannot be real."""


class ConvergenceError(LutetiaError):
    """An iteration that did not reach its goal."""


class OutOfRangeError(LutetiaError):
    """Outside the range in which a method or table holds."""


class ProtocolError(LutetiaError):
    """A protocol file that is wrong, or that does not allow what is asked."""


class OutputError(LutetiaError):
    """A result that could not be written."""


class ConflictError(LutetiaError):
    """Somebody else changed the same thing first, or is changing it; nothing was written."""


EXIT_CODES: dict[type[LutetiaError], int] = {
    InputError: 2,
    MissingDataError: 3,
    DicomError: 4,
    GridError: 5,
    FitError: 6,
    ConvergenceError: 7,
    OutOfRangeError: 8,
    ProtocolError: 9,
    OutputError: 10,
    ConflictError: 11,
    LutetiaError: 1,
}
"""Exit status of the command line per error class; the most special class decides."""


def exit_code(error: LutetiaError) -> int:
    """Exit status of the command line for an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)
