"""The ``nuclide`` command: one radionuclide in the units people use."""

from typing import Any

from lutetia.physics.nuclides import nuclide
from lutetia.units import KEV_PER_MEV, S_PER_DAY, S_PER_H, S_PER_MIN


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


HALF_LIFE_UNITS = (("a", 365.2422 * S_PER_DAY), ("d", S_PER_DAY), ("h", S_PER_H), ("min", S_PER_MIN))


def _half_life(seconds: float) -> str:
    """A half-life in the largest unit of which it holds at least two."""
    for unit, length_s in HALF_LIFE_UNITS:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.5g} {unit}"
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
    visible = [line for line in document["photon_lines"] if line["energy_keV"] >= 10]
    lines = sorted(visible, key=lambda line: -line["yield"])[:12]
    if lines:
        photons = Table(
            "energy / keV", "yield / %", title="Strongest photon lines above 10 keV", title_justify="left"
        )
        for line in lines:
            photons.add_row(f"{line['energy_keV']:.3f}", f"{100 * line['yield']:.4g}")
        console.print(photons)
    for child in document["progeny"]:
        console.print(f"decays to {child['nuclide']} ({100 * child['branching']:.4g} %)")
    console.print(f"[dim]{document['source']}. Research use only.[/dim]")
