"""Clusters: lattices, dose of every nucleus, hits and survival."""

import math

import numpy as np
import pytest

from lutetia.dose.small_scale.cell import Cell, cell_dose, chain_members
from lutetia.dose.small_scale.cluster import Cluster, cluster_dose, mean_survival, survival_by_hits
from lutetia.errors import InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.units import GY_PER_MEV_PER_G

CELL = Cell(radius_um=5.0, nucleus_radius_um=4.0)
PO = {"Po-213": 1.0}


def ball(radius_um=30.0, **given):
    return Cluster(cell=CELL, radius_um=radius_um, **({"spacing_um": 10.0} | given))


@pytest.mark.parametrize(("packing", "nearest", "per_volume"), [("cubic", 6, 1.0), ("hexagonal", 12, math.sqrt(2))])
def test_lattices(packing, nearest, per_volume):
    # closed forms: neighbours, and cells per cube of the spacing; the ball's surface cells are some 5 % of noise
    centres = ball(80.0, packing=packing).centres_um()
    away = np.linalg.norm(centres, axis=1)
    assert away[0] == 0
    assert np.sum((away > 0) & (away < 10.001)) == nearest
    assert away[1] == pytest.approx(10.0)
    pairs = np.linalg.norm(centres[:200, None] - centres[None, :200], axis=2)
    assert pairs[pairs > 1e-6].min() == pytest.approx(10.0)
    assert len(centres) == pytest.approx(4 / 3 * np.pi * 8**3 * per_volume, rel=0.05)


def test_one_cell_is_its_self_dose():
    found = cluster_dose(PO, ball(1.0), decays_per_labelled_cell=3.0)
    own = cell_dose("Po-213", CELL, source="surface")
    assert found.dose_gy == pytest.approx([3 * own.s_gy_per_bq_s])
    assert found.hits == pytest.approx([3 * own.hits_per_decay])
    assert found.cross_gy == pytest.approx([0.0])


def test_every_nucleus_gets_the_sum_over_cells():
    # S of each pair by itself in place of the table over distances: 0.3 %
    cluster = ball(22.0, packing="cubic")
    found = cluster_dose(PO, cluster, decays_per_labelled_cell=2.0, labelled_fraction=0.4, source="nucleus", seed=3)
    centres = cluster.centres_um()
    for target in (0, len(centres) // 2, len(centres) - 1):
        total = 0.0
        for place in centres[found.labelled]:
            d = round(float(np.linalg.norm(place - centres[target])), 6)
            total += 2.0 * cell_dose("Po-213", CELL, source="nucleus", distance_um=d).s_gy_per_bq_s
        assert found.dose_gy[target] == pytest.approx(total, rel=3e-3)
    assert found.labelled.sum() == round(0.4 * len(centres))


def test_the_middle_of_a_large_cluster_is_in_equilibrium():
    # spread evenly over cells that fill 74 % of a medium of one density, alphas leave the emitted energy per mass; nuclei
    # sit in the middle of their cells' activity and get more of their own, by less than their self-dose
    cluster = ball(60.0, packing="hexagonal")  # 48 um is the range of most alphas of 225Ac
    found = cluster_dose({"Ac-225": 1.0}, cluster, decays_per_labelled_cell=1.0, source="cell")
    mass = (10e-4) ** 3 / math.sqrt(2)
    expected = emissions("Ac-225").alpha_energy_mev / mass * GY_PER_MEV_PER_G
    own = cell_dose("Ac-225", CELL, source="cell").absorbed
    recoil = own.recoil / CELL.mass_g("nucleus") * GY_PER_MEV_PER_G
    assert expected < found.high_let_gy[0] - recoil < 1.06 * expected
    # at the surface half of the sources are missing
    assert found.dose_gy[-1] < 0.65 * found.dose_gy[0]


@pytest.mark.parametrize(("radius", "spacing"), [(60.0, 150.0), (40.0, 95.0), (5.0, 120.0)])
def test_cells_of_any_size_and_spacing(radius, spacing):
    # one neighbour shell, each neighbour by itself: 1 %, since the table is nowhere finer than its steps
    cell = Cell(radius_um=radius, nucleus_radius_um=0.7 * radius)
    cluster = Cluster(cell=cell, radius_um=1.05 * spacing, spacing_um=spacing, packing="cubic")
    found = cluster_dose({"Lu-177": 1.0}, cluster, decays_per_labelled_cell=1.0)
    one = cell_dose("Lu-177", cell, source="surface", distance_um=spacing).s_gy_per_bq_s
    assert found.cross_gy[0] == pytest.approx(6 * one, rel=1e-6)
    far = [
        cell_dose("Lu-177", cell, source="surface", distance_um=d * spacing).s_gy_per_bq_s for d in (2.0, 2**0.5)
    ]
    assert found.cross_gy[-1] == pytest.approx(one + far[0] + 4 * far[1], rel=0.01)


def test_dose_goes_with_decays_and_labels():
    one, two = (cluster_dose(PO, ball(), decays_per_labelled_cell=n) for n in (1.0, 2.0))
    np.testing.assert_allclose(two.dose_gy, 2 * one.dose_gy)
    np.testing.assert_allclose(two.hits, 2 * one.hits)
    few = cluster_dose(PO, ball(), decays_per_labelled_cell=10.0, labelled_fraction=0.1)
    # as many decays in fewer cells: the same mean but for who is near the middle, more spread, more nuclei untouched
    assert few.dose_gy.mean() == pytest.approx(one.dose_gy.mean(), rel=0.2)
    assert few.dose_gy.std() / few.dose_gy.mean() > 1.5 * one.dose_gy.std() / one.dose_gy.mean()
    assert few.unhit_fraction > one.unhit_fraction
    again = cluster_dose(PO, ball(), decays_per_labelled_cell=10.0, labelled_fraction=0.1)
    np.testing.assert_array_equal(few.labelled, again.labelled)


def test_mean_dose_is_hits_times_the_energy_of_a_hit():
    members = chain_members("Ac-225", math.inf)
    found = cluster_dose(members, ball(), decays_per_labelled_cell=5.0, source="cytoplasm")
    z = found.specific_energy_per_hit_gy
    assert z is not None
    assert found.hits.sum() * z == pytest.approx(found.high_let_gy.sum())
    assert np.all(found.high_let_gy <= found.dose_gy)
    # a nucleus of 8 um is 5.3 um wide on average, alphas of 6 to 8 MeV leave 60 to 90 keV/um: 0.2 to 0.35 Gy
    assert 0.2 < z < 0.35


def test_survival_of_a_cluster():
    found = cluster_dose(PO, ball(), decays_per_labelled_cell=0.5, labelled_fraction=0.3)
    even = np.full(7, 2.0)
    # closed form for one dose; convex, so that spread lets more survive
    assert mean_survival(even, alpha_per_gy=0.3, beta_per_gy2=0.1) == pytest.approx(math.exp(-0.6 - 0.4))
    mean = math.exp(-1.5 * found.dose_gy.mean())
    assert mean < mean_survival(found.dose_gy, alpha_per_gy=1.5) < survival_by_hits(found, alpha_per_gy=1.5) < 1
    # every touched nucleus dies of a huge alpha: what is left was not touched
    assert survival_by_hits(found, alpha_per_gy=1e6) == pytest.approx(found.unhit_fraction, abs=0.02)
    assert survival_by_hits(found, alpha_per_gy=0.0) == 1


def test_beta_emitters_have_no_hits():
    found = cluster_dose({"Lu-177": 1.0}, ball(20.0), decays_per_labelled_cell=100.0)
    assert found.specific_energy_per_hit_gy is None
    assert found.unhit_fraction == 1
    assert np.all(found.high_let_gy == 0)
    same = survival_by_hits(found, alpha_per_gy=0.4)
    assert same == pytest.approx(mean_survival(found.dose_gy, alpha_per_gy=0.4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ball(spacing_um=9.0), InputError, "expected a spacing of at least 10 um"),
        (lambda: ball(packing="fcc"), InputError, "Packing 'fcc'; expected cubic or hexagonal"),
        (lambda: ball(300.0).centres_um(), OutOfRangeError, "at most 20000 are followed"),
        (lambda: ball(3000.0).centres_um(), OutOfRangeError, "has far more cells"),
        (
            lambda: cluster_dose(PO, ball(), decays_per_labelled_cell=1.0, labelled_fraction=0.0),
            InputError,
            "a share over 0, at most 1",
        ),
        (lambda: mean_survival(np.ones(2), alpha_per_gy=-1.0), InputError, "alpha -1 /Gy"),
        (
            lambda: survival_by_hits(cluster_dose(PO, ball(1.0), decays_per_labelled_cell=1.0), alpha_per_gy=-1.0),
            InputError,
            "alpha -1 /Gy",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
