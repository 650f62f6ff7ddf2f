"""Active marrow: published fractions, limits, and S coefficients of other codes."""

import numpy as np
import pytest

from lutetia.dose.s_values.marrow import (
    MarrowSite,
    fine_beta_spectrum,
    marrow_charged_energy_mev,
    marrow_electron_fraction,
)
from lutetia.errors import InputError, OutOfRangeError
from lutetia.phantoms.icrp110 import active_marrow
from lutetia.physics.emissions import emissions
from lutetia.units import GY_PER_MEV_PER_G

LUMBAR = (MarrowSite(name="lumbar spine", mass_g=151.0, cellularity=0.7),)


def sites(sex):
    return tuple(part.site for part in active_marrow(sex))


def test_fractions_are_the_published_ones_at_their_energies():
    # Hough 2011, lumbar vertebrae of cellularity 0.70 at 50 keV, 150 keV, 1 MeV
    found = marrow_electron_fraction(np.array([0.05, 0.15, 1.0]), LUMBAR)
    np.testing.assert_allclose(found, [0.854675, 0.665588, 0.524907], rtol=1e-6)


def test_soft_electrons_stay_in_the_marrow_and_hard_ones_leave():
    energy = np.geomspace(1e-5, 10.0, 60)
    found = marrow_electron_fraction(energy, sites("male"))
    assert found[0] > 0.99
    assert np.all(np.diff(found) <= 1e-12)
    assert found.max() <= 1.0


# UF fractions of all sites give 1.112e-5 (electrons only, male), OLINDA/EXM 2 1.15e-5 and 1.49e-5 with photons,
# which add 2 to 4 %; the lumbar vertebrae in place of all sites change the mean by 0.5 %
def test_self_dose_of_marrow_by_electrons():
    energy = marrow_charged_energy_mev("Lu-177", sites("male"))
    s = energy / 1170.0 * GY_PER_MEV_PER_G * 1e9
    assert s == pytest.approx(1.112e-5, rel=0.01)
    female = marrow_charged_energy_mev("Lu-177", sites("female")) / 900.0 * GY_PER_MEV_PER_G * 1e9
    assert 1.49e-5 * 0.94 < female < 1.49e-5


def test_tb161_is_half_again_as_much():
    # Hemmingsson 2022: about 50 % above 177Lu
    male = sites("male")
    ratio = marrow_charged_energy_mev("Tb-161", male) / marrow_charged_energy_mev("Lu-177", male)
    assert 1.45 < ratio < 1.6


def test_alphas_stay():
    # OLINDA/EXM 2, 225Ac with recoil, alphas times 5: 4.04e-3 mGy/(MBq s); per MeV of alphas and recoil the same
    found = emissions("Ac-225")
    energy = marrow_charged_energy_mev("Ac-225", sites("male"))
    heavy = found.alpha_energy_mev + found.recoil_energy_mev
    assert heavy < energy < heavy + found.electron_energy_mev
    assert heavy * 5 / 1170.0 * GY_PER_MEV_PER_G * 1e9 == pytest.approx(4.04e-3, rel=0.01)


def test_the_spectrum_keeps_the_energy_of_the_branches():
    found = emissions("Y-90")
    energy, per_mev = fine_beta_spectrum(found)
    assert float(np.trapezoid(energy * per_mev, energy)) == pytest.approx(found.beta_energy_mev, rel=1e-9)


def test_what_it_refuses():
    with pytest.raises(InputError, match="sum to 0"):
        marrow_electron_fraction(np.array([0.1]), ())
    with pytest.raises(OutOfRangeError, match=r"Cellularity 0\.05 of skull"):
        marrow_electron_fraction(np.array([0.1]), (MarrowSite(name="skull", mass_g=1.0, cellularity=0.05),))
    with pytest.raises(OutOfRangeError, match="end at 10 MeV"):
        marrow_electron_fraction(np.array([11.0]), LUMBAR)
