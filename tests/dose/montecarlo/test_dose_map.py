"""Dose of every voxel: energy kept, chains, scaling, and maps that nobody expects."""

import numpy as np
import pytest

from lutetia.dose.energies import decay_energy
from lutetia.dose.kernel import dose_by_kernel
from lutetia.dose.montecarlo.dose_map import Goal, absorbed_dose_by_monte_carlo
from lutetia.errors import GridError, InputError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.physics.materials import density_from_hu, hu_materials, material_index_from_hu
from lutetia.units import GY_PER_MEV_PER_G

MM = (4.0, 4.0, 4.0)
N = 20


def hounsfield():
    """Soft tissue with lung on one side, bone on the other, air around."""
    hu = np.full((N, N, N), -1000.0)
    hu[2:-2, 2:-2, 2:-2] = 40.0
    hu[2:-2, 2:-2, 2:7] = -750.0
    hu[2:-2, 2:-2, 14:16] = 900.0
    return hu


def activity():
    values = np.zeros((N, N, N))
    values[2:-2, 2:-2, 2:-2] = 1e8
    values[6:13, 6:13, 8:13] = 2e9
    values[0, 0, 0] = 1e7  # noise outside
    return values


@pytest.fixture(scope="module")
def run(make_volume):
    def call(values=None, hu=None, nuclide="Lu-177", spacing_mm=MM, **goal):
        hu = hounsfield() if hu is None else hu
        values = activity() if values is None else values
        given = values if isinstance(values, dict) else {nuclide: values}
        return absorbed_dose_by_monte_carlo(
            time_integrated_activity={k: make_volume(v, "Bq s/mL", spacing_mm) for k, v in given.items()},
            density=make_volume(density_from_hu(hu), "g/mL", spacing_mm),
            material_index=material_index_from_hu(hu),
            materials=hu_materials(),
            goal=Goal(**{"relative_uncertainty": 0.5, **goal}),
            seed=goal.get("seed", 1),
        )

    return call


ORGAN = np.zeros((N, N, N))
ORGAN[6:13, 6:13, 8:13] = 1.0


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90"])
def test_a_map_is_sane(run, make_volume, nuclide):
    found = run(nuclide=nuclide, regions={"organ": ORGAN})
    dose, density = found.dose.values, density_from_hu(hounsfield())
    assert found.dose.unit == "Gy"
    assert dose.min() == 0
    assert np.all(dose[density < 0.05] == 0)
    assert np.all(np.isfinite(dose))
    assert np.all(np.isfinite(found.uncertainty.values))
    assert not found.warnings
    assert "0.05 g/mL" in found.method
    kernel = dose_by_kernel(
        time_integrated_activity=make_volume(activity(), "Bq s/mL", MM),
        density=make_volume(density, "g/mL", MM),
        nuclide=nuclide,
    )
    bright = kernel.values > 0.1 * kernel.values.max()
    # the kernel is wrong by some per cent where photons leave and electrons of 90Y meet bone; voxels scatter little
    np.testing.assert_allclose(dose[bright & (density > 0.9)], kernel.values[bright & (density > 0.9)], rtol=0.25)
    # the region has the mean of the batches
    weights = ORGAN * density
    mean, u = found.region(weights)
    assert float((weights * dose).sum() / weights.sum()) == pytest.approx(mean, rel=1e-4)
    assert 0 < u < 0.01 * mean


def test_energy_is_kept(run):
    found = run(np.where(ORGAN > 0, 1e9, 0.0), nuclide="Y-90")
    density = density_from_hu(hounsfield())
    energy = float((found.dose.values * density).sum(dtype=float)) / GY_PER_MEV_PER_G
    # 90Y 16 mm deep in tissue: electrons stay, but for bremsstrahlung, 0.5 % of which little is absorbed
    assert energy / (ORGAN.sum() * 1e9) == pytest.approx(emissions("Y-90").electron_energy_mev, rel=0.01)


def test_dose_is_proportional_to_activity(run):
    one, two = run(), run(activity() * 2)
    np.testing.assert_allclose(two.dose.values, 2 * one.dose.values, rtol=1e-4, atol=1e-6 * one.dose.values.max())


def test_the_same_seed_is_the_same_map(run):
    np.testing.assert_array_equal(run().dose.values, run().dose.values)


def test_a_chain_is_the_sum_of_its_members(run):
    parent, daughter = activity(), np.roll(activity(), 2, axis=1) * 0.5
    both = run({"Lu-177": parent, "I-131": daughter})
    each = [run(parent), run(daughter, nuclide="I-131")]
    density = density_from_hu(hounsfield())
    for weights in (ORGAN * density, np.roll(ORGAN, 2, axis=1) * density, (density > 0.05) * density):
        mean, u = both.region(weights)
        parts = [r.region(weights) for r in each]
        spread = np.sqrt(u**2 + sum(p[1] ** 2 for p in parts))
        assert mean == pytest.approx(sum(p[0] for p in parts), abs=4 * spread)
    assert both.n_electrons == sum(r.n_electrons for r in each)


def test_uncertainty_asked_for_is_reached(run):
    regions = {"lung": (hounsfield() == -750.0).astype(float)}
    found = run(nuclide="I-131", regions=regions, relative_uncertainty=0.01, voxel_relative_uncertainty=0.05)
    assert found.reached
    assert found.voxel_relative_uncertainty <= 0.05
    density = density_from_hu(hounsfield())
    mean, u = found.region(regions["lung"] * density)
    assert u < 0.01 * mean
    few = run(nuclide="I-131", regions=regions, relative_uncertainty=1e-4, most_histories=250_000)
    assert not few.reached


def test_alphas_stay_where_they_are(run):
    found = run(np.where(ORGAN > 0, 1e9, 0.0), nuclide="Po-212")
    decay = emissions("Po-212")
    expected = 1e9 * (decay.alpha_energy_mev + decay.recoil_energy_mev) * GY_PER_MEV_PER_G
    expected /= float(density_from_hu(np.array([40.0]))[0])
    np.testing.assert_allclose(found.dose.values[ORGAN > 0], expected, rtol=1e-5)
    assert found.n_photons == found.n_electrons == 0


def test_all_air(run):
    found = run(hu=np.full((N, N, N), -1000.0))
    assert found.dose.values.max() == 0
    assert np.all(np.isfinite(found.batches))


def test_a_metal_implant(run):
    hu = hounsfield()
    hu[8:11, 8:11, 9:11] = 3000.0
    found = run(hu=hu, nuclide="Y-90")
    assert found.dose.values.min() == 0
    # 2.8 g/mL of bone next to soft tissue of the same activity: less dose per energy, about as the density
    inside, around = found.dose.values[9, 9, 9], found.dose.values[7, 7, 8]
    assert 0.2 < inside / around < 0.8


def test_one_voxel(run):
    found = run(np.full((1, 1, 1), 1e9), hu=np.full((1, 1, 1), 40.0))
    local = decay_energy("Lu-177").local_mev * 1e9 * GY_PER_MEV_PER_G / 1.04
    assert 0.5 * local < found.dose.values[0, 0, 0] < local


@pytest.mark.parametrize("spacing_mm", [(0.5, 10.0, 4.0), (10.0, 0.5, 0.5)])
def test_voxels_of_any_shape(run, spacing_mm):
    found = run(np.ones((8, 9, 10)) * 1e9, hu=np.full((8, 9, 10), 40.0), spacing_mm=spacing_mm)
    local = decay_energy("Lu-177").local_mev * 1e9 * GY_PER_MEV_PER_G / 1.04
    assert 0.3 * local < found.dose.values.mean() < 1.1 * local
    assert found.dose.values.min() > 0


def test_what_cannot_be_is_refused(run, make_volume):
    for value, message in ((-1.0, "negative in 1 voxels"), (np.nan, "not finite in 1 voxels")):
        wrong = activity()
        wrong[3, 3, 3] = value
        for nuclide in ("Lu-177", "Po-212"):
            with pytest.raises(InputError, match=message):
                run(wrong, nuclide=nuclide)
    with pytest.raises(InputError, match="no activity"):
        run(activity() * 0)
    with pytest.raises(InputError, match="No map"):
        run({})
    for goal in (0.0, 0.9, float("nan")):
        with pytest.raises(InputError, match="expected between"):
            run(relative_uncertainty=goal)
    with pytest.raises(OutOfRangeError, match="transport holds from"):
        run(spacing_mm=(60.0, 4.0, 4.0))
    with pytest.raises(GridError):
        run(activity()[1:])
    rho, index = make_volume(density_from_hu(hounsfield()), "g/mL", MM), material_index_from_hu(hounsfield())
    with pytest.raises(InputError, match="expected 'Bq s/mL'"):
        absorbed_dose_by_monte_carlo(
            time_integrated_activity={"Lu-177": rho}, density=rho, material_index=index, materials=hu_materials(),
            goal=Goal(),
        )  # fmt: skip
    nan = density_from_hu(hounsfield())
    nan[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite in 1 voxels"):
        absorbed_dose_by_monte_carlo(
            time_integrated_activity={"Lu-177": make_volume(activity(), "Bq s/mL", MM)},
            density=make_volume(nan, "g/mL", MM), material_index=index, materials=hu_materials(), goal=Goal(),
        )  # fmt: skip
