"""Renal function: clearance and filtration rate from blood, and how fast they are lost."""

from lutetia.response.renal.equations import (
    absolute_filtration_rate,
    body_surface_dubois1916,
    body_surface_mosteller1987,
    creatinine_clearance_cockcroft1976,
    filtration_rate_inker2012_cystatin,
    filtration_rate_inker2021,
    filtration_rate_inker2021_cystatin,
)
from lutetia.response.renal.function import RenalFunction, renal_function
from lutetia.response.renal.slope import FunctionSlope, function_slope

__all__ = [
    "FunctionSlope",
    "RenalFunction",
    "absolute_filtration_rate",
    "body_surface_dubois1916",
    "body_surface_mosteller1987",
    "creatinine_clearance_cockcroft1976",
    "filtration_rate_inker2012_cystatin",
    "filtration_rate_inker2021",
    "filtration_rate_inker2021_cystatin",
    "function_slope",
    "renal_function",
]
