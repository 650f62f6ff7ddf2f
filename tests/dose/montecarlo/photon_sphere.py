"""Photons of a uniform sphere, by another program: analog, in plain arrays, exact in its geometry.

It shares the cross sections with the product, nothing else: angles come from numerical distribution functions.
"""

import numpy as np

from lutetia.physics.atoms import PER_ANGSTROM_PER_MEV, form_factor_squared, scattering_function
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.materials import material

ELECTRON_REST_MEV = 0.51099895
N_ANGLES = 1500
ENERGIES_MEV = np.geomspace(0.005, 3.0, 320)
LEAST_MEV = 0.0051


def tables():
    """Mass attenuation of (photoelectric, pair, incoherent, coherent), and the angles' distribution functions."""
    water = material("water")
    processes = ("photoelectric", "pair", "incoherent", "coherent")
    mu = [mass_attenuation_cm2_per_g(water, ENERGIES_MEV, p) for p in processes]
    t = (np.arange(N_ANGLES) + 0.5) / N_ANGLES
    cosine = 1 - 2 * t**3
    x = PER_ANGSTROM_PER_MEV * ENERGIES_MEV[:, None] * np.sqrt((1 - cosine) / 2)
    ratio = 1 / (1 + ENERGIES_MEV[:, None] / ELECTRON_REST_MEV * (1 - cosine))
    bound = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2) * scattering_function(water, x) * t**2
    whole = (1 + cosine**2) * form_factor_squared(water, x) * t**2
    functions = [np.cumsum(d, axis=1) / np.sum(d, axis=1, keepdims=True) for d in (bound, whole)]
    return np.array(mu), functions


def drawn_cosine(energy, function, rng):
    """Cosine from the distribution function of the nearest tabulated energy, at random below or above."""
    at = np.interp(np.log(energy), np.log(ENERGIES_MEV), np.arange(ENERGIES_MEV.size))
    row = np.minimum((at + rng.random(energy.size)).astype(int), ENERGIES_MEV.size - 1)
    u = rng.random(energy.size)
    index = np.array([np.searchsorted(function[r], v) for r, v in zip(row, u, strict=True)])
    return 1 - 2 * ((index + rng.random(energy.size)) / N_ANGLES) ** 3


def isotropic(n, rng):
    z = 2 * rng.random(n) - 1
    phi = 2 * np.pi * rng.random(n)
    return np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], axis=1)


def turned(direction, cosine, rng):
    """Turned by the angle towards a random normal."""
    other = np.cross(direction, isotropic(len(direction), rng))
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return cosine[:, None] * direction + np.sqrt(np.maximum(1 - cosine**2, 0))[:, None] * other


def absorbed_fraction(energy_mev, radius_cm, n, seed, surrounded):
    """Fraction of the energy absorbed in a sphere of water with its standard uncertainty.

    ``surrounded``: by water without end, or by nothing.
    """
    rng = np.random.default_rng(seed)
    mu, (bound, whole) = tables()
    place = isotropic(n, rng) * radius_cm * rng.random(n)[:, None] ** (1 / 3)
    direction, energy, owner = isotropic(n, rng), np.full(n, energy_mev), np.arange(n)
    absorbed = np.zeros(n)
    while energy.size:
        here = np.array(
            [np.exp(np.interp(np.log(energy), np.log(ENERGIES_MEV), np.log(np.maximum(m, 1e-30)))) for m in mu]
        )
        place = place + direction * (rng.exponential(size=energy.size) / here.sum(axis=0))[:, None]
        inside = np.linalg.norm(place, axis=1) <= radius_cm
        keep = inside if not surrounded else np.linalg.norm(place, axis=1) < radius_cm + 60
        place, direction, energy, owner, here, inside = (
            a[keep] for a in (place, direction, energy, owner, here.T, inside)
        )
        choice = rng.random(energy.size) * here.sum(axis=1)
        kind = np.sum(choice[:, None] >= np.cumsum(here, axis=1)[:, :3], axis=1)
        pairs, incoherent, coherent = kind == 1, kind == 2, kind == 3
        after = np.where(kind < 2, 0.0, energy)
        cosine = np.ones(energy.size)
        cosine[incoherent] = drawn_cosine(energy[incoherent], bound, rng)
        cosine[coherent] = drawn_cosine(energy[coherent], whole, rng)
        after[incoherent] /= 1 + energy[incoherent] / ELECTRON_REST_MEV * (1 - cosine[incoherent])
        given = energy - after - np.where(pairs, 2 * ELECTRON_REST_MEV, 0.0)
        soft = after < LEAST_MEV
        given[soft & (kind > 1)] += after[soft & (kind > 1)]
        np.add.at(absorbed, owner[inside], given[inside])
        direction = turned(direction, cosine, rng)
        back = isotropic(np.count_nonzero(pairs), rng)
        go = ~soft
        place = np.concatenate([place[go], place[pairs], place[pairs]])
        direction = np.concatenate([direction[go], back, -back])
        energy = np.concatenate([after[go], np.full(2 * len(back), ELECTRON_REST_MEV)])
        owner = np.concatenate([owner[go], owner[pairs], owner[pairs]])
    fraction = absorbed / energy_mev
    return fraction.mean(), fraction.std() / np.sqrt(n)
