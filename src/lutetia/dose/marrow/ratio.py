"""Activity concentration of red marrow over that of blood."""

import math
from dataclasses import dataclass

from lutetia.dose.marrow.parameters import parameter
from lutetia.errors import InputError

LEAST_HAEMATOCRIT, GREATEST_HAEMATOCRIT = 0.1, 0.7
"""Outside these a number is not a living patient's haematocrit as a fraction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MarrowToBloodRatio:
    """Activity concentration of red marrow over that of whole blood (RMBLR).

    Attributes
    ----------
    value : ratio
    standard_uncertainty : None when unknown
    key : short name for results
    source : where it comes from, for people
    """

    value: float
    standard_uncertainty: float | None
    key: str
    source: str

    @property
    def relative(self) -> float | None:
        """Relative standard uncertainty."""
        return None if self.standard_uncertainty is None else self.standard_uncertainty / self.value


def ratio_by_haematocrit_sgouros1993(
    haematocrit: float, *, standard_uncertainty: float | None = None
) -> MarrowToBloodRatio:
    r"""Ratio for what stays in plasma and extracellular fluid: :math:`RMBLR = RMECFF / (1 - Hct)`.

    The extracellular fluid of marrow, a fraction RMECFF of 0.19 of it, has the concentration of plasma; blood has
    1 - Hct of it. It does not hold for what binds to blood cells or to marrow.

    Parameters
    ----------
    haematocrit : fraction, not per cent
    standard_uncertainty : of the haematocrit; 0.01 when not given

    Raises
    ------
    InputError
        A haematocrit outside 0.1 to 0.7.

    References
    ----------
    Sgouros G. J Nucl Med 34 (1993) 689-694 (0.36 at a haematocrit of 0.47).

    Examples
    --------
    >>> round(ratio_by_haematocrit_sgouros1993(0.47).value, 2)
    0.36
    """
    if not LEAST_HAEMATOCRIT <= haematocrit <= GREATEST_HAEMATOCRIT:
        raise InputError(
            f"Haematocrit of {haematocrit}; expected a fraction of {LEAST_HAEMATOCRIT} to {GREATEST_HAEMATOCRIT} "
            "(0.38, not 38)."
        )
    fluid = parameter("extracellular fluid fraction")
    u_blood = parameter("haematocrit").known_uncertainty if standard_uncertainty is None else standard_uncertainty
    value = fluid.known_value / (1 - haematocrit)
    relative = math.hypot(fluid.known_uncertainty / fluid.known_value, u_blood / (1 - haematocrit))
    return MarrowToBloodRatio(
        value=value,
        standard_uncertainty=relative * value,
        key="haematocrit",
        source=f"extracellular fluid fraction {fluid.known_value:g} over 1 - haematocrit {haematocrit:g} ({fluid.source})",
    )


def ratio_of_dotatate_forrer2009() -> MarrowToBloodRatio:
    """Ratio 1, as measured in aspirates after 177Lu-DOTATATE.

    References
    ----------
    Forrer F, et al. Eur J Nucl Med Mol Imaging 36 (2009) 1138-1146, doi:10.1007/s00259-009-1072-6.
    """
    found = parameter("marrow to blood ratio of 177Lu-DOTATATE")
    return MarrowToBloodRatio(
        value=found.known_value,
        standard_uncertainty=found.known_uncertainty,
        key="as blood",
        source=f"ratio {found.known_value:g}, marrow as blood ({found.source}; 177Lu-DOTATATE)",
    )


def given_ratio(value: float, *, standard_uncertainty: float | None = None) -> MarrowToBloodRatio:
    """A ratio that the user gives.

    Raises
    ------
    InputError
        A ratio that is not positive, or above 10.
    """
    if not 0 < value <= 10:
        raise InputError(f"Marrow to blood ratio of {value}; expected more than 0 and at most 10.")
    return MarrowToBloodRatio(
        value=value,
        standard_uncertainty=standard_uncertainty,
        key="given ratio",
        source=f"ratio {value:g} as given",
    )
