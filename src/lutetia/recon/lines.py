"""Photon lines of a nuclide as a gamma camera meets them: which has a window, which scatter into it."""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from lutetia.errors import MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.physics.nuclides import PhotonLine, detectable_photopeaks
from lutetia.recon.chain_lines import ChainLine, chain_lines, equilibrium_activities
from lutetia.recon.scatter import describe
from lutetia.recon.scatter_model import HIGHEST_MEV, LOWEST_MEV, Emission
from lutetia.units import KEV_PER_MEV

LEAST_RELATIVE_YIELD: Final = 0.01
"""Lines of less than this share of the imaged line's yield are left out of the scatter."""
SAME_LINE: Final = 0.03
"""Lines closer than this share of their energy are one to a camera."""


def photopeak_of(nuclide_name: str, windows: Sequence[EnergyWindow]) -> float:
    """The strongest photon line that has a window: of the nuclide itself, else of its daughters in equilibrium. [MeV]

    Raises
    ------
    MissingDataError
        No window holds a line of the nuclide or its daughters.
    """
    lines = detectable_photopeaks(nuclide_name) + _daughters_photopeaks(nuclide_name)
    for line in lines:
        if any(w.lower_mev < line.energy_mev < w.upper_mev for w in windows):
            return line.energy_mev
    peaks = ", ".join(f"{line.energy_mev * KEV_PER_MEV:.0f}" for line in lines)
    raise MissingDataError(
        f"No energy window (0054,0012) covers a photopeak of {nuclide_name} ({peaks or 'none'} keV); there are "
        f"{describe(windows)}. Check the nuclide, or name the photopeak (--photopeak-keV)."
    )


def _daughters_photopeaks(nuclide_name: str) -> tuple[PhotonLine, ...]:
    found = [
        PhotonLine(energy_mev=line.energy_mev, yield_per_decay=line.yield_per_decay * ratio)
        for member, ratio in list(equilibrium_activities(nuclide_name).items())[1:]
        for line in detectable_photopeaks(member)
    ]
    return tuple(sorted(found, key=lambda line: -line.yield_per_decay))


def emissions_of(
    nuclide_name: str,
    photopeak_mev: float,
    windows: Sequence[EnergyWindow],
    *,
    activities: Mapping[str, float] | None = None,
) -> tuple[Emission, ...]:
    """Lines that a nuclide's photons in any of the windows can come from, their yields relative to the photopeak's.

    Lines too near to be told apart are one, with their mean energy; those below all windows cannot scatter into them.

    Parameters
    ----------
    nuclide_name, photopeak_mev, windows : as measured
    activities : of each member of the decay chain per activity of the nuclide; by default its short-lived daughters are
        in equilibrium with it, and where it is

    Raises
    ------
    MissingDataError
        The nuclide and its daughters have no line at the photopeak.
    """
    lowest = min(w.lower_mev for w in windows)
    groups: list[list[tuple[float, float]]] = []
    for line in sorted(chain_lines(nuclide_name, activities), key=lambda line: line.energy_mev):
        if not max(lowest, 1.1 * LOWEST_MEV) <= line.energy_mev <= HIGHEST_MEV:
            continue
        pair = (line.energy_mev, line.yield_per_parent_decay)
        if groups and line.energy_mev < (1 + SAME_LINE) * groups[-1][0][0]:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    joined = [(sum(e * y for e, y in g) / sum(y for _, y in g), sum(y for _, y in g)) for g in groups]
    own = min(joined, key=lambda line: abs(line[0] - photopeak_mev), default=None)
    if own is None or abs(own[0] - photopeak_mev) > SAME_LINE * photopeak_mev:
        known = ", ".join(f"{e * KEV_PER_MEV:.0f}" for e, _ in joined)
        raise MissingDataError(
            f"{nuclide_name} has no photon line at {photopeak_mev * KEV_PER_MEV:.0f} keV; its lines above the lowest "
            f"window are at {known or 'none'} keV."
        )
    kept = [line for line in joined if line is own or line[1] >= LEAST_RELATIVE_YIELD * own[1]]
    return tuple(
        Emission(energy_mev=photopeak_mev if line is own else line[0], relative_yield=line[1] / own[1])
        for line in kept
    )


def hard_lines(nuclide_name: str, photopeak_mev: float) -> tuple[ChainLine, ...]:
    """Lines of a nuclide and its daughters in equilibrium that come through any collimator, by decreasing yield.

    Those of at least so much energy, and so many per photon of the photopeak, as data/hard_photons says: they are counted
    all over the detector, in the image of no hole, and scatter by transport through the body does not know them.
    """
    least = _hard_limits()
    lines = chain_lines(nuclide_name)
    near = SAME_LINE * photopeak_mev
    own = sum(x.yield_per_parent_decay for x in lines if abs(x.energy_mev - photopeak_mev) <= near)
    return tuple(
        line
        for line in lines
        if line.energy_mev * KEV_PER_MEV >= least["lowest_energy"]
        and line.yield_per_parent_decay >= least["least_photons"] * own
    )


@cache
def _hard_limits() -> Mapping[str, float]:
    table = files("lutetia.recon").joinpath("data/hard_photons/thresholds.csv").read_text("utf-8")
    return {row["quantity"]: float(row["value"]) for row in csv.DictReader(table.splitlines())}
