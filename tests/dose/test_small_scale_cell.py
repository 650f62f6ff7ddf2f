"""Cells: S coefficients of nucleus, cytoplasm and whole cell, alone and beside each other."""

import math

import numpy as np
import pytest

from lutetia.dose.point_kernel import alpha_absorbed_fraction_within
from lutetia.dose.small_scale.cell import (
    SOURCES,
    Cell,
    cell_dose,
    chain_cell_dose,
    chain_members,
)
from lutetia.dose.small_scale.distances import hit_chance, source_points
from lutetia.dose.small_scale.hits import alpha_ranges_um, hits_in_even_activity, hits_per_decay
from lutetia.dose.small_scale.tracks import cole_energy_kev, electron_energy_within, electron_ranges
from lutetia.dose.sphere import concentric_absorbed
from lutetia.errors import InputError
from lutetia.physics.alpha_stopping import alpha_stopping_power_mev_cm2_per_g
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import GY_PER_MEV_PER_G

SMALL = Cell(radius_um=5.0, nucleus_radius_um=4.0)
"""Of Koniar et al. 2023, in which 225Ac's S values are known."""


def track(nuclide):
    return float(emissions(nuclide).alpha.energy_mev[-1])


def test_cole_by_hand():
    # 5.9 x 1.007^0.565 + 0.00413 - 0.367 = 5.5604 keV
    assert float(cole_energy_kev(1.0)) == pytest.approx(5.9 * 1.007**0.565 + 0.00413 - 0.367, rel=1e-12)


@pytest.mark.parametrize("energy_kev", [10.0, 30.0, 100.0, 500.0])
def test_ranges_of_cole_are_those_of_icru_within_his_spread(energy_kev):
    # Cole fitted how far electrons get in plastic and air, up to 12 % off the path by continuous slowing down in water
    cole, icru = (float(np.interp(energy_kev, *electron_ranges(m))) for m in ("cole1969", "csda"))
    assert cole == pytest.approx(icru, rel=0.12)


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "Tb-161", "Pb-212", "Po-213"])
@pytest.mark.parametrize("model", ["cole1969", "csda"])
def test_straight_electrons_leave_all_their_energy(nuclide, model):
    radii, energy = electron_energy_within(nuclide, model)
    # every part of the spectrum ends within the radii; Cole's relation misses 9 eV at no range
    assert energy[-1] == pytest.approx(emissions(nuclide).electron_energy_mev, rel=1e-3, abs=1e-9)
    assert np.all(np.diff(energy) >= -1e-15)
    assert radii[0] == 0


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("nuclide", ["Ac-225", "Lu-177"])
def test_self_dose_is_that_of_concentric_spheres(nuclide, source):
    # the same physics over another quadrature (panels in place of a grid of distances): 0.1 %
    inner, outer = (r * 1e-4 for r in SMALL.shell_um(source))
    other = concentric_absorbed(
        nuclide=nuclide, source_inner_cm=inner, source_outer_cm=outer, target_radius_cm=4e-4
    )
    assert cell_dose(nuclide, SMALL, source=source).absorbed.total == pytest.approx(other.total, rel=2e-3)


def test_nucleus_much_smaller_than_a_range_gets_stopping_power_times_mean_way_out():
    # closed form: from a point of a sphere to its surface 3/4 of the radius on average; the stopping power grows 0.2 %/um
    cell = Cell(radius_um=1.0, nucleus_radius_um=0.5)
    stopping = float(alpha_stopping_power_mev_cm2_per_g(track("Po-213"), material("water")))
    ours = cell_dose("Po-213", cell, source="nucleus").absorbed.alpha
    assert ours == pytest.approx(stopping * 0.75 * 0.5e-4, rel=0.003)


def test_whole_cell_is_nucleus_and_cytoplasm_by_volume():
    share = (4 / 5) ** 3
    nucleus, cytoplasm, cell = (
        cell_dose("At-211", SMALL, source=s).s_gy_per_bq_s for s in ("nucleus", "cytoplasm", "cell")
    )
    assert cell == pytest.approx(share * nucleus + (1 - share) * cytoplasm, rel=1e-3)


@pytest.mark.parametrize("nuclide", ["At-211", "Lu-177"])
def test_reciprocity(nuclide):
    # of two regions in one medium each gets the same dose per decay in the other, recoil apart, which stays
    there = cell_dose(nuclide, SMALL, source="cytoplasm", target="nucleus")
    back = cell_dose(nuclide, SMALL, source="nucleus", target="cytoplasm")
    for kind in ("alpha", "electrons"):
        one = getattr(there.absorbed, kind) / there.target_mass_g
        two = getattr(back.absorbed, kind) / back.target_mass_g
        assert one == pytest.approx(two, rel=2e-3, abs=1e-12)


@pytest.mark.parametrize("source", ["nucleus", "cytoplasm", "cell"])
def test_a_cell_wider_than_every_range_keeps_all(source):
    # 85 um is the longest range of 213Po: from inside 20 um nothing leaves 120 um
    cell = Cell(radius_um=20.0, nucleus_radius_um=15.0)
    wide = Cell(radius_um=120.0, nucleus_radius_um=15.0)
    found = emissions("Po-213")
    inside = cell_dose("Po-213", wide, source="nucleus", target="cell").absorbed
    assert inside.alpha == pytest.approx(found.alpha_energy_mev, rel=1e-5)
    parts = [cell_dose("Po-213", cell, source=source, target=t).absorbed.total for t in ("nucleus", "cytoplasm")]
    whole = cell_dose("Po-213", cell, source=source, target="cell").absorbed.total
    assert sum(parts) == pytest.approx(whole, rel=1e-12)
    assert whole < found.alpha_energy_mev + found.recoil_energy_mev


@pytest.mark.parametrize(("source", "distance"), [("nucleus", 10.0), ("surface", 12.0), ("cytoplasm", 30.0)])
def test_neighbours_are_as_sampled(source, distance):
    # straight tracks from sampled points in sampled directions: independent of chances and of densities of distances
    rng = np.random.default_rng(5)
    n, energy = 400_000, track("Po-213")
    inner, outer = SMALL.shell_um(source)
    radius = np.cbrt(inner**3 + rng.random(n) * (outer**3 - inner**3))
    point, way = (v / np.linalg.norm(v, axis=1)[:, None] for v in rng.normal(size=(2, n, 3)))
    start = point * radius[:, None] - np.array([distance, 0, 0])
    along = -(start * way).sum(axis=1)
    half2 = 16.0 - ((start**2).sum(axis=1) - along**2)
    chord = np.sqrt(np.maximum(half2, 0)) * 1e-4
    enters, leaves = (np.maximum(along * 1e-4 + sign * chord, 0) for sign in (-1, 1))
    lost = alpha_absorbed_fraction_within(energy, leaves) - alpha_absorbed_fraction_within(energy, enters)
    sampled = energy * np.where(half2 > 0, lost, 0)
    ours = cell_dose("Po-213", SMALL, source=source, distance_um=distance)
    assert ours.absorbed.alpha == pytest.approx(sampled.mean(), abs=4 * sampled.std() / np.sqrt(n))
    reach = alpha_ranges_um("Po-213")[-1] * 1e-4
    touched = (half2 > 0) & (leaves > 0) & (enters < reach)
    u = np.sqrt(touched.mean() / n)
    assert ours.hits_per_decay == pytest.approx(touched.mean(), abs=4 * u)


def test_far_cells_see_a_solid_angle():
    # pi b^2 / 4 pi d^2 of the tracks, to second order in b/d, while they last
    found = cell_dose("Po-213", SMALL, source="nucleus", distance_um=60.0)
    assert found.hits_per_decay == pytest.approx((4 / 60) ** 2 / 4, rel=0.01)
    assert cell_dose("Po-213", SMALL, source="surface", distance_um=100.0).absorbed.alpha == 0


def test_even_activity_is_hit_as_by_the_swept_volume():
    # closed form against the quadrature over a ball that holds every track that reaches: E/m at the centre
    b, reach = 4.0, float(alpha_ranges_um("Po-213")[-1])
    points = source_points(inner_um=0, outer_um=b + reach, distance_um=0, target_radius_um=b)
    volume = (b + reach) ** 3 / b**3
    expected = 1 + 0.75 * reach / b
    assert hit_chance(points, b, reach) * volume == pytest.approx(expected, rel=1e-3)
    hits = hits_in_even_activity({"Po-213": 1.0}, b)
    energy = emissions("Po-213").alpha_energy_mev + emissions("Po-213").recoil_energy_mev
    mass = 4 / 3 * np.pi * (b * 1e-4) ** 3
    assert hits.specific_energy_gy == pytest.approx(energy / mass * GY_PER_MEV_PER_G / expected, rel=1e-3)
    assert hits.per_gy * hits.specific_energy_gy == pytest.approx(1)
    assert hits.unhit_fraction(0.0) == 1
    assert hits_per_decay("Lu-177", points, b) == 0


def test_all_alphas_of_a_nucleus_touch_it_and_half_of_those_on_it():
    cell = Cell(radius_um=5.0, nucleus_radius_um=4.999999)
    assert cell_dose("At-211", SMALL, source="nucleus").hits_per_decay == pytest.approx(
        emissions("At-211").alpha.yield_per_decay.sum()
    )
    # just outside a sphere half of all directions lead into it, less a root of the distance
    assert cell_dose("Po-213", cell, source="surface").hits_per_decay == pytest.approx(0.5, abs=0.001)


def test_225ac_chain_of_koniar():
    # Koniar et al. 2023 (abstract): GATE gives 0.167 Gy/(Bq s) for the chain on the surface, and lies 2.7 to 8.7 % below
    # MIRDcell, which goes straight as we do; we are 0.2 % beside the middle of MIRDcell's span (0.1716 to 0.1829)
    members = chain_members("Ac-225", math.inf)
    surface = chain_cell_dose(members, SMALL, source="surface")
    assert 0.167 / (1 - 0.027) < surface.s_gy_per_bq_s < 0.167 / (1 - 0.087)
    # inside: 0.364 is met by the whole cell without recoils, which we count where they arise (0.157 Gy of 0.543)
    cell = chain_cell_dose(members, SMALL, source="cell")
    recoil = sum(n * one.absorbed.recoil for n, one in cell.members) / SMALL.mass_g("nucleus") * GY_PER_MEV_PER_G
    assert 0.364 / (1 - 0.027) < cell.s_gy_per_bq_s - recoil < 0.364 / (1 - 0.087)


def test_177lu_and_161tb_of_celldose(dose_rows):
    # track structure (Alcocer-Avila et al. 2020): two digits (3 %) and another spectrum; straight tracks are 10 % low
    cell = Cell(radius_um=7.0, nucleus_radius_um=5.0)
    for row in dose_rows("cells_celldose.csv"):
        decays = 1436 / emissions(row["nuclide"]).electron_energy_mev
        total = cell_dose(row["nuclide"], cell, source=row["source"]).s_gy_per_bq_s
        if row["cells"] == "19":
            near, far = (
                cell_dose(row["nuclide"], cell, source=row["source"], distance_um=14.0 * d).s_gy_per_bq_s
                for d in (1.0, math.sqrt(2))
            )
            total += 6 * near + 12 * far
        assert decays * total == pytest.approx(float(row["dose_gy"]), rel=0.05), row


@pytest.mark.parametrize("nuclide", ["Lu-177", "Tb-161"])
def test_straight_electrons_leave_less_in_a_cell_than_those_that_scatter(nuclide):
    for source in ("nucleus", "surface"):
        scattered, cole, icru = (
            cell_dose(nuclide, SMALL, source=source, electrons=m).s_gy_per_bq_s
            for m in ("transport", "cole1969", "csda")
        )
        assert 0.8 * scattered < cole < scattered
        assert cole == pytest.approx(icru, rel=0.04)  # two range relations


def test_chains_say_their_members():
    members = chain_members("Ac-225", 10 * 864000.0)
    assert {"Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209"} <= set(members)
    gone = chain_members("Ac-225", math.inf, without=("Bi-213",))
    # 213Po, 209Tl and 209Pb are born of 213Bi, where it went
    assert set(gone) == {"Ac-225", "Fr-221", "At-217"}
    # 209Pb is born of 213Po (0.9791 of 213Bi) and 209Tl (0.0209)
    assert chain_members("Ac-225", math.inf, without=("Po-213",))["Pb-209"] == pytest.approx(0.0209, rel=2e-3)
    assert set(gone) == {"Ac-225", "Fr-221", "At-217"}
    # 207Bi (33 y) decays in full only in infinite time; within three days 3e-5 of its atoms
    with pytest.raises(InputError, match="Bi-207"):
        chain_members("At-211", math.inf)
    # where 207Bi leaves nothing lasts; 0.582 of 211At go to 211Po (ICRP 107)
    assert chain_members("At-211", math.inf, without=("Bi-207",)) == pytest.approx(
        {"At-211": 1.0, "Po-211": 0.582}, rel=1e-3
    )
    assert chain_members("At-211", 3 * 86400.0)["Bi-207"] < 1e-4
    alone = chain_cell_dose({"Ac-225": 1.0}, SMALL, source="surface")
    assert alone.s_gy_per_bq_s == cell_dose("Ac-225", SMALL, source="surface").s_gy_per_bq_s


def test_dose_goes_with_decays_of_members():
    one, two = (chain_cell_dose({"Bi-213": n, "Po-213": n}, SMALL, source="cell") for n in (0.5, 1.0))
    assert two.s_gy_per_bq_s == pytest.approx(2 * one.s_gy_per_bq_s)
    assert two.high_let_gy_per_bq_s < two.s_gy_per_bq_s
    assert two.hits_per_decay == pytest.approx(2 * one.hits_per_decay)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cell(radius_um=4, nucleus_radius_um=5), "Cell of radius 4 um, nucleus 5 um"),
        (lambda: cell_dose("Ac-225", SMALL, source="nucleus", distance_um=9.0), "9 um apart, overlap"),
        (lambda: cell_dose("Ac-225", SMALL, source="membrane"), "No region 'membrane' of a cell"),
        (lambda: cell_dose("Ac-225", SMALL, source="cell", target="surface"), "A surface has no mass"),
        (lambda: cell_dose("Lu-177", SMALL, source="cell", electrons="katz"), "Electron model 'katz'"),
        (lambda: electron_ranges("transport"), "no ranges of straight tracks"),
        (lambda: chain_members("Ac-225", 1e6, without=("Ra-223",)), "Ra-223 is no member of the chain of Ac-225"),
        (lambda: chain_members("Ac-225", 1e6, without=("Ac-225",)), "only daughters can leave"),
        (lambda: chain_cell_dose({}, SMALL, source="cell"), "expected some, none negative"),
        (lambda: hits_in_even_activity({"Lu-177": 1.0}, 4.0), "Lu-177 emits no alphas"),
        (lambda: hits_in_even_activity({"Ac-225": 1.0}, 0.0), "Target of radius 0 um"),
        (
            lambda: source_points(inner_um=0, outer_um=5, distance_um=3, target_radius_um=1),
            "3 um apart with a source of 5 um: they overlap",
        ),
        (
            lambda: source_points(inner_um=6, outer_um=5, distance_um=0, target_radius_um=1),
            "expected 0 <= inner <= outer",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
