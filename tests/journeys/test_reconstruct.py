"""From raw NM to a quantitative image by the command line, good ways first, then what goes wrong."""

import json
import shutil

import nibabel
import numpy as np
import pydicom
import pytest

from lutetia.images.dicom.nm import read_nm_reconstructed


@pytest.fixture
def session(patient):
    """One session of the virtual patient: (NM folder, CT folder)."""
    folder = sorted(p for p in patient.iterdir() if p.is_dir())[1]
    return folder, folder


def raw_files(folder):
    return sorted(p for p in folder.rglob("*.dcm") if pydicom.dcmread(p, stop_before_pixels=True).Modality == "NM")


def ct_folder(folder):
    return next(
        p.parent for p in folder.rglob("*.dcm") if pydicom.dcmread(p, stop_before_pixels=True).Modality == "CT"
    )


COMMON = ("--camera", "GE-Discovery-670-MEGP", "--iterations", "3", "--subsets", "4")


def test_an_image_comes_out_calibrated_as_dicom_nifti_and_picture(lutetia, session, acquired, tmp_path):
    nm, ct = raw_files(session[0]), ct_folder(session[1])
    out = tmp_path / "image"
    code, document, _ = lutetia(
        "reconstruct", *nm, "--ct", ct, "--out", out, *COMMON, "--sensitivity-cps-per-MBq", "6",
        "--sensitivity-uncertainty-percent", "2",
    )  # fmt: skip
    assert code == 0
    regions = json.loads(acquired.truth_path.read_text("utf-8"))["regions"]
    truth = sum(region["activity_MBq"][1] for region in regions)
    total = document["images"][0]["total_activity_MBq"]
    volume = read_nm_reconstructed(out / "spect.dcm").volume
    assert volume.unit == "Bq/mL"
    assert volume.values.sum() * volume.grid.voxel_ml * 1e-6 == pytest.approx(total, rel=1e-3)  # 16-bit steps
    image = np.asarray(nibabel.load(out / "spect.nii.gz").dataobj)
    assert image.sum() * volume.grid.voxel_ml * 1e-6 == pytest.approx(total, rel=1e-4)
    assert (out / "spect.png").read_bytes().startswith(b"\x89PNG")
    dataset = pydicom.dcmread(out / "spect.dcm")
    mapping = dataset.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "Bq/ml"
    assert list(dataset.ImageType)[2] == "RECON TOMO"
    assert {"ATTN", "SCAT", "DECY"} <= set(dataset.CorrectedImage)
    # one bed shows the trunk of the patient, which holds most of the activity
    assert 0.5 * truth < total < 1.1 * truth
    kept = json.loads((out / "reconstruction.json").read_text("utf-8"))
    assert kept["settings"]["scatter"] == "model"
    assert 0.05 < kept["beds"][0]["peaks"][0]["scatter_share"] < 0.6


def test_without_sensitivity_it_stays_in_counts(lutetia, session, tmp_path):
    code, document, _ = lutetia(
        "reconstruct", *raw_files(session[0]), "--ct", ct_folder(session[1]), "--out", tmp_path / "image", *COMMON,
        "--scatter", "tew",
    )  # fmt: skip
    assert code == 0
    assert document["images"][0]["unit"] == "counts/s"
    assert document["images"][0]["total_activity_MBq"] is None
    assert any("No sensitivity" in w for w in document["warnings"])
    assert read_nm_reconstructed(tmp_path / "image" / "spect.dcm").volume.unit == "counts/s"


def test_algorithms_agree_on_what_there_is(lutetia, session, tmp_path):
    totals = {}
    for name in ("osem", "bsrem"):
        code, document, _ = lutetia(
            "reconstruct", *raw_files(session[0]), "--ct", ct_folder(session[1]), "--out", tmp_path / name, *COMMON,
            "--scatter", "tew", "--algorithm", name, "--penalty", "0.002", "--sensitivity-cps-per-MBq", "6",
        )  # fmt: skip
        assert code == 0
        totals[name] = document["images"][0]["total_activity_MBq"]
    assert totals["bsrem"] == pytest.approx(totals["osem"], rel=0.05)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--camera", "no-such-collimator"), 4, "no-such-collimator"),
        (("--nuclide", "Tc-99m"), 4, "No energy window"),
        (("--nuclide", "Lu-177", "--photopeak-keV", "140"), 4, "no photon line at 140 keV"),
        (("--device", "cuda"), 4, "No CUDA device"),
        (("--sensitivity-cps-per-MBq", "-1"), 3, "expected numbers above 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_leaves_nothing(lutetia, session, tmp_path, options, code, said):
    out = tmp_path / "image"
    found, document, _ = lutetia(
        "reconstruct", *raw_files(session[0]), "--ct", ct_folder(session[1]), "--out", out, *COMMON, *options
    )
    assert said in document["error"]["message"]
    assert found == document["error"]["exit_code"] != 0
    assert not out.exists()
    assert not list(tmp_path.glob(".*partial*"))


def test_the_ct_of_another_session_is_refused(lutetia, patient, tmp_path):
    sessions = sorted(p for p in patient.iterdir() if p.is_dir())
    nm, ct = raw_files(sessions[0]), ct_folder(sessions[1])
    arguments = ("reconstruct", *nm, "--ct", ct, *COMMON, "--scatter", "tew")
    code, document, _ = lutetia(*arguments, "--out", tmp_path / "a")
    assert code != 0
    assert "different frames of reference" in document["error"]["message"]
    code, document, _ = lutetia(*arguments, "--out", tmp_path / "b", "--trust-frames")
    assert code == 0
    assert any("taken as one" in w for w in document["warnings"])


def test_a_folder_without_projections_is_named(lutetia, session, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(next(ct_folder(session[1]).glob("*.dcm")), folder)
    code, document, _ = lutetia("reconstruct", folder, "--out", tmp_path / "image")
    assert code != 0
    assert "no raw NM projections" in document["error"]["message"]


def test_a_record_gives_the_sensitivity_or_says_what_it_holds(lutetia, session, tmp_path):
    record = tmp_path / "camera.json"
    keep = ("--record", record, "--by", "physicist")
    source = ("--activity-MBq", "100", "--activity-at", "2026-02-01T10:00", "--date", "2026-02-01T10:00")
    code, _, told = lutetia(
        "calibrate", "planar", "--nuclide", "Lu-177", *source, "--counts", "36000", "--duration-s", "60", "--window-keV",
        "187.2", "228.8", "--camera", "GE Discovery-670 (simulated)", "--collimator", "MEGP", *keep,
    )  # fmt: skip
    assert code == 0, told
    nm, ct = raw_files(session[0]), ct_folder(session[1])
    arguments = ("reconstruct", *nm, "--ct", ct, *COMMON, "--scatter", "tew", "--calibration-record", record)
    code, document, told = lutetia(*arguments, "--out", tmp_path / "a")
    assert code == 0, told
    assert document["images"][0]["unit"] == "Bq/mL"
    assert any("camera.json" in w for w in document["warnings"])
