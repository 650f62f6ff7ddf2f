"""Photon dose by convolution, and dose voxel kernels."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from lutetia.dose.energies import decay_energy
from lutetia.dose.kernel import (
    absorbed_dose_map,
    charged_dose_by_kernel,
    charged_particle_voxel_kernel,
    default_half_size,
    dose_by_kernel,
    dose_voxel_kernel,
    photon_dose_by_kernel,
    photon_voxel_kernel,
    voxel_kernel,
)
from lutetia.dose.local import local_absorbed_dose
from lutetia.dose.montecarlo.follow import follow_photons
from lutetia.dose.montecarlo.scene import region_scene
from lutetia.dose.point_kernel import nuclide_charged_energy_within, nuclide_energy_within
from lutetia.errors import GridError, InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import material
from lutetia.units import GY_PER_MEV_PER_G, J_PER_MEV

UNEVEN_MM = (4.0, 5.0, 6.0)


def test_even_and_alike_along_equal_axes():
    kernel = photon_voxel_kernel("Lu-177", (5.0, 5.0, 5.0), (6, 6, 6))
    for axis in range(3):
        np.testing.assert_array_equal(kernel, np.flip(kernel, axis))
    # the nearest voxels are sampled by 2^18 rays, the third by some 500: 1.5 %
    np.testing.assert_allclose(kernel, kernel.transpose(2, 1, 0), rtol=0.015)
    np.testing.assert_allclose(kernel, kernel.transpose(1, 0, 2), rtol=0.015)


def test_falls_with_distance():
    middle = photon_voxel_kernel("Lu-177", UNEVEN_MM, (20, 20, 20))[20, 20, 20:]
    assert np.all(np.diff(middle) < 0)


@pytest.mark.parametrize("nuclide", ["Lu-177", "I-131"])
@pytest.mark.parametrize("spacing_mm", [(2.21,) * 3, (4.7952,) * 3, UNEVEN_MM])
def test_energy_of_the_point_kernel_is_kept(nuclide, spacing_mm):
    # a ball of voxels against the cumulative point kernel at its radius; voxels whose centre is within the ball stand
    # for it: the error is of the order of (spacing/radius)^2 < 0.3 %
    half = [round(80 / s) for s in spacing_mm]
    kernel = photon_voxel_kernel(nuclide, spacing_mm, tuple(half))
    z, y, x = np.meshgrid(*(np.arange(-h, h + 1) * s for h, s in zip(half[::-1], spacing_mm[::-1], strict=True)),
                          indexing="ij")  # fmt: skip
    radii, energy = nuclide_energy_within(nuclide)
    reach = 78.0
    inside = kernel[x**2 + y**2 + z**2 <= reach**2].sum()
    # radius of a ball of the same volume as those voxels
    same = (np.count_nonzero(x**2 + y**2 + z**2 <= reach**2) * np.prod(spacing_mm) * 3 / (4 * np.pi)) ** (1 / 3)
    assert inside == pytest.approx(np.interp(same / 10, radii, energy), rel=0.005)


def test_s_times_mass_is_the_energy_of_a_decay():
    # nearly all of the 177Lu photons are absorbed within 60 cm; 0.5 % of the total energy
    spacing, half = (12.0, 12.0, 12.0), (50, 50, 50)
    s = dose_voxel_kernel("Lu-177", spacing, half, density_g_per_ml=1.04)
    energy = s.sum() * 1.2**3 * 1.04 / GY_PER_MEV_PER_G
    found = emissions("Lu-177")
    assert energy == pytest.approx(found.electron_energy_mev + found.photon_energy_mev, rel=0.005)


def test_a_denser_medium_is_a_smaller_one():
    # s(rho, h) = rho^2 s(1, rho h): lengths and masses of the same mass thickness
    dense = dose_voxel_kernel("Lu-177", (4.0, 4.0, 4.0), (8, 8, 8), density_g_per_ml=2.0)
    thin = dose_voxel_kernel("Lu-177", (8.0, 8.0, 8.0), (8, 8, 8), density_g_per_ml=1.0)
    np.testing.assert_allclose(dense, 4.0 * thin, rtol=1e-12)


def test_convolution_is_a_convolution(volume):
    rng = np.random.default_rng(3)
    shape = (7, 9, 8)
    activity = rng.uniform(0, 1e9, shape)
    dose = photon_dose_by_kernel(
        time_integrated_activity=volume(activity, "Bq s/mL", UNEVEN_MM),
        density=volume(np.ones(shape), "g/mL", UNEVEN_MM),
        nuclide="Lu-177",
    )
    kernel = photon_voxel_kernel("Lu-177", UNEVEN_MM, (7, 8, 6))
    direct = convolve(activity, kernel, mode="constant") * GY_PER_MEV_PER_G
    # transforms in float32
    np.testing.assert_allclose(dose.values, direct, rtol=2e-5)


def test_linear(volume):
    rng = np.random.default_rng(4)
    density = volume(np.ones((6, 6, 6)), "g/mL")
    a, b = rng.uniform(0, 1, (2, 6, 6, 6))

    def dose(values):
        return absorbed_dose_map(
            time_integrated_activity=volume(values, "Bq s/mL"), density=density, nuclide="Lu-177"
        ).values

    np.testing.assert_allclose(dose(3 * a + b), 3 * dose(a) + dose(b), rtol=1e-5)


def test_equilibrium_in_the_middle_of_much_water(volume):
    # uniform activity: the dose rate in the middle is the emitted energy per mass, less what would come from beyond
    # the box; a cube of half width 52 cm lacks less than the energy absorbed beyond 52 cm of a point
    shape, spacing = (41, 41, 41), (26.0, 26.0, 26.0)
    dose = absorbed_dose_map(
        time_integrated_activity=volume(np.full(shape, 1e9), "Bq s/mL", spacing),
        density=volume(np.ones(shape), "g/mL", spacing),
        nuclide="Lu-177",
    ).values[20, 20, 20]
    found = emissions("Lu-177")
    emitted = (found.electron_energy_mev + found.photon_energy_mev) * 1e9 * J_PER_MEV * 1e3
    radii, energy = nuclide_energy_within("Lu-177")
    missing = (energy[-1] - np.interp(52.0, radii, energy)) * 1e9 * J_PER_MEV * 1e3
    # the quadrature of such coarse voxels: 0.5 % of the photons' fifth
    assert emitted - missing - 0.003 * emitted < dose < emitted * 1.003


def test_map_is_local_plus_photons(volume):
    values = np.zeros((5, 5, 5))
    values[2, 2, 2] = 1e9
    parts = {"time_integrated_activity": volume(values, "Bq s/mL"), "density": volume(np.ones((5, 5, 5)), "g/mL")}
    total = absorbed_dose_map(nuclide="Lu-177", **parts)
    photons, local = (
        photon_dose_by_kernel(nuclide="Lu-177", **parts),
        local_absorbed_dose(nuclide="Lu-177", **parts),
    )
    np.testing.assert_array_equal(total.values, photons.values + local.values)
    # the same by the kernels
    energy = photon_voxel_kernel("Lu-177", (5.0, 5.0, 5.0), (2, 2, 2)).copy()
    energy[2, 2, 2] += decay_energy("Lu-177").local_mev
    np.testing.assert_allclose(total.values, energy * 1e9 * GY_PER_MEV_PER_G, rtol=1e-5)


@pytest.mark.parametrize("nuclide", ["Lu-177", "I-131"])
def test_kernel_is_transport_in_water(volume, nuclide):
    # a source cube of 5 cm within a water cube of 60 cm. Kernel and Monte Carlo share the physics: statistics, 1 % of
    # the kernel, and air instead of infinite water around (under 1 % at 27 cm from the surface)
    n, spacing = 60, (10.0, 10.0, 10.0)
    values = np.zeros((n, n, n))
    values[28:33, 28:33, 28:33] = 1e9
    density, activity = volume(np.ones((n, n, n)), "g/mL", spacing), volume(values, "Bq s/mL", spacing)
    kernel = photon_dose_by_kernel(time_integrated_activity=activity, density=density, nuclide=nuclide)
    steps = np.arange(n) - 30
    distance = np.sqrt((steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2).astype(float))
    shells = ((0, 2), (4, 6), (8, 10), (14, 16))
    slot = np.full((n, n, n), -1, np.int32)
    for k, (inner, outer) in enumerate(shells):
        slot[(distance >= inner) & (distance < outer)] = k
    scene = region_scene(density, np.zeros((n, n, n), np.uint8), [material("water")], slot, len(shells))
    lines = decay_energy(nuclide).photons
    transport = follow_photons(scene=scene, strength=values, lines=lines, n_histories=300_000, seed=2)
    # 125 voxels of 1 mL and 1e9 decays
    gray_per_mev = 125e9 * GY_PER_MEV_PER_G / scene.mass_g[:-1]
    mean, u = transport.energy_mev * gray_per_mev, transport.standard_uncertainty_mev * gray_per_mev
    for k in range(len(shells)):
        assert float(kernel.values[slot == k].mean()) == pytest.approx(mean[k], abs=4 * u[k] + 0.015 * mean[k])


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "Ac-225"])
def test_charged_particles_keep_their_energy_and_stay_near(nuclide):
    spacing, half = (3.0, 2.5, 4.0), (7, 7, 7)
    kernel = charged_particle_voxel_kernel(nuclide, spacing, half)
    # all but bremsstrahlung, 0.5 % of the electrons of 90Y
    held = nuclide_charged_energy_within(nuclide)[1][-1]
    found = emissions(nuclide)
    still = decay_energy(nuclide).local_mev - found.electron_energy_mev - found.alpha_energy_mev
    assert kernel.sum() == pytest.approx(held + still, rel=1e-6)
    assert 0.99 < kernel.sum() / decay_energy(nuclide).local_mev < 1
    assert kernel.argmax() == kernel.size // 2
    for axis in range(3):
        np.testing.assert_allclose(kernel, np.flip(kernel, axis), atol=1e-15)


def test_177lu_electrons_stay_in_spect_voxels_and_90y_does_not():
    inside = {
        n: charged_particle_voxel_kernel(n, (4.8, 4.8, 4.8), (4, 4, 4))[4, 4, 4] / decay_energy(n).local_mev
        for n in ("Lu-177", "Y-90")
    }
    # a cube of edge h loses about d S / (4 V) = 1.5 d / h of its energy, d the mean distance from emission to absorption:
    # 0.25 mm for 177Lu (8 %), and 2.5 mm for 90Y (more than half, the series no longer holds)
    assert 0.92 < inside["Lu-177"] < 0.97
    assert inside["Y-90"] < 0.65


def test_voxel_s_of_the_2_21_mm_table_177lu(dose_rows):
    """Voxels that no electron reaches agree within 4 %. The table holds 138.9 keV within 3 x 3 x 3 voxels.

    Electrons alone deposit 147 keV there. The 10 keV are missing in the middle voxel, 9 % of it. Edge neighbours are
    reached by the ends of tracks only, of which our electrons without straggling have a tenth too few.
    """
    h, rho, half = 2.21, 1.04, 6
    ours = dose_voxel_kernel("Lu-177", (h,) * 3, (half,) * 3, rho) * 1e9
    tolerance = {(0, 0, 0): 0.10, (0, 0, 1): 0.05, (0, 1, 1): 0.12}
    for row in dose_rows("voxel_s_lu177.csv"):
        if row["table"] == "lanconelli_type":
            i, j, k = (int(row[a]) for a in "ijk")
            value = ours[half + i, half + j, half + k]
            assert value == pytest.approx(float(row["s_mgy_per_mbq_s"]), rel=tolerance.get((i, j, k), 0.05)), row


def test_voxel_s_of_the_4_8_mm_table_177lu(dose_rows):
    """That table is 16 to 23 % below ours and below the 2.21 mm table at a distance, and has 2 % too much energy near.

    Photons at a distance are settled by the agreement with OpenDose, ANS-6.4.3 and the 2.21 mm table.
    """
    h, half = 4.7952, 21
    ours = dose_voxel_kernel("Lu-177", (h,) * 3, (half,) * 3) * 1e9
    for row in dose_rows("voxel_s_lu177.csv"):
        if row["table"] == "pytheranostics":
            ratio = ours[half, half, half + int(row["k"])] / float(row["s_mgy_per_mbq_s"])
            low, high = (0.96, 1.0) if row["k"] == "0" else (1.15, 1.32)
            assert low < ratio < high, row


def test_units_and_grids_must_fit(volume):
    one = volume(np.ones((3, 3, 3)), "Bq s/mL")
    with pytest.raises(InputError, match="expected 'Bq s/mL' and 'g/mL'"):
        photon_dose_by_kernel(time_integrated_activity=one, density=one, nuclide="Lu-177")
    with pytest.raises(GridError, match="Photon dose by kernel"):
        photon_dose_by_kernel(
            time_integrated_activity=one, density=volume(np.ones((3, 3, 4)), "g/mL"), nuclide="Lu-177"
        )


def test_nuclides_are_counted_without_progeny():
    assert decay_energy("Pb-212").local_mev < 0.2


@pytest.mark.parametrize(
    ("nuclide", "spacing_mm", "medium"),
    [
        ("Lu-177", (4.8, 4.8, 4.8), "water"),
        ("Lu-177", (4.8, 4.8, 3.0), "cortical bone"),
        ("Y-90", (2.2, 2.2, 2.2), "soft tissue icrp"),
        ("Ac-225", (1.0, 1.0, 1.0), "water"),
    ],
)
def test_what_stays_and_what_leaves_is_all(nuclide, spacing_mm, medium):
    # what leaves is traced apart from what stays; the task asks for 0.5 %, quadrature and rays keep it within 0.1 %
    kernel = voxel_kernel(nuclide=nuclide, spacing_mm=spacing_mm, medium=medium)
    assert kernel.balance == pytest.approx(1, abs=0.001)
    mass_g = float(np.prod(spacing_mm)) * 1e-3 * material(medium).density_g_per_ml
    full = dose_voxel_kernel(
        nuclide,
        spacing_mm,
        tuple(n - 1 for n in kernel.energy_mev.shape[::-1]),
        material(medium).density_g_per_ml,
        medium,
    )
    assert full.sum() * mass_g / GY_PER_MEV_PER_G == pytest.approx(kernel.absorbed_mev, rel=1e-6)


def test_default_kernel_is_as_large_as_it_matters():
    assert default_half_size("Lu-177", (4.8, 4.8, 4.8)) == (25, 25, 25)
    assert default_half_size("Lu-177", (10.0, 10.0, 40.0)) == (12, 12, 5)
    # 90Y has no photons to speak of; its electrons go 11 mm, the luckiest a quarter farther
    assert default_half_size("Y-90", (1.0, 4.8, 4.8)) == (16, 5, 5)


def test_bone_keeps_more_of_the_photons_than_water():
    # photoelectric absorption: mu_en of cortical bone at 113 keV is half again that of water (NIST)
    bone, water = (
        voxel_kernel(nuclide="Lu-177", spacing_mm=(5.0,) * 3, medium=m, density_g_per_ml=1.0, half_size=(8, 8, 8))
        for m in ("cortical bone", "water")
    )
    ratio = bone.energy_mev[0, 0, 4] / water.energy_mev[0, 0, 4]
    assert 1.3 < ratio < 1.7


def test_kernel_must_be_possible():
    with pytest.raises(InputError, match="expected positive values"):
        voxel_kernel(nuclide="Lu-177", spacing_mm=(0.0, 1.0, 1.0))
    with pytest.raises(InputError, match="No material"):
        voxel_kernel(nuclide="Lu-177", spacing_mm=(1.0,) * 3, medium="cheese")
    with pytest.raises(OutOfRangeError, match="in an octant"):
        voxel_kernel(nuclide="Lu-177", spacing_mm=(1.0,) * 3, half_size=(400, 400, 400))


def patchwork(shape):
    """Air, lung, soft tissue and bone in layers, activity in the middle of each."""
    density = np.full(shape, 1.0, np.float32)
    density[:, :, :8], density[:, :, 8:14], density[:, :, 24:] = 0.0012, 0.3, 1.8
    activity = np.zeros(shape)
    activity[10, 10, [11, 18, 26]] = 1e9
    return density, activity


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "Ac-225"])
def test_energy_is_kept_across_tissues(volume, nuclide):
    shape, spacing = (21, 21, 33), (3.0, 3.0, 3.0)
    density, activity = patchwork(shape)
    dose = charged_dose_by_kernel(
        time_integrated_activity=volume(activity, "Bq s/mL", spacing),
        density=volume(density, "g/mL", spacing),
        nuclide=nuclide,
    )
    # single precision and the air that takes nothing (its share of the mass: 0.1 %)
    absorbed = float((dose.values.astype(np.float64) * density).sum()) / GY_PER_MEV_PER_G
    emitted = charged_particle_voxel_kernel(nuclide, spacing, (6, 6, 6)).sum()
    assert absorbed == pytest.approx(activity.sum() * emitted, rel=2e-3)
    assert np.all(dose.values[density < 0.05] == 0)


def test_even_medium_gets_the_water_kernel_over_its_density(volume):
    shape, spacing = (15, 15, 15), (4.8, 4.8, 4.8)
    activity = np.zeros(shape)
    activity[7, 7, 7] = 1e9
    maps = [
        charged_dose_by_kernel(
            time_integrated_activity=volume(activity, "Bq s/mL", spacing),
            density=volume(np.full(shape, rho), "g/mL", spacing),
            nuclide="Y-90",
        ).values
        for rho in (1.0, 1.25)
    ]
    kernel = charged_particle_voxel_kernel("Y-90", spacing, (7, 7, 7))
    # MeV per decay in a voxel, 1e9 decays/mL
    np.testing.assert_allclose(maps[0], kernel * 1e9 * GY_PER_MEV_PER_G, rtol=1e-3, atol=1e-7 * maps[0].max())
    np.testing.assert_allclose(maps[1] * 1.25, maps[0], rtol=1e-3, atol=1e-6 * maps[0].max())


def test_dose_by_kernel_is_local_dose_where_activity_is_even(volume):
    shape, spacing = (31, 31, 31), (4.8, 4.8, 4.8)
    maps = {
        "time_integrated_activity": volume(np.full(shape, 1e9), "Bq s/mL", spacing),
        "density": volume(np.ones(shape), "g/mL", spacing),
    }
    whole = dose_by_kernel(**maps, nuclide="Y-90").values[15, 15, 15]
    # but for bremsstrahlung, which the local dose keeps: 0.5 %
    local = absorbed_dose_map(**maps, nuclide="Y-90").values[15, 15, 15]
    assert 0.99 * local < whole < local


def test_decays_in_nothing_but_air_give_no_dose(volume):
    shape, spacing = (15, 15, 15), (4.8, 4.8, 4.8)
    activity = np.zeros(shape)
    activity[7, 7, 7] = 1e9
    dose = dose_by_kernel(
        time_integrated_activity=volume(activity, "Bq s/mL", spacing),
        density=volume(np.full(shape, 0.0012), "g/mL", spacing),
        nuclide="Y-90",
    )
    assert not dose.values.any()


def test_a_cut_kernel_is_the_middle_of_a_whole_one():
    whole = charged_particle_voxel_kernel("Y-90", (2.0,) * 3, (8, 8, 8))
    cut = charged_particle_voxel_kernel("Y-90", (2.0,) * 3, (2, 2, 2))
    np.testing.assert_allclose(cut, whole[6:11, 6:11, 6:11], rtol=1e-6)


def test_fine_voxels_cost_no_more_than_their_kernel():
    # 10 um: electrons of 90Y go 1200 voxels far, of which 7 to either side are asked for
    kernel = voxel_kernel(nuclide="Y-90", spacing_mm=(0.01,) * 3, half_size=(7, 7, 7))
    assert kernel.balance == pytest.approx(1, abs=0.001)
    assert kernel.escaped_mev > 0.9 * kernel.emitted_mev
