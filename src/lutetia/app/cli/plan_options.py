"""Options of a plan of activity, from files on the command line or of a course."""

from pathlib import Path
from typing import Annotated

import typer

GyPerGBq = Annotated[
    list[str] | None, typer.Option("--Gy-per-GBq", help="Predicted dose per activity: kidney=0.64.")
]
UPercent = Annotated[
    float | None, typer.Option("--u-percent", min=0.0, help="Standard uncertainty of the predicted dose.")
]
Scans = Annotated[int, typer.Option("--scans", min=1, help="Per cycle: 3 or more, 13 %; fewer, 19 %.")]
HalfLifeH = Annotated[list[str] | None, typer.Option("--half-life-h", help="Effective, for a BED: kidney=50.")]
TargetGy = Annotated[
    float | None,
    typer.Option("--target-Gy", help="Kidney dose of the next cycle, for p-prrt, danish, forward."),
]
ReducePercent = Annotated[
    float, typer.Option("--reduce-percent", min=0.0, max=99.0, help="For impairment, with p-prrt: 25 to 50.")
]
Linear = Annotated[bool, typer.Option("--linear", help="The prior in proportion to the activity.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="What each limit allows: .png, .pdf or .svg; must not exist.")
]


def require_possible(
    *, target_gy: float | None, mass_kg: float | None, clearance_ml_per_min: float | None, prior: str | None
) -> None:
    """Refuse numbers and a prior that cannot be.

    Raises
    ------
    InputError
        With the option.
    """
    from lutetia.app.cli.numbers import require_option
    from lutetia.errors import InputError

    for value, option, unit in (
        (target_gy, "--target-Gy", "Gy"), (mass_kg, "--mass-kg", "kg"),
        (clearance_ml_per_min, "--clearance-mL-min", "mL/min"),
    ):  # fmt: skip
        require_option(value, option, unit, most=1e4)
    if prior not in (None, "sood2026"):
        raise InputError(f"--prior {prior!r}: expected sood2026.")
