"""Free paths in mean free paths: exponentially distributed numbers without a logarithm."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.photons.compiled import inlined, kernel
from lutetia.physics.transport import SCALE, STAR, advanced, uniform

LAYERS: Final = 256
TAIL: Final = 7.69711747013104972
"""Where the lowest layer's tail begins."""
AREA: Final = 0.0039496598225815571993
"""Of every layer, the lowest one with its tail."""


def _edges() -> NDArray[np.float64]:
    """Widths of the layers from the lowest, whose rectangle has the area of its tail too; 0 at the top."""
    x = np.zeros(LAYERS + 1)
    x[0], x[1] = AREA * math.exp(TAIL), TAIL
    for i in range(2, LAYERS):
        x[i] = -math.log(AREA / x[i - 1] + math.exp(-x[i - 1]))
    return x


EDGES: Final = _edges()


@inlined
def free_path(state):
    """Exponentially distributed number of mean 1, and the state.

    References
    ----------
    Marsaglia G, Tsang WW. The ziggurat method for generating random variables. J Stat Softw 5 (2000) 1-7,
    doi:10.18637/jss.v005.i08.
    """
    state = advanced(state)
    bits = state * STAR
    layer = np.int64((bits >> np.uint64(3)) & np.uint64(LAYERS - 1))  # bits that the number does not use
    x = float(bits >> np.uint64(11)) * SCALE * EDGES[layer]
    if x < EDGES[layer + 1]:
        return x, state
    return _beyond(layer, x, state)


@kernel
def _beyond(layer, x, state):
    """The tail, or what is left of a layer beside its rectangle, in one case of a hundred."""
    while True:
        if layer == 0:
            state = advanced(state)
            return TAIL - math.log(1.0 - uniform(state)), state
        state = advanced(state)
        low, high = math.exp(-EDGES[layer]), math.exp(-EDGES[layer + 1])
        if low + uniform(state) * (high - low) < math.exp(-x):
            return x, state
        state = advanced(state)
        bits = state * STAR
        layer = np.int64((bits >> np.uint64(3)) & np.uint64(LAYERS - 1))
        x = float(bits >> np.uint64(11)) * SCALE * EDGES[layer]
        if x < EDGES[layer + 1]:
            return x, state
