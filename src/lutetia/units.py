"""The fixed internal units, and every conversion factor, each named with both units.

Inside Lutetia every bare number is in Bq, Bq/mL, s, mm, mL, g, MeV, Gy, Sv or Gy/(Bq s), and its name says so
(``time_s``, ``activity_bq``). What people read and write is in MBq, h, keV and mGy/MBq; the conversion happens
once, at that border, with the factors below: ``value_h = value_s * H_PER_S``.
"""

from typing import Final

S_PER_MIN: Final = 60.0
S_PER_H: Final = 3600.0
H_PER_S: Final = 1.0 / S_PER_H
S_PER_DAY: Final = 86400.0
DAY_PER_S: Final = 1.0 / S_PER_DAY
DAYS_PER_YEAR: Final = 365.25
BQ_PER_MBQ: Final = 1.0e6
BQ_PER_KBQ: Final = 1.0e3
KBQ_PER_BQ: Final = 1.0e-3
MBQ_PER_BQ: Final = 1.0e-6
BQ_PER_GBQ: Final = 1.0e9
GBQ_PER_BQ: Final = 1.0e-9
MBQ_H_PER_BQ_S: Final = MBQ_PER_BQ * H_PER_S
KEV_PER_MEV: Final = 1.0e3
MEV_PER_KEV: Final = 1.0e-3
MM_PER_CM: Final = 10.0
CM_PER_MM: Final = 0.1
CM_PER_UM: Final = 1.0e-4
UM_PER_CM: Final = 1.0e4
UM_PER_MM: Final = 1.0e3
ML_PER_MM3: Final = 1.0e-3
G_PER_KG: Final = 1.0e3
MGY_PER_GY: Final = 1.0e3
MSV_PER_SV: Final = 1.0e3
SV_PER_MSV: Final = 1.0e-3
USV_PER_H_PER_SV_PER_S: Final = 3.6e9
SV_PER_S_PER_USV_PER_H: Final = 1.0 / 3.6e9
S_PER_MS: Final = 1.0e-3
MS_PER_S: Final = 1.0e3

J_PER_MEV: Final = 1.602176634e-13
"""Exact since the 2019 revision of the SI."""

GY_PER_MEV_PER_G: Final = J_PER_MEV * 1.0e3
"""Absorbed dose of 1 MeV in 1 g. [Gy g / MeV]"""

MGY_PER_MBQ_S_PER_GY_PER_BQ_S: Final = 1.0e9
"""1 Gy/(Bq s) = 1e9 mGy/(MBq s)."""
