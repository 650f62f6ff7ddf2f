"""Choosing how the dose is computed, through the command line."""

import csv
import json

import numpy as np
import pytest
import yaml

from lutetia.images.grid import Grid
from lutetia.images.nifti import write_nifti
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

GRID = Grid(size=(28, 24, 20), spacing_mm=(6.0, 6.0, 6.0), origin_mm=(-84.0, -72.0, -60.0))
CONCENTRATION_BQ_PER_ML = {"liver": 2e5, "kidney left": 8e5, "lesion 1": 3e6}


@pytest.fixture
def images(tmp_path):
    """Two quantitative images of a liver, a kidney and a lesion, and their labels: small, and quick to compute."""
    folder = tmp_path / "images"
    folder.mkdir()
    labels = np.zeros(GRID.shape, np.int16)
    labels[4:16, 4:16, 4:12], labels[6:14, 8:13, 18:23], labels[10:13, 18:21, 10:13] = 1, 2, 3
    table = {
        1: Region(name="liver", kind="organ", source="label map"),
        2: Region(name="kidney left", kind="organ", side="left", source="label map"),
        3: Region(name="lesion 1", kind="lesion", source="label map"),
    }
    start = np.full(GRID.shape, 1e4)
    for label, region in table.items():
        start[labels == label] = CONCENTRATION_BQ_PER_ML[region.name]
    for hours in (24, 96):
        values = (start * 2 ** (-hours / 60)).astype(np.float32)
        write_nifti(Volume(grid=GRID, values=values, unit="Bq/mL"), folder / f"spect_{hours}h.nii.gz")
    write_nifti(Regions(grid=GRID, labels=labels, table=table), folder / "labels.nii.gz")
    return folder


@pytest.fixture
def run(images, lutetia):
    """Run the small case by a method: (exit code, document)."""
    count = iter(range(100))

    def call(*options, dose=None):
        case = {
            "folder": ".", "regions": ["labels.nii.gz"], "registration": "none",
            "administration": {"nuclide": "Lu-177", "activity_MBq": 7400, "time": "2026-03-02T10:15:00"},
            "scans": [
                {"label": f"{h} h", "images": [f"spect_{h}h.nii.gz"], "time_h": h, "unit": "Bq/mL"} for h in (24, 96)
            ],
        }  # fmt: skip
        if dose is not None:
            case["dose"] = dose
        path = images / "case.yaml"
        path.write_text(yaml.safe_dump(case), "utf-8")
        code, document, _ = lutetia("run", path, "--out", images.parent / f"out{next(count)}", *options)
        return code, document

    return call


def by_region(document):
    return {region["region"]: region for region in document["regions"]}


def test_the_default_is_monte_carlo_and_says_so(run, images):
    code, document = run()
    assert code == 0, document
    for region in document["regions"]:
        assert region["dose_method"] == "montecarlo"
        assert list(region["by_method_Gy"]) == ["local", "kernel", "montecarlo", "organ"]
        assert region["absorbed_dose_Gy"] == region["by_method_Gy"]["montecarlo"]["mean"]
        assert region["uncertainty_budget"]["Monte Carlo statistics"] > 0
        if region["kind"] != "remainder":
            statistical = region["by_method_Gy"]["montecarlo"]["u_statistical"]
            assert statistical < 0.01 * region["absorbed_dose_Gy"]
    provenance = json.loads((images.parent / "out0" / "provenance.json").read_text())["dose"]
    assert provenance["method"] == "montecarlo"
    assert "blood" in provenance["mass convention"]
    record = provenance["methods"]["montecarlo"]
    assert record["seed"] == 1
    assert any("histories" in key and record[key] > 0 for key in record)
    assert any("cut-off" in key for key in record)
    assert record["relative uncertainty reached"] <= 0.01


def test_without_time_the_kernel_stands_in_and_a_warning_says_why(run, images):
    code, document = run("--time-budget", "0")
    assert code == 0
    assert all(region["dose_method"] == "kernel" for region in document["regions"])
    assert "montecarlo" not in document["regions"][0]["by_method_Gy"]
    assert any(
        "in place of Monte Carlo" in warning and "--time-budget" in warning for warning in document["warnings"]
    )
    provenance = json.loads((images.parent / "out0" / "provenance.json").read_text())["dose"]
    assert "no time" in provenance["chosen because"]


def test_the_case_file_takes_the_same_and_options_go_before_it(run, images):
    _, document = run("--method", "local", dose={"method": "organ", "seed": 3})
    assert document["regions"][0]["dose_method"] == "local"
    out = images.parent / "out0"
    assert json.loads((out / "provenance.json").read_text())["dose"]["chosen because"] == "asked for"
    # the methods stand side by side in every output
    with (out / "methods.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"local", "kernel", "organ"}
    assert [row["method"] for row in rows if row["chosen"] == "True"] == ["local"] * (len(rows) // 3)
    page = (out / "report.html").read_text()
    assert "Methods side by side" in page
    assert page.count("the result") == 1
    assert "blood in the organ included" in page


def test_doses_by_organ_from_the_case_file(run):
    _, document = run(dose={"method": "organ"})
    for region in document["regions"]:
        assert region["dose_method"] == "organ"
        assert region["absorbed_dose_Gy"] == region["by_method_Gy"]["organ"]["mean"]


@pytest.mark.parametrize(
    ("options", "dose", "words"),
    [
        (["--uncertainty", "1"], None, "per cent with their sign"),
        (["--uncertainty", "0%"], None, "expected 0.01 to 50 %"),
        (["--uncertainty", "80%"], None, "expected 0.01 to 50 %"),
        (["--seed", "-1"], None, "expected a whole number of 0 or more"),
        ([], {"method": "mird"}, "expected one of auto, local, kernel, montecarlo, organ"),
        ([], {"seed": 1.5}, "seed is 1.5"),
        ([], {"time_budget_s": -3}, "expected a number of at least 0"),
        ([], {"sex": "unknown"}, "expected one of male, female"),
        ([], {"histories": 3}, "unknown key histories"),
        ([], {"saf_folder": 3}, "expected the path of a folder"),
    ],
)
def test_settings_that_cannot_be_are_refused(run, options, dose, words):
    code, document = run(*options, dose=dose)
    assert code == 2
    assert words in document["error"]["message"]


def test_tables_of_the_user_need_a_sex_and_must_be_there(run, images):
    (images / "saf").mkdir()
    code, document = run(dose={"method": "organ", "saf_folder": "saf"})
    assert code == 3
    assert "sex" in document["error"]["message"]
    code, document = run(dose={"method": "organ", "saf_folder": "saf", "sex": "male"})
    assert code == 3
    assert "electronic annex of ICRP Publication 133" in document["error"]["message"]
