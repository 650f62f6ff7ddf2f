"""Charged particles absorbed where they are emitted."""

import numpy as np
import pytest

from lutetia.dose.energies import decay_energy
from lutetia.dose.local import LEAST_DENSITY_G_PER_ML, local_absorbed_dose
from lutetia.errors import GridError, InputError
from lutetia.units import GY_PER_MEV_PER_G

SHAPE = (3, 4, 5)


def test_energy_over_mass(volume):
    rng = np.random.default_rng(1)
    a, rho = rng.uniform(0, 1e10, SHAPE), rng.uniform(0.3, 2.0, SHAPE)
    dose = local_absorbed_dose(
        time_integrated_activity=volume(a, "Bq s/mL"), density=volume(rho, "g/mL"), nuclide="Y-90"
    )
    # closed form; a few roundings of float32
    expected = a / rho * decay_energy("Y-90").local_mev * GY_PER_MEV_PER_G
    assert dose.unit == "Gy"
    np.testing.assert_allclose(dose.values, expected, rtol=5e-7)


def test_1_mbq_h_per_g_of_177lu_gives_0_0853_gy(volume):
    # 0.08532 Gy g/(MBq h), the electrons of ICRP 107 (147.9 keV); L X rays under 10 keV add 0.1 %
    activity, density = volume(np.full(SHAPE, 1e6 * 3600), "Bq s/mL"), volume(np.ones(SHAPE), "g/mL")
    dose = local_absorbed_dose(time_integrated_activity=activity, density=density, nuclide="Lu-177")
    assert dose.values[0, 0, 0] == pytest.approx(0.08532, rel=0.002)


def test_air_does_not_explode(volume):
    activity = volume(np.ones(SHAPE), "Bq s/mL")
    air, least = (volume(np.full(SHAPE, r), "g/mL") for r in (0.0012, LEAST_DENSITY_G_PER_ML))
    doses = [
        local_absorbed_dose(time_integrated_activity=activity, density=d, nuclide="Lu-177") for d in (air, least)
    ]
    np.testing.assert_array_equal(doses[0].values, doses[1].values)


def test_units_and_grids_must_fit(volume):
    activity, density = volume(np.ones(SHAPE), "Bq s/mL"), volume(np.ones(SHAPE), "g/mL")
    with pytest.raises(InputError, match="expected 'Bq s/mL' and 'g/mL'"):
        local_absorbed_dose(time_integrated_activity=density, density=density, nuclide="Lu-177")
    with pytest.raises(InputError, match="'HU'"):
        local_absorbed_dose(
            time_integrated_activity=activity, density=volume(np.ones(SHAPE), "HU"), nuclide="Lu-177"
        )
    with pytest.raises(GridError, match="grids differ"):
        local_absorbed_dose(
            time_integrated_activity=activity,
            density=volume(np.ones(SHAPE), "g/mL", (4.0, 5.0, 5.0)),
            nuclide="Lu-177",
        )
