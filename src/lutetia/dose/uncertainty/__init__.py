"""Uncertainty of mean absorbed doses: budget, correlated errors, propagation to first order and by drawing.

After the EANM guidance: Gear JI, Cox MG, Gustafsson J, et al. EANM practical guidance on uncertainty analysis for molecular
radiotherapy absorbed dose calculations. Eur J Nucl Med Mol Imaging 45 (2018) 2456-2474. doi:10.1007/s00259-018-4136-7
"""

from lutetia.dose.uncertainty.budget import combined, dose_budget, in_order, interval_95
from lutetia.dose.uncertainty.volume import surface_area_mm2, volume_relative_uncertainty

__all__ = ["combined", "dose_budget", "in_order", "interval_95", "surface_area_mm2", "volume_relative_uncertainty"]
