"""The index of a folder: roles, patients, copies, what is missing; and no header that makes it fall over."""

import shutil
import warnings
from contextlib import suppress
from datetime import datetime

import numpy as np
import pydicom
import pytest

from lutetia.errors import InputError, LutetiaError
from lutetia.images.acquisition import Administration, EnergyWindow, Equipment, Projections
from lutetia.images.dicom.index import index_dicom
from lutetia.images.dicom.nm import read_nm_reconstructed, read_projections
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_nm import write_nm_recon, write_nm_tomo
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

WHEN = datetime(2026, 3, 2, 10, 0)
GIVEN = Administration(nuclide="Lu-177", activity_bq=7.4e9, time=datetime(2026, 3, 1, 10, 0))
CT_GRID = Grid(
    size=(9, 7, 6), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(-8.0, -6.0, 0.0), frame_of_reference_uid="1.2.9"
)


def bed(**changes):
    fields = {
        "counts": np.random.default_rng(3).poisson(5, (1, 4, 6, 10)).astype(np.float32),
        "windows": (EnergyWindow(lower_mev=0.1872, upper_mev=0.2288, name="208"),),
        "angle_rad": np.radians([0.0, 90.0, 180.0, 270.0]),
        "radius_mm": np.full(4, 240.0),
        "frame_duration_s": np.full(4, 25.0),
        "pixel_mm": (4.0, 4.0),
        "centre_mm": (0.3, -6.9, 10.0),
        "detector": np.zeros(4, np.int64),
        "start_time": WHEN,
        "duration_s": 100.0,
        "frame_of_reference_uid": "1.2.9",
        "series_instance_uid": "1.2.3.77",
        "equipment": Equipment(manufacturer="GE", model="D670", collimator="MEGP"),
    }
    return Projections(**{**fields, **changes})


def identity(patient="P1", name="TEST^ONE"):
    return Identity(
        patient_id=patient, patient_name=name, study_datetime=WHEN, study_instance_uid="1.2.3.4.5",
        frame_of_reference_uid="1.2.9",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A CT series, two beds of raw NM in one series, and a reconstructed image."""
    root = tmp_path / "in"
    ct = Volume(grid=CT_GRID, values=np.zeros(CT_GRID.shape, np.float32), unit="HU")
    write_ct_series(ct, root / "ct", identity=identity(), acquisition_time=WHEN)
    for n, z in enumerate((10.0, 2.0)):
        write_nm_tomo(
            bed(centre_mm=(0.3, -6.9, z)), root / f"nm{n}", identity=identity(), nuclide="Lu-177",
            administration=GIVEN,
        )  # fmt: skip
    spect = Volume(grid=CT_GRID, values=np.ones(CT_GRID.shape, np.float32), unit="Bq/mL")
    write_nm_recon(
        spect,
        root / "recon.dcm",
        identity=identity(),
        nuclide="Lu-177",
        acquisition_time=WHEN,
        administration=GIVEN,
    )
    return root


def by_role(index):
    return {s.role: s for s in index.series}


def rewritten(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def test_series_roles_and_hints(folder):
    told = []
    index = index_dicom(folder, progress=lambda text, fraction: told.append(fraction))
    found = by_role(index)
    assert sorted(found) == ["ct", "nm raw", "nm reconstructed"]
    raw = found["nm raw"]
    assert raw.n_files == 2  # both beds
    assert raw.energy_windows_mev == (pytest.approx((0.1872, 0.2288)),)
    assert (raw.nuclide, raw.unit, raw.collimator) == ("Lu-177", "counts", "MEGP")
    assert raw.administered_activity_bq == pytest.approx(7.4e9)  # stored in MBq in NM
    assert raw.administration_time == GIVEN.time
    assert raw.start_time == WHEN
    assert (found["ct"].size, found["ct"].voxel_mm, found["ct"].unit) == ((9, 7, 6), (2.0, 2.0, 4.0), "HU")
    assert found["nm reconstructed"].unit == "Bq/mL"
    assert {s.problems for s in index.series} == {()}
    assert index.problems == ()
    assert told
    assert told[0] == 0


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        index_dicom(tmp_path / "nowhere")


def test_junk_is_counted_and_broken_files_are_named(folder):
    (folder / "notes.txt").write_text("no image")
    (folder / "empty").write_bytes(b"")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "broken").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00")
    bare = next((folder / "ct").iterdir()).read_bytes()[132:]
    (folder / "bare.dcm").write_bytes(bare)
    index = index_dicom(folder)
    assert index.n_not_dicom == 2
    assert [name for name, _ in index.unreadable] == ["bare.dcm", "deep/er/broken"]
    assert "preamble" in index.unreadable[0][1]
    assert "2 broken DICOM files" in index.problems
    assert len(index.series) == 3


def test_patients_are_told_apart_but_never_named(folder):
    write_nm_tomo(
        bed(series_instance_uid="1.2.3.88"), folder / "other.dcm", identity=identity("P2", "OTHER^TWO"),
        nuclide="Lu-177", administration=None,
    )  # fmt: skip
    index = index_dicom(folder)
    assert "images of 2 patients" in index.problems
    assert {s.patient_key for s in index.series} == {"patient 1", "patient 2"}
    assert not any(word in repr(index) for word in ("P2", "OTHER", "TEST^ONE"))


def test_two_patients_in_one_series_are_two_entries(folder):
    def someone_else(dataset):
        dataset.PatientID, dataset.PatientName = "P2", "OTHER^TWO"

    rewritten(folder / "nm1", someone_else)
    index = index_dicom(folder)
    assert sorted((s.patient_key, s.n_files) for s in index.series if s.role == "nm raw") == [
        ("patient 1", 1),
        ("patient 2", 1),
    ]


@pytest.mark.parametrize("name", ["", "Test^One^^"])
def test_blank_or_differently_padded_names_are_the_same_patient(folder, name):
    def blank(dataset):
        dataset.PatientName, dataset.PatientID = name, "P1" if name else ""

    rewritten(folder / "recon.dcm", blank)
    assert {s.patient_key for s in index_dicom(folder).series} == {"patient 1"}


def test_copies_are_left_out(folder):
    shutil.copytree(folder / "ct", folder / "again")
    shutil.copy(folder / "nm0", folder / "nm0 (2)")
    index = index_dicom(folder)
    assert {s.role: s.n_files for s in index.series} == {"ct": 6, "nm raw": 2, "nm reconstructed": 1}
    assert "7 files are copies of others and were left out" in index.problems


def test_roles_follow_the_object_not_the_modality(folder):
    """Dose reports and localizers carry the CT's modality, often its series."""
    files = sorted((folder / "ct").iterdir())

    def report(dataset):
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"

    def localizer(dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    rewritten(files[0], report)
    rewritten(files[5], localizer)
    found = {s.role: s for s in index_dicom(folder).series}
    assert found["ct"].n_files == 4
    assert found["ct"].problems == ()
    assert found["other"].n_files == 2


def test_enhanced_images_are_named_as_not_read(folder):
    def enhanced(dataset):
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.130"

    rewritten(folder / "recon.dcm", enhanced)
    other = by_role(index_dicom(folder))["other"]
    assert any("enhanced PET (multi-frame) is not read" in p for p in other.problems)


def test_missing_and_uneven_slices(folder):
    files = sorted((folder / "ct").iterdir())
    files[2].unlink()
    assert any("missing slices: 1 gaps, up to 8.0 mm" in p for p in by_role(index_dicom(folder))["ct"].problems)
    rewritten(
        files[3], lambda d: setattr(d, "ImagePositionPatient", pydicom.dcmread(files[4]).ImagePositionPatient)
    )
    assert any("1 slices are there twice" in p for p in by_role(index_dicom(folder))["ct"].problems)


REMOVED = [
    ("AcquisitionDate", "no acquisition date or time"),
    ("EnergyWindowInformationSequence", r"no energy windows (0054,0012)"),
    ("RadiopharmaceuticalInformationSequence", "no administered activity (0018,1074)"),
    ("RadiopharmaceuticalInformationSequence", "no radionuclide (0054,0300)"),
]


@pytest.mark.parametrize(("keyword", "problem"), REMOVED)
def test_what_is_missing_is_named(folder, keyword, problem):
    def remove(dataset):
        del dataset[keyword]
        if keyword == "AcquisitionDate":
            del dataset.ContentDate

    for name in ("nm0", "nm1"):
        rewritten(folder / name, remove)
    assert any(problem in p for p in by_role(index_dicom(folder))["nm raw"].problems)


@pytest.mark.parametrize(("stored", "activity_bq"), [(0, None), (7400, 7.4e9), (7.4e9, 7.4e9)])
def test_total_dose_is_mbq_unless_it_cannot_be(folder, stored, activity_bq):
    for name in ("nm0", "nm1"):
        rewritten(
            folder / name,
            lambda d: setattr(d.RadiopharmaceuticalInformationSequence[0], "RadionuclideTotalDose", stored),
        )
    raw = by_role(index_dicom(folder))["nm raw"]
    assert raw.administered_activity_bq == (None if activity_bq is None else pytest.approx(activity_bq))
    assert any("was read as Bq" in p for p in raw.problems) == (stored > 1e5)


def test_clock_time_without_a_date_is_no_administration_time_of_a_therapy(folder):
    for name in ("nm0", "nm1"):
        rewritten(
            folder / name,
            lambda d: d.RadiopharmaceuticalInformationSequence[0].pop("RadiopharmaceuticalStartDateTime"),
        )
    assert by_role(index_dicom(folder))["nm raw"].administration_time is None


def test_truncated_files_are_named(folder):
    """Two bytes less than announced are enough."""
    path = folder / "nm1"
    path.write_bytes(path.read_bytes()[:-2])
    assert "truncated pixel data in nm1" in by_role(index_dicom(folder))["nm raw"].problems


@pytest.mark.parametrize("flip", [False, True])
def test_coverage_is_measured_along_the_patient(folder, flip):
    """The CT reaches from z = 0 to 20 mm, the beds from -8 to 20; a CT stacked the other way covers the same."""
    if flip:
        for file in (folder / "ct").iterdir():
            rewritten(file, lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, -1, 0]))
    found = by_role(index_dicom(folder))
    assert found["ct"].z_range_mm == pytest.approx((0, 20))
    assert found["nm raw"].z_range_mm == pytest.approx((-8, 20))
    assert found["nm raw"].problems == ()  # 20 of 28 mm


def test_a_ct_elsewhere_is_named(folder):
    for file in (folder / "ct").iterdir():
        rewritten(
            file, lambda d: setattr(d, "ImagePositionPatient", [-8, -6, float(d.ImagePositionPatient[2]) + 15])
        )
    found = by_role(index_dicom(folder))
    assert "its CT covers only 18% of it along z" in found["nm raw"].problems  # 5 of 28 mm
    assert "its CT covers only 25% of it along z" in found["nm reconstructed"].problems  # 5 of 20 mm


def test_several_frames_of_reference_in_a_study(folder):
    rewritten(folder / "recon.dcm", lambda d: setattr(d, "FrameOfReferenceUID", "1.2.10"))
    assert any("more than one frame of reference" in p for p in index_dicom(folder).problems)


@pytest.mark.parametrize("seed", range(40))
def test_no_header_brings_it_down(folder, seed):
    """Random bytes are overwritten: whatever comes out, it is an index, and readers answer in Lutetia's errors."""
    rng = np.random.default_rng(seed)
    for name in ("nm0", "recon.dcm"):
        content = bytearray((folder / name).read_bytes())
        for place in rng.integers(140, len(content) - 500, 6):
            content[place] = rng.integers(0, 256)
        (folder / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's remarks on invalid values
        index = index_dicom(folder)
        assert index.n_files == 9
        for read, name in ((read_projections, "nm0"), (read_nm_reconstructed, "recon.dcm")):
            with suppress(LutetiaError):
                read(folder / name)


def test_scanner_folder_of_a_patient(shared_data):
    index = index_dicom(shared_data / "lu177_patient_spect")
    assert [(s.role, s.n_files) for s in index.series] == [("ct", 303), ("nm raw", 1), ("nm raw", 1)]
    assert index.n_not_dicom == 1  # SOURCE.txt
    assert {s.patient_key for s in index.series} == {"patient 1"}
    raw = index.series[1]
    assert len(raw.energy_windows_mev) == 6
    assert raw.start_time is None
    assert raw.administered_activity_bq is None  # the file says 0
    assert any("no acquisition date" in p for p in raw.problems)
    assert not any("covers only" in p for s in index.series for p in s.problems)
