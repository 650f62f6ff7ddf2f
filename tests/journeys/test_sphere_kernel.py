"""S coefficients of spheres and kernels by the command line, good ways first, then what goes wrong."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.units import GY_PER_MEV_PER_G


def test_sphere_of_bone(lutetia):
    code, document, _ = lutetia("sphere", "--nuclide", "Lu-177", "--mass-g", 1.74, "--medium", "bone")
    assert code == 0
    assert document["medium"] == "cortical bone"
    # Olguin 2020: 1.36e-11 Gy/(Bq s), a sphere of 6 mm radius
    assert document["s_mGy_per_MBq_s"] == pytest.approx(1.36e-2, rel=0.01)
    assert document["diameter_mm"] == pytest.approx(12.0, rel=0.002)
    assert 0.003 < document["u_relative"] < 0.01
    parts = document["absorbed_keV_by_radiation"]
    assert sum(parts.values()) == pytest.approx(document["absorbed_energy_keV"])
    assert set(parts) == {"electrons", "photons", "alpha", "recoil"}


def test_small_sphere_of_an_alpha_emitter(lutetia):
    code, document, _ = lutetia("sphere", "--nuclide", "211At", "--mass-g", 4e-9)
    assert code == 0
    assert document["nuclide"] == "At-211"
    absorbed, emitted = (document[f"{way}_keV_by_radiation"]["alpha"] for way in ("absorbed", "emitted"))
    # 20 um: 7.5 um of way on average at 90 to 100 keV/um, of 5870 keV
    assert 0.10 < absorbed / emitted < 0.14


def test_sphere_in_words():
    result = CliRunner().invoke(application, ["sphere", "--nuclide", "Ac-225", "--mass-g", "1"])
    assert result.exit_code == 0
    assert "mGy/(MBq s)" in result.stdout
    assert "recoil" in result.stdout
    assert "Research use only" in result.stdout


def test_voxel_kernel_balances(lutetia):
    code, document, _ = lutetia("kernel", "Lu-177", "--voxel", "4.8x4.8x3", "--size", 11)
    assert code == 0
    s = np.array(document["s_mGy_per_MBq_s"])
    assert s.shape == (6, 6, 6)
    assert document["voxel_mm"] == [4.8, 4.8, 3.0]
    # z is the first axis: the neighbour 3 mm off gets more than those 4.8 mm off
    assert s[1, 0, 0] > s[0, 1, 0] == pytest.approx(s[0, 0, 1], rel=0.01)
    whole = np.pad(s, [(5, 0)] * 3, mode="reflect").sum() * 4.8 * 4.8 * 3 * 1e-3 * document["density_g_per_mL"]
    absorbed = whole * 1e-9 / GY_PER_MEV_PER_G * 1e3
    assert absorbed == pytest.approx(document["energy_keV_absorbed"], rel=1e-9)
    assert absorbed + document["energy_keV_escaped"] == pytest.approx(document["energy_keV_emitted"], rel=0.005)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_kernel_in_a_file(lutetia, tmp_path, suffix):
    out = tmp_path / f"kernel{suffix}"
    code, document, _ = lutetia("kernel", "Y-90", "--voxel", 3, "--size", 7, "--out", out)
    assert code == 0
    octant = np.array(document["s_mGy_per_MBq_s"])
    if suffix == ".npz":
        with np.load(out) as kept:
            np.testing.assert_allclose(kept["s_mGy_per_MBq_s"][3:, 3:, 3:], octant)
            assert kept["s_mGy_per_MBq_s"].shape == (7, 7, 7)
    else:
        rows = list(csv.reader(line for line in out.read_text("utf-8").splitlines() if not line.startswith("#")))
        last = {(int(x), int(y), int(z)): float(s) for x, y, z, s in rows}
        assert last[1, 0, 2] == pytest.approx(octant[2, 0, 1], rel=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    code, document, _ = lutetia("kernel", "Y-90", "--voxel", 3, "--size", 7, "--out", out)
    assert code == 10
    assert "--force" in document["error"]["message"]
    assert lutetia("kernel", "Y-90", "--voxel", 3, "--size", 7, "--out", out, "--force")[0] == 0


def test_point_kernel(lutetia):
    code, document, _ = lutetia("kernel", "Y-90", "--point")
    assert code == 0
    assert 0 < document["x50_mm"] < document["x90_mm"] < document["radii_mm"][-1]
    assert np.interp(document["x90_mm"], document["radii_mm"], document["absorbed_fraction"]) == pytest.approx(
        0.9, abs=1e-3
    )
    # shells times their dose hold the energy of the electrons
    edges = np.r_[0.0, document["radii_mm"]] * 0.1
    mass_g = 4 / 3 * np.pi * np.diff(edges**3)
    energy = float(np.array(document["dose_mGy_per_MBq_s"]) @ mass_g) * 1e-9 / GY_PER_MEV_PER_G * 1e3
    assert energy == pytest.approx(document["charged_keV"], rel=1e-3)


@pytest.mark.parametrize("arguments", [["kernel", "Lu-177", "--size", "5"], ["kernel", "At-211", "--point"]])
def test_kernels_in_words(arguments):
    result = CliRunner().invoke(application, arguments)
    assert result.exit_code == 0
    assert "Research use only" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["sphere", "--nuclide", "Lu-177", "--mass-g", "0"], 2, "expected positive values"),
        (["sphere", "--nuclide", "Lu-177", "--mass-g", "1e-12"], 8, "holds from"),
        (["sphere", "--nuclide", "Lu-177", "--mass-g", "1", "--medium", "cheese"], 2, "No material 'cheese'"),
        (["kernel", "Lu-999"], 2, "Lu-177"),
        (["kernel", "Lu-177", "--voxel", "2x2"], 2, "4.8x4.8x3"),
        (["kernel", "Lu-177", "--size", "4"], 2, "odd number"),
        (["kernel", "Lu-177", "--out", "kernel.txt"], 2, ".npz or .csv"),
        (["kernel", "Lu-177", "--out", "nowhere/kernel.npz"], 10, "no folder"),
        (["kernel", "Lu-177", "--point", "--out", "kernel.npz"], 2, "--point"),
        (["kernel", "Lu-177", "--density-g-per-ml", "-1"], 2, "positive"),
        (["kernel", "Lu-177", "--point", "--density-g-per-ml", "0"], 2, "Density"),
    ],
)
def test_errors_are_told(lutetia, arguments, code, said):
    found, document, messages = lutetia(*arguments)
    assert found == code
    assert said in document["error"]["message"]
    assert said in messages
