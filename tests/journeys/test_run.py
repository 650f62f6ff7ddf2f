"""From a DICOM folder to the report, as a user does it: good ways first, then everything that goes wrong."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from lutetia.images.grid import Grid
from lutetia.images.nifti import write_nifti
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

REGION_KEYS = {
    "region", "kind", "mass_g", "time_integrated_activity_MBq_h", "u_time_integrated_activity_MBq_h",
    "effective_half_life_h", "extrapolated_fraction", "absorbed_dose_Gy", "u_absorbed_dose_Gy",
    "absorbed_dose_Gy_per_GBq", "method",
}  # fmt: skip


def digest(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*"))}


def nothing_left(tmp_path, out):
    return not out.exists() and not list(tmp_path.glob(".*partial*"))


@pytest.fixture(scope="module")
def finished(acquired, tmp_path_factory):
    """One whole run by the installed command, in a process of its own."""
    out = tmp_path_factory.mktemp("run") / "report"
    camera = acquired.document["camera"]
    before = digest(acquired.folder)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lutetia"), "run", acquired.folder, "--out", out, "--json",
            "--sensitivity-cps-per-MBq", str(camera["sensitivity_cps_per_MBq"]),
            "--sensitivity-uncertainty-percent", "2", "--collimator", camera["collimator"],
            "--agent", "177Lu-DOTATATE",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert digest(acquired.folder) == before
    return out, json.loads(done.stdout)


def test_document_has_the_promised_keys(finished):
    out, document = finished
    assert document["out"] == str(out)
    assert isinstance(document["warnings"], list)
    names = {region["region"] for region in document["regions"]}
    assert {"kidney left", "kidney right", "liver", "spleen", "lesion 1", "remainder"} <= names
    for region in document["regions"]:
        assert set(region) >= REGION_KEYS
        assert region["u_absorbed_dose_Gy"] is None or region["u_absorbed_dose_Gy"] > 0


def test_doses_agree_with_the_truth(finished, acquired):
    # a coarse camera of 9.6 mm pixels: large organs within 15 %, and within three of their standard uncertainties
    for region in finished[1]["regions"]:
        if region["region"] not in {"liver", "spleen", "kidney left", "kidney right"}:
            continue
        truth = acquired.truth.doses[region["region"]].absorbed_dose_gy
        assert region["absorbed_dose_Gy"] == pytest.approx(truth, rel=0.15)
        assert abs(region["absorbed_dose_Gy"] - truth) < 3 * region["u_absorbed_dose_Gy"]


def test_everything_is_written(finished):
    out, document = finished
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names >= {
        "dose.json", "doses.csv", "curves.csv", "dvh.csv", "uncertainty_budget.csv", "provenance.json", "report.html",
        "report.pdf", "dicom/absorbed_dose_rtdose.dcm", "dicom/regions_seg.dcm", "dicom/absorbed_dose_map.dcm",
        "dicom/time_integrated_activity_map.dcm", "nifti/absorbed_dose_Gy.nii.gz", "nifti/regions.nii.gz",
    }  # fmt: skip
    assert json.loads((out / "dose.json").read_text()) == document
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")


def test_report_needs_nothing_else_and_names_nobody(finished):
    out, document = finished
    page = (out / "report.html").read_text()
    assert "Research use only" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert "nan" not in page.lower().replace("data:image", "").split("<img")[0]
    for region in document["regions"]:
        assert region["region"] in page
    for text in (out / "dose.json", out / "provenance.json", out / "doses.csv", out / "report.html"):
        assert "VIRTUAL0003" not in text.read_text()
        assert "Virtual^" not in text.read_text()


def test_dicom_results_satisfy_the_standard(finished):
    checker = Path(sys.executable).with_name("dciodvfy")
    for path in (finished[0] / "dicom").glob("*.dcm"):
        done = subprocess.run([checker, path], capture_output=True, text=True, check=False)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
        assert not errors, f"{path.name}: {errors[:3]}"


def test_integral_of_the_map_is_the_sum_of_the_regions(finished):
    import SimpleITK

    path = finished[0] / "nifti" / "time_integrated_activity_Bq_s_per_mL.nii.gz"
    image = SimpleITK.ReadImage(str(path))
    total = float(SimpleITK.GetArrayFromImage(image).sum(dtype=float)) * math.prod(image.GetSpacing()) * 1e-3
    regions = sum(r["time_integrated_activity_MBq_h"] for r in finished[1]["regions"]) * 3600e6
    assert total == pytest.approx(regions, rel=1e-3)


def test_inspect_proposes_a_case_that_runs_on(patient, tmp_path, lutetia):
    (patient / "notes.txt").write_text("junk")
    code, document, _ = lutetia("inspect", patient, "--case", tmp_path / "case.yaml")
    assert code == 0
    assert sorted(s["role"] for s in document["series"]) == ["ct"] * 3 + ["nm raw"] * 3 + ["rtstruct"]
    assert document["n_not_dicom"] == 1
    assert {"role", "modality", "series_instance_uid", "n_files", "start_time", "problems"} <= set(
        document["series"][0]
    )
    raw = next(s for s in document["series"] if s["role"] == "nm raw")
    assert raw["hours_after_administration"] == pytest.approx(4.0)
    assert raw["nuclide"] == "Lu-177"
    code, document, message = lutetia("run", tmp_path / "case.yaml", "--out", tmp_path / "out")
    assert code == 3  # what a camera cannot know is asked for
    assert "sensitivity" in document["error"]["message"]
    assert document["error"]["kind"] in message


def test_everything_missing_is_named_at_once(patient, tmp_path, lutetia):
    for path in patient.rglob("bed*.dcm"):
        dataset = pydicom.dcmread(path)
        del dataset.RadiopharmaceuticalInformationSequence
        dataset.AcquisitionDate = dataset.AcquisitionTime = dataset.ContentDate = dataset.ContentTime = ""
        dataset.pop("AcquisitionDateTime", None)
        dataset.save_as(path)
    code, document, _ = lutetia("run", patient, "--out", tmp_path / "out")
    message = document["error"]["message"]
    assert code == 3
    for wanted in ("--nuclide", "--activity-MBq", "--administered-at", "--time-h", "--sensitivity-cps-per-MBq"):
        assert wanted in message
    assert nothing_left(tmp_path, tmp_path / "out")


def fails(lutetia, tmp_path, code, words, *arguments):
    found, document, _ = lutetia("run", *arguments, "--out", tmp_path / "out")
    assert found == code, document
    assert words in document["error"]["message"], document["error"]["message"]
    assert nothing_left(tmp_path, tmp_path / "out")


def test_truncated_projections(patient, options, tmp_path, lutetia):
    path = next(patient.rglob("bed1.dcm"))
    path.write_bytes(path.read_bytes()[:-1000])
    fails(lutetia, tmp_path, 4, "bed1.dcm", patient, *options)


def test_two_patients(patient, options, tmp_path, lutetia):
    for path in (patient / "session3").rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID = "SOMEBODYELSE"
        dataset.save_as(path)
    fails(lutetia, tmp_path, 4, "2 patients", patient, *options)


def test_two_frames_of_reference_without_registration(patient, options, tmp_path, lutetia):
    fails(lutetia, tmp_path, 5, "different frames of reference", patient, *options, "--no-registration")


def test_missing_energy_window(patient, options, tmp_path, lutetia):
    path = next(patient.rglob("bed1.dcm"))
    dataset = pydicom.dcmread(path)
    del dataset.EnergyWindowInformationSequence
    dataset.save_as(path)
    fails(lutetia, tmp_path, 4, "(0054,0012)", patient, *options)


def test_ct_that_does_not_cover_the_spect(patient, options, tmp_path, lutetia):
    for ct in patient.glob("session*/ct"):
        files = sorted(ct.glob("*.dcm"), key=lambda p: float(pydicom.dcmread(p).ImagePositionPatient[2]))
        for path in files[: -len(files) // 4]:
            path.unlink()
    fails(lutetia, tmp_path, 5, "does not cover", patient, *options)


def test_zero_counts(patient, options, tmp_path, lutetia):
    for path in patient.rglob("bed*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = np.zeros_like(dataset.pixel_array).tobytes()
        dataset.save_as(path)
    fails(lutetia, tmp_path, 2, "no counts", patient, *options)


def test_scan_before_the_administration(patient, options, tmp_path, lutetia):
    fails(lutetia, tmp_path, 2, "expected more than 0", patient, *options, "--administered-at", "2026-03-03T10:15")


def test_one_scan_with_a_bi_exponential(patient, options, tmp_path, lutetia):
    shutil.rmtree(patient / "session1")
    shutil.rmtree(patient / "session3")
    fails(lutetia, tmp_path, 6, "1 time point", patient, *options, "--model", "bi")


def test_unknown_nuclide(patient, options, tmp_path, lutetia):
    fails(lutetia, tmp_path, 2, "Lu-999", patient, *options, "--nuclide", "Lu-999")


def test_disk_full_while_writing(patient, options, tmp_path, lutetia, monkeypatch):
    shutil.rmtree(patient / "session1")
    shutil.rmtree(patient / "session3")

    def full(*_arguments, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lutetia.app.report.html.write_html", full)
    fails(lutetia, tmp_path, 10, "No space left on device", patient, *options)


def test_output_never_goes_into_the_input(patient, options, lutetia):
    code, document, _ = lutetia("run", patient, "--out", patient / "out", *options)
    assert code == 2
    assert "inside the input folder" in document["error"]["message"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_foreign_folder_is_never_replaced(patient, options, tmp_path, lutetia, force):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.txt").write_text("years of work")
    code, document, _ = lutetia("run", patient, "--out", out, *options, *force)
    assert code == 2
    assert "exists" in document["error"]["message"]
    assert (out / "chapter1.txt").read_text() == "years of work"


def test_case_file_with_a_wrong_key(tmp_path, lutetia, case_file):
    path = case_file({"scan": []})
    fails(lutetia, tmp_path, 2, "unknown key scan", path)


def test_one_scan_and_automatic_regions(patient, options, tmp_path, lutetia):
    shutil.rmtree(patient / "session1")
    shutil.rmtree(patient / "session3")
    (patient / "session2" / "rtstruct.dcm").unlink()
    code, document, _ = lutetia("run", patient, "--out", tmp_path / "out", *options)
    assert code == 0
    assert any("found automatically" in w for w in document["warnings"])
    kidneys = [r for r in document["regions"] if r["region"].startswith("kidney")]
    assert kidneys
    assert all("population posterior" in r["method"] for r in kidneys)
    # half-lives of a population leave the dose open by more than four scans do, and both sides unequally
    for kidney in kidneys:
        low, high = kidney["interval_95_Gy"]
        assert low < kidney["absorbed_dose_Gy"] < high
        assert "was not verified" in " ".join(kidney["warnings"])
    assert os.path.exists(tmp_path / "out" / "report.html")  # noqa: PTH110


def test_one_scan_by_the_patients_own_kinetics(patient, options, tmp_path, lutetia):
    first = tmp_path / "first"
    code, earlier, _ = lutetia("run", patient, "--out", first, *options)
    assert code == 0
    shutil.rmtree(patient / "session1")
    shutil.rmtree(patient / "session3")
    code, document, errors = lutetia(
        "run", patient, "--out", tmp_path / "second", *options, "--earlier", first / "dose.json", "--model", "known"
    )
    assert code == 0, errors
    before = {r["region"]: r for r in earlier["regions"]}
    for row in document["regions"]:
        if row["kind"] == "remainder":
            continue
        assert "own kinetics" in row["method"]
        # the same patient, one of the same scans: off the fit of all scans by what the uncertainties say
        key = "time_integrated_activity_MBq_h"
        u = math.hypot(row["u_" + key], before[row["region"]]["u_" + key])
        assert abs(row[key] - before[row["region"]][key]) < 4 * u
        low, high = row["interval_95_Gy"]
        assert low < row["absorbed_dose_Gy"] < high


def test_scans_scaled_one_by_one_give_no_dose(shared_data, tmp_path, lutetia):
    fails(
        lutetia,
        tmp_path,
        6,
        "impossible",
        shared_data / "lu177_fap_4tp",
        "--nuclide",
        "Lu-177",
        "--activity-MBq",
        "7400",
    )


@pytest.mark.slow
def test_a_real_patient(shared_data, tmp_path, lutetia):
    code, document, _ = lutetia(
        "run", shared_data / "lu177_patient_spect", "--out", tmp_path / "out", "--nuclide", "Lu-177",
        "--activity-MBq", "7400", "--time-h", "24", "--sensitivity-cps-per-MBq", "6",
    )  # fmt: skip
    assert code == 0
    doses = {r["region"]: r["absorbed_dose_Gy_per_GBq"] for r in document["regions"]}
    # 177Lu-PSMA-617 kidneys 0.81 +- 0.32 Gy/GBq (JNM 60:1579); the sensitivity is assumed, so three of these
    for side in ("left", "right"):
        assert 0.0 < doses[f"kidney {side}"] < 0.81 + 3 * 0.32
    assert "spleen" in doses


def test_quantitative_nifti_with_labels(tmp_path, lutetia, case_file):
    """Images and labels from research software: three scans in Bq/mL, no CT, no DICOM."""
    grid = Grid(size=(24, 20, 16), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-46.0, -38.0, -30.0))
    labels = np.zeros(grid.shape, np.int16)
    labels[4:12, 4:12, 4:12] = 1
    table = {1: Region(name="liver", kind="organ", source="test", original_name="liver")}
    write_nifti(Regions(grid=grid, labels=labels, table=table), tmp_path / "labels.nii.gz")
    rate = math.log(2) / 60.0
    for hours in (4, 24, 72):
        values = np.where(labels == 1, 1e5 * math.exp(-rate * hours), 1.0).astype(np.float32)
        write_nifti(Volume(grid=grid, values=values, unit="Bq/mL"), tmp_path / f"at{hours}.nii")
    path = case_file(
        {
            "administration": {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE", "activity_MBq": 7400},
            "registration": "none",
            "regions": ["labels.nii.gz"],
            "scans": [
                {"label": f"{h} h", "images": [f"at{h}.nii"], "time_h": h, "unit": "Bq/mL"} for h in (4, 24, 72)
            ],
        }
    )
    out = tmp_path.parent / f"{tmp_path.name}-out"
    code, document, _ = lutetia("run", path, "--out", out)
    assert code == 0, document
    liver = next(r for r in document["regions"] if r["region"] == "liver")
    # closed forms: A0/k with A0 = 1e5 Bq/mL x 32.768 mL, k = ln2/60 h
    assert liver["effective_half_life_h"] == pytest.approx(60, rel=1e-3)
    assert liver["time_integrated_activity_MBq_h"] == pytest.approx(1e5 * 32.768e-6 / rate, rel=1e-3)
    assert any("density" in w for w in document["warnings"])
    assert not (out / "dicom").exists()
    assert (out / "report.pdf").stat().st_size > 10_000
