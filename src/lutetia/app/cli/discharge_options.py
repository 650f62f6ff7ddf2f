"""Options of a discharge sheet, of one patient on the command line or of a course."""

from pathlib import Path
from typing import Annotated

import typer

Retention = Annotated[
    str | None,
    typer.Option("--retention", help="A profile (dotatate-label, psma-617-rostock, ...) or a CSV of measurements."),
]
UDoseRate = Annotated[
    float | None, typer.Option("--u-dose-rate-percent", help="Of measured dose rates: standard uncertainty (k=1).")
]
Country = Annotated[str | None, typer.Option("--country", help="Country or site: US, Perth, ...")]
LimitDoseRate = Annotated[float | None, typer.Option("--limit-uSv-h", help="A limit of your own at 1 m. [uSv/h]")]
DischargeH = Annotated[float | None, typer.Option("--discharge-h", help="Planned, after the administration. [h]")]
Contacts = Annotated[Path | None, typer.Option("--contacts", help="CSV of contact patterns of your own.")]
Only = Annotated[list[str] | None, typer.Option("--contact", help="Only patterns whose name has this.")]
DistanceExponent = Annotated[
    float, typer.Option("--distance-exponent", help="Dose rate by distance: 1.5 near people, 2 of a point.")
]
CollectH = Annotated[float | None, typer.Option("--collect-h", help="Urine goes to a tank until then. [h]")]
TankDays = Annotated[float, typer.Option("--tank-days", help="From administration to release. [d]")]
TankVolume = Annotated[float | None, typer.Option("--tank-m3", help="Volume it is diluted in. [m3]")]
Impurity = Annotated[
    float | None,
    typer.Option("--impurity-percent", help="Long-lived impurity (Lu-177m) of the administered activity."),
]
Residual = Annotated[float | None, typer.Option("--residual-MBq", help="Left in the vial or in waste. [MBq]")]
Clearance = Annotated[
    float | None, typer.Option("--clearance-kBq", help="Activity at which it may be cleared. [kBq]")
]
ResidualImpurity = Annotated[
    float | None,
    typer.Option("--residual-impurity-percent", help="Impurity of what is left (0.3 in used vials)."),
]
Draws = Annotated[int, typer.Option("--draws", help="Patients drawn for the intervals.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the random numbers.")]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", help="Dose rate over time: a file .png, .pdf or .svg that must not exist."),
]
