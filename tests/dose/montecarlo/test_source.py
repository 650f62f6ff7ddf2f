"""Where histories start: alias tables, strata of voxels, spectra that carry the tabulated energy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from lutetia.dose.montecarlo.source import (
    Spectrum,
    alias_table,
    electron_spectrum,
    source_arrays,
    start_energy,
    start_voxel,
)
from lutetia.errors import GridError, InputError
from lutetia.physics.emissions import Lines, emissions
from lutetia.physics.transport import seeded

LINE = Spectrum.of_lines(Lines(energy_mev=np.array([0.1]), yield_per_decay=np.array([1.0])))


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50).filter(lambda w: sum(w) > 1e-3))
def test_an_alias_table_holds_the_distribution(weights):
    weights = np.array(weights)
    threshold, alias = alias_table(weights)
    held = threshold.copy()
    np.add.at(held, alias, 1 - threshold)
    # closed form: each part has its threshold and what the others leave to it
    np.testing.assert_allclose(held / weights.size, weights / weights.sum(), atol=1e-12)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_each_voxel_gets_its_share_of_the_strata(n, seed):
    strength = np.random.default_rng(seed).exponential(size=(1, 1, n)) * np.arange(1, n + 1)
    voxels, cumulative, guide, *_ = source_arrays(strength, (1, 1, n), LINE)
    strata = (np.arange(2000) + 0.5) / 2000
    drawn = np.bincount([start_voxel(s, voxels, cumulative, guide) for s in strata], minlength=n)
    # a stratum more or less at either end of a voxel's share
    np.testing.assert_allclose(drawn, strength.ravel() / strength.sum() * 2000, atol=1.01)


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "Ga-68", "I-131", "Tb-161", "Bi-213", "Tl-208"])
def test_the_electron_spectrum_carries_the_tabulated_energy(nuclide):
    found = emissions(nuclide)
    spectrum = electron_spectrum(found)
    assert spectrum.mean_energy_per_decay_mev == pytest.approx(found.electron_energy_mev, rel=1e-12)
    # the number of particles follows from the shape, within the tables' own inconsistency (0.2 %) and the width of parts
    particles = found.beta_spectrum.total_yield + found.discrete_electrons.total_yield
    assert spectrum.total_yield == pytest.approx(particles, rel=0.003)


@njit
def draw(arrays, n, out):
    for i in range(n):
        out[i], _ = start_energy(arrays[3], arrays[4], arrays[5], arrays[6], seeded(np.uint64(5), i))


def test_drawn_energies_have_the_mean_of_the_spectrum():
    spectrum = electron_spectrum(emissions("Lu-177"))
    drawn = np.zeros(200_000)
    draw(source_arrays(np.ones((1, 1, 1)), (1, 1, 1), spectrum), drawn.size, drawn)
    expected = spectrum.mean_energy_per_decay_mev / spectrum.total_yield
    assert drawn.mean() == pytest.approx(expected, abs=4 * drawn.std() / np.sqrt(drawn.size))


def test_a_source_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="negative in 1 voxels"):
        source_arrays(np.array([[[1.0, -1.0]]]), (1, 1, 2), LINE)
    with pytest.raises(InputError, match="not finite in 1 voxels"):
        source_arrays(np.array([[[1.0, np.nan]]]), (1, 1, 2), LINE)
    with pytest.raises(InputError, match="no activity"):
        source_arrays(np.zeros((1, 1, 2)), (1, 1, 2), LINE)
    with pytest.raises(GridError, match="shape"):
        source_arrays(np.ones((1, 1, 2)), (1, 1, 3), LINE)
    with pytest.raises(InputError, match="spectrum is empty"):
        source_arrays(np.ones((1, 1, 1)), (1, 1, 1), LINE.above(1.0))
