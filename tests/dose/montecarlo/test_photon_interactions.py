"""Photon interactions: distributions against their integrals, energy and momentum kept."""

import math

import numpy as np
import pytest
from numba import njit

from lutetia.dose.montecarlo.photons.interactions import (
    coherent_cosine,
    compton_bound,
    interact,
    recoil,
    sauter_cosine,
    table_place,
)
from lutetia.dose.montecarlo.photons.tables import (
    ABSORPTION,
    COARSE,
    N_QUANTILES,
    compton_transfer,
    mean_line_mev,
    photon_tables,
)
from lutetia.dose.montecarlo.stack import DEPTH, ELECTRON, FIELDS, PHOTON, POSITRON
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.atoms import (
    PER_ANGSTROM_PER_MEV,
    atomic_weights,
    form_factor_squared,
    k_shells,
    scattering_function,
)
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g, mass_energy_absorption_cm2_per_g
from lutetia.physics.materials import Material, material
from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, isotropic, seeded

N = 200_000
CLASSICAL_RADIUS_CM = 2.8179403e-13
AVOGADRO_PER_MOL = 6.02214076e23


def element(symbol):
    return Material(name=symbol, density_g_per_ml=1.0, mass_fractions={symbol: 1.0}, source="test")


@njit(cache=False)
def draw_angles(kind, energy, tables, n):
    drawn = np.empty((n, 2))
    i, f = table_place(energy, tables[0], tables[1].shape[1])
    for h in range(n):
        state = advanced(seeded(np.uint64(5), h))
        if kind == 0:
            drawn[h, 0], drawn[h, 1], _ = compton_bound(energy, 0, i, f, tables[2], tables[7], state)
        elif kind == 1:
            drawn[h, 1], _ = coherent_cosine(energy, 0, tables[3], state)
        else:
            drawn[h, 1], _ = sauter_cosine(energy, state)
    return drawn


@njit(cache=False)
def draw_interactions(energy, tables, n, coupled):
    """Energy after, absorbed, pushed (with the rest energy that a positron ends in), and every particle pushed."""
    stack, count = np.empty((DEPTH, FIELDS)), np.zeros(1, np.int64)
    drawn, pushed, last = np.empty((n, 3)), np.empty((3 * n, 3)), 0
    i, f = table_place(energy, tables[0], tables[1].shape[1])
    for h in range(n):
        u, v, w, state = isotropic(advanced(seeded(np.uint64(6), h)))
        after, absorbed, _, _, _, state = interact(
            energy, 0, i, f, 1.0, 2.0, 3.0, u, v, w, state, tables, stack, count, coupled
        )
        drawn[h, 0], drawn[h, 1], drawn[h, 2] = after, absorbed, 0.0
        while count[0] > 0:
            count[0] -= 1
            p = stack[count[0]]
            drawn[h, 2] += p[1] + (2.0 * ELECTRON_REST_MEV if p[0] == POSITRON else 0.0)
            pushed[last, 0], pushed[last, 1] = p[0], p[1]
            pushed[last, 2] = p[5] * u + p[6] * v + p[7] * w
            last += 1
    return drawn, pushed[:last]


T = (np.arange(40_000) + 0.5) / 40_000
FORWARD = 1 - 2 * T**3
"""Cosines with 1 - cosine = 2 t^3: fine forward, where heavy atoms scatter; the middle of even steps of t."""
WEIGHT = 6 * T**2 / T.size


def weighted_mean(values, density):
    return np.sum(values * density * WEIGHT) / np.sum(density * WEIGHT)


def klein_nishina(cosine, energy_mev):
    ratio = 1 / (1 + energy_mev / ELECTRON_REST_MEV * (1 - cosine))
    return ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)


def x_of(cosine, energy_mev):
    return PER_ANGSTROM_PER_MEV * energy_mev * np.sqrt((1 - cosine) / 2)


@pytest.mark.parametrize(("name", "energy_mev"), [("water", 0.003), ("water", 0.06), ("cortical bone", 0.208)])
def test_compton_angles_are_klein_nishina_times_scattering_function(name, energy_mev):
    drawn = draw_angles(0, energy_mev, photon_tables([material(name)], 1.0, cutoff_mev=0.001).arrays, N)
    cosine = drawn[:, 1]
    np.testing.assert_allclose(
        drawn[:, 0], energy_mev / (1 + energy_mev / ELECTRON_REST_MEV * (1 - cosine)), rtol=1e-9
    )

    density = klein_nishina(FORWARD, energy_mev) * scattering_function(material(name), x_of(FORWARD, energy_mev))

    for power in (1, 2):
        expected = weighted_mean(FORWARD**power, density)
        spread = (cosine**power).std() / math.sqrt(N)
        assert (cosine**power).mean() == pytest.approx(expected, abs=4 * spread)


@pytest.mark.parametrize("energy_mev", [0.0051, 0.0312, 0.208, 0.6617, 2.6])
def test_tabulated_compton_angles_keep_the_mean_transfer(energy_mev):
    tables = photon_tables([material("water")], 3.0)
    i, f = table_place(energy_mev, tables.scale, tables.mass_coefficients.shape[1])
    row, share = i // COARSE, (i % COARSE + f) / COARSE
    ends = (1 - share) * tables.quantiles[row].astype(float) + share * tables.quantiles[row + 1]
    t = np.interp((np.arange(2**18) + 0.5) / 2**18 * N_QUANTILES, np.arange(N_QUANTILES + 1), ends)
    x = x_of(1 - t, energy_mev)
    bound = np.interp(x / (x + 1), np.arange(513) / 512, tables.scattering[0])
    transfer = 1 - 1 / (1 + energy_mev / ELECTRON_REST_MEV * t)
    expected = compton_transfer(np.array([energy_mev]), tables.scattering[0])[0]
    # the estimators share one mean to 1e-4
    assert np.sum(transfer * bound) / np.sum(bound) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["water", "adipose", "cortical bone", "air"])
def test_mean_compton_transfer_is_that_of_the_physics_tables(name):
    # XCOM's column: the same scattering functions, integrated per element and averaged; 0.5 % for the table's steps
    found = material(name)
    energy = np.array([0.005, 0.02, 0.06, 0.208, 0.662, 2.6])
    share = np.arange(513) / 512
    ours = compton_transfer(energy, scattering_function(found, share / np.maximum(1 - share, 1e-6)))
    other = np.zeros(energy.size)
    absorbed = mass_energy_absorption_cm2_per_g(found, energy)
    photo = mass_attenuation_cm2_per_g(found, energy, "photoelectric")
    pair = mass_attenuation_cm2_per_g(found, energy, "pair") * np.maximum(1 - 2 * ELECTRON_REST_MEV / energy, 0)
    incoherent = mass_attenuation_cm2_per_g(found, energy, "incoherent")
    other = (absorbed - photo - pair) / incoherent
    # fluorescence of bone, 0.55 keV per event of calcium, is taken off there: compare where it is small
    clear = photo < 0.5 * incoherent
    np.testing.assert_allclose(ours[clear], other[clear], rtol=5e-3)


@pytest.mark.parametrize("name", ["water", "muscle", "cortical bone"])
def test_absorption_is_that_of_the_physics_tables(name):
    # to 0.3 %; the cut-off lets calcium's K lines go, as there, but not those of lighter elements: 0.1 % of bone's
    tables = photon_tables([material(name)], 3.0, cutoff_mev=0.0035)
    energy = tables.energy_mev
    far = energy > 0.03
    expected = mass_energy_absorption_cm2_per_g(name, energy)
    np.testing.assert_allclose(tables.mass_coefficients[0, far, ABSORPTION], expected[far], rtol=3e-3)


@pytest.mark.parametrize(("name", "energy_mev"), [("water", 0.01), ("water", 0.113), ("I", 0.06), ("Pb", 0.2)])
def test_coherent_angles_follow_the_form_factor(name, energy_mev):
    medium = element(name) if name in atomic_weights() else material(name)
    cosine = draw_angles(1, energy_mev, photon_tables([medium], 1.0).arrays, N)[:, 1]

    density = (1 + FORWARD**2) * form_factor_squared(medium, x_of(FORWARD, energy_mev))

    for power in (1, 2):
        deflection = (1 - cosine) ** power
        expected = weighted_mean((1 - FORWARD) ** power, density)
        # 0.2 %: F^2 is averaged over intervals of x
        spread = 4 * deflection.std() / math.sqrt(N) + 2e-3 * expected
        assert deflection.mean() == pytest.approx(expected, abs=spread)


@pytest.mark.parametrize("symbol", ["H", "O", "Ca", "Ti", "I", "Au"])
@pytest.mark.parametrize("energy_mev", [0.02, 0.1, 0.3])
def test_form_factors_and_scattering_functions_give_the_cross_sections(symbol, energy_mev):
    medium = element(symbol)
    z, weight = atomic_weights()[symbol]
    per_g = AVOGADRO_PER_MOL * math.pi * CLASSICAL_RADIUS_CM**2
    x = x_of(FORWARD, energy_mev)
    coherent = per_g * np.sum((1 + FORWARD**2) * form_factor_squared(medium, x) * WEIGHT)
    # light elements to 2 %; XCOM's form factors are relativistic, with the K electrons of heavy atoms closer to the
    # nucleus: up to 5 % more for iodine and 10 % for gold, at large angles
    rel = {"I": 0.06, "Au": 0.1}.get(symbol, 0.02)
    assert coherent == pytest.approx(float(mass_attenuation_cm2_per_g(medium, energy_mev, "coherent")), rel=rel)
    bound = (
        per_g * z / weight * np.sum(klein_nishina(FORWARD, energy_mev) * scattering_function(medium, x) * WEIGHT)
    )
    # 1.5 %: the same theory, evaluated twice
    assert bound == pytest.approx(float(mass_attenuation_cm2_per_g(medium, energy_mev, "incoherent")), rel=0.015)


@pytest.mark.parametrize("energy_mev", [0.02, 0.2, 1.5])
def test_photoelectrons_follow_sauter(energy_mev):
    gamma = 1 + energy_mev / ELECTRON_REST_MEV
    beta = math.sqrt(1 - 1 / gamma**2)
    cosine = draw_angles(2, energy_mev, photon_tables([material("water")], 1.0).arrays, N)[:, 1]

    # Sauter, Ann Phys 403 (1931) 454
    density = (1 - FORWARD**2) / (1 - beta * FORWARD) ** 4
    density *= 1 + 0.5 * gamma * (gamma - 1) * (gamma - 2) * (1 - beta * FORWARD)

    for power in (1, 2):
        expected = weighted_mean(FORWARD**power, density)
        spread = (cosine**power).std() / math.sqrt(N)
        assert (cosine**power).mean() == pytest.approx(expected, abs=4 * spread)


def test_recoil_takes_the_momentum():
    energy, cosine = 0.662, 0.3
    scattered = energy / (1 + energy / ELECTRON_REST_MEV * (1 - cosine))
    sine = math.sqrt(1 - cosine**2)
    x, y, z = recoil(energy, 0.0, 0.0, 1.0, scattered, sine, 0.0, cosine)
    kinetic = energy - scattered
    momentum = math.sqrt(kinetic * (kinetic + 2 * ELECTRON_REST_MEV))
    # closed form: momentum before is momentum after
    np.testing.assert_allclose(
        [momentum * x + scattered * sine, momentum * y, momentum * z + scattered * cosine],
        [0, 0, energy],
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["water", "cortical bone", "I", "Pb"])
@pytest.mark.parametrize("energy_mev", [0.0012, 0.034, 0.09, 0.662, 2.9])
@pytest.mark.parametrize("coupled", [False, True])
def test_every_interaction_keeps_the_energy(name, energy_mev, coupled):
    medium = element(name) if name in atomic_weights() else material(name)
    tables = photon_tables([medium], 3.0, cutoff_mev=0.001)
    drawn, pushed = draw_interactions(energy_mev, tables.arrays, 20_000, coupled)
    np.testing.assert_allclose(drawn.sum(axis=1), energy_mev, rtol=1e-12)
    assert drawn.min() >= 0
    kinds = {PHOTON, ELECTRON, POSITRON} if coupled else {PHOTON}
    assert set(np.unique(pushed[:, 0])) <= kinds
    assert np.all(pushed[pushed[:, 0] != PHOTON, 1] >= tables.scale[3])


@pytest.mark.parametrize(("name", "energy_mev"), [("water", 0.05), ("I", 0.05), ("Pb", 0.2), ("water", 2.5)])
def test_mean_energy_given_to_electrons_is_the_absorption_coefficient(name, energy_mev):
    medium = element(name) if name in atomic_weights() else material(name)
    tables = photon_tables([medium], 3.0)
    drawn, _ = draw_interactions(energy_mev, tables.arrays, N, False)
    # photons that fall under the cut-off stay too, but are not the electrons' energy
    ratio = float(
        np.interp(np.log(energy_mev), np.log(tables.energy_mev), tables.mass_coefficients[0, :, ABSORPTION])
    )
    ratio /= float(mass_attenuation_cm2_per_g(medium, energy_mev))
    absorbed = drawn[:, 1] / energy_mev
    assert absorbed.mean() == pytest.approx(ratio, abs=4 * absorbed.std() / math.sqrt(N) + 3e-4)


def test_iodine_answers_with_its_k_lines():
    medium, energy_mev = element("I"), 0.04
    tables = photon_tables([medium], 1.0)
    shell = k_shells()["I"]
    drawn, pushed = draw_interactions(energy_mev, tables.arrays, N, False)
    absorbed = np.count_nonzero(drawn[:, 0] == 0)
    lines = pushed[pushed[:, 0] == PHOTON, 1]
    chance = shell.share * shell.fluorescence_yield  # 0.834 x 0.882 of photoelectric events
    assert lines.size / absorbed == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / absorbed))
    # Thompson et al., X-Ray Data Booklet 2009, table 1-2: 28.612, 28.317 and (K-beta1) 32.295 keV
    found, counts = np.unique(np.round(lines, 7), return_counts=True)
    np.testing.assert_allclose(found[:2], [0.028317, 0.028612], atol=2e-6)
    assert 0.0315 < found[2] < 0.0323
    expected = np.array([shell.line_shares[1], shell.line_shares[0], shell.line_shares[2]])
    np.testing.assert_allclose(counts / lines.size, expected, atol=4 * math.sqrt(0.25 / lines.size))
    assert lines.sum() / absorbed == pytest.approx(mean_line_mev(shell, 0.005) * shell.share, rel=0.01)
    # below the edge, 33.17 keV, there are none
    assert draw_interactions(0.033, tables.arrays, 20_000, False)[1].size == 0


def test_pairs_share_the_energy_and_point_forward():
    tables = photon_tables([element("Pb")], 3.0, electron_cutoff_mev=0.001)
    _, pushed = draw_interactions(2.6, tables.arrays, 100_000, True)
    positrons = pushed[pushed[:, 0] == POSITRON]
    kinetic = 2.6 - 2 * ELECTRON_REST_MEV
    n = len(positrons)
    assert positrons[:, 1].mean() == pytest.approx(kinetic / 2, abs=4 * kinetic / math.sqrt(12 * n))
    np.testing.assert_allclose(
        positrons[:, 2], np.cos(ELECTRON_REST_MEV / (positrons[:, 1] + ELECTRON_REST_MEV)), atol=1e-9
    )


def test_tables_refuse_what_they_do_not_hold():
    with pytest.raises(OutOfRangeError, match=r"from 0\.0005 to 1 MeV"):
        photon_tables([material("water")], 1.0, cutoff_mev=0.0005)
    with pytest.raises(OutOfRangeError, match=r"to 4 MeV"):
        photon_tables([material("water")], 4.0)
    with pytest.raises(InputError, match="No form factors of element 'Os'"):
        form_factor_squared(
            Material(name="Os", density_g_per_ml=1, mass_fractions={"Os": 1.0}, source=""), np.ones(1)
        )
