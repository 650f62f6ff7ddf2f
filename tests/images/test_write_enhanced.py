from datetime import datetime
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from lutetia.errors import DicomError, GridError, InputError
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_nm import write_nm_recon
from lutetia.images.dicom.write_parametric_map import write_parametric_map
from lutetia.images.dicom.write_seg import tracking_uid, write_seg
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

TIME = datetime(2024, 5, 6, 10, 30, 15)
IDENTITY = Identity(patient_id="P001", study_datetime=TIME, weight_kg=71.5, created=TIME)
GRID = Grid(size=(10, 9, 5), spacing_mm=(2.0, 2.5, 3.0), origin_mm=(-19.0, -21.0, 50.0))
COARSE = Grid(size=(6, 7, 4), spacing_mm=(4.0, 4.1, 4.2), origin_mm=(-17.0, -20.0, 49.0))


@pytest.fixture
def ct_files(tmp_path: Path) -> list[Path]:
    volume = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="HU")
    return write_ct_series(volume, tmp_path / "ct", identity=IDENTITY, acquisition_time=TIME)


@pytest.fixture
def nm_files(tmp_path: Path) -> list[Path]:
    volume = Volume(grid=COARSE, values=np.ones(COARSE.shape, np.float32), unit="Bq/mL")
    path = tmp_path / "nm.dcm"
    return [write_nm_recon(volume, path, identity=IDENTITY, nuclide="Lu-177", acquisition_time=TIME)]


def regions(grid: Grid) -> Regions:
    labels = np.zeros(grid.shape, dtype=np.int16)
    labels[1:3, 2:5, 1:4] = 7
    labels[2:4, 4:6, 2:5] = 2
    table = {
        7: Region(name="kidney left", kind="organ", side="left"),
        2: Region(name="lesion 1", kind="lesion", source="automatic"),
        9: Region(name="remainder", kind="remainder"),
    }
    return Regions(grid=grid, labels=labels, table=table)


def slice_first(grid: Grid) -> np.ndarray:
    affine = grid.affine
    affine[:3, :3] = affine[:3, 2::-1]
    return affine


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize(("source", "grid"), [("ct_files", GRID), ("ct_files", COARSE), ("nm_files", COARSE)])
def test_seg_is_valid_and_keeps_the_labels(tmp_path: Path, request, dicom_errors, kind, source, grid) -> None:
    given = regions(grid)
    files = request.getfixturevalue(source)
    path = write_seg(given, tmp_path / "seg.dcm", identity=IDENTITY, source_files=files, kind=kind)
    assert dicom_errors(path) == []
    seg = highdicom.seg.segread(path)
    read = seg.get_volume(combine_segments=True)
    full = read.match_geometry(
        highdicom.Volume(np.zeros(grid.shape), slice_first(grid), coordinate_system="PATIENT")
    )
    # segments are numbered by increasing label: lesion (2) is 1, kidney (7) is 2
    expected = np.where(given.labels == 2, 1, np.where(given.labels == 7, 2, 0))
    np.testing.assert_array_equal(full.array, expected)
    assert seg.StudyInstanceUID == IDENTITY.study_instance_uid


def test_segments_are_coded_and_tracked(tmp_path: Path, ct_files) -> None:
    path = write_seg(regions(GRID), tmp_path / "seg.dcm", identity=IDENTITY, source_files=ct_files)
    lesion, kidney, rest = pydicom.dcmread(path).SegmentSequence
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"  # SNOMED CT kidney, PS3.16 CID 7161
    modifier = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert modifier.CodeValue == "7771000"  # SNOMED CT left, PS3.16 CID 244
    assert lesion.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Neoplasm"
    assert lesion.SegmentAlgorithmType == "AUTOMATIC"
    assert rest.SegmentLabel == "remainder"
    assert kidney.TrackingUID == tracking_uid("P001", "kidney left")
    assert tracking_uid("P002", "kidney left") != kidney.TrackingUID


@pytest.mark.parametrize(
    ("quantity", "unit", "ucum"),
    [
        ("absorbed dose", "Gy", "Gy"),
        ("time-integrated activity", "Bq s/mL", "Bq.s/ml"),
        ("absorbed dose rate", "Gy/s", "Gy/s"),
        ("activity concentration", "Bq/mL", "Bq/ml"),
    ],
)
@pytest.mark.parametrize("source", ["ct_files", "nm_files"])
def test_parametric_map_is_valid_and_exact(
    tmp_path: Path, request, dicom_errors, source, quantity, unit, ucum
) -> None:
    values = np.random.default_rng(6).gamma(2.0, 3.0, COARSE.shape).astype(np.float32)
    volume = Volume(grid=COARSE, values=values, unit=unit)
    files = request.getfixturevalue(source)
    path = write_parametric_map(
        volume, tmp_path / "pm.dcm", identity=IDENTITY, source_files=files, quantity=quantity
    )
    assert dicom_errors(path) == []
    image = highdicom.imread(path)
    read = image.get_volume(apply_real_world_transform=True, dtype=np.float32)
    same = read.match_geometry(
        highdicom.Volume(np.zeros(COARSE.shape), slice_first(COARSE), coordinate_system="PATIENT")
    )
    np.testing.assert_array_equal(same.array, values)
    mapping = image.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == ucum


def test_enhanced_objects_refuse(tmp_path: Path, ct_files) -> None:
    dose = Volume(grid=GRID, values=np.ones(GRID.shape, np.float32), unit="Gy")
    kwargs = {"identity": IDENTITY, "source_files": ct_files}
    with pytest.raises(GridError, match="needs a volume in Bq s/mL, got Gy"):
        write_parametric_map(dose, tmp_path / "x.dcm", quantity="time-integrated activity", **kwargs)
    with pytest.raises(InputError, match="not finite"):
        write_parametric_map(
            dose.with_values(dose.values * np.nan), tmp_path / "x.dcm", quantity="absorbed dose", **kwargs
        )
    with pytest.raises(InputError, match="not one of"):
        write_parametric_map(dose, tmp_path / "x.dcm", quantity="effective dose", **kwargs)
    with pytest.raises(GridError, match="register first"):
        write_seg(regions(GRID.moved_to_frame("1.2.3")), tmp_path / "x.dcm", **kwargs)
    with pytest.raises(InputError, match="no regions"):
        write_seg(Regions(grid=GRID, labels=np.zeros(GRID.shape, np.int16), table={}), tmp_path / "x.dcm", **kwargs)
    assert not (tmp_path / "x.dcm").exists()


def test_nm_source_must_be_reconstructed(tmp_path: Path, nm_files) -> None:
    ds = pydicom.dcmread(nm_files[0])
    ds.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    ds.save_as(nm_files[0])
    with pytest.raises(DicomError, match="RECON TOMO"):
        write_seg(regions(COARSE), tmp_path / "x.dcm", identity=IDENTITY, source_files=nm_files)
