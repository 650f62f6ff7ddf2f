"""Random numbers of histories, Compton angles and directions: laws of the sampling."""

import math

import numpy as np
import pytest
from numba import njit
from scipy import integrate

from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, compton, isotropic, seeded, turned, uniform

N = 200_000


@njit(cache=False)
def draw_uniform(seed, n):
    values = np.empty(n)
    for i in range(n):
        values[i] = uniform(advanced(seeded(np.uint64(seed), i)))
    return values


@njit(cache=False)
def draw_compton(energy, seed, n):
    values = np.empty((n, 2))
    for i in range(n):
        values[i, 0], values[i, 1], _ = compton(energy, seeded(np.uint64(seed), i))
    return values


@njit(cache=False)
def draw_directions(cosine, seed, n):
    values = np.empty((n, 6))
    for i in range(n):
        x, y, z, state = isotropic(seeded(np.uint64(seed), i))
        u, v, w, _ = turned(x, y, z, cosine, state)
        values[i] = np.array([x, y, z, u, v, w])
    return values


def test_first_numbers_of_histories_are_uniform_and_unrelated():
    values = draw_uniform(3, N)
    assert 0 <= values.min() <= values.max() < 1
    # standard deviations of mean, mean square and of the product of neighbours of uniform numbers
    assert values.mean() == pytest.approx(1 / 2, abs=4 / math.sqrt(12 * N))
    assert (values**2).mean() == pytest.approx(1 / 3, abs=4 * math.sqrt(4 / 45 / N))
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0, abs=4 / math.sqrt(N))
    assert np.corrcoef(values, draw_uniform(4, N))[0, 1] == pytest.approx(0, abs=4 / math.sqrt(N))


def test_no_history_has_a_state_of_zero():
    assert all(seeded(np.uint64(0), h) != 0 for h in range(1000))


@pytest.mark.parametrize("energy_mev", [0.015, 0.113, 0.208, 0.662, 2.6])
def test_compton_scattering_follows_klein_nishina(energy_mev):
    drawn = draw_compton(energy_mev, 11, N)
    alpha = energy_mev / ELECTRON_REST_MEV
    # kinematics, exact
    np.testing.assert_allclose(drawn[:, 0], energy_mev / (1 + alpha * (1 - drawn[:, 1])), rtol=1e-9)

    def density(mu):
        p = 1 / (1 + alpha * (1 - mu))
        return p * p * (p + 1 / p - 1 + mu * mu)

    total = integrate.quad(density, -1, 1)[0]
    for power in (1, 2, 3):
        expected = integrate.quad(lambda mu, k=power: mu**k * density(mu), -1, 1)[0] / total
        values = drawn[:, 1] ** power
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / math.sqrt(N))
    transfer = 1 - drawn[:, 0] / energy_mev
    expected = integrate.quad(lambda mu: (1 - 1 / (1 + alpha * (1 - mu))) * density(mu), -1, 1)[0] / total
    assert transfer.mean() == pytest.approx(expected, abs=4 * transfer.std() / math.sqrt(N))


@pytest.mark.parametrize("cosine", [-1.0, -0.3, 0.0, 0.8, 1.0])
def test_deflections_have_their_angle_and_keep_unit_length(cosine):
    drawn = draw_directions(cosine, 5, 20_000)
    before, after = drawn[:, :3], drawn[:, 3:]
    np.testing.assert_allclose((before * after).sum(axis=1), cosine, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, rtol=1e-12)
    # isotropic before, isotropic after: each component has variance 1/3
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=4 / math.sqrt(3 * 20_000))
