"""The processor's functions compiled for a device: one source, another compiler.

Every function that one calls is taken along; a few that cannot be the same there are given in other words.
"""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

Compiler = Callable[[FunctionType], Any]


class Port:
    """Functions compiled for a device, each once.

    Parameters
    ----------
    compiler : decorator of the device's functions
    instead : name of a function and what stands for it on the device
    """

    def __init__(self, compiler: Compiler, instead: Mapping[str, Any]) -> None:
        self._compiler = compiler
        self._instead = instead
        self._made: dict[FunctionType, Any] = {}

    def __call__(self, function: Any) -> Any:
        """A function of the processor, with all that it calls."""
        plain = _plain(function)
        if plain.__name__ in self._instead:
            return self._instead[plain.__name__]
        if plain not in self._made:
            self._made[plain] = self._compiler(self._rebound(plain))
        return self._made[plain]

    def _rebound(self, plain: FunctionType) -> FunctionType:
        """The same code, its names bound to the device's functions."""
        known = {name: plain.__globals__[name] for name in plain.__code__.co_names if name in plain.__globals__}
        names = {
            name: self(value) if isinstance(_plain(value), FunctionType) else value for name, value in known.items()
        }
        return FunctionType(
            plain.__code__, {"__name__": plain.__module__} | names, plain.__name__, plain.__defaults__
        )


def _plain(function: Any) -> Any:
    """What numba was given to compile."""
    return getattr(function, "py_func", function)
