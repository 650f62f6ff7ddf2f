"""S coefficients of a phantom: by Monte Carlo for a nuclide, and specific absorbed fractions at single energies."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.devices import Device
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.s_values.absorbed_fractions import Radiation, SpecificAbsorbedFractions
from lutetia.dose.s_values.marrow import marrow_charged_energy_mev
from lutetia.dose.s_values.monte_carlo import MOST_HISTORIES, ComputedSCoefficients, s_coefficients
from lutetia.dose.s_values.targets import Target
from lutetia.phantoms.dosimetric import RED_MARROW, DosimetricPhantom, Layout, laid_out, phantom_rows
from lutetia.physics.emissions import Lines
from lutetia.physics.names import nuclide_name
from lutetia.units import G_PER_KG

MARROW_METHOD: Final = (
    "Red marrow: photons by kerma in red marrow within spongiosa, bones weighted by their active marrow; electrons of its "
    "own decays by absorbed fractions in active marrow (Hough 2011, lumbar vertebrae at the cellularity of each bone), "
    "alphas and recoil wholly; electrons from elsewhere as the spongiosa."
)


def default_targets(phantom: DosimetricPhantom) -> tuple[str, ...]:
    """Targets that people ask for, as far as the phantom has them."""
    named = _shipped("target")
    known = phantom.region_names
    return tuple(name for name in named if name in known) if phantom.marrow else known


def default_sources(phantom: DosimetricPhantom) -> tuple[str, ...]:
    """Sources of the shipped tables, as far as the phantom has them."""
    known = phantom.region_names
    return tuple(name for name in _shipped("source") if name in known)


def _shipped(role: str) -> list[str]:
    return [row["region"] for row in phantom_rows("icrp_110", "regions.csv") if role in row["shipped as"].split()]


def phantom_s_coefficients(
    phantom: DosimetricPhantom,
    *,
    source: str,
    nuclide: str,
    targets: Sequence[str] = (),
    relative_uncertainty: float = 0.01,
    seed: int = 1,
    most_histories: int = MOST_HISTORIES,
    device: Device = "cpu",
) -> ComputedSCoefficients:
    """S coefficients of a nuclide in a region of a phantom, by Monte Carlo.

    Parameters
    ----------
    phantom : of ``icrp110_phantom`` or ``stylised_phantom``
    source : region of the decays, uniform by mass, in red marrow by active marrow
    nuclide : for example "Lu-177"; progeny are not included
    targets : regions; those that people ask for when empty
    relative_uncertainty, seed, most_histories, device : as ``s_coefficients``

    Raises
    ------
    InputError
        Unknown region or nuclide.
    """
    name, nuclide = phantom.region(source), nuclide_name(nuclide)
    layout = laid_out(phantom, targets or default_targets(phantom))
    marrow_to_itself = name == RED_MARROW and any(target.name == RED_MARROW for target in layout.targets)
    charged = {RED_MARROW: marrow_charged_energy_mev(nuclide, phantom.marrow_sites)} if marrow_to_itself else {}
    return s_coefficients(
        scene=layout.scene,
        strength=phantom.strength(name),
        source=name,
        nuclide=nuclide,
        targets=layout.targets,
        relative_uncertainty=relative_uncertainty,
        seed=seed,
        charged_mev=charged,
        most_histories=most_histories,
        second=layout.second,
        device=device,
    )


def fractions_at(
    layout: Layout,
    *,
    strength: NDArray[np.floating],
    radiation: Radiation,
    energy_mev: float,
    n_histories: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Specific absorbed fraction of every target at one energy: name -> (value [1/kg], relative uncertainty)."""
    lines = Lines(energy_mev=np.array([energy_mev]), yield_per_decay=np.array([1.0]))
    found: Deposits
    if radiation == "photon":
        found = follow_photons(
            scene=layout.scene,
            strength=strength,
            lines=lines,
            n_histories=n_histories,
            seed=seed,
            second=layout.second,
        )
    else:
        found = follow_electrons(
            scene=layout.scene, strength=strength, lines=lines, n_histories=n_histories, seed=seed
        )
    mass, photons = layout.scene.mass_g[:-1], radiation == "photon"
    values = {}
    for target in layout.targets:
        value, u = found.weighted(target.per_gram(mass, photons=photons))
        values[target.name] = (value / energy_mev * G_PER_KG, u / value if value > 0 else 0.0)
    return values


def limits_per_kg(layout: Layout, strength: NDArray[np.floating]) -> dict[str, float]:
    """Specific absorbed fraction at energy 0: decays in each target's parts over their mass, weighted as its dose is."""
    decays = layout.scene.summed(strength)
    share = decays[:-1] / decays.sum()
    mass = layout.scene.mass_g[:-1]
    return {target.name: float(target.per_gram(mass) @ share) * G_PER_KG for target in layout.targets}


def fractions_of_source(
    source: str,
    radiation: Radiation,
    targets: Sequence[Target],
    limits: dict[str, float],
    by_energy: dict[float, dict[str, tuple[float, float]]],
) -> list[SpecificAbsorbedFractions]:
    """Tables of one source to all targets from the values at single energies."""
    energies = sorted(by_energy)
    return [
        SpecificAbsorbedFractions(
            source=source,
            target=target.name,
            radiation=radiation,
            energy_mev=np.array(energies),
            value_per_kg=np.array([by_energy[energy][target.name][0] for energy in energies]),
            u_relative=np.array([by_energy[energy][target.name][1] for energy in energies]),
            limit_per_kg=limits[target.name],
            target_mass_g=target.mass_g,
        )
        for target in targets
    ]
