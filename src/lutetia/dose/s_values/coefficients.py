"""S coefficients of a nuclide by Monte Carlo: one source, any number of targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.deposits import Deposits
from lutetia.dose.montecarlo.nuclide import NuclideDeposits, nuclide_deposits
from lutetia.dose.montecarlo.scene import Scene
from lutetia.dose.s_values.targets import Target
from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.units import GY_PER_MEV_PER_G

MOST_HISTORIES: Final = 20_000_000
"""Histories after which a computation stops although some target is not yet known well enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SCoefficient:
    """Mean absorbed dose of a target per decay in a source.

    Attributes
    ----------
    source, target : names of the regions
    charged_gy_per_bq_s : by electrons with their bremsstrahlung, alphas, recoil and photons below 10 keV. [Gy/(Bq s)]
    photon_gy_per_bq_s : by photons. [Gy/(Bq s)]
    target_mass_g : [g]
    u_relative : relative standard uncertainty of the sampling; None where nothing was scored
    """

    source: str
    target: str
    charged_gy_per_bq_s: float
    photon_gy_per_bq_s: float
    target_mass_g: float
    u_relative: float | None

    @property
    def total_gy_per_bq_s(self) -> float:
        """Of all radiation. [Gy/(Bq s)]"""
        return self.charged_gy_per_bq_s + self.photon_gy_per_bq_s


@dataclass(frozen=True, kw_only=True, slots=True)
class SCoefficients:
    """Rows of one computation, and how it was done.

    Attributes
    ----------
    nuclide : without its progeny
    rows : one per target
    method : in words
    seed : of the random numbers
    histories : particles followed
    emitted_mev, escaped_mev : energy per decay of photons and electrons that were followed, and what left the phantom
    absorbed_mev : energy per decay absorbed anywhere in the scene
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
) -> SCoefficients:
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
    relative_uncertainty : of every tally that a target is made of, unless ``most_histories`` are reached before
    seed : of the random numbers
    charged_mev : target -> energy of charged particles it absorbs per decay, in place of what the transport gives it,
        for structure below the voxels (active marrow in spongiosa). [MeV]
    most_histories : particles followed at most

    Raises
    ------
    InputError
        No target, or a target that counts a tally without mass.
    """
    if not targets:
        raise InputError("No target region was given.")
    watched = sorted({slot for target in targets for slot in target.share})
    found = nuclide_deposits(
        scene=scene,
        strength=strength,
        nuclide=nuclide,
        relative_uncertainty=relative_uncertainty,
        slots=watched,
        seed=seed,
        most_histories=most_histories,
    )
    soft = _soft_energy(found.local_mev, nuclide)
    given = dict(charged_mev or {})
    rows = tuple(_row(source, target, scene.mass_g[:-1], found, given.get(target.name), soft) for target in targets)
    escaped = found.photons.escaped_mev + found.electrons.escaped_mev
    elsewhere = found.photons.elsewhere_mev + found.electrons.elsewhere_mev
    return SCoefficients(
        nuclide=nuclide,
        rows=rows,
        method=found.method,
        seed=seed,
        histories=found.photons.n_histories + found.electrons.n_histories,
        emitted_mev=found.photons.emitted_mev + found.electrons.emitted_mev,
        escaped_mev=escaped,
        absorbed_mev=float(np.sum(found.energy_mev)) + elsewhere,
    )


def _row(
    source: str,
    target: Target,
    slot_mass_g: NDArray[np.float64],
    found: NuclideDeposits,
    charged_mev: float | None,
    soft_mev: NDArray[np.float64],
) -> SCoefficient:
    per_mev = target.dose_per_energy(slot_mass_g)
    photon = float(per_mev @ found.photons.energy_mev)
    variance = _variance_of_mean(found.photons, per_mev)
    if charged_mev is None:
        charged = float(per_mev @ (found.local_mev + found.electrons.energy_mev))
        variance += _variance_of_mean(found.electrons, per_mev)
    else:
        charged = charged_mev / target.mass_g * GY_PER_MEV_PER_G + float(per_mev @ soft_mev)
    total = charged + photon
    return SCoefficient(
        source=source,
        target=target.name,
        charged_gy_per_bq_s=charged,
        photon_gy_per_bq_s=photon,
        target_mass_g=target.mass_g,
        u_relative=float(np.sqrt(variance)) / total if total > 0.0 else None,
    )


def _variance_of_mean(part: Deposits, per_mev: NDArray[np.float64]) -> float:
    """Variance of a weighted sum of tallies, which are not independent, from batches."""
    batches = part.batches_mev @ per_mev
    return float(batches.var(ddof=1)) / batches.size if batches.size > 1 else 0.0


def _soft_energy(local_mev: NDArray[np.float64], nuclide: str) -> NDArray[np.float64]:
    """Part of the energy absorbed on the spot that is not of alphas and recoil. (n_slots,) [MeV]"""
    found = emissions(nuclide)
    heavy = found.alpha_energy_mev + found.recoil_energy_mev
    total = float(np.sum(local_mev))
    return local_mev * max(0.0, 1.0 - heavy / total) if total > 0.0 else local_mev
