"""Electrons by kernel and difference: no bias, far less noise in soft tissue, no more of it elsewhere."""

import numpy as np
import pytest

from lutetia.dose.kernel import electron_energy_in_water_mev
from lutetia.dose.montecarlo.control_variate import Pairs
from lutetia.dose.montecarlo.follow import follow_electrons
from lutetia.dose.montecarlo.scene import voxel_scene
from lutetia.dose.montecarlo.source import electron_spectrum
from lutetia.physics.emissions import emissions

N = 22
MM = (4.0, 4.0, 4.0)
REGIONS = {
    "deep": np.s_[:, 6:16, 6:16, 4:10], "edge": np.s_[:, :2, :, :12], "before lung": np.s_[:, :, :, 10:13],
    "lung": np.s_[:, :, :, 13:16], "bone": np.s_[:, :, :, 16:18], "air": np.s_[:, :, :, 18:20],
    "beyond": np.s_[:, :, :, 20:],
}  # fmt: skip


@pytest.fixture(scope="module")
def chest(make_volume, materials):
    """Soft tissue, lung, bone, air and tissue again in layers, filled with activity up to its edges."""
    density, index = np.ones((N, N, N)), np.zeros((N, N, N), np.uint8)
    for first, end, kind, rho in ((13, 16, 1, 0.26), (16, 18, 2, 1.92), (18, 20, 3, 0.0012)):
        density[:, :, first:end], index[:, :, first:end] = rho, kind
    return voxel_scene(make_volume(density, "g/mL", MM), index, materials)


def paired(chest, nuclide, n, seed=1):
    strength = np.ones((N, N, N), np.float32)
    spectrum = electron_spectrum(emissions(nuclide)).above(0.002)
    expected = electron_energy_in_water_mev(decays=strength / np.float32(N**3), spacing_mm=MM, nuclide=nuclide)
    pairs = Pairs(chest, strength, spectrum, expected, seed)
    pairs.follow(n)
    return pairs, strength, spectrum


@pytest.fixture(scope="module", params=["Y-90", "Lu-177"])
def found(request, chest):
    """Batches of the controlled estimate, of its own histories alone, and of independent ones."""
    pairs, strength, spectrum = paired(chest, request.param, 60_000)
    alone = follow_electrons(scene=chest, strength=strength, lines=spectrum, n_histories=400_000, seed=9)
    shape = (-1, N, N, N)
    return (
        pairs.controlled_mev().astype(float), pairs.analog().batches_mev.reshape(shape), alone.batches_mev.reshape(shape)
    )  # fmt: skip


@pytest.mark.parametrize("region", REGIONS)
def test_no_bias(found, region):
    controlled, _, alone = (batches[REGIONS[region]].reshape(batches.shape[0], -1).sum(axis=1) for batches in found)
    u = np.hypot(*(b.std(ddof=1) / np.sqrt(b.size) for b in (controlled, alone)))
    # statistics, and 0.1 % of what the kernel differs from its own transport by the quadrature over voxels
    assert controlled.mean() == pytest.approx(alone.mean(), abs=4 * u + 1e-3 * alone.mean())


def test_far_less_noise_in_soft_tissue_and_no_more_elsewhere(found):
    controlled, analog, _ = found

    def gain(region):
        return (
            analog[REGIONS[region]].var(axis=0, ddof=1).mean()
            / controlled[REGIONS[region]].var(axis=0, ddof=1).mean()
        )

    # as asked of the method: 20 times in soft tissue; hundreds in fact
    assert gain("deep") > 20
    for region in REGIONS:
        assert gain(region) > 1 / 1.5, region


def test_in_water_nothing_is_left_to_sample(make_volume, materials):
    water = voxel_scene(make_volume(np.ones((N, N, N)), "g/mL", MM), np.zeros((N, N, N), np.uint8), materials[:1])
    pairs, _, _ = paired(water, "Y-90", 5000)
    controlled, analog = pairs.controlled_mev(), pairs.analog()
    inner = np.s_[:, 5:-5, 5:-5, 5:-5]
    # the histories are the same but for bremsstrahlung, which the kernel leaves out
    spread = (
        controlled[inner].var(axis=0, ddof=1).mean()
        / analog.batches_mev.reshape(controlled.shape)[inner].var(axis=0).mean()
    )
    assert spread < 0.01


def test_more_pairs_are_other_histories(chest):
    once, *_ = paired(chest, "Y-90", 3200)
    first = once.analog().tallies.copy()
    once.follow(3200)
    assert once.n_histories == 6400
    second = once.analog().tallies - first
    assert not {row.tobytes() for row in first} & {row.tobytes() for row in second}
    again, *_ = paired(chest, "Y-90", 3200)
    np.testing.assert_array_equal(again.analog().tallies, first)
