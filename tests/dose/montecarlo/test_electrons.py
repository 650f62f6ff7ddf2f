"""Electrons and positrons in voxels: conservation, Fano's theorem, and what must not matter."""

import numpy as np
import pytest
from numba import njit

from lutetia.dose.montecarlo.electrons.tables import (
    COLLISIONS,
    HARD,
    PHOTONS,
    RANGE,
    electron_tables,
    energy_grid_mev,
)
from lutetia.dose.montecarlo.electrons.walk import walk_electron
from lutetia.dose.montecarlo.stack import DEPTH, FIELDS, FIXED_POINT, PHOTON
from lutetia.errors import OutOfRangeError
from lutetia.physics.materials import material
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, seeded, uniform

WATER, LUNG, BONE = (material(name) for name in ("water", "lung", "cortical bone"))


@njit(cache=True)
def follow(n, seed, kind, energy, low, high, geometry, tables, tally, stack, count, sums):
    """Isotropic particles from a box; sums: escaped, radiated [MeV], annihilation quanta."""
    for h in range(n):
        s = seeded(seed, h)
        s = advanced(s)
        x = low[0] + (high[0] - low[0]) * uniform(s)
        s = advanced(s)
        y = low[1] + (high[1] - low[1]) * uniform(s)
        s = advanced(s)
        z = low[2] + (high[2] - low[2]) * uniform(s)
        u, v, w, s = isotropic(s)
        s, escaped = walk_electron(kind, energy, x, y, z, u, v, w, s, geometry, tables, tally, stack, count)
        sums[0] += escaped
        while count[0] > 0:
            count[0] -= 1
            row = stack[count[0]].copy()
            if row[0] == 0.0:
                sums[1] += row[1]
                sums[2] += 1
            else:
                s, escaped = walk_electron(
                    row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], s, geometry, tables, tally, stack,
                    count,
                )  # fmt: skip
                sums[0] += escaped


@njit(cache=True)
def beam(n, seed, energy, x, y, geometry, tables, tally, stack, count, sums):
    """Electrons along +z from the surface at one place."""
    for h in range(n):
        s = seeded(seed, h)
        s, escaped = walk_electron(-1.0, energy, x, y, 0.0, 0.0, 0.0, 1.0, s, geometry, tables, tally, stack, count)
        sums[0] += escaped
        while count[0] > 0:
            count[0] -= 1
            row = stack[count[0]].copy()
            if row[0] == 0.0:
                sums[1] += row[1]
            else:
                s, escaped = walk_electron(
                    row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], s, geometry, tables, tally, stack,
                    count,
                )  # fmt: skip
                sums[0] += escaped


def voxels(density, size_cm, index=None):
    density = np.asarray(density, np.float32)
    index = np.zeros(density.shape, np.uint8) if index is None else np.asarray(index, np.uint8)
    slot = np.arange(density.size, dtype=np.int32).reshape(density.shape)
    return density, index, slot, np.asarray(size_cm, np.float64)


def run(geometry, tables, *, energy, low, high, n, seed=1, kind=-1.0):
    """Energy by voxel [MeV], escaped, radiated, photons; all per particle."""
    tally, sums = np.zeros(geometry[0].size + 1, np.int64), np.zeros(3)
    stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    follow(n, np.uint64(seed), kind, energy, low, high, geometry, tables, tally, stack, count, sums)
    return (tally[:-1] / FIXED_POINT / n).reshape(geometry[0].shape), *(sums / n)


def run_beam(geometry, tables, *, energy, n, seed=1):
    tally, sums = np.zeros(geometry[0].size + 1, np.int64), np.zeros(3)
    stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    x, y = 0.5 * geometry[3][0] * geometry[0].shape[2], 0.5 * geometry[3][1] * geometry[0].shape[1]
    beam(n, np.uint64(seed), energy, x, y, geometry, tables, tally, stack, count, sums)
    return (tally[:-1] / FIXED_POINT / n).reshape(geometry[0].shape), *(sums / n)


def patchwork():
    """Water, lung, bone and holes in small voxels of three sizes, and their tables."""
    rng = np.random.default_rng(5)
    index = rng.integers(0, 3, (9, 8, 7))
    density = np.choose(index, [1.0, 0.26, 1.9]) * (rng.random(index.shape) > 0.2)
    return voxels(density, [0.05, 0.1, 0.2], index)


@pytest.mark.parametrize("rejection", [True, False])
@pytest.mark.parametrize(("kind", "energy_mev"), [(-1.0, 0.02), (-1.0, 0.5), (-1.0, 3.5), (1.0, 0.6), (1.0, 2.0)])
def test_energy_is_conserved(kind, energy_mev, rejection):
    geometry = patchwork()
    tables = electron_tables([WATER, LUNG, BONE], range_rejection=rejection)
    high = geometry[3] * geometry[0].shape[::-1]
    n = 2000
    absorbed, escaped, radiated, _ = run(
        geometry, tables, energy=energy_mev, low=[0, 0, 0], high=high, n=n, kind=kind
    )
    started = energy_mev
    if kind > 0:  # those that do not escape bring two rest masses in; they are whole particles
        annihilated = (absorbed.sum() + escaped + radiated - energy_mev) / (2 * ELECTRON_REST_MEV) * n
        assert annihilated == pytest.approx(round(annihilated), abs=1e-5)
        assert 0 < round(annihilated) <= n
        started += round(annihilated) / n * 2 * ELECTRON_REST_MEV
    assert absorbed.sum() + escaped + radiated == pytest.approx(started, rel=1e-9)
    assert absorbed[geometry[0] == 0].sum() == 0


def test_a_positron_at_rest_leaves_two_photons_back_to_back():
    geometry, tables = voxels(np.ones((3, 3, 3)), [1.0] * 3), electron_tables([WATER])
    tally, stack, count = np.zeros(28, np.int64), np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    walk_electron(1.0, 0.005, 1.5, 1.5, 1.5, 0.0, 0.0, 1.0, np.uint64(7), geometry, tables, tally, stack, count)
    assert count[0] == 2
    assert np.all(stack[:2, 0] == PHOTON)
    assert stack[:2, 1] == pytest.approx(ELECTRON_REST_MEV)
    np.testing.assert_array_equal(stack[0, 5:8], -stack[1, 5:8])
    assert tally[13] / FIXED_POINT == pytest.approx(0.005, abs=1e-10)


def test_some_positrons_annihilate_in_flight():
    # what the tables of Heitler's cross section add up to along the range
    geometry, tables = voxels(np.ones((3, 3, 3)), [4.0] * 3), electron_tables([WATER], range_rejection=False)
    n = 20_000
    tally, stack, count = np.zeros(28, np.int64), np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    flown = 0
    for h in range(n):
        count[0] = 0
        walk_electron(
            1.0,
            0.6,
            6.0,
            6.0,
            6.0,
            0.0,
            0.0,
            1.0,
            np.uint64(seeded(np.uint64(3), h)),
            geometry,
            tables,
            tally,
            stack,
            count,
        )
        photons = stack[: count[0]][stack[: count[0], 0] == PHOTON]
        flown += not np.any(np.isclose(photons[:, 1], ELECTRON_REST_MEV, rtol=1e-12))
    rows = tables[0][1, 0].astype(float)
    grid = energy_grid_mev()
    rate = rows[:, HARD] - rows[:, COLLISIONS] - rows[:, PHOTONS]
    inside = (grid >= 0.01) & (grid <= 0.6)
    expected = np.trapezoid(rate[inside], rows[inside, RANGE])
    assert flown / n == pytest.approx(expected, abs=4 * np.sqrt(expected / n))


@njit(cache=True)
def follow_density(n, seed, energy, geometry, tables, tally, stack, count, sums):
    """Isotropic electrons started in proportion to the mass, by rejection from evenly in the grid."""
    density, size = geometry[0], geometry[3]
    most = density.max()
    high = (size[0] * density.shape[2], size[1] * density.shape[1], size[2] * density.shape[0])
    s = seeded(seed, 0)
    started = 0
    while started < n:
        s = advanced(s)
        x = high[0] * uniform(s)
        s = advanced(s)
        y = high[1] * uniform(s)
        s = advanced(s)
        z = high[2] * uniform(s)
        s = advanced(s)
        if uniform(s) * most <= density[int(z / size[2]), int(y / size[1]), int(x / size[0])]:
            follow(1, s, -1.0, energy, (x, y, z), (x, y, z), geometry, tables, tally, stack, count, sums)
            started += 1


def test_fano():
    """A source in proportion to the density of one material gives the same dose everywhere, whatever the density.

    Exact (Fano 1954) where cross sections per mass do not depend on the density. Photons leave on both sides; the
    inner voxels lie two ranges from the rim.
    """
    rng = np.random.default_rng(2)
    density = rng.choice([0.05, 0.3, 1.0], (24, 24, 24))
    geometry, tables = voxels(density, [0.1, 0.08, 0.12]), electron_tables([WATER], range_rejection=False)
    n, energy = 60_000, 0.3
    tally, sums = np.zeros(density.size + 1, np.int64), np.zeros(3)
    stack, count = np.zeros((DEPTH, FIELDS)), np.zeros(1, np.int64)
    follow_density(n, np.uint64(9), energy, geometry, tables, tally, stack, count, sums)
    dose = tally[:-1].reshape(density.shape) / FIXED_POINT / density
    expected = (n * energy - sums[1]) / density.sum()
    inner = np.zeros(density.shape, bool)
    inner[7:-7, 7:-7, 7:-7] = True
    for value in (0.05, 0.3, 1.0):
        values = dose[inner & (density == value)]
        # neighbours share tracks, so their mean is known to about twice what independent ones would give
        uncertainty = 2.0 * values.std() / np.sqrt(values.size)
        assert uncertainty < 0.05 * expected
        assert values.mean() == pytest.approx(expected, abs=3.5 * uncertainty)


def columns(density, index, thickness_cm, n=1):
    """Slabs along z as voxels, each cut into n thinner ones; 3 cm wide, in voxels of 1 / n cm."""
    shape = (density.size * n, 3 * n, 3 * n)
    wide = np.broadcast_to(np.repeat(density, n)[:, None, None], shape)
    kinds = np.broadcast_to(np.repeat(index, n)[:, None, None], shape)
    return voxels(wide, [1.0 / n, 1.0 / n, thickness_cm / n], kinds)


SLABS = np.array([1.0] * 6 + [0.26] * 8 + [1.0] * 3 + [1.9] * 8), np.array([0] * 6 + [1] * 8 + [0] * 3 + [2] * 8)


def depth_dose(energy_mev, n, *, cut=1, seed=1, **settings):
    """Energy in slabs of water, lung, water and bone of 0.5 mm [MeV]."""
    geometry = columns(*SLABS, 0.05, cut)
    absorbed, *_ = run_beam(
        geometry, electron_tables([WATER, LUNG, BONE], **settings), energy=energy_mev, n=n, seed=seed
    )
    return absorbed.sum(axis=(1, 2)).reshape(-1, cut).sum(axis=1)


def close(one, other, n, energy_mev):
    """Differences of slabs within four standard uncertainties; a particle leaves at most half its energy in one."""
    uncertainty = np.sqrt(2 * np.maximum(one, other) * 0.5 * energy_mev / n)
    return np.all(np.abs(one - other) <= 4 * uncertainty + 1e-12)


@pytest.mark.parametrize("energy_mev", [0.5, 1.0])
def test_how_voxels_are_cut_does_not_matter(energy_mev):
    n = 6000
    whole = depth_dose(energy_mev, n, range_rejection=False)
    assert close(whole, depth_dose(energy_mev, n, cut=3, seed=2, range_rejection=False), n, energy_mev)
    # range rejection only moves energy within a voxel
    assert close(whole, depth_dose(energy_mev, n, seed=3), n, energy_mev)


def test_shorter_steps_and_smaller_hard_collisions_change_nothing():
    n = 6000
    usual = depth_dose(1.0, n)
    assert close(usual, depth_dose(1.0, n, seed=2, loss_per_step=0.06), n, 1.0)
    assert close(usual, depth_dose(1.0, n, seed=3, hard_share=0.05, hard_most_mev=0.02), n, 1.0)


def test_empty_voxels_take_nothing():
    density = np.ones((5, 5, 5))
    density[2] = 0.0
    tables = electron_tables([WATER])
    absorbed, escaped, radiated, _ = run(
        voxels(density, [0.1, 0.1, 0.1]), tables, energy=0.5, low=[0.2] * 3, high=[0.3] * 3, n=1000
    )
    assert absorbed[2].sum() == 0
    assert absorbed[1].sum() > 0
    assert absorbed[3].sum() > 0
    assert absorbed.sum() + escaped + radiated == pytest.approx(0.5, rel=1e-9)


def test_a_particle_outside_escapes_whole():
    _, escaped, _, _ = run(
        voxels(np.ones((2, 2, 2)), [1.0] * 3),
        electron_tables([WATER]),
        energy=0.5,
        low=[3.0] * 3,
        high=[3.0] * 3,
        n=10,
    )
    assert escaped == pytest.approx(0.5)


def test_same_seed_same_tracks_in_a_slightly_denser_medium():
    # every step draws from a stream of its own: what differs is the place of the voxels' faces alone
    tables = electron_tables([WATER])
    box = {"energy": 1.0, "low": [1.4] * 3, "high": [1.6] * 3, "n": 3000}
    one, *_ = run(voxels(np.full((15, 15, 15), 1.0), [0.2] * 3), tables, **box)
    two, *_ = run(voxels(np.full((15, 15, 15), 1.02), [0.2] * 3), tables, **box)
    other, *_ = run(voxels(np.full((15, 15, 15), 1.0), [0.2] * 3), tables, **box, seed=8)
    assert np.std(two - one) < 0.7 * np.std(other - one)


def test_what_is_asked_is_checked():
    with pytest.raises(OutOfRangeError, match=r"expected at least 0\.001 MeV"):
        electron_tables([WATER], cutoff_mev=1e-4)
