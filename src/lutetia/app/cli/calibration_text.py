"""What ``calibrate`` shows and keeps: measurements, the record, the factor that holds."""

from datetime import datetime
from pathlib import Path
from typing import Any

from lutetia.errors import MissingDataError
from lutetia.recon.calibrate.documents import Measurement, measurement_document
from lutetia.recon.calibrate.in_force import FactorInForce, drift
from lutetia.recon.calibrate.record import CalibrationRecord, add_measurement, read_record
from lutetia.recon.calibrate.sensitivity import SensitivityMeasurement
from lutetia.units import BQ_PER_MBQ

US_PER_S = 1.0e6


def require_ready(record: Path | None, by: str) -> None:
    """Complain before anything is measured about what would stop the record from taking it."""
    if record is None:
        return
    if not by.strip():
        raise MissingDataError("Who adds the measurement is not told; give a name or a role (--by).")
    if record.exists():
        read_record(record)


def keep(measurement: Measurement, record: Path | None, *, by: str, supersedes: str, note: str) -> dict[str, Any]:
    """Add a measurement to a record if one is named; the document of what was measured, and its drift."""
    number, told, found = None, list(measurement.warnings), None
    if record is not None:
        if record.exists() and isinstance(measurement, SensitivityMeasurement):
            found = drift(_without(read_record(record), supersedes), measurement)
            told += found.warnings if found else ()
        entry = add_measurement(
            record, measurement, by=by, added_at=datetime.now(), supersedes=supersedes, note=note
        )
        number = entry.number
    return {
        "measurement": measurement_document(measurement),
        "entry": number,
        "drift": None if found is None else {"ratio": found.ratio, "z": found.z, "earlier": found.earlier},
        "warnings": told,
    }


def _without(record: CalibrationRecord, number: str) -> CalibrationRecord:
    """The record without the entry that is about to be corrected."""
    return CalibrationRecord(entries=tuple(e for e in record.entries if e.number != number))


def print_measurement(document: dict[str, Any], record: Path | None) -> None:
    """Show the document of ``keep`` as a table."""
    from rich.console import Console
    from rich.table import Table

    console, measured = Console(), document["measurement"]
    console.print(f"[bold]{_title(measured)}[/bold]", highlight=False)
    table = Table("quantity", "value")
    for name, value in _rows(measured):
        table.add_row(name, value)
    console.print(table)
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)
    if document["entry"]:
        console.print(f"Added to {record} as entry {document['entry']}. Research use only.", highlight=False)
    else:
        console.print("Kept nowhere; --record FILE adds it to a calibration record.", highlight=False)


def _title(measured: dict[str, Any]) -> str:
    low, high = measured["window_keV"]
    kind = measured["kind"].replace("_", " ")
    return (
        f"{kind[0].upper()}{kind[1:]}: {measured['camera']}, {measured['collimator']}, {measured['nuclide']}, "
        f"{low:g}-{high:g} keV, {measured['measured_at'][:10]}"
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "not known" if value is None else f"{value:.{digits}g}"


def _rows(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """Quantity and value, in the order in which they are read."""
    if measured["kind"] == "sensitivity":
        heads = [_number(value) for value in measured["per_head_cps_per_MBq"]]
        return [
            ("sensitivity of one head / cps/MBq", _number(measured["sensitivity_cps_per_MBq"], 5)),
            ("standard uncertainty / %", _number(measured["uncertainty_percent"], 3)),
            *((f"  {name} / %", _number(u, 3)) for name, u in measured["budget_percent"].items()),
            *((f"head {i} / cps/MBq", value) for i, value in enumerate(heads, 1)),
            ("method", measured["method"]),
        ]
    if measured["kind"] == "dead_time":
        return [
            ("dead time / us", f"{measured['dead_time_us']:.4g} ± {measured['u_dead_time_us']:.2g}"),
            ("largest loss / %", _number(measured["largest_loss_percent"], 3)),
            ("chi2 (degrees of freedom)", f"{_number(measured['chi2'], 3)} ({measured['degrees_of_freedom']})"),
            ("method", measured["method"]),
        ]
    return [
        ("alpha / mL", _number(measured["alpha_mL"])),
        ("beta", _number(measured["beta"])),
        ("plateau", _number(measured["plateau"])),
        ("chi2 (degrees of freedom)", f"{_number(measured['chi2'], 3)} ({measured['degrees_of_freedom']})"),
        *((f"sphere of {s['volume_mL']:.3g} mL", f"{s['measured_over_true']:.3f} ± {s['u']:.2g}")
          for s in measured["spheres"]),
    ]  # fmt: skip


def record_document(record: CalibrationRecord, factor: FactorInForce | None) -> dict[str, Any]:
    """A record, and the factor that holds if one was asked for, as a JSON document."""
    document: dict[str, Any] = {
        "entries": [
            {
                "number": entry.number,
                "added_at": entry.added_at.isoformat(),
                "by": entry.by,
                "supersedes": entry.supersedes,
                "superseded_by": entry.superseded_by,
                "note": entry.note,
                "measurement": measurement_document(entry.measurement),
            }
            for entry in record.entries
        ],
        "in_force": None,
        "warnings": list(record.warnings),
    }
    if factor is not None:
        relative = factor.calibration.relative_uncertainty
        document["in_force"] = {
            "sensitivity_cps_per_MBq": factor.calibration.sensitivity_cps_per_bq * BQ_PER_MBQ,
            "uncertainty_percent": None if relative is None else 100 * relative,
            "dead_time_us": factor.calibration.dead_time_s * US_PER_S,
            "rule": factor.rule,
            "entries": list(factor.numbers),
        }
        document["warnings"] = list(factor.warnings)
    return document


def print_record(document: dict[str, Any]) -> None:
    """Show the document of ``record_document``; corrected entries stay, dimmed."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        "entry", "measured", "what", "for", "value", "by", title="Calibration record", title_justify="left"
    )
    for entry in document["entries"]:
        measured = entry["measurement"]
        low, high = measured["window_keV"]
        table.add_row(
            entry["number"] + (f" (corrected by {entry['superseded_by']})" if entry["superseded_by"] else ""),
            measured["measured_at"][:10],
            measured["kind"].replace("_", " "),
            f"{measured['camera']}, {measured['collimator']}, {measured['nuclide']}, {low:g}-{high:g} keV",
            _brief(measured),
            entry["by"],
            style="dim" if entry["superseded_by"] else None,
        )
    console.print(table)
    factor = document["in_force"]
    if factor is not None:
        console.print(
            f"In force: {factor['sensitivity_cps_per_MBq']:.5g} cps/MBq per head, uncertainty "
            f"{_number(factor['uncertainty_percent'], 3)} %, dead time {factor['dead_time_us']:.3g} us "
            f"({factor['rule']} of {', '.join(factor['entries'])})",
            highlight=False,
        )
    for warning in document["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False)


def _brief(measured: dict[str, Any]) -> str:
    if measured["kind"] == "sensitivity":
        u = measured["uncertainty_percent"]
        return f"{measured['sensitivity_cps_per_MBq']:.4g} cps/MBq ± {_number(u, 2)} %"
    if measured["kind"] == "dead_time":
        return f"{measured['dead_time_us']:.3g} ± {measured['u_dead_time_us']:.2g} us"
    spheres = measured["spheres"]
    return f"{len(spheres)} spheres, {spheres[0]['volume_mL']:.3g} to {spheres[-1]['volume_mL']:.3g} mL"
