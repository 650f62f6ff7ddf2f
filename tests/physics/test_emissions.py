"""Emissions: the sums of ICRP 107, the shape of the spectra, and the traps of the database."""

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.names import nuclide_name

THERAPEUTIC = [
    "Lu-177",
    "Y-90",
    "I-131",
    "Tb-161",
    "Cu-64",
    "Ga-68",
    "Pb-212",
    "Bi-213",
    "Sm-153",
    "Re-188",
    "I-124",
]


def test_energy_per_decay_is_that_of_icrp_107(reference_rows):
    for row in reference_rows("energies_per_decay.csv"):
        found = emissions(row["nuclide"])
        ours = {
            "electron_kev": found.electron_energy_mev,
            "photon_kev": found.photon_energy_mev,
            "alpha_kev": found.alpha_energy_mev,
            "recoil_kev": found.recoil_energy_mev,
        }
        for column, energy_mev in ours.items():
            if row[column]:
                decimals = len(row[column].partition(".")[2])
                rounding = 0.6 * 10.0**-decimals  # half a unit of the last digit, rounded twice
                assert energy_mev * 1e3 == pytest.approx(float(row[column]), rel=1e-4, abs=rounding), row["nuclide"]


def test_lutetium_177_in_detail():
    lu = emissions("Lu-177")  # ICRP 107
    assert lu.beta_energy_mev == pytest.approx(0.13327, abs=5e-6)
    assert lu.conversion.mean_energy_per_decay_mev == pytest.approx(0.013522, abs=1e-6)
    assert lu.auger.mean_energy_per_decay_mev == pytest.approx(0.001132, abs=1e-6)
    assert lu.gamma.mean_energy_per_decay_mev == pytest.approx(0.03156, abs=5e-6)
    assert lu.x_ray.mean_energy_per_decay_mev == pytest.approx(0.00354, abs=5e-6)
    gammas = dict(zip(lu.gamma.energy_mev, lu.gamma.yield_per_decay, strict=True))
    assert gammas == pytest.approx(
        {
            0.071646: 0.00154,
            0.11295: 0.064,
            0.136725: 0.00048,
            0.208366: 0.110,
            0.249674: 0.00212,
            0.321316: 0.00219,
        }
    )
    branches = dict(zip(lu.beta_minus.energy_mev, lu.beta_minus.yield_per_decay, strict=True))
    assert branches[0.149135] == pytest.approx(0.78637)
    strongest = np.argsort(lu.conversion.yield_per_decay)[-2:]
    assert lu.conversion.energy_mev[strongest] == pytest.approx([0.1022, 0.0475], abs=1e-4)
    assert lu.conversion.yield_per_decay[strongest] == pytest.approx([0.0347, 0.0517], abs=1e-4)


@pytest.mark.parametrize("name", THERAPEUTIC)
def test_area_of_the_beta_spectrum_is_the_sum_of_the_branch_yields(name):
    found = emissions(name)
    branches = found.beta_minus.total_yield + found.beta_plus.total_yield
    assert found.beta_spectrum.total_yield == pytest.approx(branches, rel=1e-12)


@pytest.mark.parametrize("name", THERAPEUTIC)
def test_mean_of_the_beta_spectrum_is_that_of_the_branches(name):
    # The tabulated spectrum has about 100 points and four digits: its first moment is good to half a percent.
    found = emissions(name)
    assert found.beta_spectrum.mean_energy_per_decay_mev == pytest.approx(found.beta_energy_mev, rel=5e-3)


@pytest.mark.parametrize("name", ["F-18", "Ga-68", "Cu-64", "I-124", "Zr-89"])
def test_annihilation_radiation_is_counted_once(name):
    found = emissions(name)
    at_511 = np.abs(found.photons.energy_mev - 0.511) < 5e-4
    # closed form: two photons per positron
    assert found.photons.yield_per_decay[at_511].sum() == pytest.approx(2.0 * found.beta_plus.total_yield, rel=1e-3)


def test_a_nuclide_without_betas_has_an_empty_spectrum():
    spectrum = emissions("Ac-225").beta_spectrum
    assert spectrum.total_yield == 0.0
    assert spectrum.mean_energy_per_decay_mev == 0.0


@pytest.mark.parametrize("name", ["Ac-225", "At-211", "Po-212"])
def test_recoil_takes_the_share_of_momentum(name):
    # closed form: two bodies at rest, E_recoil / E_alpha = m_alpha / m_daughter; masses from mass numbers, 0.1 %
    found = emissions(name)
    daughter = int(name.split("-")[1]) - 4
    assert found.recoil_energy_mev / found.alpha_energy_mev == pytest.approx(4.0015 / daughter, rel=1e-3)


def test_lines_above_an_energy():
    lines = emissions("Lu-177").photons.above(0.1)
    assert lines.energy_mev.min() >= 0.1
    assert lines.total_yield == pytest.approx(0.064 + 0.00048 + 0.11 + 0.00212 + 0.00219)


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        emissions("Lu-177").gamma.yield_per_decay[0] = 1.0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Lu-177", "Lu-177"),
        ("lu177", "Lu-177"),
        ("177Lu", "Lu-177"),
        ("177-Lu", "Lu-177"),
        (" Lu 177 ", "Lu-177"),
        ("^177Lu", "Lu-177"),
        ("99mTc", "Tc-99m"),
        ("Tc-99m", "Tc-99m"),
        ("I131", "I-131"),
        ("Lu-177m", "Lu-177m"),
    ],
)
def test_spellings(text, name):
    assert nuclide_name(text) == name


@pytest.mark.parametrize("text", ["", "Lutetium", "177", "Lu-1777", "Lu-"])
def test_what_is_no_nuclide_name(text):
    with pytest.raises(InputError, match="write it as 'Lu-177'"):
        nuclide_name(text)


def test_unknown_nuclide_names_similar_ones():
    with pytest.raises(InputError, match=r"No nuclide 'Lu-190'.*Lu-1\d\d.*spelled 'Lu-177'"):
        emissions("Lu190")
