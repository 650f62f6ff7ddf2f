"""Parallel-hole collimators: what passes through their holes, over the edges of their holes and through their septa.

Rays are traced through the hexagonal lattice of holes. Where each ray lies in lead does not depend on the photon's
energy, so one set of rays serves all energies of a collimator.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, OutOfRangeError
from lutetia.units import MM_PER_CM

LEAD_DENSITY_G_PER_CM3: Final = 11.35

FIELD_RADIUS_MM: Final = 262.0
"""Radius of the circle with the area of the usual field of 540 mm x 400 mm; photons beyond it are not counted."""

REFERENCE_DISTANCE_MM: Final = 100.0
"""From the collimator's face, where shares are stated; within the field they hardly depend on it."""

USABLE_PENETRATION_SHARE: Final = 0.2
"""Share of photons that crossed lead above which a warning is given."""

_NEGLIGIBLE_TAIL: Final = 1e-3
_PASSAGE_ENERGIES: Final = 64
_TAIL_DISTANCES_MM: Final = (50.0, 100.0, 150.0, 200.0, 250.0, 300.0)
_CORE_RINGS, _TAIL_RINGS, _RAYS_PER_RING = 40, 60, 2048
_HALF_NORMALS: Final = np.arange(3) * np.pi / 3.0
"""Directions of three faces of a hole; the others are opposite. [rad]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Collimator:
    """A parallel-hole lead collimator with hexagonal holes, measured from flat to flat. [mm]

    ``verified`` is false where the numbers were not read from the source that the table names.
    """

    name: str
    hole_diameter_mm: float
    hole_length_mm: float
    septa_mm: float
    verified: bool = True

    def __post_init__(self) -> None:
        if min(self.hole_diameter_mm, self.hole_length_mm, self.septa_mm) <= 0:
            raise InputError(
                f"Collimator {self.name!r}: hole {self.hole_diameter_mm} mm, length {self.hole_length_mm} mm, "
                f"septa {self.septa_mm} mm; all must be positive."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SeptalTail:
    """The wide part of a point's image: photons that went through septa into other holes.

    The image of a point is ``(1 - share) core + share tail``, both Gaussian and of unit sum; the sensitivity of the
    calibration belongs to their sum. The intrinsic resolution is negligible beside the tail's width.

    Attributes
    ----------
    share : of all photons of the image that are in the tail. [1]
    intercept_mm, slope : of the tail's standard deviation (not its full width) over the distance from the
        collimator's face. [mm, 1]
    """

    share: float
    intercept_mm: float
    slope: float

    def __post_init__(self) -> None:
        values = (self.share, self.intercept_mm, self.slope)
        if not np.all(np.isfinite(values)) or min(values) < 0 or self.share > 1 or max(values[1:]) == 0:
            raise InputError(
                f"Septal tail: share {self.share}, intercept {self.intercept_mm} mm, slope {self.slope}; expected a "
                "share of 0 to 1 and, of the standard deviation, values of at least 0 and a width above 0."
            )

    def sigma_mm(self, distance_mm: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of the tail at a distance from the collimator's face; behind it that at the face. [mm]"""
        return np.asarray(self.intercept_mm + self.slope * np.maximum(np.asarray(distance_mm, dtype=float), 0.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Transmission:
    """Photons of a point source in air that pass a collimator, per emitted photon, by their way through it.

    Attributes
    ----------
    geometric : through one hole, without touching lead. [1]
    edge : through one hole and the edges around it; what the effective hole length of Anger's formula stands for. [1]
    septal : through septa, by way of more than one hole. [1]
    septal_sigma_mm : standard deviation of the image of the septal photons along one axis. [mm]
    """

    geometric: float
    edge: float
    septal: float
    septal_sigma_mm: float

    @property
    def penetration_share(self) -> float:
        """Share of the photons that crossed lead, be it an edge or a septum. [1]"""
        return (self.edge + self.septal) / (self.geometric + self.edge + self.septal)

    @property
    def septal_share(self) -> float:
        """Share of the photons that went through septa into other holes. [1]"""
        return self.septal / (self.geometric + self.edge + self.septal)


@cache
def collimators() -> dict[str, Collimator]:
    """Collimators that come with Lutetia, by name (data/simind_collimators)."""
    table = files("lutetia.recon").joinpath("data/simind_collimators/collimators.csv").read_text("utf-8")
    return {
        row["name"]: Collimator(
            name=row["name"],
            hole_diameter_mm=float(row["hole_diameter_mm"]),
            hole_length_mm=float(row["hole_length_mm"]),
            septa_mm=float(row["septa_mm"]),
            verified=row["verified"] == "true",
        )
        for row in csv.DictReader(table.splitlines())
    }


@cache
def _lead_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = files("lutetia.recon").joinpath("data/nist_lead/lead.csv").read_text("utf-8").splitlines()
    values = np.array([line.split(",") for line in table[1:]], dtype=float)
    return values[:, 0], values[:, 1]


def lead_attenuation_per_cm(photon_energy_mev: float) -> float:
    """Linear attenuation coefficient of lead, log-log interpolated from NISTIR 5632. [1/cm]

    Raises
    ------
    OutOfRangeError
        Outside 0.05 to 1 MeV.
    """
    energy, mass_attenuation = _lead_table()
    if not energy[0] <= photon_energy_mev <= energy[-1]:
        raise OutOfRangeError(
            f"Lead attenuation at {photon_energy_mev} MeV: the table holds {energy[0]} to {energy[-1]} MeV."
        )
    log = np.interp(np.log(photon_energy_mev), np.log(energy), np.log(mass_attenuation))
    return float(np.exp(log)) * LEAD_DENSITY_G_PER_CM3


@dataclass(frozen=True, slots=True)
class _Rays:
    """Rays of a point source, sorted by angle: tangent, share of all emitted photons, lead [mm], number of holes."""

    tangent: NDArray[np.float64]
    weight: NDArray[np.float64]
    lead_mm: NDArray[np.float64]
    holes: NDArray[np.int64]


@cache
def _rays(collimator: Collimator) -> _Rays:
    """Rays over all angles that the field sees at the shortest distance, spread evenly by an additive sequence."""
    length, hole = collimator.hole_length_mm, collimator.hole_diameter_mm
    edge = 1.2 * hole / length  # just beyond the widest angle that passes a hole, corner to corner 1.155 D
    last = max(FIELD_RADIUS_MM / (_TAIL_DISTANCES_MM[0] + length), 2.0 * edge)
    rings = np.concatenate([np.linspace(0.0, edge, _CORE_RINGS + 1), np.geomspace(edge, last, _TAIL_RINGS + 1)[1:]])
    width = np.repeat(np.diff(rings), _RAYS_PER_RING)
    # multiples of the powers of the root of x^5 = x + 1 fill four dimensions evenly (generalised golden ratio)
    powers = 1.1673039782614187 ** -np.arange(1.0, 5.0)
    even = (0.5 + np.arange(width.size)[:, None] * powers) % 1.0
    tangent = np.repeat(rings[:-1], _RAYS_PER_RING) + width * even[:, 0]
    azimuth = even[:, 1] * np.pi / 6.0  # the lattice repeats, mirrored, every 30 degrees
    start = _in_cell(even[:, 2:], collimator.septa_mm + hole)
    run = length * tangent * np.cos(azimuth - _HALF_NORMALS[:, None])
    in_holes, holes = _trace(start, run, hole, collimator.septa_mm + hole)
    lead = np.maximum(1.0 - in_holes, 0.0) * length * np.hypot(1.0, tangent)
    weight = 0.5 * tangent / (1.0 + tangent**2) ** 1.5 * width / _RAYS_PER_RING
    order = np.argsort(tangent)
    lead[lead < 1e-9 * length] = 0.0
    return _Rays(tangent[order], weight[order], lead[order], holes[order])


def _in_cell(even: NDArray[np.float64], pitch: float) -> NDArray[np.float64]:
    """Points spread over the hexagonal cell of one hole, as projections on the normals of its faces. [mm]"""
    normals = np.stack([np.cos(_HALF_NORMALS), np.sin(_HALF_NORMALS)])
    points = pitch * (even @ normals[:, :2].T)
    corners = pitch * np.array([[0.0, 0.0], normals[:, 0], normals[:, 1], normals[:, 0] + normals[:, 1]])
    away = points[:, None] - corners
    nearest = np.sum(away**2, axis=-1).argmin(axis=1)
    return np.asarray((away[np.arange(len(points)), nearest] @ normals).T)


def _trace(
    start: NDArray[np.float64], run: NDArray[np.float64], hole: float, pitch: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of each ray in holes, and in how many; ``start`` and ``run`` (3, rays) are projections on the normals."""
    in_holes, holes = np.zeros(run.shape[1]), np.zeros(run.shape[1], np.int64)
    turn = np.cos(_HALF_NORMALS[:, None] - _HALF_NORMALS)
    run = np.where(np.abs(run) < 1e-12, 1e-12, run)
    here, alive = start, np.arange(run.shape[1])
    while alive.size:
        middle, reach = -here / run, 0.5 / np.abs(run)
        enter = np.maximum((middle - hole * reach).max(axis=0), 0.0)
        leave = np.minimum((middle + hole * reach).min(axis=0), 1.0)
        in_holes[alive] += np.maximum(leave - enter, 0.0)
        holes[alive] += leave > enter
        exits = middle + pitch * reach
        face = exits.argmin(axis=0)
        on = np.take_along_axis(exits, face[None], axis=0)[0] < 1.0
        alive, face, run = alive[on], face[on], run[:, on]
        sign = np.sign(np.take_along_axis(run, face[None], axis=0)[0])
        here = here[:, on] - pitch * sign * turn[:, face]
    return in_holes, holes


def transmission(
    collimator: Collimator,
    photon_energy_mev: float,
    *,
    distance_mm: float = REFERENCE_DISTANCE_MM,
) -> Transmission:
    r"""Photons of a point source that reach the back of the collimator within the field, by their way through it.

    A ray at polar angle :math:`\theta` moves sideways by :math:`L\tan\theta` over the hole length L; with the share q
    of this way outside the holes of the lattice it passes with :math:`\exp(-\mu_{Pb}\, q L/\cos\theta)`. Photons
    scattered in lead, and x rays of lead, are not counted.

    Parameters
    ----------
    collimator
    photon_energy_mev : energy of the photons. [MeV]
    distance_mm : of the source from the collimator's face. [mm]

    Raises
    ------
    OutOfRangeError
        The energy is outside the table of lead, or the source nearer than the rays reach (50 mm).
    """
    if distance_mm < _TAIL_DISTANCES_MM[0]:
        raise OutOfRangeError(
            f"Collimator {collimator.name}: source at {distance_mm} mm; rays are traced from {_TAIL_DISTANCES_MM[0]} mm."
        )
    rays = _rays(collimator)
    depth = distance_mm + collimator.hole_length_mm
    seen = np.searchsorted(rays.tangent, FIELD_RADIUS_MM / depth)
    tangent, lead, holes = rays.tangent[:seen], rays.lead_mm[:seen], rays.holes[:seen]
    passed = rays.weight[:seen] * np.exp(-lead_attenuation_per_cm(photon_energy_mev) / MM_PER_CM * lead)
    free, septal = lead == 0.0, (lead > 0.0) & (holes != 1)
    tail = float(passed[septal].sum())
    square = float(np.sum(passed[septal] * tangent[septal] ** 2)) / tail if tail > 0 else 0.0
    return Transmission(
        geometric=float(passed[free].sum()),
        edge=float(passed[~free & ~septal].sum()),
        septal=tail,
        septal_sigma_mm=depth * float(np.sqrt(0.5 * square)),
    )


def radial_profile(
    collimator: Collimator, photon_energy_mev: float, *, distance_mm: float, radii_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Photons per area at the back of the collimator between successive radii, azimuthal mean. [1/mm2 per photon]"""
    rays = _rays(collimator)
    passed = rays.weight * np.exp(-lead_attenuation_per_cm(photon_energy_mev) / MM_PER_CM * rays.lead_mm)
    radius = (distance_mm + collimator.hole_length_mm) * rays.tangent
    counts, _ = np.histogram(radius, bins=radii_mm, weights=passed)
    return np.asarray(counts / (np.pi * np.diff(radii_mm**2)))


@cache
def septal_tail(collimator: Collimator, photon_energy_mev: float) -> SeptalTail | None:
    """Tail of the collimator's response, None where fewer than 0.1 % of the photons are in it.

    Share and second moment within the field (:data:`FIELD_RADIUS_MM`) at 50 to 300 mm; the share is their mean, the
    standard deviation a straight line through them.

    Raises
    ------
    OutOfRangeError
        The energy is outside the table of lead.
    """
    seen = [transmission(collimator, photon_energy_mev, distance_mm=d) for d in _TAIL_DISTANCES_MM]
    share = float(np.mean([part.septal_share for part in seen]))
    if share < _NEGLIGIBLE_TAIL:
        return None
    slope, intercept = np.polyfit(_TAIL_DISTANCES_MM, [part.septal_sigma_mm for part in seen], 1)
    return SeptalTail(share=share, intercept_mm=float(intercept), slope=float(slope))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Passage:
    """What a collimator does to photons of any energy.

    Attributes
    ----------
    energy_mev : (n,), ends of the table of lead included. [MeV]
    transmitted : (n,) photons that reach its back within the field, holes, edges and septa together, per emitted one
    tail : (n, 3) share of them in the septal tail, and intercept [mm] and slope of its standard deviation
    """

    energy_mev: NDArray[np.float64]
    transmitted: NDArray[np.float64]
    tail: NDArray[np.float64]

    def transmitted_at(self, energy_mev: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """At other energies, log-log; beyond the table of lead (0.05 to 1 MeV) the value at its end."""
        return np.exp(np.interp(np.log(energy_mev), np.log(self.energy_mev), np.log(self.transmitted)))

    def tail_at(self, energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share, intercept and slope (3, n) at other energies."""
        return np.stack([np.interp(np.log(energy_mev), np.log(self.energy_mev), row) for row in self.tail.T])


@cache
def passage(collimator: Collimator) -> Passage:
    """Transmission (:func:`transmission`) and septal tail (:func:`septal_tail`) over the energies of the lead table."""
    ends = _lead_table()[0]
    energies = np.geomspace(ends[0], ends[-1], _PASSAGE_ENERGIES).clip(ends[0], ends[-1])
    through = [transmission(collimator, float(e)) for e in energies]
    tails = [septal_tail(collimator, float(e)) for e in energies]
    seen = next((t for t in tails if t is not None), SeptalTail(share=0.0, intercept_mm=1.0, slope=0.0))
    rows = [(t.share, t.intercept_mm, t.slope) if t else (0.0, seen.intercept_mm, seen.slope) for t in tails]
    return Passage(
        energy_mev=energies,
        transmitted=np.array([one.geometric + one.edge + one.septal for one in through]),
        tail=np.array(rows),
    )


def usable_energy(collimator: Collimator, photon_energy_mev: float) -> tuple[str, ...]:
    """Warning where more than 20 % of the photons crossed lead; empty below.

    Raises
    ------
    OutOfRangeError
        The energy is outside the table of lead.
    """
    share = transmission(collimator, photon_energy_mev).penetration_share
    if share <= USABLE_PENETRATION_SHARE:
        return ()
    return (
        f"Collimator {collimator.name}: {100 * share:.0f} % of the photons of {1e3 * photon_energy_mev:.0f} keV in the "
        f"image crossed its lead (warning above {100 * USABLE_PENETRATION_SHARE:.0f} %); the response needs a septal "
        "tail (septal_tail), and photons scattered in the lead are in no response.",
    )
