"""Kinetics of voxels from the case file to the maps."""

import numpy as np
import pytest
import SimpleITK
import yaml

from lutetia.images.grid import Grid
from lutetia.images.nifti import write_nifti
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.time_integrated_map import time_weights_s
from lutetia.physics.nuclides import nuclide

GRID = Grid(size=(24, 20, 16), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-46.0, -38.0, -30.0))
HOURS = (4, 24, 72, 168)
HALF_LIVES_H = (40.0, 90.0)


@pytest.fixture
def run(tmp_path, lutetia):
    """Four scans of a liver whose halves keep their activity for different times: (exit code, document, folder)."""
    labels = np.zeros(GRID.shape, np.int16)
    labels[4:12, 4:14, 4:20] = 1
    half_life_h = np.where(np.arange(24) < 12, *HALF_LIVES_H)[None, None, :]
    rng = np.random.default_rng(1)
    for hours in HOURS:
        values = np.where(labels == 1, 1e5 * 2 ** (-hours / half_life_h), 1.0)
        noisy = values * (1 + 0.03 * rng.standard_normal(values.shape))
        write_nifti(Volume(grid=GRID, values=noisy, unit="Bq/mL"), tmp_path / f"at{hours}.nii")
    table = {1: Region(name="liver", kind="organ", source="test", original_name="liver")}
    write_nifti(Regions(grid=GRID, labels=labels, table=table), tmp_path / "labels.nii.gz")

    def call(scans=HOURS, **kinetics):
        case = {
            "administration": {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE", "activity_MBq": 7400},
            "registration": "none", "regions": ["labels.nii.gz"], "dose": {"method": "kernel"}, "kinetics": kinetics,
            "scans": [{"label": f"{h} h", "images": [f"at{h}.nii"], "time_h": h, "unit": "Bq/mL"} for h in scans],
        }  # fmt: skip
        path = tmp_path / "case.yaml"
        path.write_text(yaml.safe_dump(case), "utf-8")
        out = tmp_path.parent / f"{tmp_path.name}-{kinetics.get('voxels')}"
        code, document, _ = lutetia("run", path, "--out", out)
        return code, document, out

    return call


def nifti(out, name):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(out / "nifti" / f"{name}.nii.gz")))


INNER = (slice(6, 10), slice(6, 12))
FAST, SLOW = (*INNER, slice(6, 10)), (*INNER, slice(14, 18))


@pytest.mark.parametrize("voxels", ["shrunk", "mono", "auto"])
def test_each_half_has_its_half_life_and_the_region_its_integral(run, voxels):
    code, document, out = run(voxels=voxels)
    assert code == 0, document
    half_life_h = nifti(out, "effective_half_life_h")
    # 3 % noise in four scans leaves 3 % in a voxel's half-life, 96 voxels a third of a per cent
    assert half_life_h[FAST].mean() == pytest.approx(40, rel=0.02)
    assert half_life_h[SLOW].mean() == pytest.approx(90, rel=0.02)
    tia, spread = (nifti(out, f"time_integrated_activity{u}_Bq_s_per_mL") for u in ("", "_uncertainty"))
    # the same activity at the start: integrals as half-lives
    assert tia[SLOW].mean() / tia[FAST].mean() == pytest.approx(90 / 40, rel=0.02)
    assert 0.005 < np.median(spread[SLOW] / tia[SLOW]) < 0.2
    assert np.isin(nifti(out, "voxel_kinetics_status")[FAST], (1, 2)).all()
    total = sum(r["time_integrated_activity_MBq_h"] for r in document["regions"]) * 3600e6
    assert tia.sum(dtype=float) * GRID.voxel_ml == pytest.approx(total, rel=1e-5)


def test_the_default_is_the_curve_of_the_region(run):
    code, document, out = run()
    assert code == 0, document
    assert not (out / "nifti" / "effective_half_life_h.nii.gz").exists()
    tia = nifti(out, "time_integrated_activity_Bq_s_per_mL")
    # the scans' weighted sum, its tail by physical decay, knows less of the difference than the fits
    weights = time_weights_s([3600.0 * h for h in HOURS], nuclide("Lu-177").decay_constant_per_s)
    slow, fast = (weights @ 2 ** (-np.array(HOURS) / half_life_h) for half_life_h in (90, 40))
    assert tia[SLOW].mean() / tia[FAST].mean() == pytest.approx(slow / fast, rel=0.02)


def test_two_scans_cannot_be_shrunk(run):
    code, document, _ = run(scans=(24, 72), voxels="shrunk")
    assert code == 6
    assert "three scans" in document["error"]["message"]


def test_a_wrong_word_is_named(run):
    code, document, _ = run(voxels="all")
    assert code == 2
    assert "kinetics: voxels: 'all'; expected one of region, mono, auto, shrunk" in document["error"]["message"]
