"""OMEGA (omegatomo) in the benchmark: says whether its engines can be loaded, and if not, what is missing.

Its wheel holds engines that need the ArrayFire libraries, which no Python package brings. Of its SPECT projectors only
the one that rotates (type 6) has attenuation and a response as the problem asks; that one runs by OpenCL or CUDA
alone, its processor engine traces single rays. No mapping to Lutetia's conventions was measured yet for it.
"""

import ctypes
import sys
from importlib.metadata import version
from pathlib import Path

import omegatomo

ENGINES = ("CPU_matrixfree_lib", "OpenCL_matrixfree_lib", "CUDA_matrixfree_lib")


def missing(engine: str) -> str:
    """What the loader says about an engine; empty when it loads."""
    folder = Path(next(iter(omegatomo.__path__))) / "libs"
    suffix = ".dll" if sys.platform == "win32" else ".so"
    try:
        ctypes.CDLL(str(folder / f"{engine}{suffix}"))
    except OSError as error:
        return str(error).replace(str(folder), "").strip("/")
    return ""


if __name__ == "__main__":
    told = {engine: missing(engine) for engine in ENGINES}
    lacking = [text for text in told.values() if text]
    if len(lacking) == len(ENGINES):
        sys.exit(f"omegatomo {version('omegatomo')}: {'; '.join(lacking)}")
    loaded = ", ".join(engine for engine, text in told.items() if not text)
    sys.exit(
        f"omegatomo {version('omegatomo')}: {loaded} loads, but how its views map to ours was not measured yet"
    )
