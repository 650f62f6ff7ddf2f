"""The commands ``krenning`` and ``dual-tracer``: what a reader's eye or ratios say of receptor imaging."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from lutetia.app.cli.console import print_json, told_errors
from lutetia.errors import InputError

if TYPE_CHECKING:
    from lutetia.therapy.imaging_scores import LesionRead

NOTE: Final = "An aid; the reader decides. Research use only."
COLUMNS: Final = ("lesion", "sstr", "fdg")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def krenning(
    lesion: Annotated[
        float | None, typer.Option("--lesion", help="Uptake of the lesion, for example SUVmax.")
    ] = None,
    liver: Annotated[float | None, typer.Option("--liver", help="Mean uptake of the liver, same unit.")] = None,
    spleen: Annotated[float | None, typer.Option("--spleen", help="Mean uptake of the spleen, same unit.")] = None,
    reader: Annotated[int | None, typer.Option("--reader", help="Score by eye, 0 to 4; overrules ratios.")] = None,
    visible: Annotated[bool, typer.Option("--visible/--not-visible", help="Whether it is seen at all.")] = True,
    json: Json = False,
) -> None:
    """Krenning score of a lesion from its uptake beside liver and spleen, or a reader's."""
    with told_errors(as_json=json):
        from lutetia.therapy.imaging_scores import krenning_score

        found = krenning_score(visible=visible, lesion=lesion, liver=liver, spleen=spleen, reader=reader)
        if json:
            print_json({**asdict(found), "warnings": list(found.warnings), "note": NOTE})
            return
        ratios = (("liver", found.lesion_to_liver), ("spleen", found.lesion_to_spleen))
        shown = ", ".join(f"{value:.2g} x {organ}" for organ, value in ratios if value is not None)
        typer.echo(f"Krenning {found.score}: {found.meaning}{f' ({shown})' if shown else ''}.")
        _finish(found.source, found.verified, found.warnings)


def dual_tracer(
    table: Annotated[
        Path, typer.Argument(help="CSV: lesion, sstr and fdg (scores 0 to 4), fdg_avidity (lower, equal, higher).")
    ],
    scale: Annotated[
        Literal["NETPET", "Karfis", "Zidan"], typer.Option("--scale", help="Of the grade.")
    ] = "NETPET",
    json: Json = False,
) -> None:
    """Grade of a patient from reads with a receptor tracer and FDG: NETPET, Karfis or Zidan."""
    with told_errors(as_json=json):
        from lutetia.therapy.imaging_scores import dual_tracer_grade

        found = dual_tracer_grade(scale, _reads(table))
        if json:
            lists = {"lesions": list(found.lesions), "warnings": list(found.warnings)}
            print_json({**asdict(found), **lists, "note": NOTE})
            return
        suits = f" For receptor therapy: {found.suitability}." if found.suitability else ""
        typer.echo(
            f"{scale} {found.group or 'not to be told'}, by {', '.join(found.lesions) or 'no lesion'}.{suits}"
        )
        _finish(found.source, found.verified, found.warnings)


def _reads(table: Path) -> "list[LesionRead]":
    from lutetia.kinetics.measured.csv_lines import read_csv_lines, require_columns
    from lutetia.therapy.imaging_scores import LesionRead

    lines = read_csv_lines(table, needed=COLUMNS, renamed=str.lower)
    require_columns(table, lines.heading, COLUMNS, ("fdg_avidity",))
    found = []
    for number, row in lines.rows:
        where = f"{table.name} line {number}"
        try:
            scores = {name: int(row[name]) for name in ("sstr", "fdg")}
        except ValueError:
            raise InputError(
                f"{where}: sstr {row['sstr']!r} and fdg {row['fdg']!r}; expected scores of 0 to 4."
            ) from None
        avidity: Any = row.get("fdg_avidity") or None
        try:
            found.append(LesionRead(lesion=row["lesion"], fdg_avidity=avidity, **scores))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return found


def _finish(source: str, verified: bool, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"Source: {source}{'' if verified else ' (not compared with it)'}. {NOTE}")
