"""Photons through voxels: attenuation, agreement of the estimators, energy kept in every history."""

import dataclasses
import math

import numpy as np
import pytest
from numba import njit

from lutetia.dose.montecarlo.photons.free_path import free_path
from lutetia.dose.montecarlo.photons.tables import (
    ABSORPTION,
    COARSE,
    INCOHERENT,
    PAIR,
    PHOTO,
    TOTAL,
    photon_tables,
)
from lutetia.dose.montecarlo.photons.walk import packed, walk_photon
from lutetia.dose.montecarlo.photons.woodcock import (
    LEVELS,
    block_majorants,
    walk_photon_analog,
    walk_photon_collision,
)
from lutetia.dose.montecarlo.stack import DEPTH, FIELDS, FIXED_POINT, PHOTON, POSITRON, push
from lutetia.physics.materials import Material, material
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, seeded, uniform

TRACK, COLLISION, ANALOG, COUPLED = 0, 1, 2, 3
N = 20_000


@njit(cache=False)
def walk_one(how, p, state, geometry, tables, blocks, tally, stack, count):
    if how == 0:
        return walk_photon(p[1], p[2], p[3], p[4], p[5], p[6], p[7], state, geometry, tables, tally, stack, count)
    if how == 1:
        return walk_photon_collision(
            p[1], p[2], p[3], p[4], p[5], p[6], p[7], state, geometry, tables, blocks, tally, stack, count
        )
    return walk_photon_analog(
        p[1], p[2], p[3], p[4], p[5], p[6], p[7], state, geometry, tables, blocks, tally, stack, count, how - 2
    )


@njit(cache=False)
def follow(how, n, energy, box, direction, geometry, tables, blocks, totals, squares):
    """Histories from a box (isotropic where the direction is 0); tally and its squares, escaped and pushed energy."""
    stack, count, tally = np.empty((DEPTH, FIELDS)), np.zeros(1, np.int64), np.zeros(totals.size, np.int64)
    ends = np.zeros((n, 3))
    for h in range(n):
        state = advanced(seeded(np.uint64(21 + how), h))
        x = box[0, 0] + (box[1, 0] - box[0, 0]) * uniform(state)
        state = advanced(state)
        y = box[0, 1] + (box[1, 1] - box[0, 1]) * uniform(state)
        state = advanced(state)
        z = box[0, 2] + (box[1, 2] - box[0, 2]) * uniform(state)
        u, v, w = direction[0], direction[1], direction[2]
        if u == 0.0 and v == 0.0 and w == 0.0:
            u, v, w, state = isotropic(state)
        push(stack, count, PHOTON, energy, x, y, z, u, v, w)
        tally[:] = 0
        while count[0] > 0:
            count[0] -= 1
            p = stack[count[0]].copy()
            if p[0] != PHOTON:
                ends[h, 1] += p[1] + (2.0 * ELECTRON_REST_MEV if p[0] == POSITRON else 0.0)
                continue
            state, escaped = walk_one(how, p, state, geometry, tables, blocks, tally, stack, count)
            ends[h, 0] += escaped
        for s in range(tally.size):
            totals[s] += tally[s] / FIXED_POINT
            squares[s] += (tally[s] / FIXED_POINT) ** 2
            ends[h, 2] += tally[s] / FIXED_POINT
    return ends


def transported(how, geometry, tables, *, energy_mev, box, direction=(0.0, 0.0, 0.0), n=N):
    """Mean energy per history in the slots, its standard uncertainty, (n, 3) escaped, pushed and absorbed energy."""
    n_slots = int(geometry[2].max(initial=geometry[0].size - 1 if geometry[2].size == 0 else 0)) + 2
    totals, squares = np.zeros(n_slots), np.zeros(n_slots)
    blocks = block_majorants(geometry, tables)
    ends = follow(
        how, n, energy_mev, np.array(box), np.array(direction), geometry, tables.arrays, blocks, totals, squares
    )
    mean = totals / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 0) / n), ends


def voxels(shape, cell, density=1.0):
    return (
        np.full(shape, density, np.float32), np.zeros(shape, np.uint8), np.zeros(shape, np.int32), np.array(cell),
    )  # fmt: skip


def absorber(tables):
    """The same attenuation, but everything that happens is absorption."""
    changed = tables.mass_coefficients.copy()
    changed[:, :, INCOHERENT] = 0
    for column in (PHOTO, PAIR, ABSORPTION):
        changed[:, :, column] = changed[:, :, TOTAL]
    return dataclasses.replace(tables, mass_coefficients=changed)


@pytest.mark.parametrize("how", [TRACK, COLLISION, ANALOG])
@pytest.mark.parametrize("energy_mev", [0.0301, 0.208, 2.6])
@pytest.mark.parametrize(
    ("shape", "cell", "direction"),
    [
        ((1, 1, 1), (50.0, 50.0, 7.0), (0.0, 0.0, 1.0)),
        ((20, 9, 9), (5.0, 4.0, 0.35), (0.3, -0.4, math.sqrt(0.75))),
        ((20, 9, 9), (5.0, 4.0, 0.35), (0.0, 0.0, -1.0)),
    ],
)
def test_attenuated_as_exp_minus_mu_x(how, energy_mev, shape, cell, direction):
    tables = absorber(photon_tables([material("water")], 3.0))
    geometry = voxels(shape, cell)
    geometry[0][shape[0] // 2 :] = 1.7
    depth = shape[0] * cell[2]
    middle = (0.5 * shape[2] * cell[0], 0.5 * shape[1] * cell[1], 1e-9 if direction[2] > 0 else depth - 1e-9)
    found, u, ends = transported(
        how, geometry, tables, energy_mev=energy_mev, box=(middle, middle), direction=direction, n=N
    )
    paths = float(geometry[0][:, 0, 0].sum()) * cell[2] / abs(direction[2])
    at = np.log(tables.energy_mev)
    paths *= float(np.interp(np.log(energy_mev), at, tables.mass_coefficients[0, :, TOTAL]))
    left = math.exp(-paths)  # closed form
    spread = math.sqrt(left * (1 - left) / N)
    assert ends[:, 0].mean() / energy_mev == pytest.approx(left, abs=4 * spread)
    assert found.sum() / energy_mev == pytest.approx(1 - left, abs=4 * float(u.sum()) / energy_mev + 1e-9)


@pytest.fixture(scope="module")
def body():
    """Water with lung, bone, titanium and gold, each a slot; voxels of 4 x 5 x 6 mm."""
    materials = [
        material("water"),
        material("lung"),
        material("cortical bone"),
        Material(name="titanium", density_g_per_ml=4.5, mass_fractions={"Ti": 1.0}, source="test"),
        Material(name="gold", density_g_per_ml=19.3, mass_fractions={"Au": 1.0}, source="test"),
    ]
    density, index, slot, cell = voxels((30, 34, 38), (0.4, 0.5, 0.6))
    for k, (m, rho) in enumerate(((1, 0.3), (2, 1.9), (3, 4.5), (4, 19.3)), start=1):
        part = (slice(5 * k, 5 * k + 4), slice(6 + k, 20 + 2 * k), slice(4 + 3 * k, 12 + 5 * k))
        density[part], index[part], slot[part] = rho, m, k
    slot[:2] = -1
    return materials, (density, index, slot, cell)


SOURCE = ((5.0, 5.0, 6.0), (10.0, 12.0, 14.0))


@pytest.mark.parametrize("energy_mev", [0.0201, 0.113, 0.662, 2.6])
def test_estimators_have_the_same_mean(body, energy_mev):
    materials, geometry = body
    tables = photon_tables(materials, 3.0)
    runs = [
        transported(how, geometry, tables, energy_mev=energy_mev, box=SOURCE, n=2 * N)
        for how in (TRACK, COLLISION, ANALOG)
    ]
    for mean, u, _ in runs[1:]:
        # 5 slots, 2 comparisons, 4 energies: under 0.3 % chance of any beyond 4 standard uncertainties
        assert np.all(np.abs(mean - runs[0][0]) < 4 * np.hypot(u, runs[0][1]) + 1e-7)
    # rest and lung are near enough to be known well
    assert np.all(runs[0][1][0] < 0.02 * runs[0][0][0])
    for _, _, ends in runs:
        total = ends.sum(axis=1)
        assert total.mean() == pytest.approx(energy_mev, abs=4 * total.std() / math.sqrt(total.size) + 1e-9)


@pytest.mark.parametrize("how", [ANALOG, COUPLED])
@pytest.mark.parametrize("energy_mev", [0.0101, 0.09, 2.6])
def test_every_history_keeps_its_energy(body, how, energy_mev):
    materials, geometry = body
    tables = photon_tables(materials, 3.0, cutoff_mev=0.001)
    _, _, ends = transported(how, geometry, tables, energy_mev=energy_mev, box=SOURCE)
    np.testing.assert_allclose(ends.sum(axis=1), energy_mev, atol=1e-9)
    assert (ends[:, 1].sum() > 0) == (how == COUPLED and energy_mev > 0.01)


@pytest.mark.parametrize("how", [TRACK, COLLISION, ANALOG])
def test_without_slots_every_voxel_is_its_own(body, how):
    materials, geometry = body
    tables = photon_tables(materials, 1.0)
    shape = geometry[0].shape
    own = np.arange(geometry[0].size, dtype=np.int32).reshape(shape)
    runs = [
        transported(how, (*geometry[:2], slots, geometry[3]), tables, energy_mev=0.3, box=SOURCE, n=200)[0]
        for slots in (own, np.zeros((0, 0, 0), np.int32))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])


def test_below_the_cut_off_and_outside_nothing_moves(body):
    materials, geometry = body
    tables = photon_tables(materials, 1.0)
    for how in (TRACK, COLLISION, ANALOG):
        mean, _, ends = transported(how, geometry, tables, energy_mev=0.004, box=SOURCE, n=100)
        assert mean.sum() == pytest.approx(0.004, abs=1e-9)
        outside = ((-1.0, 2.0, 2.0), (-0.5, 3.0, 3.0))
        mean, _, ends = transported(how, geometry, tables, energy_mev=0.1, box=outside, n=100)
        assert ends[:, 0].mean() == pytest.approx(0.1)
        assert mean.sum() == 0


@njit(cache=False)
def second_kerma(n, energy, start, geometry, tables, tally, second):
    stack, count = np.empty((DEPTH, FIELDS)), np.zeros(1, np.int64)
    x, y, z = start
    for h in range(n):
        u, v, w, state = isotropic(advanced(seeded(np.uint64(8), h)))
        state, _ = walk_photon(energy, x, y, z, u, v, w, state, geometry, tables, tally, stack, count, second)
        count[0] = 0


def test_second_material_takes_its_own_kerma():
    tables = photon_tables([material("spongiosa"), material("red marrow")], 0.5)
    density, index, slot, cell = voxels((10, 10, 10), (0.3, 0.3, 0.3), 1.18)
    geometry = (density, index, slot, cell)
    at = np.log(tables.energy_mev)
    for energy, medium in ((0.06, 1), (0.06, 0), (0.3, 1)):
        tally = np.zeros(3, np.int64)
        second = (np.array([1, -1, -1], np.int32), np.array([medium, 0, 0], np.uint8))
        second_kerma(2_000, energy, (1.5, 1.5, 1.5), geometry, absorber_of_none(tables).arrays, tally, second)
        coefficients = [
            np.interp(np.log(energy), at, tables.mass_coefficients[m, :, ABSORPTION]) for m in (0, medium)
        ]
        # unscattered photons only: the ratio of the coefficients, to the rounding of the tallies
        assert tally[1] / tally[0] == pytest.approx(coefficients[1] / coefficients[0], rel=1e-6)


def absorber_of_none(tables):
    """The same absorption coefficients for scoring, but every interaction ends the photon."""
    changed = tables.mass_coefficients.copy()
    changed[:, :, INCOHERENT] = 0
    for column in (PHOTO, PAIR):
        changed[:, :, column] = changed[:, :, TOTAL]
    return dataclasses.replace(tables, mass_coefficients=changed)


def test_majorants_hold_everywhere(body):
    materials, geometry = body
    tables = photon_tables(materials, 3.0)
    majorant, cells, shift = block_majorants(geometry, tables)
    density, index = geometry[0], geometry[1]
    z, y, x = np.indices(density.shape)
    cell, level = np.divmod(cells[z >> shift[2], y >> shift[1], x >> shift[0]], LEVELS)
    for i in (0, 7, 8, 300, tables.mass_coefficients.shape[1] - 2):
        for j in (i, i + 1):
            mu = density * tables.mass_coefficients[index, j, TOTAL]
            assert np.all(mu <= majorant[i // COARSE][cell])
    # every cell is one cube of blocks
    for k in range(majorant.shape[1]):
        inside = cell == k
        edges = {int(n) for n in level[inside]}
        assert len(edges) == 1
        corner = [at[inside] >> s >> min(edges) for at, s in zip((x, y, z), shift, strict=True)]
        assert all(np.ptp(at) == 0 for at in corner)


def test_even_matter_is_one_cell():
    tables = photon_tables([material("water")], 1.0)
    majorant, cells, _ = block_majorants(voxels((64, 50, 70), (0.3, 0.3, 0.3)), tables)
    assert majorant.shape[1] == 1
    assert np.all(cells == 4)  # 9 blocks of 8 voxels need a cube of 16


def test_packed_voxels_keep_density_and_material():
    draw = np.random.default_rng(3)
    density = np.r_[0.0, 1e-30, draw.uniform(0, 25, 997), 1.0].astype(np.float32).reshape(10, 10, 10)
    index = draw.integers(0, 256, density.shape).astype(np.uint8)
    near, words, *_ = packed((density, index, np.zeros((0, 0, 0), np.int32), np.ones(3)))
    np.testing.assert_array_equal(words & 255, index)
    # half of the 2^8 steps that the 23 bits of a density are cut by
    np.testing.assert_allclose(near, density, rtol=2.0**-15, atol=1e-40)


@njit(cache=False)
def free_paths(n):
    drawn = np.empty(n)
    state = seeded(np.uint64(9), 1)
    for h in range(n):
        drawn[h], state = free_path(state)
    return drawn


def test_free_paths_are_exponential():
    drawn = free_paths(1_000_000)
    assert drawn.min() >= 0
    edges = np.r_[np.linspace(0, 7.5, 61), 7.69711747, 8.5, 10.0, np.inf]
    expected = -np.diff(np.exp(-edges)) * drawn.size
    found = np.histogram(drawn, edges)[0]
    chi_square = np.sum((found - expected) ** 2 / expected)
    # 63 degrees of freedom: 4 standard deviations of the distribution
    assert chi_square < 63 + 4 * math.sqrt(2 * 63)
