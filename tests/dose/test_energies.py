"""Which energy of a decay stays and which travels."""

import pytest

from lutetia.dose.energies import decay_energy
from lutetia.physics.emissions import emissions


@pytest.mark.parametrize("name", ["Lu-177", "Y-90", "I-131", "Tb-161", "Ac-225", "Ga-68", "Bi-213"])
def test_no_energy_is_lost_or_counted_twice(name):
    found, split = emissions(name), decay_energy(name)
    emitted = found.electron_energy_mev + found.alpha_energy_mev + found.recoil_energy_mev + found.photon_energy_mev
    assert split.local_mev + split.photons.mean_energy_per_decay_mev == pytest.approx(emitted, rel=1e-12)


def test_177lu_keeps_what_icrp_107_gives_to_electrons():
    # ICRP 107: electrons 147.9 keV; L X rays under 10 keV (about 0.2 keV) stay as well
    assert decay_energy("Lu-177").local_mev == pytest.approx(0.1481, abs=0.0002)


def test_photons_that_travel_are_above_the_cutoff():
    assert decay_energy("Lu-177").photons.energy_mev.min() >= 0.01
