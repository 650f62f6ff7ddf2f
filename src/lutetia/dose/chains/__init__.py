"""Absorbed doses of decay chains: by chain member and radiation, with their horizon and assumption.

``contributions`` follows the parent's curve of each region through its chain, ``chain_absorbed_doses`` makes doses of
targets from them, ``rbe_weighted`` sets a weighted dose beside an absorbed one, and once only.
"""

from lutetia.dose.chains.doses import Body, chain_absorbed_doses
from lutetia.dose.chains.model import RADIATIONS, USUAL_HALF_LIVES, ChainAbsorbedDose, RadiationDose, combined
from lutetia.dose.chains.origins import Contribution, contributions, equilibrium_contributions
from lutetia.dose.chains.weighted import DETERMINISTIC, RBE_SOURCE, RbeWeightedDose, rbe_weighted

__all__ = [
    "DETERMINISTIC",
    "RADIATIONS",
    "RBE_SOURCE",
    "USUAL_HALF_LIVES",
    "Body",
    "ChainAbsorbedDose",
    "Contribution",
    "RadiationDose",
    "RbeWeightedDose",
    "chain_absorbed_doses",
    "combined",
    "contributions",
    "equilibrium_contributions",
    "rbe_weighted",
]
