"""Where the daughters of a measured parent decay, when some of them leave the region in which they were born.

The parent's curve in each region is given, a sum of exponentials with its biological release. Its decays are births
of daughters; of each daughter a fraction leaves at birth, because recoil or the new element breaks the bond, and
moves by first-order transfers of its element until it decays. ``member_activities`` solves chain and compartments as
one linear system; without a scenario every daughter decays where its parent did, and the result says so.
"""

from lutetia.kinetics.redistribution.activities import MemberActivities, MemberBalance, joined, member_activities
from lutetia.kinetics.redistribution.published import (
    icrp_redistribution,
    published_members,
    published_releases,
)
from lutetia.kinetics.redistribution.scenario import (
    ALL_REGIONS,
    EQUILIBRIUM,
    Compartment,
    Leaving,
    Redistribution,
    Transfer,
)

__all__ = [
    "ALL_REGIONS",
    "EQUILIBRIUM",
    "Compartment",
    "Leaving",
    "MemberActivities",
    "MemberBalance",
    "Redistribution",
    "Transfer",
    "icrp_redistribution",
    "joined",
    "member_activities",
    "published_members",
    "published_releases",
]
