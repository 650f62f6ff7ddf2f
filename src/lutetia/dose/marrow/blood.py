"""Whether blood samples can be of the administered activity: a unit of concentration is easily read 1000 times off."""

import math

import numpy as np

from lutetia.dose.marrow.parameters import parameter
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.units import G_PER_KG, H_PER_S, KBQ_PER_BQ, MBQ_PER_BQ, S_PER_MIN


def blood_volume_ml(body_mass_g: float) -> float:
    """Volume of a person's blood, in proportion to the body. [mL]"""
    share = parameter("blood, share of body mass").known_value
    return share * body_mass_g / parameter("density of blood").known_value


def least_share_in_blood(time_s: float, body_mass_g: float) -> float:
    r"""Share of the administered activity, corrected for decay, that blood holds at least some time after an injection.

    :math:`f(t) = m\,\frac{V_p}{V_e} e^{-\dot V t/V_e}`: all of it spreads over the extracellular fluid :math:`V_e` at once,
    of which plasma is :math:`V_p`, and is filtered by healthy kidneys at :math:`\dot V` without return; m is a tenth, for
    what organs and tumours take up. It falls so fast that hours later it says nothing any more.
    """
    fluid_ml = parameter("extracellular fluid, share of body mass").known_value * body_mass_g  # L/kg are mL/g
    rate_per_s = parameter("glomerular filtration rate").known_value / S_PER_MIN / fluid_ml
    plasma = parameter("plasma, share of extracellular fluid").known_value
    margin = parameter("least of the expected activity in blood").known_value
    return margin * plasma * math.exp(-rate_per_s * time_s)


def implausible_blood(
    blood: TimeActivityCurve, *, administered_activity_bq: float, decay_constant_per_s: float, body_mass_g: float
) -> tuple[str, ...]:
    """Warnings where samples of blood [Bq/mL] hold more than was administered, or the first hardly anything of it."""
    volume_ml = blood_volume_ml(body_mass_g)
    shares = blood.activity_bq * np.exp(decay_constant_per_s * blood.time_s) * volume_ml / administered_activity_bq
    given = f"{administered_activity_bq * MBQ_PER_BQ:g} MBq"
    body = f"{volume_ml:.0f} mL of blood ({body_mass_g / G_PER_KG:g} kg)"
    ask = "Are the unit of concentration and the administered activity right?"

    def sample(place: int) -> str:
        hour = blood.time_s[place] * H_PER_S
        return (
            f"Blood: {blood.activity_bq[place] * KBQ_PER_BQ:.3g} kBq/mL at {hour:.3g} h in {body} are "
            f"{shares[place]:.2g} of the {given} administered, corrected for decay"
        )

    highest, first = int(np.argmax(shares)), int(np.argmin(blood.time_s))
    most = parameter("most of the administered activity in blood").known_value
    if shares[highest] > most:
        return (f"{sample(highest)}; at most {most:g} can be. {ask}",)
    least = least_share_in_blood(float(blood.time_s[first]), body_mass_g)
    if shares[first] < least:
        return (
            f"{sample(first)}; at least {least:.2g} is expected even if it spread over all extracellular fluid at once and "
            f"kidneys filtered it without return. {ask}",
        )
    return ()
