"""Decay chains: their members, the branches between them, and how many of each decay until a horizon.

``chain`` gives the members of a parent, parents first; ``chain_decays`` the decays of each from given atoms or
activities until a horizon, ``chain_activities`` their activities at times. The solution is Bateman's, in decimal
arithmetic with as many digits as the cancellation takes, so that 4 microseconds beside 10 days lose nothing. All
members are assumed to stay together; where they part is the business of ``lutetia.kinetics.redistribution``.
"""

from lutetia.physics.chains.build import OwnHalfLife, chain
from lutetia.physics.chains.decays import ChainDecays, chain_activities, chain_decays
from lutetia.physics.chains.members import LONG_LIVED_S, Branch, Chain, Member

__all__ = [
    "LONG_LIVED_S",
    "Branch",
    "Chain",
    "ChainDecays",
    "Member",
    "OwnHalfLife",
    "chain",
    "chain_activities",
    "chain_decays",
]
