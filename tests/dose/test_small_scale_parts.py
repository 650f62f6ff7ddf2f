"""Tubules, parts of the kidney, marrow cavities, and what voxels cannot see."""

import numpy as np
import pytest

from lutetia.dose.point_kernel import alpha_absorbed_fraction_within, nuclide_alpha_energy_within
from lutetia.dose.small_scale.cavity import Cavity, cavity_dose
from lutetia.dose.small_scale.kidney import (
    glomerulus_gy_per_bq_s,
    human_tubules,
    kidney_part_doses_gy,
    kidney_part_masses_g,
    nephron_dose,
    nephron_size,
    nephron_sizes,
    tubule_gy_per_bq_s,
)
from lutetia.dose.small_scale.tubule import TARGETS, Tubules, tubule_dose
from lutetia.dose.small_scale.unseen import unseen
from lutetia.dose.sphere import sphere_dose
from lutetia.dose.sphere.geometry import absorbed_in_target, pair_distances
from lutetia.errors import InputError, MissingDataError
from lutetia.physics.alpha_stopping import alpha_csda_range_g_per_cm2
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import GY_PER_MEV_PER_G

ALONE = Tubules(lumen_radius_um=15.0, outer_radius_um=30.0, density_g_per_ml=1.0)
PACKED = Tubules(lumen_radius_um=15.0, outer_radius_um=30.0, spacing_um=70.0, density_g_per_ml=1.0)
EVERYWHERE = ("lumen", "epithelium", "interstitium", "apical surface")


@pytest.mark.parametrize("source", EVERYWHERE)
@pytest.mark.parametrize("nuclide", ["Ac-225", "Po-213"])
def test_parts_of_tubules_share_all_the_energy(nuclide, source):
    found = tubule_dose(nuclide, PACKED, source)
    assert sum(found.absorbed_mev.values()) == pytest.approx(found.emitted_mev, rel=1e-6)
    # doses weighted by the areas of the parts are the mean dose
    areas = {part: PACKED.area_um2(part) for part in TARGETS}
    assert sum(found.to_mean[p] * areas[p] for p in TARGETS) == pytest.approx(sum(areas.values()), rel=1e-6)


@pytest.mark.parametrize(
    "pair", [("lumen", "epithelium"), ("lumen", "interstitium"), ("epithelium", "interstitium")]
)
def test_parts_of_tubules_are_reciprocal(pair):
    # energy per area of the target is the same both ways; 213Po's recoil stays, the sequence is good to 0.3 %
    one, two = pair
    there = tubule_dose("Po-213", PACKED, one).absorbed_mev[two] / PACKED.area_um2(two)
    back = tubule_dose("Po-213", PACKED, two).absorbed_mev[one] / PACKED.area_um2(one)
    assert there == pytest.approx(back, rel=0.01)


@pytest.mark.parametrize(("source", "inner", "outer"), [("lumen", 0.0, 15.0), ("epithelium", 15.0, 30.0)])
def test_one_tubule_is_as_sampled(source, inner, outer):
    # chords of infinite cylinders from sampled points: independent of distances and of the sequence
    rng = np.random.default_rng(9)
    n, energy = 300_000, float(emissions("Po-213").alpha.energy_mev[-1])
    rho = np.sqrt(inner**2 + rng.random(n) * (outer**2 - inner**2))
    turn, cosine = 2 * np.pi * rng.random(n), rng.uniform(-1, 1, n)
    across = np.sqrt(1 - cosine**2)

    def within(radius):
        half = np.sqrt(np.maximum(radius**2 - (rho * np.sin(turn)) ** 2, 0))
        ends = (np.maximum((-rho * np.cos(turn) + sign * half) / across, 0) * 1e-4 for sign in (-1, 1))
        enters, leaves = (alpha_absorbed_fraction_within(energy, np.minimum(end, 0.1)) for end in ends)
        return energy * np.where(half > 0, leaves - enters, 0)

    lumen, tubule = within(15.0), within(30.0)
    found = tubule_dose("Po-213", ALONE, source)
    recoil = emissions("Po-213").recoil_energy_mev
    ours = {p: found.absorbed_mev[p] - (recoil if p == source else 0.0) for p in TARGETS}
    assert found.to_mean is None
    for part, sampled in (("lumen", lumen), ("epithelium", tubule - lumen)):
        # 4 standard errors, and 0.3 % of the sequence
        tolerance = 4 * sampled.std() / np.sqrt(n) + 0.003 * energy
        assert ours[part] == pytest.approx(sampled.mean(), abs=tolerance)


def test_wide_tubules_keep_what_they_emit():
    # a wall of 2 mm against a range of 85 um: a skin is lost
    wide = Tubules(lumen_radius_um=2000.0, outer_radius_um=4000.0, density_g_per_ml=1.0)
    found = tubule_dose("Po-213", wide, "epithelium")
    assert 0.97 * found.emitted_mev < found.absorbed_mev["epithelium"] < found.emitted_mev
    surface = tubule_dose("Po-213", wide, "apical surface")
    # from a wall that is nearly plane half goes each way
    assert surface.absorbed_mev["lumen"] == pytest.approx(found.emitted_mev / 2, rel=0.02)


def test_s_of_tubules_goes_with_the_inverse_of_their_mass():
    found = tubule_dose("At-211", PACKED, "lumen")
    mass_g = PACKED.area_um2("epithelium") * 1e3 * 1e-12
    expected = found.absorbed_mev["epithelium"] / mass_g * GY_PER_MEV_PER_G
    assert found.gy_per_bq_s_and_mm["epithelium"] == pytest.approx(expected)
    assert "interstitium" not in tubule_dose("At-211", ALONE, "lumen").gy_per_bq_s_and_mm


def test_kidney_parts_and_what_is_not_verified():
    masses = kidney_part_masses_g(310.0)
    assert masses == pytest.approx({"cortex": 217.0, "medulla": 77.5, "pelvis": 15.5})  # 70, 25, 5 % of ICRP 110
    sizes = nephron_sizes()
    assert [name for name, size in sizes.items() if size.verified] == ["interstitial_gap"]
    assert all(size.source for size in sizes.values())
    assert nephron_size("tubule_outer_radius") == 30.0


def test_doses_of_kidney_parts():
    # 1e9 decays of 225Ac alone: 5.77 MeV of alphas, recoil and electrons less 0.05 of travelling photons in 70 % of 155 g
    found = kidney_part_doses_gy({"Ac-225": 1.0}, {"cortex": 1e9}, 155.0)
    assert found["medulla"] == found["pelvis"] == 0
    charged = emissions("Ac-225")
    energy = charged.alpha_energy_mev + charged.recoil_energy_mev + charged.electron_energy_mev
    assert found["cortex"] == pytest.approx(1e9 * energy / (0.7 * 155.0) * GY_PER_MEV_PER_G, rel=0.005)
    # weighted by mass the parts make the mean dose of the kidney
    even = kidney_part_doses_gy({"Ac-225": 1.0}, {"cortex": 0.7e9, "medulla": 0.25e9, "pelvis": 0.05e9}, 155.0)
    assert len({round(dose, 9) for dose in even.values()}) == 1


def test_s_of_a_tubule_is_its_absorbed_energy_over_its_mass():
    # side by side: the energy of lumen, wall and gap is all; a tubule twice as long gets half the dose per decay
    one, two = (tubule_gy_per_bq_s("At-211", "lumen", "epithelium", length_mm=length) for length in (10.0, 20.0))
    assert one == pytest.approx(2 * two)
    wall, lumen = (tubule_gy_per_bq_s("At-211", "epithelium", part) for part in ("epithelium", "lumen"))
    mass_wall, mass_lumen = (np.pi * (b**2 - a**2) * 14e3 * 1e-12 * 1.05 for a, b in ((15, 30), (0, 15)))
    emitted = emissions("At-211").alpha_energy_mev + emissions("At-211").recoil_energy_mev
    share = (wall * mass_wall + lumen * mass_lumen) / GY_PER_MEV_PER_G / emitted
    assert 0.8 < share < 0.95  # the gaps hold 15 % of the volume


def test_nephron_doses_lie_between_alone_and_side_by_side():
    members = {"Ac-225": 1.0, "Po-213": 0.98, "Pb-209": 1.0}
    half, most = (nephron_dose(members, "epithelium", human_tubules(s)) for s in (0.5, 0.84))
    # where more of the cortex holds activity its wall stands out less
    assert 1 < most.to_mean["epithelium"] < half.to_mean["epithelium"] < 1 / 0.3
    assert [dose.nuclide for _, dose in half.members] == ["Ac-225", "Po-213"]
    assert nephron_dose(members, "epithelium").to_mean == half.to_mean


def test_glomerulus_is_a_sphere():
    radius = nephron_size("glomerulus_radius") * 1e-4
    sphere = sphere_dose(nuclide="At-211", mass_g=4 / 3 * np.pi * radius**3 * 1.05, density_g_per_ml=1.05)
    share = (sphere.absorbed.alpha + sphere.absorbed.recoil) / sphere.absorbed.total
    assert glomerulus_gy_per_bq_s("At-211") == pytest.approx(share * sphere.s_gy_per_bq_s, rel=1e-3)


def test_activity_on_a_bone_surface_leaves_half_in_a_layer_of_a_range():
    # 5.7 MeV alphas of 223Ra end within 50 um of marrow: all that enters stays in the layer of 50 um
    found = cavity_dose("Ra-223", Cavity(radius_um=400.0, layer_um=50.0), "surface")
    reach = alpha_csda_range_g_per_cm2(emissions("Ra-223").alpha.energy_mev, material("red marrow")) * 1e4 / 1.03
    assert reach.max() < 50.0
    # a curved wall catches a little more than a plane one would, which is exactly half
    assert found.layer_mev == pytest.approx(found.emitted_mev / 2, rel=0.05)
    assert found.layer_mev == pytest.approx(found.marrow_mev, rel=1e-9)
    volume = 1 - (350 / 400) ** 3
    assert found.layer_to_marrow == pytest.approx(1 / volume, rel=1e-6)


def test_activity_in_marrow_is_a_sphere_of_marrow():
    radius = 0.04
    sphere = absorbed_in_target(pair_distances(radius * 1.03), *nuclide_alpha_energy_within("Po-213", "red marrow"))
    found = cavity_dose("Po-213", Cavity(radius_um=400.0, layer_um=50.0), "marrow")
    assert found.marrow_mev == pytest.approx(sphere + emissions("Po-213").recoil_energy_mev, rel=2e-3)
    # near the wall less comes from outside
    assert 0.8 < found.layer_to_marrow < 1


def test_activity_in_bone_reaches_no_farther_than_its_range():
    # energy that enters per decay, times the volume of the bone: the same once the bone is thicker than a range
    reach = float(alpha_csda_range_g_per_cm2(8.4, material("cortical bone"))) * 1e4 / 1.92
    thick, thicker = (Cavity(radius_um=400.0, layer_um=10.0, bone_um=k * reach) for k in (1.0, 2.0))
    volume = [(400 + k * reach) ** 3 - 400**3 for k in (1.0, 2.0)]
    one, two = (
        cavity_dose("Po-213", c, "bone").marrow_mev * v for c, v in zip((thick, thicker), volume, strict=True)
    )
    assert one == pytest.approx(two, rel=0.003)


def test_alphas_from_bone_are_as_sampled():
    rng = np.random.default_rng(4)
    n, radius, bone = 400_000, 400.0, 30.0
    s = np.cbrt(radius**3 + rng.random(n) * ((radius + bone) ** 3 - radius**3))
    u = rng.uniform(-1, 1, n)
    half2 = radius**2 - s**2 * (1 - u**2)
    hits = (half2 > 0) & (u < 0)
    way = np.where(hits, -s * u - np.sqrt(np.maximum(half2, 0)), np.inf)
    energy = float(emissions("Po-213").alpha.energy_mev[-1])
    # energy left after bone: what bone's own absorbed fraction says, in a medium of its density; all of it stays, as chords
    # of the cavity are mostly longer than the range
    after = 1 - alpha_absorbed_fraction_within(energy, np.minimum(way, 1e5) * 1e-4 * 1.92, "cortical bone")
    sampled = energy * np.where(hits, after, 0.0)
    found = cavity_dose("Po-213", Cavity(radius_um=radius, layer_um=200.0, bone_um=bone), "bone")
    tolerance = 4 * sampled.std() / np.sqrt(n)
    assert found.marrow_mev == pytest.approx(sampled.mean(), abs=tolerance + 0.01 * sampled.mean())


def test_what_voxels_of_alpha_emitters_cannot_see():
    found = unseen(4.4, "Ac-225")
    assert found.alphas_per_decay == pytest.approx(4.0, abs=0.01)
    low, high = found.alpha_range_um
    # spec: 225Ac's main line ends after 48 um, 213Po's after 85
    assert low < 48
    assert high == pytest.approx(85.0, rel=0.01)
    assert found.voxel_in_ranges == pytest.approx(4400 / high)
    # E/m/(1 + 3R/4b) for some 6.9 MeV with 60 um in a nucleus of 268 pg: 0.33 Gy, three alphas a gray
    assert 2.5 < found.nucleus_hits_per_gy < 3.5
    assert found.unhit_at_1_gy == pytest.approx(np.exp(-found.nucleus_hits_per_gy))
    text = " ".join(found.sentences)
    for part in ("85 um", "52 times as wide", "not the dose of cells", "unverified", "1.4 times"):
        assert part in text


def test_what_voxels_of_beta_emitters_cannot_see():
    found = unseen(4.4, "Lu-177")
    assert found.alpha_range_um is found.nucleus_hits_per_gy is found.tubule_to_mean is None
    (sentence,) = found.sentences
    assert "half of their energy within 0.17 mm" in sentence


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Tubules(lumen_radius_um=30, outer_radius_um=15), InputError, "expected 0 < lumen < outer"),
        (lambda: Tubules(lumen_radius_um=15, outer_radius_um=30, spacing_um=50), InputError, "50 um apart"),
        (lambda: tubule_dose("Ac-225", ALONE, "interstitium"), InputError, "needs their spacing"),
        (lambda: tubule_dose("Ac-225", ALONE, "nucleus"), InputError, "No part 'nucleus' of tubules"),
        (lambda: nephron_dose({"Ac-225": 1.0}, "lumen", ALONE), InputError, "give a spacing"),
        (lambda: nephron_dose({"Lu-177": 1.0}, "lumen"), InputError, "Lu-177 emits no alphas"),
        (lambda: human_tubules(0.9), InputError, "at most 0.85"),
        (lambda: nephron_size("urethra"), MissingDataError, "No size 'urethra'"),
        (
            lambda: kidney_part_doses_gy({"Ac-225": 1.0}, {"capsule": 1.0}, 155.0),
            InputError,
            "of cortex, medulla, pelvis",
        ),
        (lambda: tubule_gy_per_bq_s("Ac-225", "lumen", "interstitium"), InputError, "expected lumen or epithelium"),
        (lambda: kidney_part_masses_g(0.0), InputError, "Kidney of 0 g"),
        (lambda: Cavity(radius_um=400, layer_um=500), InputError, "expected 0 < layer <= radius"),
        (lambda: cavity_dose("Ra-223", Cavity(radius_um=9, layer_um=9), "bone"), InputError, "needs its thickness"),
        (lambda: cavity_dose("Ra-223", Cavity(radius_um=9, layer_um=9), "fat"), InputError, "Source 'fat'"),
        (lambda: cavity_dose("Lu-177", Cavity(radius_um=9, layer_um=9), "marrow"), InputError, "emits no alphas"),
        (lambda: unseen(0.0, "Lu-177"), InputError, "Voxel of 0 mm"),
    ],
)
def test_what_cannot_be_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
