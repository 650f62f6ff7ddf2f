"""Biologically effective dose of a region, where the table has parameters of its tissue."""

from lutetia.app.report.content import RegionBiology
from lutetia.dose.absorbed_dose import AbsorbedDose
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.response.bed import bed_of
from lutetia.response.parameters import find_tissue
from lutetia.response.protraction import lea_catcheside_factor


def region_biology(
    dose: AbsorbedDose, *, agent: str, curve: TimeActivityCurve, fit: CurveFit
) -> RegionBiology | None:
    """BED of the mean dose with the protraction of the region's own curve; None without alpha/beta and repair.

    Lesions have the parameters of tumours, other regions those of their organ. The uncertainty is that of the
    absorbed dose.
    """
    tissue = find_tissue(dose.region, kind=dose.kind, agent=agent)
    if tissue is None or tissue.repair_half_life_s is None or dose.kind not in ("organ", "lesion"):
        return None
    bed = bed_of(
        absorbed_dose_gy=dose.mean_gy,
        g=lea_catcheside_factor(fit, tissue.repair_half_life_s, curve=curve),
        alpha_beta_gy=tissue.alpha_beta_gy,
        standard_uncertainty_gy=dose.standard_uncertainty_gy,
    )
    return RegionBiology(bed=bed, tissue=tissue, repair_half_life_s=tissue.repair_half_life_s)
