"""S coefficients of a nuclide by Monte Carlo: one source, any number of targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.devices import Device
from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.nuclide import NuclideDeposits, nuclide_deposits
from lutetia.dose.montecarlo.photons.tables import CUTOFF_MEV
from lutetia.dose.montecarlo.scene import Scene
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.dose.s_values.targets import Second, Target
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.units import GY_PER_MEV_PER_G

MOST_HISTORIES: Final = 20_000_000
"""Histories after which a computation stops although some target is not yet known well enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputedSCoefficients:
    """Rows of one computation, and how it was done.

    Attributes
    ----------
    nuclide : without its progeny
    rows : one per target
    method : in words
    seed : of the random numbers
    histories : particles followed
    emitted_mev, escaped_mev : energy per decay of photons and electrons that were followed, and what left the phantom
    absorbed_mev : energy per decay of the same particles, absorbed anywhere in the scene
    """

    nuclide: str
    rows: tuple[SCoefficient, ...]
    method: str
    seed: int
    histories: int
    emitted_mev: float
    escaped_mev: float
    absorbed_mev: float


def s_coefficients(
    *,
    scene: Scene,
    strength: NDArray[np.floating],
    source: str,
    nuclide: str,
    targets: Sequence[Target],
    relative_uncertainty: float,
    seed: int = 1,
    charged_mev: Mapping[str, float] | None = None,
    most_histories: int = MOST_HISTORIES,
    second: Second | None = None,
    device: Device = "cpu",
) -> ComputedSCoefficients:
    r"""S coefficients from one source to targets, all radiation of the nuclide, progeny not included.

    .. math:: S(T \leftarrow S) = \sum_s w_{T,s} E_s / m_s

    with the energy :math:`E_s` per decay in tally s, its mass and the target's weights.

    Parameters
    ----------
    scene : phantom; its tallies are the parts that targets are made of
    strength : (z, y, x) proportional to the decays in each voxel
    source : name of the source region
    nuclide : for example "Lu-177"
    targets : regions
    relative_uncertainty : of the energy in each target, unless ``most_histories`` are reached before
    seed : of the random numbers
    charged_mev : target -> energy of charged particles it absorbs per decay, in place of what the transport gives it,
        for structure below the voxels (active marrow in spongiosa). [MeV]
    most_histories : particles followed at most, of photons and of electrons
    second : tallies for kerma in another tissue, of ``kerma_slots``
    device : "cpu", or "cuda" for a GPU

    Raises
    ------
    InputError
        No target, or a target that counts a tally without mass.
    """
    if not targets:
        raise InputError("No target region was given.")
    mass = scene.mass_g[:-1]
    found = nuclide_deposits(
        scene=scene,
        strength=strength,
        nuclide=nuclide,
        relative_uncertainty=relative_uncertainty,
        targets=np.array([target.per_gram(mass) for target in targets]),
        seed=seed,
        most_histories=most_histories,
        second=second,
        device=device,
    )
    soft = _soft_photon_energy(found, nuclide)
    given = dict(charged_mev or {})
    parts = [part for part in (found.photons, found.electrons) if part is not None]
    return ComputedSCoefficients(
        nuclide=nuclide,
        rows=tuple(_row(source, target, mass, found, given.get(target.name), soft) for target in targets),
        method=found.method,
        seed=seed,
        histories=found.n_histories,
        emitted_mev=sum(part.emitted_mev for part in parts),
        escaped_mev=sum(part.escaped_mev for part in parts),
        # tallies without mass gather kerma a second time
        absorbed_mev=sum(float(part.energy_mev[mass > 0].sum()) + part.elsewhere_mev for part in parts),
    )


def _row(
    source: str,
    target: Target,
    slot_mass_g: NDArray[np.float64],
    found: NuclideDeposits,
    charged_mev: float | None,
    soft_mev: NDArray[np.float64],
) -> SCoefficient:
    per_gram = target.per_gram(slot_mass_g)
    photon, u_photon = _weighted(found.photons, target.per_gram(slot_mass_g, photons=True))
    if charged_mev is None:
        electron, u_electron = _weighted(found.electrons, per_gram)
        charged = float(per_gram @ found.local_mev) + electron
    else:
        charged, u_electron = charged_mev / target.mass_g + float(per_gram @ soft_mev), 0.0
    total = charged + photon
    return SCoefficient(
        source=source,
        target=target.name,
        charged_gy_per_bq_s=charged * GY_PER_MEV_PER_G,
        photon_gy_per_bq_s=photon * GY_PER_MEV_PER_G,
        target_mass_g=target.mass_g,
        u_relative=float(np.hypot(u_photon, u_electron)) / total if total > 0.0 else None,
    )


def _weighted(part: Deposits | None, per_gram: NDArray[np.float64]) -> tuple[float, float]:
    """Sum over tallies and its standard uncertainty, from batches, since tallies are not independent."""
    return (0.0, 0.0) if part is None else part.weighted(per_gram)


def _soft_photon_energy(found: NuclideDeposits, nuclide: str) -> NDArray[np.float64]:
    """Photons below the cut-off, absorbed where they are emitted. (n_slots,) [MeV]"""
    photons = emissions(nuclide).photons
    soft = photons.mean_energy_per_decay_mev - photons.above(CUTOFF_MEV).mean_energy_per_decay_mev
    total = float(np.sum(found.local_mev))
    return found.local_mev * (soft / total) if total > 0.0 else found.local_mev
