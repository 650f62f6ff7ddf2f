"""Arrays without reference counting, for functions that only use what their caller holds.

Numba counts references to arrays at every call of a function that takes them, atomically: in the short functions of a
walk that takes twice as long as the physics. An array stripped of its owner is not counted.
"""

from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


@intrinsic
def _borrowed(_typing, array):
    def generate(context, builder, signature, arguments):
        made = make_array(signature.return_type)(context, builder, value=arguments[0])
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        return made._getvalue()

    return array(array), generate


@njit(cache=True)
def borrowed(array):
    """The same array without an owner; it must not outlive the one it was made of."""
    return _borrowed(array)  # type: ignore[call-arg]  # numba passes the typing context
