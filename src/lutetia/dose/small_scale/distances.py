"""How far the points of a spherical source are from the centre of a spherical target, alone or side by side."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.sphere.geometry import Chances, chance_in_sphere
from lutetia.errors import InputError

N_PANEL: Final = 24
N_PANELS: Final = 6
N_DISTANCES: Final = 160


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SourcePoints:
    """Nodes of a quadrature over a source.

    Attributes
    ----------
    distance_um : (n,) from the centre of the target. [um]
    weight : (n,) share of the source, sum 1
    """

    distance_um: NDArray[np.float64]
    weight: NDArray[np.float64]


def source_points(*, inner_um: float, outer_um: float, distance_um: float, target_radius_um: float) -> SourcePoints:
    r"""Distances of an evenly filled spherical shell from the centre of a target.

    A sphere of radius a whose centre is d away has points at s with the density
    :math:`f(s) = \pi s (a^2 - (d - s)^2) / (d V)`, its surface :math:`f(s) = s / (2 a d)`, for |s - d| < a; around the
    target's centre (d = 0) the densities are :math:`3 s^2 / a^3` and all at a.

    Parameters
    ----------
    inner_um, outer_um : radii of the shell; equal for its surface. [um]
    distance_um : between the centres, 0 or so much that the shell does not reach the target's centre. [um]
    target_radius_um : where the density of nodes must break. [um]

    Raises
    ------
    InputError
        Radii in the wrong order, a shell around the target's centre that is not concentric.
    """
    if not (0 <= inner_um <= outer_um and outer_um > 0 and target_radius_um > 0):
        raise InputError(
            f"Source from {inner_um:g} to {outer_um:g} um and target of {target_radius_um:g} um; expected 0 <= inner <= "
            "outer, and positive radii."
        )
    if distance_um and not distance_um >= outer_um:
        raise InputError(f"Centres {distance_um:g} um apart with a source of {outer_um:g} um: they overlap.")
    if not distance_um and inner_um == outer_um:
        return SourcePoints(distance_um=np.array([outer_um]), weight=np.ones(1))
    low, high = (distance_um - outer_um, distance_um + outer_um) if distance_um else (inner_um, outer_um)
    breaks = {low, high, target_radius_um, distance_um, distance_um - inner_um, distance_um + inner_um}
    corners = sorted(c for c in breaks if low <= c <= high)
    s, width = _nodes(np.array(corners))
    weight = width * _density(s, inner_um, outer_um, distance_um)
    return SourcePoints(distance_um=s, weight=weight / weight.sum())


def _density(s: NDArray[np.float64], inner_um: float, outer_um: float, distance_um: float) -> NDArray[np.float64]:
    if not distance_um:
        return s**2
    if inner_um == outer_um:
        return s
    away = (distance_um - s) ** 2
    return np.asarray(s * (np.maximum(outer_um**2 - away, 0) - np.maximum(inner_um**2 - away, 0)))


def _nodes(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and widths over panels between corners."""
    node, width = np.polynomial.legendre.leggauss(N_PANEL)
    edges = np.unique(np.concatenate([np.linspace(a, b, N_PANELS + 1) for a, b in pairwise(corners)]))
    half = np.diff(edges) / 2
    middle = edges[:-1] + half
    return (middle[:, None] + half[:, None] * node).ravel(), (half[:, None] * width).ravel()


def chances(points: SourcePoints, target_radius_um: float) -> Chances:
    """Chance that a point some distance from a source point, in a random direction, lies in the target. [um]"""
    near, far = float(points.distance_um.min()), float(points.distance_um.max())
    corners = sorted({0.0, abs(near - target_radius_um), abs(far - target_radius_um), far + target_radius_um})
    r = np.unique(np.concatenate([np.linspace(a, b, N_DISTANCES) for a, b in pairwise(corners)]))
    return r, chance_in_sphere(r[:, None], points.distance_um, target_radius_um) @ points.weight


def hit_chance(points: SourcePoints, target_radius_um: float, range_um: float) -> float:
    r"""Chance that a straight track of some length that starts in the source touches the target.

    From s > b outside it is the cap of directions within asin(b/s), :math:`(1 - \sqrt{1 - b^2/s^2}) / 2`, if the track
    reaches the tangent's end, else that of the directions in which the surface is within the range R,
    :math:`(1 - (s^2 + R^2 - b^2) / (2 s R)) / 2`.

    Parameters
    ----------
    points : of the source
    target_radius_um, range_um : b and R. [um]
    """
    s, b = points.distance_um, target_radius_um
    outside = s > b
    far = np.where(outside, s, 2 * b)
    tangent = np.sqrt(far**2 - b**2)
    cap = (1 - tangent / far) / 2
    short = (1 - (far**2 + range_um**2 - b**2) / (2 * far * range_um)) / 2
    reached = np.where(tangent <= range_um, cap, np.maximum(short, 0.0))
    # of tracks that start on the surface half go inwards
    inside = np.where(s == b, 0.5, 1.0)
    return float(np.where(outside, reached, inside) @ points.weight)
