"""Absorbed doses in which alpha particles and recoil count more: a type of their own, so that none is weighted twice."""

import math
from dataclasses import dataclass
from typing import Final

from lutetia.dose.chains.model import ChainAbsorbedDose
from lutetia.errors import InputError

DETERMINISTIC: Final = "deterministic effects"
DEFAULT_RBE: Final = 5.0
RBE_SOURCE: Final = "Sgouros et al. 2010 (MIRD Pamphlet 22), doi:10.2967/jnumed.108.058651"
RBE_VERIFIED: Final = False
"""The 5 for deterministic effects is quoted after the pamphlet, which was not read."""
BY_USER: Final = "given by the user"


@dataclass(frozen=True, kw_only=True, slots=True)
class RbeWeightedDose:
    r"""A weighted dose beside the absorbed dose that it comes from; it is never alone.

    .. math:: D_{RBE} = \mathrm{RBE}\,(D_\alpha + D_\mathrm{recoil}) + D_e + D_\gamma

    Attributes
    ----------
    absorbed : unweighted
    rbe, endpoint, source, verified : the factor, the effect that it is for, whose it is, whether it was read there
    """

    absorbed: ChainAbsorbedDose
    rbe: float
    endpoint: str
    source: str
    verified: bool

    @property
    def weighted_gy(self) -> float:
        """RBE-weighted dose. [Gy, weighted]"""
        parts = self.absorbed.by_radiation
        return self.rbe * parts.high_let_gy + parts.low_let_gy


def rbe_weighted(
    dose: ChainAbsorbedDose, *, rbe: float = DEFAULT_RBE, endpoint: str = DETERMINISTIC, source: str | None = None
) -> RbeWeightedDose:
    """Weight alpha particles and recoil by one RBE; electrons and photons count once.

    Parameters
    ----------
    dose : absorbed
    rbe : 1 to 100
    endpoint : the effect that the RBE is for; an RBE without one says nothing
    source : of the RBE; MIRD Pamphlet 22 for the default, else "given by the user"

    Raises
    ------
    InputError
        A dose or coefficient that holds an RBE already or may, an RBE outside 1 to 100, no endpoint.

    References
    ----------
    Sgouros G et al. (MIRD Pamphlet 22) J Nucl Med 51 (2010) 311-328. doi:10.2967/jnumed.108.058651
    """
    _require_absorbed(dose)
    if not (math.isfinite(rbe) and 1.0 <= rbe <= 100.0):
        raise InputError(f"An RBE of {rbe:g}; expected from 1 to 100.")
    if not endpoint.strip():
        raise InputError("An RBE needs the endpoint that it is for.")
    shipped = rbe == DEFAULT_RBE and endpoint == DETERMINISTIC and source is None
    return RbeWeightedDose(
        absorbed=dose,
        rbe=rbe,
        endpoint=endpoint,
        source=RBE_SOURCE if shipped else source or BY_USER,
        verified=RBE_VERIFIED if shipped else True,
    )


def _require_absorbed(dose: object) -> None:
    # the types say so already, but people call from notebooks, and with rows of published tables
    if isinstance(dose, ChainAbsorbedDose):
        return
    inside = getattr(dose, "rbe", None)
    if isinstance(inside, float):
        raise InputError(f"{type(dose).__name__} holds a factor of {inside:g}; it cannot be weighted again.")
    raise InputError(f"{type(dose).__name__} is no absorbed dose of a chain; it cannot be weighted.")
