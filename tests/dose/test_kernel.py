"""Photon dose by convolution, and dose voxel kernels."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from lutetia.dose.energies import decay_energy
from lutetia.dose.kernel import absorbed_dose_map, dose_voxel_kernel, photon_dose_by_kernel, photon_voxel_kernel
from lutetia.dose.local import local_absorbed_dose
from lutetia.dose.montecarlo.voxels import photon_absorbed_dose
from lutetia.dose.point_kernel import nuclide_energy_within
from lutetia.errors import GridError, InputError
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
    # the same by the voxel S coefficients
    s = dose_voxel_kernel("Lu-177", (5.0, 5.0, 5.0), (2, 2, 2))
    np.testing.assert_allclose(total.values, s * 1e9 * 0.125, rtol=1e-5)


@pytest.mark.parametrize("nuclide", ["Lu-177", "I-131"])
def test_kernel_is_transport_in_water(volume, nuclide):
    # a source cube of 5 cm within a water cube of 60 cm. Kernel and Monte Carlo share the physics: statistics, 1 % of
    # the kernel, and air instead of infinite water around (under 1 % at 27 cm from the surface)
    n, spacing = 60, (10.0, 10.0, 10.0)
    values = np.zeros((n, n, n))
    values[28:33, 28:33, 28:33] = 1e9
    density, activity = volume(np.ones((n, n, n)), "g/mL", spacing), volume(values, "Bq s/mL", spacing)
    kernel = photon_dose_by_kernel(time_integrated_activity=activity, density=density, nuclide=nuclide)
    transport = photon_absorbed_dose(
        time_integrated_activity=activity,
        density=density,
        material_index=np.zeros((n, n, n), np.uint8),
        materials=[material("water")],
        nuclide=nuclide,
        n_histories=300_000,
        seed=2,
    )
    steps = np.arange(n) - 30
    distance = np.sqrt((steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2).astype(float))
    for inner, outer in ((0, 2), (4, 6), (8, 10), (14, 16)):
        weights = ((distance >= inner) & (distance < outer)).astype(float)
        mean, u = transport.region(weights)
        ours = float((kernel.values * weights).sum() / weights.sum())
        assert ours == pytest.approx(mean, abs=4 * u + 0.015 * mean)


def test_published_voxel_s_177lu(dose_rows):
    """Agreement is loose on purpose: the published tables miss or exceed the energy of a decay by 2 to 10 %.

    The first table has its centre voxel 3 % under the electrons' energy and yields of photons older or newer than
    ICRP 107; ours holds the energy balance (tested above). No electron crosses a voxel's face in ours, so direct
    neighbours are not compared.
    """
    for row in dose_rows("voxel_s_lu177.csv"):
        h, (i, j, k) = float(row["voxel_mm"]), (int(row[a]) for a in "ijk")
        if max(i, j, k) == 1:
            continue
        ours = dose_voxel_kernel("Lu-177", (h, h, h), (20, 20, 20), float(row["density_g_per_ml"]))
        value = ours[20 + i, 20 + j, 20 + k] * 1e9
        assert value == pytest.approx(float(row["s_mgy_per_mbq_s"]), rel=0.35), row


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
