"""Mean doses of regions, and the self-dose scaled by mass."""

import numpy as np
import pytest

from lutetia.dose.energies import decay_energy
from lutetia.dose.kernel import photon_dose_by_kernel
from lutetia.dose.organ import mean_absorbed_dose, self_dose_of_sphere
from lutetia.errors import GridError, InputError
from lutetia.units import GY_PER_MEV_PER_G


def test_self_dose_of_organs_is_that_of_published_phantoms(dose_rows):
    # the organ as a sphere of its mass. 177Lu: photons are 2 to 6 % of the dose, of which a real shape loses a fifth
    # and a phantom's electrons 0.8 % more: 1.5 %. 131I: photons are 13 to 28 %, shape up to a fifth of that, 6 %.
    # 90Y: electrons of 2 to 4 mm lost through a larger surface (sphere 4 to 7 %, kidney or spleen more): 7 %; OLINDA
    # takes all of it as absorbed
    tolerance = {"Lu-177": 0.015, "I-131": 0.06, "Y-90": 0.07}
    for row in dose_rows("organ_self_s.csv"):
        dose = self_dose_of_sphere(
            time_integrated_activity_bq_s=1e9, mass_g=float(row["mass_g"]), nuclide=row["nuclide"]
        )
        expected = float(row["s_mgy_per_mbq_s"])
        assert dose == pytest.approx(expected, rel=tolerance[row["nuclide"]]), row


def test_self_dose_is_proportional_to_activity_and_nearly_to_1_over_mass():
    one, two, half = (
        self_dose_of_sphere(time_integrated_activity_bq_s=a, mass_g=m, nuclide="Lu-177")
        for a, m in ((1e12, 150), (2e12, 150), (1e12, 300))
    )
    assert two == pytest.approx(2 * one, rel=1e-12)
    assert 0.5 * one < half < 0.51 * one


def test_no_sphere_below_its_range():
    assert self_dose_of_sphere(time_integrated_activity_bq_s=1e9, mass_g=1e-9, nuclide="Lu-177") is None


def given_region(volume, **changes):
    shape = (8, 8, 8)
    activity = np.zeros(shape)
    activity[2:6, 2:6, 2:6] = 1e9
    density = volume(np.full(shape, 1.05), "g/mL")
    photons = photon_dose_by_kernel(
        time_integrated_activity=volume(activity, "Bq s/mL"), density=density, nuclide="Lu-177"
    )
    occupancy = (activity > 0).astype(np.float32)
    region = {
        "time_integrated_activity_bq_s": 1e9 * 64 * 0.125,
        "mass_g": 64 * 0.125 * 1.05,
        "nuclide": "Lu-177",
        "photon_dose": photons,
        "density": density,
        "occupancy": occupancy,
    }
    return region | changes


def test_mean_is_own_energy_over_mass_and_mean_photon_dose(volume):
    region = given_region(volume)
    own = 1e9 / 1.05 * decay_energy("Lu-177").local_mev * GY_PER_MEV_PER_G
    inside = region["occupancy"] > 0
    expected = own + region["photon_dose"].values[inside].mean()
    assert mean_absorbed_dose(**region) == pytest.approx(expected, rel=1e-6)
    # a cube of 8.4 g is nearly a sphere of 8.4 g
    sphere = self_dose_of_sphere(time_integrated_activity_bq_s=8e9, mass_g=8.4, nuclide="Lu-177")
    # of the cube no electron is lost: 1.4 % at the sphere's surface, and 0.1 % of bremsstrahlung
    assert sphere == pytest.approx(mean_absorbed_dose(**region), rel=0.02)


def test_photons_are_averaged_by_mass(volume):
    occupancy = np.zeros((8, 8, 8), np.float32)
    occupancy[3, 3, 3:5] = 1
    rho = np.ones((8, 8, 8))
    rho[3, 3, 3] = 3.0
    doses = np.zeros((8, 8, 8))
    doses[3, 3, 3:5] = 1.0, 5.0
    region = given_region(
        volume,
        occupancy=occupancy,
        density=volume(rho, "g/mL"),
        photon_dose=volume(doses, "Gy"),
        time_integrated_activity_bq_s=0.0,
    )
    assert mean_absorbed_dose(**region) == pytest.approx((3 * 1 + 1 * 5) / 4, rel=1e-6)


def test_refused(volume):
    with pytest.raises(InputError, match="Mass of 0"):
        mean_absorbed_dose(**given_region(volume, mass_g=0.0))
    with pytest.raises(GridError, match="Mean absorbed dose"):
        mean_absorbed_dose(**given_region(volume, density=volume(np.ones((8, 8, 8)), "g/mL", (4.0, 5.0, 5.0))))
