"""Files in the layout of the electronic annex of ICRP 133, written here with made-up numbers."""

import numpy as np
import pytest

from lutetia.dose.energies import decay_energy
from lutetia.dose.organ_level.folding import folded_per_kg, s_coefficients_from_icrp133
from lutetia.dose.organ_level.icrp133 import read_icrp133, read_saf, read_target_masses_g
from lutetia.errors import InputError, MissingDataError
from lutetia.units import GY_PER_MEV_PER_G

ENERGY_MEV = np.r_[0.001, np.geomspace(0.005, 10, 27)]
TARGETS = {"Brain": 1.517, "Kidneys": 0.422, "Liver": 2.36, "Ovaries": 0.0}
SOURCES = ("Kidneys", "Liver")


def saf_text(fraction, *, targets=tuple(TARGETS), sources=SOURCES, energy_mev=ENERGY_MEV, cutoff="E10.0"):
    """A file of the layout: fractions by ``fraction(target, source, energy)`` in 1/kg."""
    width = 10 if cutoff == "E10.0" else 5
    head = f"{len(targets):4d}{len(sources):4d}{'':14}" + "".join(f"{e:10.5f}" for e in energy_mev)
    lines = ["Specific absorbed fractions", "made up", "1/kg", head + f"{'Ecut':>{width}}{'Ic':>3}", "-" * 60]
    for source in sources:
        for target in targets:
            values = "".join(f"{fraction(target, source, e):10.3E}" for e in energy_mev)
            lines.append(f"{target:<10}<-{source:<10}{values}{0:{width}.0f}{1:3d}")
    return "\r\n".join(lines) + "\r\n"


def charged(target, source, energy):
    return 1 / TARGETS[target] if target == source else 0.0


def photon(target, source, energy):
    """A third of the energy in the organ itself, a hundredth in another, whatever the energy."""
    return (1 / 3 if target == source else 0.01) / max(TARGETS[target], 1e-3)


INDEX = (
    "Target regions\r\nmass of male and female / kg\r\n   4 targets\r\n----\r\n"
    + "".join(f"{name:<12}{mass:12.4E}{0.9 * mass:12.4E}\r\n" for name, mass in TARGETS.items())
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rcp-am_electron_2016-08-12.SAF").write_bytes(saf_text(charged).encode())
    (tmp_path / "rcp-am_photon_2016-08-12.SAF").write_bytes(saf_text(photon).encode())
    energy = np.geomspace(2.0, 12.0, 24)
    (tmp_path / "rcp-am_alpha_2016-08-12.SAF").write_bytes(
        saf_text(charged, energy_mev=energy, cutoff="F5.0").encode()
    )
    (tmp_path / "torgans_2016-08-12.NDX").write_bytes(INDEX.encode())
    return tmp_path


def test_records_have_the_lengths_of_the_annex(folder):
    # 10 + 2 + 10 + 28 x 10 + 10 + 3 for electrons and photons, 10 + 2 + 10 + 24 x 10 + 5 + 3 for alphas
    for name, length in (("electron", 315), ("photon", 315), ("alpha", 270)):
        lines = (folder / f"rcp-am_{name}_2016-08-12.SAF").read_text().splitlines()
        assert {len(line) for line in lines[5:]} == {length}


def test_a_table_is_read_as_it_was_written(folder):
    table = read_saf(folder / "rcp-am_photon_2016-08-12.SAF", "photon")
    assert table.targets == tuple(TARGETS)
    assert table.sources == SOURCES
    assert table.energy_mev == pytest.approx(np.round(ENERGY_MEV, 5))
    assert table.per_kg.shape == (4, 2, 28)
    # three decimals of a mantissa were written
    assert table.per_kg[2, 1] == pytest.approx(1 / 3 / 2.36, rel=1e-3)
    assert table.per_kg[2, 0] == pytest.approx(0.01 / 2.36, rel=1e-3)


def test_masses_are_those_of_the_sex_in_grams(folder, tmp_path):
    index = folder / "torgans_2016-08-12.NDX"
    assert read_target_masses_g(index, "male") == pytest.approx(
        {"Brain": 1517, "Kidneys": 422, "Liver": 2360, "Ovaries": 0}
    )
    assert read_target_masses_g(index, "female")["Liver"] == pytest.approx(0.9 * 2360)
    grams = INDEX.replace("1.5170E+00", "1.5170E+03").replace("1.3653E+00", "1.3653E+03")
    index.write_text(grams)
    assert read_target_masses_g(index, "male")["Brain"] == pytest.approx(1517)


def test_folding_gives_energy_over_mass(folder):
    table = s_coefficients_from_icrp133(read_icrp133(folder, "male"), "Lu-177")
    energy = decay_energy("Lu-177")
    own = table.entries["liver", "liver"]
    # all charged energy stays, a third of the photons'; files of four digits, so 1e-3
    assert own.charged_gy_per_bq_s == pytest.approx(energy.local_mev * GY_PER_MEV_PER_G / 2360, rel=1e-3)
    photons = energy.photons.mean_energy_per_decay_mev
    assert own.photon_gy_per_bq_s == pytest.approx(photons / 3 * GY_PER_MEV_PER_G / 2360, rel=1e-3)
    cross = table.entries["liver", "kidneys"]
    assert cross.charged_gy_per_bq_s == 0.0
    assert cross.photon_gy_per_bq_s == pytest.approx(0.01 * photons * GY_PER_MEV_PER_G / 2360, rel=1e-3)
    assert table.convention == "with blood"
    assert "ICRP Publication 133" in table.origin
    assert not any(target == "ovaries" for target, _ in table.entries)


def test_each_kidney_gets_half_the_mass_of_the_pair(folder):
    table = s_coefficients_from_icrp133(read_icrp133(folder, "male"), "Lu-177")
    left, pair = table.entries["kidney left", "kidney left"], table.entries["kidneys", "kidneys"]
    assert left.target_mass_g == pytest.approx(211)
    assert left.charged_gy_per_bq_s == pytest.approx(2 * pair.charged_gy_per_bq_s)
    assert (
        table.entries["liver", "kidney right"].photon_gy_per_bq_s
        == table.entries["liver", "kidneys"].photon_gy_per_bq_s
    )
    assert (
        table.entries["kidney left", "liver"].photon_gy_per_bq_s
        == table.entries["kidneys", "liver"].photon_gy_per_bq_s
    )
    assert ("kidney left", "kidney right") not in table.entries


def test_alphas_and_recoil_are_absorbed_like_alphas(folder):
    table = s_coefficients_from_icrp133(read_icrp133(folder, "male"), "Ac-225")
    expected = decay_energy("Ac-225").local_mev * GY_PER_MEV_PER_G / 2360
    assert table.entries["liver", "liver"].charged_gy_per_bq_s == pytest.approx(expected, rel=1e-3)


def test_interpolation_meets_the_table_and_stays_between_its_values(folder):
    (folder / "rcp-am_photon_2016-08-12.SAF").write_text(
        saf_text(lambda t, s, e: float(np.exp(-e)) if t == s else 0.0)
    )
    table = read_saf(folder / "rcp-am_photon_2016-08-12.SAF", "photon")
    at_nodes = folded_per_kg(table, table.energy_mev[3:4], np.array([1.0]))
    assert at_nodes[1, 0] == pytest.approx(table.per_kg[1, 0, 3])
    between = folded_per_kg(table, np.array([0.2, 50.0]), np.array([1.0, 0.0]))
    assert between[1, 0] == pytest.approx(np.exp(-0.2), rel=2e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("   4   2", "   4   3"), r"8 lines after the header; line 4 announces 4 targets of 3"),
        (lambda t: t.replace("   4   2", "four two"), r"line 4: 'four two.*expected the number of targets"),
        (lambda t: t.replace("Liver     <-Kidneys", "Lung      <-Kidneys", 1), r"line 12: Liver <- Liver; expected Lung"),
        (lambda t: t.replace("Brain     <-Liver", "Brain       Liver"), r"line 10: .*expected a target of 10 characters"),
        (lambda t: t.replace("2.370E+00", "two point", 1), r"line 7: .* for energy 1; expected a specific absorbed"),
        (lambda t: t[:200], r"4 lines; expected 5 of header"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_of_the_layout_is_refused_with_its_line(folder, change, words):
    path = folder / "rcp-am_electron_2016-08-12.SAF"
    path.write_bytes(change(path.read_text().replace("\n", "\r\n").replace("\r\r", "\r")).encode())
    with pytest.raises(InputError, match=words) as caught:
        read_saf(path, "electron")
    assert "rcp-am_electron_2016-08-12.SAF" in str(caught.value)


def test_what_is_missing_or_double_is_named(folder):
    with pytest.raises(MissingDataError, match=r"no rcp-af_electron_\*\.SAF"):
        read_icrp133(folder, "female")
    (folder / "torgans_2017-03-07.NDX").write_text(INDEX)
    with pytest.raises(InputError, match=r"2 files torgans_\*\.NDX"):
        read_icrp133(folder, "male")
    with pytest.raises(InputError, match="Sex 'child'"):
        read_icrp133(folder, "child")


def test_an_index_whose_unit_is_unknown_is_refused(folder):
    index = folder / "torgans_2016-08-12.NDX"
    index.write_text(INDEX.replace("1.5170E+00", "1.5170E+01"))
    with pytest.raises(InputError, match=r"Brain has a mass of 15\.17"):
        read_icrp133(folder, "male")
