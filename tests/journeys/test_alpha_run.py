"""A run with an alpha emitter: doses hold the daughters, stand apart by radiation, and say what voxels do not show."""

import math

import numpy as np
import pytest

from lutetia.images.grid import Grid
from lutetia.images.nifti import write_nifti
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

MEV_PER_G = 1.602176634e-10
HOURS = (4, 24, 72)


@pytest.fixture
def alpha_case(tmp_path, case_file):
    """Images of a parent in a box of liver and one of tumour, 60 h effective unless said otherwise. [Bq/mL]"""
    grid = Grid(size=(24, 20, 16), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-46.0, -38.0, -30.0))
    labels = np.zeros(grid.shape, np.int16)
    labels[4:12, 4:12, 2:8] = 1
    labels[6:10, 6:10, 14:18] = 2
    table = {
        1: Region(name="liver", kind="organ", source="test", original_name="liver"),
        2: Region(name="lesion 1", kind="lesion", source="test", original_name="lesion 1"),
    }
    write_nifti(Regions(grid=grid, labels=labels, table=table), tmp_path / "labels.nii.gz")

    def write(nuclide="Ac-225", effective_h=60.0, **more):
        rate = math.log(2) / effective_h
        for hours in HOURS:
            values = np.where(labels == 1, 1e3, np.where(labels == 2, 3e3, 1.0)) * math.exp(-rate * hours)
            write_nifti(
                Volume(grid=grid, values=values.astype(np.float32), unit="Bq/mL"), tmp_path / f"at{hours}.nii"
            )
        return case_file(
            {
                "administration": {"nuclide": nuclide, "agent": "DOTATATE", "activity_MBq": 8},
                "registration": "none",
                "regions": ["labels.nii.gz"],
                "scans": [
                    {"label": f"{h} h", "images": [f"at{h}.nii"], "time_h": h, "unit": "Bq/mL"} for h in HOURS
                ],
                **more,
            },
            name=f"case{len(more)}.yaml",
        )

    return write


def by_region(document):
    return {row["region"]: row for row in document["regions"]}


def test_daughters_are_in_the_dose(alpha_case, lutetia, tmp_path):
    out = tmp_path.parent / f"{tmp_path.name}-out"
    code, document, _ = lutetia("run", alpha_case(rbe={"value": 5}), "--out", out)
    assert code == 0, document
    rows = by_region(document)
    for name in ("liver", "lesion 1"):
        row = rows[name]
        decays = row["time_integrated_activity_MBq_h"] * 3.6e9
        parts = row["by_radiation_Gy"]
        # four alphas of 27.481 MeV and recoil of 0.513 MeV in equilibrium (spec/physics.md 1.3), absorbed in the region
        assert parts["alpha"] == pytest.approx(decays * 27.481 * MEV_PER_G / row["mass_g"], rel=1e-3)
        assert parts["recoil"] == pytest.approx(decays * 0.513 * MEV_PER_G / row["mass_g"], rel=2e-3)
        assert row["dose_method"] == "local"
        assert row["absorbed_dose_Gy"] == pytest.approx(sum(parts.values()), rel=1e-6)  # maps are of 32 bits
        assert row["absorbed_dose_Gy"] == pytest.approx(sum(row["by_member_Gy"].values()), rel=1e-6)
        # the sphere of its mass loses electrons and photons only: 2 % of the energy
        assert row["cross_checks_Gy"]["self-dose scaled by mass (sphere)"] == pytest.approx(
            row["absorbed_dose_Gy"], rel=0.02
        )
        high, low = parts["alpha"] + parts["recoil"], parts["electron"] + parts["photon"]
        assert row["rbe_weighted_dose_Gy"] == pytest.approx(5 * high + low, rel=1e-9)
        assert row["horizon_h"] == pytest.approx(4800)
        assert row["assumption"].startswith("equilibrium")
        assert row["biology"] is None
        assert row["bed_Gy"] > 5 * high
    assert "progeny included (Ac-225, Fr-221" in document["methods"]["absorbed dose"]
    assert document["unseen"][0].startswith("Alphas of Ac-225")
    page = (out / "report.html").read_text("utf-8")
    for part in ("Dose by radiation", "What voxels do not show", "Alphas of Ac-225", "RBE of 5"):
        assert part in page
    assert (out / "report.pdf").stat().st_size > 10_000


def test_without_an_rbe_nothing_is_weighted(alpha_case, lutetia, tmp_path):
    out = tmp_path.parent / f"{tmp_path.name}-out"
    code, document, _ = lutetia("run", alpha_case("Pb-212", 8.0), "--out", out)
    assert code == 0, document
    row = by_region(document)["liver"]
    assert row["rbe"] is row["rbe_weighted_dose_Gy"] is row["bed_Gy"] is None
    # 212Pb itself emits no alphas: 7.802 MeV per decay are its daughters' (spec/physics.md 1.3)
    decays = row["time_integrated_activity_MBq_h"] * 3.6e9
    assert row["by_radiation_Gy"]["alpha"] == pytest.approx(decays * 7.802 * MEV_PER_G / row["mass_g"], rel=1e-3)


def test_daughters_that_leave_by_organs(alpha_case, lutetia, tmp_path):
    out = tmp_path.parent / f"{tmp_path.name}-out"
    path = alpha_case(
        redistribution="published", dose={"sex": "female"}, rbe={"value": 5, "endpoint": "nephropathy"}
    )
    code, document, _ = lutetia("run", path, "--out", out)
    assert code == 0, document
    row = by_region(document)["lesion 1"]
    assert row["dose_method"] == "organ"
    assert list(row["by_member_Gy"]) == ["Ac-225"]  # recoil sets all daughters free
    assert "recoil" in row["assumption"]
    assert row["assumption_sources"]
    assert row["rbe"]["endpoint"] == "nephropathy"
    # absorbed elsewhere: voxel methods keep the daughters where they were
    assert row["by_method_Gy"]["local"]["mean"] > 4 * row["absorbed_dose_Gy"]
    assert any("Maps, histograms" in warning for warning in document["warnings"])


@pytest.mark.parametrize(
    ("nuclide", "more", "code", "message"),
    [
        ("Lu-177", {"rbe": {"value": 5}}, 2, "emit no alphas"),
        ("Ac-225", {"redistribution": "published"}, 3, "needs dose: sex"),
        (
            "Ac-225",
            {"redistribution": "published", "dose": {"sex": "male", "method": "kernel"}},
            2,
            "followed by organs",
        ),
        ("Ac-225", {"redistribution": "none.yaml", "dose": {"sex": "male"}}, 3, "no file none.yaml"),
        ("Ac-225", {"rbe": {"endpoint": "nephropathy"}}, 3, "rbe needs its value"),
        ("Ac-225", {"dose": {"sex": "male", "saf_folder": "saf"}}, 2, "leave it out"),
    ],
)
def test_what_cannot_be(alpha_case, lutetia, tmp_path, nuclide, more, code, message):
    out = tmp_path.parent / f"{tmp_path.name}-out"
    found, document, _ = lutetia("run", alpha_case(nuclide, **more), "--out", out)
    assert (found, message in document["error"]["message"]) == (code, True), document["error"]
    assert not out.exists()
