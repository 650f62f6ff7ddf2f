"""Biologically effective dose of alphas together with electrons and photons."""

from dataclasses import dataclass

from lutetia.dose.chains import ChainAbsorbedDose
from lutetia.kinetics.curve import CurveFit
from lutetia.response.bed import bed_with_alpha
from lutetia.response.parameters import TissueParameters, find_tissue
from lutetia.response.protraction import lea_catcheside_factor


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoComponentBed:
    """BED with its parameters; ``rbe_max`` is the one of the weighted dose. [Gy]"""

    bed_gy: float
    g: float
    rbe_max: float
    tissue: TissueParameters


def two_component_bed(
    dose: ChainAbsorbedDose, *, kind: str, agent: str, rbe_max: float, fit: CurveFit | None
) -> TwoComponentBed | None:
    r"""BED of a region, the low-LET part protracted as the parent's curve in it.

    .. math:: \mathrm{BED} = \mathrm{RBE_{max}} (D_\alpha + D_\mathrm{recoil}) + D_{e\gamma}
              + \frac{G D_{e\gamma}^2}{\alpha/\beta}

    Daughters follow the parent later and more slowly, so that G is rather too high than too low.

    Returns
    -------
    TwoComponentBed or None
        None without a curve of the region, or without alpha/beta and repair of its tissue.

    References
    ----------
    Hobbs RF et al. Radiat Res 181 (2014) 90-98. doi:10.1667/RR13483.1
    """
    tissue = find_tissue(dose.target, kind=kind, agent=agent)
    if fit is None or tissue is None or tissue.repair_half_life_s is None or kind not in ("organ", "lesion"):
        return None
    parts = dose.by_radiation
    g = lea_catcheside_factor(fit, tissue.repair_half_life_s)
    bed = bed_with_alpha(
        alpha_dose_gy=parts.high_let_gy, beta_gamma_dose_gy=parts.low_let_gy, rbe_max=rbe_max, g=g,
        alpha_beta_gy=tissue.alpha_beta_gy,
    )  # fmt: skip
    return TwoComponentBed(bed_gy=bed, g=g, rbe_max=rbe_max, tissue=tissue)
