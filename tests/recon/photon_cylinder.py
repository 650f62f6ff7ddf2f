"""A code of its own for photons in a water cylinder: analytic surface, arrays of photons, no voxels, no blur.

Photons are forced to collide in the cylinder and to be scattered towards each direction; angles are drawn from
cumulative tables. Only the tables of cross-sections are those of Lutetia.
"""

from functools import lru_cache

import numpy as np
from scipy import integrate, stats

from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.tables import read_table
from lutetia.recon.scatter_model import crystal_efficiency

ELECTRON_MEV = 0.51099895
FWHM_140 = 0.098
ENERGIES = np.geomspace(0.04, 0.6, 2500)
COSINE = 1 - 2 * np.linspace(0, 1, 1500) ** 3


def water(energy_mev, process="total"):
    """Linear attenuation of water. [1/mm]"""
    return 0.1 * mass_attenuation_cm2_per_g("water", energy_mev, process=process)


def form_factor_squared(x):
    """F^2 of a water molecule of free atoms; x in 1/angstrom."""
    rows = read_table("epdl97_form_factors", "form_factors.csv")
    at = [float(row["x_per_angstrom"]) for row in rows]
    return np.interp(x, at, [2 * float(row["H"]) ** 2 + float(row["O"]) ** 2 for row in rows])


def compton(energy_mev, cosine):
    """Klein-Nishina cross-section of an electron per solid angle, in r_e^2."""
    ratio = 1.0 / (1.0 + energy_mev / ELECTRON_MEV * (1.0 - cosine))
    return 0.5 * ratio**2 * (ratio + 1 / ratio - (1 - cosine**2))


def coherent(energy_mev, cosine):
    """Coherent cross-section of a water molecule per solid angle, in r_e^2."""
    return 0.5 * (1 + cosine**2) * form_factor_squared(energy_mev / 0.012398420 * np.sqrt((1 - cosine) / 2))


@lru_cache
def angular(law):
    """Over 100 energies: integral over all directions, and cumulative distribution of the cosine from 1 down."""
    energies = np.geomspace(ENERGIES[0], ENERGIES[-1], 100)
    grown = [integrate.cumulative_trapezoid(law(e, COSINE), -COSINE, initial=0) for e in energies]
    return energies, np.array([2 * np.pi * g[-1] for g in grown]), [g / g[-1] for g in grown]


def per_steradian(law, energy, cosine):
    """Normalised density of a law of scattering. [1/sr]"""
    energies, whole, _ = angular(law)
    return law(energy, cosine) / np.interp(energy, energies, whole)


def drawn(law, energy, rng):
    """Cosines, by the table of the nearest energy."""
    energies, _, cumulative = angular(law)
    steps = np.log(energies[1] / energies[0])
    near = np.rint(np.log(energy / energies[0]) / steps + rng.uniform(-0.5, 0.5, energy.size)).astype(int)
    u, found = rng.uniform(size=energy.size), np.empty_like(energy)
    for k in np.unique(near):
        found[near == k] = np.interp(u[near == k], cumulative[min(max(k, 0), 99)], COSINE)
    return found


def way_out(place, towards, radius, half_length):
    """Way to the surface of a cylinder along z. [mm]"""
    a = np.maximum(towards[0] ** 2 + towards[1] ** 2, 1e-12)
    b = place[0] * towards[0] + place[1] * towards[1]
    side = (-b + np.sqrt(np.maximum(b * b - a * (place[0] ** 2 + place[1] ** 2 - radius**2), 0))) / a
    steep = np.where(np.abs(towards[2]) < 1e-12, 1e-12, towards[2])
    return np.minimum(side, np.abs((np.sign(steep) * half_length - place[2]) / steep))


def turned(flight, cosine, phi):
    """Directions bent by an angle round themselves."""
    helper = np.where(np.abs(flight[2]) < 0.9, np.array([[0.0], [0.0], [1.0]]), np.array([[1.0], [0.0], [0.0]]))
    first = np.cross(flight, helper, axis=0)
    first /= np.linalg.norm(first, axis=0)
    second = np.cross(flight, first, axis=0)
    bent = cosine * flight + np.sqrt(1 - cosine**2) * (np.cos(phi) * first + np.sin(phi) * second)
    return bent / np.linalg.norm(bent, axis=0)


def counted_tables(windows, peak_mev):
    """Counts of each window per photon over ENERGIES, 1 for the peak's photon in the first window."""
    sigma = FWHM_140 * np.sqrt(0.140 * ENERGIES) / np.sqrt(8 * np.log(2))
    share = [
        stats.norm.cdf(w.upper_mev, ENERGIES, sigma) - stats.norm.cdf(w.lower_mev, ENERGIES, sigma) for w in windows
    ]
    tables = np.array(share) * crystal_efficiency(ENERGIES)
    return tables / np.interp(peak_mev, ENERGIES, tables[0])


def scattered(source_mm, directions, windows, peak_mev, *, radius, half_length, photons, seed):
    """Scattered counts (windows, directions) per unscattered, unattenuated count of a point in a water cylinder."""
    rng = np.random.default_rng(seed)
    total, inelastic, elastic = (water(ENERGIES, p) for p in ("total", "incoherent", "coherent"))
    tables = counted_tables(windows, peak_mev)
    place = np.repeat(np.asarray(source_mm, float)[:, None], photons, axis=1)
    z, phi = rng.uniform(-1, 1, photons), rng.uniform(0, 2 * np.pi, photons)
    flight = np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])
    energy, weight, counts = np.full(photons, peak_mev), np.ones(photons), np.zeros((len(windows), len(directions)))
    while energy.size:
        mu = np.interp(energy, ENERGIES, total)
        inside = -np.expm1(-mu * way_out(place, flight, radius, half_length))
        place = place - flight * np.log1p(-rng.uniform(size=energy.size) * inside) / mu
        parts = [np.interp(energy, ENERGIES, p) / mu for p in (inelastic, elastic)]
        weight = weight * inside
        for d, towards in enumerate(directions):
            cosine = np.clip(towards @ flight, -1, 1)
            path = way_out(place, towards[:, None], radius, half_length)
            after = energy / (1 + energy / ELECTRON_MEV * (1 - cosine))
            for law, part, e in ((compton, parts[0], after), (coherent, parts[1], energy)):
                chance = weight * part * 4 * np.pi * per_steradian(law, energy, cosine)
                chance *= np.exp(-np.interp(e, ENERGIES, total) * path)
                counts[:, d] += [np.sum(chance * np.interp(e, ENERGIES, table)) for table in tables]
        weight = weight * (parts[0] + parts[1])
        bends = rng.uniform(size=energy.size) * (parts[0] + parts[1]) < parts[0]
        cosine = np.where(bends, drawn(compton, energy, rng), drawn(coherent, energy, rng))
        flight = turned(flight, cosine, rng.uniform(0, 2 * np.pi, energy.size))
        energy = np.where(bends, energy / (1 + energy / ELECTRON_MEV * (1 - cosine)), energy)
        # Russian roulette, and nothing far below the last window
        keep = (energy > windows[-1].lower_mev - 0.025) & (rng.uniform(size=energy.size) < weight / 0.3)
        weight = np.maximum(weight, 0.3)[keep]
        place, flight, energy = place[:, keep], flight[:, keep], energy[keep]
    return counts / photons
