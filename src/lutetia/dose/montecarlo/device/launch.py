"""Histories of a run on a CUDA device: arrays there, launches, tallies back."""

import importlib.util
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import config
from numpy.typing import NDArray

from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.scene import Geometry
from lutetia.dose.montecarlo.source import SourceArrays
from lutetia.errors import MissingDataError

THREADS: Final = 128
BLOCKS: Final = 2048
LAUNCH: Final = 2**22
"""Histories of one launch: a device that also draws a screen stops kernels that take seconds."""

Put = Callable[[NDArray[Any]], Any]
Walk = tuple[str, float]
"""Name of a kernel and kind of the particles that the source emits."""


def run_on_device(
    walk: Walk, first: int, source: SourceArrays, geometry: Geometry, tables: tuple[Any, ...], deposits: Deposits
) -> None:
    """Follow all histories of a run and fill in its tallies, in place.

    Parameters
    ----------
    walk : kernel, and kind of the particles
    first : number of the first history
    source, geometry : as of the processor
    tables : of photons, blocks, and of electrons, or the second tallies, as ``kernels`` takes them
    deposits : empty

    Raises
    ------
    MissingDataError
        numba-cuda is not installed.
    """
    _require_target()
    from numba import cuda

    from lutetia.dose.montecarlo.device.kernels import KERNELS

    name, kind = walk
    there = arguments(cuda.to_device, source, geometry, tables)
    counts = tuple(cuda.to_device(a) for a in (deposits.tallies, deposits.emitted, deposits.escaped))
    start = (np.int64(deposits.per_batch), np.int64(first), np.uint64(deposits.seed))
    total = deposits.n_histories
    for begin in range(0, total, LAUNCH):
        end = min(begin + LAUNCH, total)
        blocks = min(-(-(end - begin) // THREADS), BLOCKS)
        KERNELS[name][blocks, THREADS](np.float64(kind), np.int64(begin), np.int64(end), *start, *there, *counts)
    for here, found in zip((deposits.tallies, deposits.emitted, deposits.escaped), counts, strict=True):
        found.copy_to_host(here)


def _require_target() -> None:
    """The CUDA target built into numba does not compile ``min`` and ``max`` of numba 0.68."""
    simulated = config.ENABLE_CUDASIM  # type: ignore[attr-defined]  # numba sets it from the environment
    if not simulated and importlib.util.find_spec("numba_cuda") is None:
        raise MissingDataError(
            "Particles are followed on a CUDA device with the package numba-cuda, which is not installed. Install the "
            "extra lutetia[gpu], or choose the device 'cpu'."
        )


def arguments(
    put: Put, source: SourceArrays, geometry: Geometry, tables: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Source, geometry and tables as the kernels take them, each array put where they can read it."""
    flat = tuple(put(array.reshape(-1)) for array in geometry[:3])
    return _all(put, source), (*_all(put, geometry), flat), _all(put, tables)


def _all(put: Put, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Every array of nested tuples put."""
    return tuple(_all(put, a) if isinstance(a, tuple) else put(np.ascontiguousarray(a)) for a in arrays)
