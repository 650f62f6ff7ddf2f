"""Where to compute: on the processor, or on a CUDA device where there is one.

numba's CUDA target is imported when a device is asked for, never before. The newer target comes with the extra
``lutetia[gpu]``; the one built into numba works too where a CUDA toolkit is installed.
"""

from typing import Literal, get_args

from lutetia.errors import InputError, MissingDataError

Device = Literal["cpu", "cuda"]


def available() -> bool:
    """Whether a CUDA device can be used here."""
    return not missing()


def missing() -> str:
    """What keeps CUDA from working here; empty when nothing does."""
    try:
        from numba import cuda

        if cuda.is_available():
            return ""
        cuda.current_context()
    except Exception as error:  # each binding of the driver has its own classes
        return " ".join(str(error).split()).rstrip(" :.") or type(error).__name__
    return "The driver works, but libNVVM, the compiler of the CUDA toolkit, was not found"


def on_cuda(device: Device) -> bool:
    """Whether a CUDA device is asked for; it is there then.

    Raises
    ------
    InputError
        Another device than "cpu" and "cuda".
    MissingDataError
        No CUDA device can be used here.
    """
    if device not in get_args(Device):
        raise InputError(f"Device {device!r}; expected one of {', '.join(get_args(Device))}.")
    if device == "cpu":
        return False
    found = missing()
    if found:
        raise MissingDataError(
            f"No CUDA device can be used here: {found}. Expected an NVIDIA GPU with its driver, and numba's CUDA "
            "target (the extra lutetia[gpu], or a CUDA toolkit). Install what is missing, or choose the device 'cpu'."
        )
    return True
