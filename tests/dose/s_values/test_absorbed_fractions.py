"""Folding of specific absorbed fractions: limits, interpolation, mixtures, files."""

import numpy as np
import pytest

from lutetia.dose.s_values.absorbed_fractions import SpecificAbsorbedFractions, folded_s_coefficient, mixed
from lutetia.dose.s_values.marrow import MarrowSite
from lutetia.dose.s_values.table import (
    read_fractions,
    read_table,
    shipped_table,
    table_s_coefficients,
    write_fractions,
    write_marrow,
)
from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.physics.emissions import emissions
from lutetia.units import G_PER_KG, J_PER_MEV

GRID = {"photon": np.array([0.01, 0.1, 1.0, 3.0]), "electron": np.array([0.01, 0.1, 1.0, 3.5])}


def table(radiation, value, *, source="liver", target="liver", mass_g=1800.0, limit=None, u=0.01):
    energy = GRID[radiation]
    values = np.full(energy.size, value) if np.isscalar(value) else np.asarray(value, float)
    return SpecificAbsorbedFractions(
        source=source,
        target=target,
        radiation=radiation,
        energy_mev=energy,
        value_per_kg=values,
        u_relative=np.full(energy.size, u),
        limit_per_kg=values[0] if limit is None else limit,
        target_mass_g=mass_g,
    )


@pytest.mark.parametrize("nuclide", ["Lu-177", "Y-90", "Ac-225", "Ga-68", "I-131", "Tb-161"])
def test_everything_absorbed_gives_all_energy_over_the_mass(nuclide):
    """Closed form: with a fraction of 1 everywhere, S is the energy per decay over the mass."""
    one = G_PER_KG / 1800.0
    found = folded_s_coefficient(nuclide=nuclide, photon=table("photon", one), electron=table("electron", one))
    e = emissions(nuclide)
    energy = e.electron_energy_mev + e.photon_energy_mev + e.alpha_energy_mev + e.recoil_energy_mev
    assert found.total_gy_per_bq_s == pytest.approx(energy * J_PER_MEV / 1.8, rel=1e-6)
    assert found.photon_gy_per_bq_s == pytest.approx(
        e.photons.above(0.01).mean_energy_per_decay_mev * J_PER_MEV / 1.8, rel=1e-6
    )


def test_power_laws_are_interpolated_exactly():
    energy = GRID["photon"]
    found = table("photon", 2.0 * energy**-1.5).at(np.array([0.02, 0.3, 2.0]))
    np.testing.assert_allclose(found, 2.0 * np.array([0.02, 0.3, 2.0]) ** -1.5, rtol=1e-12)


def test_below_the_grid_it_goes_to_the_limit():
    found = table("photon", [0.4, 0.3, 0.2, 0.1], limit=0.5).at(np.array([0.0, 0.005, 0.01]))
    np.testing.assert_allclose(found, [0.5, 0.45, 0.4])


def test_zeros_are_interpolated_linearly():
    found = table("photon", [0.0, 0.2, 0.2, 0.2]).at(np.array([np.sqrt(0.001)]))
    np.testing.assert_allclose(found, [0.1])


def test_above_the_grid_nothing_is_guessed():
    with pytest.raises(OutOfRangeError, match="end at 3 MeV"):
        table("photon", 1.0).at(np.array([3.2]))


def test_beta_shape_counts():
    """A fraction that falls with energy gives less for a spectrum than at its mean energy, by its convexity."""
    falling = 1.0 / (GRID["electron"] + 0.05)
    found = folded_s_coefficient(
        nuclide="Y-90",
        photon=table("photon", 0.0, target="lungs"),
        electron=table("electron", falling, target="lungs"),
    )
    mean = emissions("Y-90").beta_energy_mev
    assert found.total_gy_per_bq_s < mean * table("electron", falling).at(np.array([mean]))[0] * J_PER_MEV


def test_mixture_is_the_weighted_mean():
    left, right = table("photon", 4.0, source="kidney left"), table("photon", 2.0, source="kidney right")
    both = mixed("kidneys", [(0.25, left), (0.75, right)])
    np.testing.assert_allclose(both.value_per_kg, 2.5)
    np.testing.assert_allclose(both.u_relative, np.hypot(0.25 * 4, 0.75 * 2) * 0.01 / 2.5)
    assert both.limit_per_kg == pytest.approx(2.5)
    with pytest.raises(InputError, match=r"sum to 0\.5"):
        mixed("kidneys", [(0.25, left), (0.25, right)])


def test_other_regions_are_refused():
    with pytest.raises(InputError, match="electrons of liver <- spleen"):
        folded_s_coefficient(
            nuclide="Lu-177", photon=table("photon", 1.0), electron=table("electron", 1.0, source="spleen")
        )
    with pytest.raises(InputError, match="as many of each"):
        table("photon", [1.0, 2.0])


def test_a_table_becomes_coefficients_for_patients(tmp_path):
    pairs = [(source, target) for source in ("liver", "spleen") for target in ("liver", "spleen")]
    for radiation in ("photon", "electron"):
        given = [table(radiation, 0.5, source=s, target=t, limit=0.5 if s == t else 0.0) for s, t in pairs]
        write_fractions(tmp_path / f"{radiation}s.csv", given)
    write_marrow(tmp_path / "marrow.csv", [MarrowSite(name="ribs", mass_g=118.0, cellularity=0.7)])
    with pytest.raises(MissingDataError, match=r"no SOURCE\.toml"):
        read_table(tmp_path)
    (tmp_path / "SOURCE.toml").write_text('title = "t"\nphantom = "a box"\n', "utf-8")
    found = read_table(tmp_path)
    assert (found.sources, found.targets, found.marrow[0].name) == (
        ("liver", "spleen"),
        ("liver", "spleen"),
        "ribs",
    )
    rows = table_s_coefficients(found, source="liver", nuclide="Lu-177", targets=found.targets)
    assert [(row.source, row.target) for row in rows] == [("liver", "liver"), ("liver", "spleen")]
    with pytest.raises(InputError, match="no brain <- liver"):
        table_s_coefficients(found, source="liver", nuclide="Lu-177", targets=["brain"])
    with pytest.raises(InputError, match="Sex 'child'"):
        shipped_table("child")


def test_file_keeps_four_digits(tmp_path):
    given = table("photon", [0.123456, 1.2e-9, 0.0, 3.0], u=0.0123)
    write_fractions(tmp_path / "photons.csv", [given])
    found = read_fractions(tmp_path / "photons.csv", "photon")["liver", "liver"]
    np.testing.assert_allclose(found.value_per_kg, given.value_per_kg, rtol=5e-4)
    np.testing.assert_allclose(found.u_relative, 0.012)
    assert (found.limit_per_kg, found.target_mass_g) == (pytest.approx(0.123456), 1800.0)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(InputError, match=r"other\.csv: not a table"):
        read_fractions(tmp_path / "other.csv", "photon")
