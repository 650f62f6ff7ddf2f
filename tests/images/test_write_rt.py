from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lutetia.errors import GridError, InputError, OutputError
from lutetia.images.dicom.write_common import Identity, identity_from_dataset, uid_from
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_rtdose import write_rtdose
from lutetia.images.dicom.write_rtstruct import outlines, write_rtstruct
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

TIME = datetime(2024, 5, 6, 10, 30, 15)
IDENTITY = Identity(patient_id="P001", study_datetime=TIME, weight_kg=71.5, created=TIME)
GRID = Grid(size=(20, 18, 6), spacing_mm=(2.0, 2.5, 3.0), origin_mm=(-19.0, -21.0, 50.0))


def regions(grid: Grid = GRID) -> Regions:
    labels = np.zeros(grid.shape, dtype=np.int16)
    labels[1:4, 3:12, 2:9] = 1
    labels[2, 6:8, 4:6] = 0  # a hole
    labels[2, 15, 15] = 1  # an island
    labels[2:6, 4:14, 12:18] = 2
    table = {
        1: Region(name="kidney left", kind="organ", side="left"),
        2: Region(name="lesion 1", kind="lesion", source="automatic"),
    }
    return Regions(grid=grid, labels=labels, table=table)


@pytest.fixture
def ct_files(tmp_path: Path) -> list[Path]:
    volume = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="HU")
    return write_ct_series(volume, tmp_path / "ct", identity=IDENTITY, acquisition_time=TIME)


def inside(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd test of pixel centres: the simplest way others read contours."""
    row, column = np.indices(shape)
    centres = np.stack([column.ravel(), row.ravel()], axis=1) + 1e-6
    count = np.zeros(row.size, dtype=int)
    for points in polygons:
        x, y = points[:, 0], points[:, 1]
        x2, y2 = np.roll(x, -1), np.roll(y, -1)
        crosses = (y[:, None] > centres[:, 1]) != (y2[:, None] > centres[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x[:, None] + (centres[:, 1] - y[:, None]) * ((x2 - x) / (y2 - y))[:, None]
        count += (crosses & (centres[:, 0] < at)).sum(axis=0)
    return (count % 2 == 1).reshape(shape)


@settings(max_examples=100, deadline=None)
@given(arrays(bool, (9, 11), elements=st.booleans()))
def test_voxel_centres_inside_the_outlines_are_the_mask(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(inside(list(outlines(mask)), mask.shape), mask)


def test_area_of_an_outline_with_a_hole_closed_form() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:12, 3:15] = True
    mask[5:9, 6:11] = False
    (outline,) = outlines(mask)
    x, y = outline.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    # 10 x 12 - 4 x 5 pixels; every corner of the outline loses 1/8 pixel, every corner of the hole gains 1/8
    assert area == pytest.approx(100 - 4 / 8 + 4 / 8)


def test_rtstruct_is_valid_and_its_references_resolve(tmp_path: Path, ct_files, dicom_errors) -> None:
    path = write_rtstruct(regions(), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files)
    assert dicom_errors(path) == []
    ds = pydicom.dcmread(path)
    images = {pydicom.dcmread(f).SOPInstanceUID: pydicom.dcmread(f) for f in ct_files}
    assert [roi.ROIName for roi in ds.StructureSetROISequence] == ["kidney left", "lesion 1"]
    assert len({tuple(roi.ROIDisplayColor) for roi in ds.ROIContourSequence}) == 2
    for roi in ds.ROIContourSequence:
        for contour in roi.ContourSequence:
            image = images[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            z = np.asarray(contour.ContourData, dtype=float)[2::3]
            np.testing.assert_allclose(z, image.ImagePositionPatient[2], atol=1e-4)


def test_rtstruct_contours_give_back_the_labels(tmp_path: Path, ct_files) -> None:
    source = regions()
    ds = pydicom.dcmread(write_rtstruct(source, tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files))
    for number, roi in enumerate(ds.ROIContourSequence, start=1):
        slices: dict[int, list[np.ndarray]] = {}
        for contour in roi.ContourSequence:
            index = GRID.index(np.asarray(contour.ContourData, dtype=float).reshape(-1, 3))
            slices.setdefault(round(index[0, 2]), []).append(index[:, :2])
        for k in range(GRID.size[2]):
            np.testing.assert_array_equal(
                inside(slices.get(k, []), GRID.shape[1:]), source.labels[k] == number, err_msg=f"{number} {k}"
            )


def test_rtstruct_refuses_a_ct_elsewhere(tmp_path: Path, ct_files) -> None:
    with pytest.raises(InputError, match="No source images"):
        write_rtstruct(regions(), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=[])
    shifted = Grid(size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=(0.0, 0.0, 51.4))
    with pytest.raises(GridError, match="None of 6 CT slices"):
        write_rtstruct(regions(shifted), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files)
    with pytest.raises(GridError, match="register first"):
        write_rtstruct(
            regions(GRID.moved_to_frame("1.2.3")), tmp_path / "rs.dcm", identity=IDENTITY, ct_files=ct_files
        )


def dose() -> Volume:
    values = np.random.default_rng(5).gamma(2.0, 3.0, GRID.shape).astype(np.float32)
    return Volume(grid=GRID, values=values, unit="Gy")


def test_rtdose_is_valid_and_keeps_the_values(tmp_path: Path, ct_files, dicom_errors) -> None:
    path = write_rtdose(dose(), tmp_path / "rd.dcm", identity=IDENTITY, source_files=ct_files)
    assert dicom_errors(path) == []
    ds = pydicom.dcmread(path)
    # half a step of 16 bits
    np.testing.assert_allclose(
        ds.pixel_array * float(ds.DoseGridScaling), dose().values, atol=dose().values.max() / 65535 * 0.51
    )
    np.testing.assert_allclose(ds.GridFrameOffsetVector, 3.0 * np.arange(6))
    assert (ds.DoseUnits, ds.DoseType, ds.DoseSummationType) == ("GY", "PHYSICAL", "PLAN_OVERVIEW")
    assert "research use only" in ds.DoseComment


def test_rtdose_of_zero_dose(tmp_path: Path) -> None:
    path = write_rtdose(dose().with_values(0 * dose().values), tmp_path / "rd.dcm", identity=IDENTITY)
    assert pydicom.dcmread(path).pixel_array.max() == 0


def test_rtdose_refuses(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="needs a volume in Gy"):
        write_rtdose(dose().with_values(dose().values, "Bq/mL"), tmp_path / "rd.dcm", identity=IDENTITY)
    with pytest.raises(InputError, match="finite values"):
        write_rtdose(dose().with_values(dose().values * np.inf), tmp_path / "rd.dcm", identity=IDENTITY)
    write_rtdose(dose(), tmp_path / "rd.dcm", identity=IDENTITY)
    with pytest.raises(OutputError, match="already exists"):
        write_rtdose(dose(), tmp_path / "rd.dcm", identity=IDENTITY)


def test_same_objects_give_the_same_bytes(tmp_path: Path, ct_files) -> None:
    for name in ("a", "b"):
        write_rtdose(dose(), tmp_path / f"{name}d.dcm", identity=IDENTITY, source_files=ct_files)
        write_rtstruct(regions(), tmp_path / f"{name}s.dcm", identity=IDENTITY, ct_files=ct_files)
    assert (tmp_path / "ad.dcm").read_bytes() == (tmp_path / "bd.dcm").read_bytes()
    assert (tmp_path / "as.dcm").read_bytes() == (tmp_path / "bs.dcm").read_bytes()


def test_identity_follows_the_source(ct_files) -> None:
    ds = pydicom.dcmread(ct_files[0])
    identity = identity_from_dataset(ds, created=TIME)
    assert identity == IDENTITY
    assert identity.weight_kg == 71.5


@given(st.text())
def test_uids_are_valid_and_repeatable(text: str) -> None:
    uid = pydicom.uid.UID(uid_from(text))
    assert uid.is_valid
    assert uid == uid_from(text)


def test_identity_refuses_an_unknown_sex() -> None:
    with pytest.raises(InputError, match="sex 'X'"):
        Identity(patient_id="P", patient_sex="X")
