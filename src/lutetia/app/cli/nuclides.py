"""The ``nuclide`` command: one radionuclide in the units people use."""

from typing import Any

from lutetia.physics.nuclides import nuclide
from lutetia.units import H_PER_S, KEV_PER_MEV, S_PER_DAY, S_PER_H


def nuclide_document(name: str) -> dict[str, Any]:
    """Decay data of a nuclide as a JSON document; keys as in docs/reference/json.md."""
    found = nuclide(name)
    energy = found.energy_per_decay_mev
    return {
        "nuclide": found.name,
        "half_life_s": found.half_life_s,
        "energy_per_decay_keV": {
            "electron": energy.electron * KEV_PER_MEV,
            "photon": energy.photon * KEV_PER_MEV,
            "alpha": energy.alpha * KEV_PER_MEV,
            "recoil": energy.recoil * KEV_PER_MEV,
        },
        "photon_lines": [
            {"energy_keV": line.energy_mev * KEV_PER_MEV, "yield": line.yield_per_decay}
            for line in found.photon_lines
        ],
        "progeny": [{"nuclide": child.nuclide, "branching": child.branching} for child in found.progeny],
        "source": "ICRP Publication 107 through icrp107-database and radioactivedecay",
    }  # fmt: skip


def _half_life(seconds: float) -> str:
    for limit, unit, per_s in ((2 * S_PER_DAY * 365, "a", 1 / (S_PER_DAY * 365.2422)), (2 * S_PER_DAY, "d", 1 / S_PER_DAY),
                               (2 * S_PER_H, "h", H_PER_S), (120, "min", 1 / 60)):  # fmt: skip
        if seconds >= limit:
            return f"{seconds * per_s:.5g} {unit}"
    return f"{seconds:.5g} s"


def print_nuclide(document: dict[str, Any]) -> None:
    """Show the document of ``nuclide_document`` as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{document['nuclide']}[/bold]  half-life {_half_life(document['half_life_s'])}")
    energies = Table("radiation", "energy per decay / keV", title="Mean energy per decay", title_justify="left")
    for kind, value in document["energy_per_decay_keV"].items():
        energies.add_row(kind, f"{value:.3f}")
    console.print(energies)
    lines = sorted(document["photon_lines"], key=lambda line: -line["yield"])[:12]
    if lines:
        photons = Table("energy / keV", "yield / %", title="Strongest photon lines", title_justify="left")
        for line in lines:
            photons.add_row(f"{line['energy_keV']:.3f}", f"{100 * line['yield']:.4g}")
        console.print(photons)
    for child in document["progeny"]:
        console.print(f"decays to {child['nuclide']} ({100 * child['branching']:.4g} %)")
    console.print(f"[dim]{document['source']}. Research use only.[/dim]")
