"""Nuclides: half-lives, branching, photon lines."""

import subprocess
import sys

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.physics.emissions import emissions
from lutetia.physics.nuclides import detectable_photopeaks, nuclide

DAY_S, HOUR_S, MINUTE_S = 86400.0, 3600.0, 60.0


@pytest.mark.parametrize(
    ("name", "half_life_s"),  # ICRP 107
    [
        ("Lu-177", 6.647 * DAY_S),
        ("Ac-225", 10.0 * DAY_S),
        ("Fr-221", 4.9 * MINUTE_S),
        ("Tb-161", 6.906 * DAY_S),
        ("Cu-67", 61.83 * HOUR_S),
        ("Ga-68", 67.71 * MINUTE_S),
        ("Pb-212", 10.64 * HOUR_S),
        ("Pb-203", 51.873 * HOUR_S),
        ("At-211", 7.214 * HOUR_S),
        ("I-131", 8.0207 * DAY_S),
        ("Y-90", 64.10 * HOUR_S),
        ("Po-213", 4.2e-6),
        ("Lu-177m", 160.4 * DAY_S),
    ],
)
def test_half_lives_of_icrp_107(name, half_life_s):
    found = nuclide(name)
    assert found.half_life_s == pytest.approx(half_life_s, rel=1e-6)
    assert found.decay_constant_per_s * found.half_life_s == pytest.approx(np.log(2.0), rel=1e-15)
    assert found.half_life_source == "ICRP-107"


@pytest.mark.parametrize(
    ("name", "half_life_s"),
    [
        ("Ac-225", 9.920 * DAY_S),  # Pomme 2012
        ("Tb-161", 6.953 * DAY_S),  # Duran 2020
        ("Y-90", 2.6684 * DAY_S),  # DDEP
        ("I-131", 8.0233 * DAY_S),  # DDEP
    ],
)
def test_newer_half_lives_by_choice(name, half_life_s):
    found = nuclide(name, "newer")
    assert found.half_life_s == pytest.approx(half_life_s, rel=1e-12)
    assert found.half_life_source != "ICRP-107"
    assert ("not checked" in found.half_life_source) == (name == "Ac-225")
    assert found.half_life_verified == (name != "Ac-225")
    assert found.energy_per_decay_mev == nuclide(name).energy_per_decay_mev


@pytest.mark.parametrize("name", ["Lu-177", "Ac-225", "Po-213", "Bi-207", "At-217", "Tl-208", "U-238"])
def test_half_lives_of_both_data_sets_agree(name):
    # other code: radioactivedecay 0.6.1; both hold ICRP 107
    import radioactivedecay

    assert nuclide(name).half_life_s == pytest.approx(radioactivedecay.Nuclide(name).half_life("s"), rel=1e-9)


def test_newer_falls_back_where_the_table_has_none():
    assert nuclide("Sm-153", "newer").half_life_source == "ICRP-107"


def test_energies_are_those_of_the_emissions():
    found, emitted = nuclide("Bi-213").energy_per_decay_mev, emissions("Bi-213")
    assert found.electron == emitted.electron_energy_mev
    assert found.photon == emitted.photon_energy_mev
    assert found.alpha == emitted.alpha_energy_mev
    assert found.recoil == emitted.recoil_energy_mev


def test_photon_lines_by_decreasing_yield_and_complete():
    lines = nuclide("Lu-177").photon_lines
    yields = [line.yield_per_decay for line in lines]
    assert yields == sorted(yields, reverse=True)
    energy = sum(line.energy_mev * line.yield_per_decay for line in lines)
    assert energy == pytest.approx(nuclide("Lu-177").energy_per_decay_mev.photon, rel=1e-12)


@pytest.mark.parametrize(
    ("parent", "expected"),  # ICRP 107
    [
        ("Lu-177m", {"Hf-177": 0.783, "Lu-177": 0.217}),
        ("Bi-213", {"Po-213": 0.9791, "Tl-209": 0.0209}),
        ("Bi-212", {"Po-212": 0.6406, "Tl-208": 0.3594}),
        ("At-211", {"Po-211": 0.582, "Bi-207": 0.418}),
    ],
)
def test_branching(parent, expected):
    assert {child.nuclide: child.branching for child in nuclide(parent).progeny} == pytest.approx(
        expected, abs=5e-5
    )


@pytest.mark.parametrize(
    ("name", "energies_kev"),
    [("Lu-177", [208.4, 112.9]), ("I-131", [364.5]), ("Tc-99m", [140.5]), ("In-111", [245.4])],
)
def test_gamma_camera_windows(name, energies_kev):
    found = [line.energy_mev * 1e3 for line in detectable_photopeaks(name)]
    for energy_kev in energies_kev:
        assert any(abs(one - energy_kev) < 0.5 for one in found), found


def test_photopeaks_join_what_a_camera_cannot_separate():
    peaks = detectable_photopeaks("Lu-177")
    assert [round(peak.energy_mev * 1e3) for peak in peaks] == [208, 113, 55]
    k_alpha = peaks[2]
    assert k_alpha.yield_per_decay == pytest.approx(0.0285 + 0.0163, abs=1e-4)  # ICRP 107, K alpha 1 and 2 of Hf
    assert detectable_photopeaks("Y-90") == ()


def test_nuclide_refuses():
    with pytest.raises(InputError, match="spelled 'Lu-177'"):
        nuclide("Hf-177")  # stable
    with pytest.raises(InputError, match="expected 'ICRP-107' or 'newer'"):
        nuclide("Lu-177", "mine")  # type: ignore[arg-type]


def test_importing_does_not_bring_the_plotting_library():
    code = "import sys, lutetia.physics.nuclides as n; n.nuclide('Lu-177'); print('matplotlib' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
