"""Contours and segmentations to regions, and their names in standard terms."""

import tarfile
from datetime import datetime

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import DicomError, GridError
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.index import index_dicom
from lutetia.images.dicom.rtdose import read_rtdose
from lutetia.images.dicom.rtstruct import read_rtstruct
from lutetia.images.dicom.seg import read_seg
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_rtdose import write_rtdose
from lutetia.images.dicom.write_rtstruct import write_rtstruct
from lutetia.images.dicom.write_seg import write_seg
from lutetia.images.grid import Grid
from lutetia.images.nifti import read_nifti_labels, totalsegmentator_names
from lutetia.images.region_names import standard_region, unique_name
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

WHEN = datetime(2026, 3, 2, 10, 0)
GRID = Grid(
    size=(40, 36, 8), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(-40.0, -36.0, 0.0), frame_of_reference_uid="1.2.9"
)
IDENTITY = Identity(patient_id="TEST01", study_datetime=WHEN, frame_of_reference_uid="1.2.9")


def phantom():
    k, j, i = np.indices(GRID.shape)
    labels = np.zeros(GRID.shape, np.int16)
    labels[((i - 12) / 8) ** 2 + ((j - 18) / 10) ** 2 < 1] = 1
    labels[(((i - 28) / 6) ** 2 + ((j - 18) / 8) ** 2 < 1) & (k > 1) & (k < 7)] = 2
    labels[((i - 28) ** 2 + (j - 18) ** 2 < 6) & (k > 2) & (k < 6)] = 3
    names = {1: ("liver", "organ", ""), 2: ("kidney left", "organ", "left"), 3: ("lesion 1", "lesion", "")}
    table = {n: Region(name=a, kind=b, side=c, source="test", original_name=a) for n, (a, b, c) in names.items()}
    return Regions(grid=GRID, labels=labels, table=table)


@pytest.fixture
def ct_files(tmp_path):
    ct = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="HU")
    return write_ct_series(ct, tmp_path / "ct", identity=IDENTITY, acquisition_time=WHEN)


def same(found, wanted):
    for region in wanted.table.values():
        np.testing.assert_array_equal(found.mask(region.name), wanted.mask(region.name))


def test_contours_written_are_read_back(tmp_path, ct_files):
    path = write_rtstruct(phantom(), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files)
    found = read_rtstruct(path, GRID)
    same(found, phantom())
    assert {r.kind for r in found.table.values()} == {"organ", "lesion"}


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segmentations_written_are_read_back(tmp_path, ct_files, kind):
    path = write_seg(phantom(), tmp_path / "seg.dcm", identity=IDENTITY, source_files=ct_files, kind=kind)
    same(read_seg(path, GRID), phantom())


def test_contours_of_another_frame_are_refused(tmp_path, ct_files):
    path = write_rtstruct(phantom(), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files)
    with pytest.raises(GridError, match="another frame of reference"):
        read_rtstruct(path, GRID.moved_to_frame("9.9.9"))


def test_contours_beside_the_image_are_refused(tmp_path, ct_files):
    path = write_rtstruct(phantom(), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files)
    away = Grid(
        size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=(-40.0, -36.0, 900.0), frame_of_reference_uid="1.2.9"
    )
    with pytest.raises(DicomError, match="none of its 3 structures"):
        read_rtstruct(path, away)


def test_dose_written_is_read_back(tmp_path):
    values = np.random.default_rng(1).random(GRID.shape).astype(np.float32) * 40
    path = write_rtdose(Volume(grid=GRID, values=values, unit="Gy"), tmp_path / "rd.dcm", identity=IDENTITY)
    found = read_rtdose(path)
    assert found.grid.same_as(GRID)
    np.testing.assert_allclose(found.values, values, atol=40 / 65535)  # one stored step


def test_dose_frames_that_run_down_lie_where_they_lay(tmp_path):
    values = np.random.default_rng(1).random(GRID.shape).astype(np.float32) * 40
    path = write_rtdose(Volume(grid=GRID, values=values, unit="Gy"), tmp_path / "rd.dcm", identity=IDENTITY)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.pixel_array[::-1].tobytes()
    dataset.ImagePositionPatient = GRID.position_mm((0, 0, GRID.size[2] - 1)).tolist()
    dataset.GridFrameOffsetVector = [-4.0 * k for k in range(GRID.size[2])]
    dataset.save_as(path)
    found = read_rtdose(path)
    for index in ((0, 0, 0), (39, 35, 7), (4, 5, 2)):
        i, j, k = np.rint(found.grid.index(GRID.position_mm(index))).astype(int)
        assert found.values[k, j, i] == pytest.approx(values[index[::-1]], abs=40 / 65535)  # one stored step


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DoseUnits": "RELATIVE"}, "Dose Units RELATIVE"),
        ({"DoseGridScaling": None}, r"Dose Grid Scaling \(3004,000E\)"),
        ({"GridFrameOffsetVector": [0, 4, 8, 12, 16, 20, 24, 29]}, r"\(3004,000C\) is uneven"),
        ({"GridFrameOffsetVector": [0, 4]}, r"\(3004,000C\) has not one number for each of 8 frames"),
        ({"ImagePositionPatient": None}, r"\(0020,0032\)"),
    ],
)
def test_what_is_wrong_with_a_dose_is_named(tmp_path, change, message):
    dose = Volume(grid=GRID, values=np.ones(GRID.shape, np.float32), unit="Gy")
    path = write_rtdose(dose, tmp_path / "rd.dcm", identity=IDENTITY)
    dataset = pydicom.dcmread(path)
    for keyword, value in change.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    with pytest.raises(DicomError, match=rf"rd\.dcm: .*{message}"):
        read_rtdose(path)


def test_planning_contours_of_a_thorax(shared_data, tmp_path):
    with tarfile.open(shared_data / "onkodicom_thorax_ct_rtstruct" / "data.tar.gz") as archive:
        # Python before 3.11.4 has no filter
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safe)
    index = index_dicom(tmp_path)
    by_role = {s.role: s for s in index.series}
    ct = read_ct(by_role["ct"].files)
    regions = read_rtstruct(by_role["rtstruct"].files[0], ct.grid)
    # SOURCE.txt: LIVER 938 mL; half a per cent for the voxel-centre rule
    assert regions.volume_ml("liver") == pytest.approx(938, rel=0.005)
    assert regions.table[regions.label_of("lesion")].original_name == "GTVp"
    assert regions.table[regions.label_of("lung left")].side == "left"
    assert any("lungs" in w for w in regions.warnings)


def test_label_map_of_a_whole_body_model(shared_data):
    path = shared_data / "totalsegmentator_example" / "example_seg_fast_force_split.nii.gz"
    regions = read_nifti_labels(path, totalsegmentator_names())
    # SOURCE.txt: liver 1126 mL, spleen 261, kidneys 193 and 137 mL
    assert regions.volume_ml("liver") == pytest.approx(1126, rel=0.02)
    assert regions.volume_ml("spleen") == pytest.approx(261, rel=0.02)
    kidneys = sorted(regions.volume_ml(f"kidney {side}") for side in ("left", "right"))
    assert kidneys == pytest.approx([137, 193], rel=0.02)


@pytest.mark.parametrize(
    ("spelling", "name", "kind"),
    [
        ("Kidney_L", "kidney left", "organ"),
        ("kidney_right", "kidney right", "organ"),
        ("R Kidney", "kidney right", "organ"),
        ("GTVp", "lesion", "lesion"),
        ("Tumour 2", "lesion 2", "lesion"),
        ("lung_upper_lobe_left", "lung left", "organ"),
        ("vertebrae_L1", "vertebra L1", "organ"),
        ("PTV4140", "ptv4140", "other"),
        ("remainder", "remainder", "remainder"),
        ("something new", "something new", "other"),
        ("Bowel_Small", "small intestine", "organ"),  # TG-263
        ("Glnd_Submand_L", "submandibular gland left", "organ"),
        ("LKidney", "kidney left", "organ"),
        ("Rechte Niere", "kidney right", "organ"),
        ("Liver met 1", "lesion liver 1", "lesion"),
        ("lesion01", "lesion 1", "lesion"),
        ("liver minus GTV", "liver minus gtv", "other"),  # what is left of the liver is no lesion
        ("PTV lesion 1", "ptv lesion 1", "other"),
        ("metal artefact", "metal artefact", "other"),
        ("", "unnamed", "other"),
    ],
)
def test_names_in_standard_terms(spelling, name, kind):
    region = standard_region(spelling, "RTSTRUCT")
    assert (region.name, region.kind) == (name, kind)


WORDS = [
    "kidney",
    "L",
    "right",
    "GTV",
    "lesion",
    "2",
    "01",
    "PTV",
    "liver",
    "minus",
    "vertebrae",
    "L1",
    "lung",
    "BoneMarrow",
]


@given(
    st.sampled_from(["kidney left", "liver", "spleen", "lesion 3", "red marrow", "lung right", "urinary bladder"])
)
def test_standard_terms_stand_for_themselves(name):
    assert standard_region(name, "x").name == name


@given(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join) | st.text(max_size=12))
def test_a_name_once_standardised_stays(name):
    once = standard_region(name, "x")
    assert standard_region(once.name, "x").name == once.name
    assert once.original_name == name


def test_taken_names_get_a_number():
    region = standard_region("lesion", "x")
    assert unique_name(region, {"lesion", "lesion 2"}).name == "lesion 3"
