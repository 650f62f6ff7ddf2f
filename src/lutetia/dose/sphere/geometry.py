"""Chance that a point some distance from a source point, in a random direction, lies in a sphere.

What a radiation with an isotropic point kernel gives to a sphere is the sum over distances of this chance times the energy
absorbed there, whatever the radiation: photons, electrons that scatter, alphas that go straight.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError

Chances = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Distances from 0, increasing, and the chance at each."""

N_DISTANCES: Final = 400
N_SOURCE: Final = 64


def pair_distances(radius: float, n: int = N_DISTANCES) -> Chances:
    r"""Chance that a point at distance r from a point of a sphere, in a random direction, lies in it too.

    :math:`\psi(r) = 1 - \frac{3}{4}\frac{r}{R} + \frac{1}{16}\left(\frac{r}{R}\right)^3` for r <= 2R.

    References
    ----------
    Berger MJ. Beta-ray dosimetry calculations with the use of point kernels. In: Medical radionuclides: radiation dose
    and effects, AEC Symposium 20 (1970) 63-86.
    """
    r = np.linspace(0, 2 * radius, n)
    x = r / radius
    return r, 1 - 0.75 * x + x**3 / 16


def chance_in_sphere(
    distance: NDArray[np.float64], source_at: float | NDArray[np.float64], target_radius: float
) -> NDArray[np.float64]:
    r"""Share of a sphere of radius ``distance`` around a source point that lies in a concentric target sphere.

    The source point is ``source_at`` from the centre. :math:`\psi = \frac{b^2 - (s - r)^2}{4 s r}` between 0 and 1, the
    area of a cap. Lengths in any one unit; arrays broadcast.
    """
    r, s = np.broadcast_arrays(np.asarray(distance, np.float64), np.asarray(source_at, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = (target_radius**2 - (s - r) ** 2) / (4 * s * r)
    inside = r + s <= target_radius
    # at the centre, or at no distance, the point is in or out, or half the directions lead inwards
    degenerate = np.where(np.maximum(r, s) <= target_radius, 1.0, 0.0)
    on_surface = (r == 0) & (s == target_radius)
    chance = np.where(inside, 1.0, np.where(s * r > 0, np.clip(cap, 0.0, 1.0), degenerate))
    return np.asarray(np.where(on_surface, 0.5, chance))


def concentric_chances(
    *, source_inner: float, source_outer: float, target_radius: float, n: int = N_DISTANCES
) -> Chances:
    """Distances and the chance for a source that fills a concentric shell evenly, and a target sphere.

    Parameters
    ----------
    source_inner, source_outer : radii of the shell; equal for a surface, 0 and 0 for a point at the centre, inner 0 for a
        full sphere
    target_radius : of the target sphere

    Raises
    ------
    InputError
        Radii that are negative or in the wrong order.
    """
    if not (0 <= source_inner <= source_outer and target_radius > 0):
        raise InputError(
            f"Source from {source_inner:g} to {source_outer:g} and target of radius {target_radius:g}; expected "
            "0 <= inner <= outer and a positive target."
        )
    farthest = source_outer + target_radius
    kinks = {abs(target_radius - source_inner), abs(target_radius - source_outer), 0.0, farthest}
    corners = sorted(k for k in kinks if k <= farthest)
    r = np.unique(np.concatenate([np.linspace(a, b, n) for a, b in pairwise(corners)]))
    if source_inner == source_outer:
        return r, chance_in_sphere(r, source_outer, target_radius)
    # the chance has corners where the sphere around the source touches the target's surface: s = |b - r| and b + r
    total = np.zeros_like(r)
    nodes, weights = np.polynomial.legendre.leggauss(N_SOURCE)
    first, last = (np.clip(x, source_inner, source_outer) for x in (np.abs(target_radius - r), target_radius + r))
    inner, outer = (np.full_like(r, x) for x in (source_inner, source_outer))
    for low, high in pairwise((inner, first, last, outer)):
        half = (high - low) / 2
        s = (low + half)[:, None] + half[:, None] * nodes
        total += half * ((s**2 * chance_in_sphere(r[:, None], s, target_radius)) @ weights)
    return r, 3 * total / (source_outer**3 - source_inner**3)


def absorbed_in_target(
    chances: Chances,
    radii: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> float:
    """Energy that a target gets from a cumulative point kernel: sum over shells of the chance times the energy there."""
    r, psi = chances
    every = np.unique(np.concatenate([r, radii[radii < r[-1]]]))
    chance = np.interp(every, r, psi)
    inside = np.interp(every, radii, energy)
    return float(inside[0] * chance[0] + np.sum(np.diff(inside) * (chance[1:] + chance[:-1]) / 2))
