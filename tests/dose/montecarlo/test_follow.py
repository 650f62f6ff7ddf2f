"""Histories: the same bits on any number of threads, energy kept, batches that tell the truth, similarity."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.scene import region_scene, voxel_scene
from lutetia.errors import GridError, InputError, MissingDataError, OutOfRangeError
from lutetia.physics.emissions import Lines, emissions
from lutetia.physics.materials import Material, density_from_hu, material

LINES = Lines(energy_mev=np.array([0.113, 1.5, 2.6]), yield_per_decay=np.array([0.3, 0.6, 0.3]))
BEYOND = Lines(energy_mev=np.array([30.0]), yield_per_decay=np.array([1.0]))
ESTIMATORS = ("track length", "collision", "analog", "coupled")


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads():
    # eight threads on fewer cores take turns in another order, which is the harder case
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("bits.py"))],
        env={**os.environ, "NUMBA_NUM_THREADS": "8"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split(",") for line in done.stdout.split("\n") if line]
    names = {row[2] for row in rows}
    assert names == {*ESTIMATORS, "electrons", "positrons", "dose map"}
    for name in names:
        same = {value for _, seed, kind, value in rows if (seed, kind) == ("3", name)}
        other = {value for _, seed, kind, value in rows if (seed, kind) == ("4", name)}
        assert len(same) == 1, name
        assert not same & other, name


def balance(found):
    """What was emitted less what was absorbed and what left, as a share."""
    kept = int(found.tallies.sum()) + int(found.escaped.sum())
    return abs(kept - int(found.emitted.sum())) / int(found.emitted.sum())


# each of some 100 deposits of a history is rounded to 2^-35 MeV = 3e-11 MeV, at random: far below 1e-9 of 0.8 MeV
@pytest.mark.parametrize("estimator", ["analog", "coupled"])
def test_photons_keep_their_energy(tissues, strength, estimator):
    found = follow_photons(
        scene=tissues, strength=strength, lines=LINES, n_histories=50_000, seed=1, estimator=estimator
    )
    assert balance(found) < 1e-9
    parts = found.energy_mev.sum() + found.elsewhere_mev + found.escaped_mev
    assert parts == pytest.approx(found.emitted_mev, rel=1e-9)
    # as drawn: energies with a standard deviation of 0.9 MeV
    assert found.emitted_mev == pytest.approx(
        float(LINES.energy_mev @ LINES.yield_per_decay), abs=4 * 1.2 * 0.9 / 50_000**0.5
    )


@pytest.mark.parametrize("positrons", [False, True])
def test_electrons_keep_their_energy(tissues, strength, positrons):
    found = follow_electrons(
        scene=tissues, strength=strength, lines=LINES, n_histories=20_000, seed=1, positrons=positrons
    )
    rest = 2 * 0.51099895 * 1.2 if positrons else 0.0
    assert found.emitted_mev - rest == pytest.approx(1.7139, abs=4 * 1.2 * 0.9 / 20_000**0.5)
    if positrons:
        # annihilation photons score by track length: expected energy, kept on average. Some 1 MeV per history, spread
        # by less than itself
        parts = found.energy_mev.sum() + found.elsewhere_mev + found.escaped_mev
        assert parts == pytest.approx(found.emitted_mev, abs=4 * 1.2 / 20_000**0.5)
    else:
        # the bremsstrahlung of 0.5 % of the energy scores by track length: the rest is kept in every history
        assert balance(found) < 2e-4


@pytest.mark.parametrize("particle", ["photons", "electrons"])
def test_a_run_that_goes_on_follows_other_histories(tissues, strength, particle):
    follow = {"photons": follow_photons, "electrons": follow_electrons}[particle]
    run = {"scene": tissues, "strength": strength, "lines": LINES, "seed": 5}
    first = follow(**run, n_histories=1600)
    more = follow(**run, n_histories=4800, first=first.n_histories)
    assert first.n_histories == 1600
    # none of the batches is one that was there
    assert not {row.tobytes() for row in first.tallies} & {row.tobytes() for row in more.tallies}
    both = first.plus(more)
    assert both.n_histories == 6400
    weighted = (first.energy_mev + 3 * more.energy_mev) / 4
    np.testing.assert_allclose(both.energy_mev, weighted, rtol=1e-12)
    assert both.emitted_mev == pytest.approx((first.emitted_mev + 3 * more.emitted_mev) / 4, rel=1e-12)
    # a quarter of the variance; each of two variances of 16 batches is known to 37 %, their ratio to 52 %: 3 sigma in
    # the logarithm for each of three slots
    shrunk = both.standard_uncertainty_mev / first.standard_uncertainty_mev
    assert np.all(np.abs(np.log(2 * shrunk)) < 3 * 0.26)


@pytest.mark.parametrize("particle", ["photons", "electrons"])
def test_batches_tell_the_spread_between_seeds(tissues, strength, particle):
    follow = {"photons": follow_photons, "electrons": follow_electrons}[particle]
    n = {"photons": 1600, "electrons": 320}[particle]
    runs = [follow(scene=tissues, strength=strength, lines=LINES, n_histories=n, seed=s) for s in range(30)]
    energy, stated = (
        np.array([getattr(r, name) for r in runs]) for name in ("energy_mev", "standard_uncertainty_mev")
    )
    z = (energy - energy.mean(axis=0)) / stated
    # Student's t of 15 degrees of freedom has variance 15/13, less 1/30 for the common mean; 30 values know it to 28 %
    assert (z**2).mean(axis=0) == pytest.approx(15 / 13 * 29 / 30, rel=4 * 0.28)
    assert np.all((z**2).mean(axis=0) > 0.4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_twice_the_density_at_half_the_size_is_the_same_body(tissues, strength, estimator):
    grid = dataclasses.replace(tissues.grid, spacing_mm=tuple(s / 2 for s in tissues.grid.spacing_mm))
    small = dataclasses.replace(tissues, grid=grid, density=2 * tissues.density)
    run = {"strength": strength, "lines": LINES, "n_histories": 1000, "seed": 2, "estimator": estimator}
    one, two = (follow_photons(scene=scene, **run) for scene in (tissues, small))
    # a factor of two is exact in floating point: the same histories but for lengths added to step over an edge
    np.testing.assert_allclose(two.energy_mev, one.energy_mev, rtol=1e-6)
    assert two.escaped_mev == pytest.approx(one.escaped_mev, rel=1e-6)


def test_electrons_in_twice_the_density_at_half_the_size(tissues, strength):
    grid = dataclasses.replace(tissues.grid, spacing_mm=tuple(s / 2 for s in tissues.grid.spacing_mm))
    small = dataclasses.replace(tissues, grid=grid, density=2 * tissues.density)
    run = {"strength": strength, "lines": LINES, "n_histories": 1000, "seed": 2}
    one, two = (follow_electrons(scene=scene, **run) for scene in (tissues, small))
    np.testing.assert_allclose(two.energy_mev, one.energy_mev, rtol=1e-6)


def test_energy_per_decay_does_not_depend_on_the_amount_of_activity(body, strength):
    run = {"scene": body, "lines": LINES, "n_histories": 1000, "seed": 2}
    one, two = (follow_photons(strength=s, **run) for s in (strength, strength * 7.0))
    np.testing.assert_allclose(two.energy_mev, one.energy_mev, rtol=1e-12)


def test_estimators_have_one_mean(tissues, strength):
    runs = [
        follow_photons(scene=tissues, strength=strength, lines=LINES, n_histories=n, seed=7, estimator=estimator)
        for estimator, n in (("track length", 20_000), ("collision", 20_000), ("analog", 40_000))
    ]
    for other in runs[1:]:
        spread = np.hypot(runs[0].standard_uncertainty_mev, other.standard_uncertainty_mev)
        # 4 sigma by Student's t of some 30 degrees of freedom: one in 2000
        assert np.all(np.abs(runs[0].energy_mev - other.energy_mev) < 4 * spread)


def one_kind(make_volume, density, name, spacing_mm=(4.0, 4.0, 4.0), shape=(5, 6, 7)):
    rho = make_volume(np.full(shape, density), "g/mL", spacing_mm)
    metals = {
        n: Material(name=n, density_g_per_ml=density, mass_fractions={n: 1.0}, source="element")
        for n in ("Ti", "Au")
    }
    return voxel_scene(rho, np.zeros(shape, np.uint8), [metals.get(name) or material(name)])


def both_kinds(scene):
    values = np.zeros(scene.grid.shape)
    values[tuple(n // 2 for n in values.shape)] = 1.0
    found = emissions("Lu-177")
    return (
        follow_photons(scene=scene, strength=values, lines=found.photons.above(0.01), n_histories=20_000, seed=1),
        follow_electrons(scene=scene, strength=values, lines=found.discrete_electrons, n_histories=500, seed=1),
    )


@pytest.mark.parametrize(
    ("density", "name"),
    [
        (0.0012, "air"), (0.0, "air"), (1e-6, "water"), (float(density_from_hu(3000.0)), "cortical bone"),
        (4.5, "Ti"),
    ],
)  # fmt: skip
def test_voids_and_metals_keep_the_balance(make_volume, density, name):
    photons, electrons = both_kinds(one_kind(make_volume, density, name))
    for found in (photons, electrons):
        parts = found.energy_mev.sum() + found.escaped_mev
        assert np.all(found.tallies >= 0)
        # by track length on average only, to a few per cent of 20 000 photons; in a void all leaves, in gold all stays
        assert parts == pytest.approx(found.emitted_mev, rel=0.05)
    assert (photons.escaped_mev > 0.99 * photons.emitted_mev) == (density < 0.01)
    if density == 0.0:
        assert photons.energy_mev.sum() == 0.0
        # electrons below the cut-off of 10 keV stop where they are
        below = emissions("Lu-177").discrete_electrons
        soft = below.mean_energy_per_decay_mev - below.above(0.01).mean_energy_per_decay_mev
        assert electrons.energy_mev.sum() == pytest.approx(soft, rel=0.2)


def test_photons_stop_in_gold_and_electrons_are_refused(make_volume):
    scene = one_kind(make_volume, 19.3, "Au")
    with pytest.raises(MissingDataError, match="No electron data for Au"):
        follow_electrons(scene=scene, strength=np.ones(scene.grid.shape), lines=LINES, n_histories=10, seed=1)
    middle = np.zeros(scene.grid.shape)
    middle[2, 3, 3] = 1.0
    found = follow_photons(
        scene=scene, strength=middle, lines=emissions("Lu-177").photons.above(0.01), n_histories=20_000, seed=1
    )
    # 8 mm and more of gold are some 13 mean free paths of 208 keV photons
    assert found.energy_mev.sum() == pytest.approx(found.emitted_mev, rel=0.03)


@pytest.mark.parametrize("spacing_mm", [(0.5, 10.0, 3.0), (10.0, 0.5, 0.5), (0.05, 0.05, 50.0)])
def test_voxels_of_any_shape(make_volume, spacing_mm):
    for found in both_kinds(one_kind(make_volume, 1.0, "water", spacing_mm)):
        parts = found.energy_mev.sum() + found.escaped_mev
        assert parts == pytest.approx(found.emitted_mev, rel=0.05)


def test_one_voxel(make_volume):
    for found in both_kinds(one_kind(make_volume, 1.0, "water", (3.0, 3.0, 3.0), (1, 1, 1))):
        assert found.energy_mev.shape == (1,)
        assert found.energy_mev[0] + found.escaped_mev == pytest.approx(found.emitted_mev, rel=0.05)


def test_what_cannot_be_followed_is_refused(make_volume, body, strength, materials):
    run = {"lines": LINES, "n_histories": 100, "seed": 1}
    for follow in (follow_photons, follow_electrons):
        for value, message in ((np.nan, "not finite in 1 voxels"), (-1.0, "negative in 1 voxels")):
            wrong = strength.copy()
            wrong[0, 0, 0] = value
            with pytest.raises(InputError, match=message):
                follow(scene=body, strength=wrong, **run)
        with pytest.raises(InputError, match="no activity"):
            follow(scene=body, strength=strength * 0, **run)
        with pytest.raises(GridError, match="shape"):
            follow(scene=body, strength=strength[1:], **run)
        with pytest.raises(InputError, match="expected at least 1"):
            follow(scene=body, strength=strength, lines=LINES, n_histories=0, seed=1)
        with pytest.raises(OutOfRangeError):
            follow(scene=body, strength=strength, lines=BEYOND, n_histories=10, seed=1)
    with pytest.raises(InputError, match="No estimator 'kerma'"):
        follow_photons(scene=body, strength=strength, **run, estimator="kerma")


def test_scenes_that_cannot_be_are_refused(make_volume, materials):
    rho, index = np.ones((2, 3, 4)), np.zeros((2, 3, 4), np.uint8)
    for value, message in ((np.nan, "not finite"), (-0.1, "expected 0 or more")):
        with pytest.raises(InputError, match=message):
            voxel_scene(make_volume(np.full((2, 3, 4), value), "g/mL"), index, materials)
    with pytest.raises(OutOfRangeError, match="Is it in kg/m3"):
        voxel_scene(make_volume(rho * 1000, "g/mL"), index, materials)
    with pytest.raises(OutOfRangeError, match="transport holds from"):
        voxel_scene(make_volume(rho, "g/mL", (60.0, 4.0, 4.0)), index, materials)
    with pytest.raises(InputError, match="expected 'g/mL'"):
        voxel_scene(make_volume(rho, "HU"), index, materials)
    with pytest.raises(GridError, match="values from 0 to 4; expected shape"):
        voxel_scene(make_volume(rho, "g/mL"), index + np.uint8(4), materials)
    with pytest.raises(GridError, match="slot"):
        region_scene(make_volume(rho, "g/mL"), index, materials, np.full((2, 3, 4), 2), 2)
