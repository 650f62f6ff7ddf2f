"""CT series: sorted, scaled, placed; what is missing or mixed is named."""

from datetime import datetime

import numpy as np
import pydicom
import pytest

from lutetia.errors import DicomError
from lutetia.images.dicom.ct import read_ct, slice_stack
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

WHEN = datetime(2026, 3, 2, 10, 0)
A = np.radians(12.0)
TILTED = ((np.cos(A), -np.sin(A), 0.0), (np.sin(A), np.cos(A), 0.0), (0.0, 0.0, 1.0))
GRID = Grid(
    size=(9, 7, 6), spacing_mm=(2.0, 2.0, 3.0), origin_mm=(-10.0, 4.0, -50.0), frame_of_reference_uid="1.2.9"
)
VALUES = np.random.default_rng(2).integers(-1000, 1500, GRID.shape).astype(np.float32)


def series(folder, grid=GRID):
    identity = Identity(patient_id="TEST01", study_datetime=WHEN, frame_of_reference_uid="1.2.9")
    return write_ct_series(
        Volume(grid=grid, values=VALUES, unit="HU"), folder, identity=identity, acquisition_time=WHEN
    )


@pytest.mark.parametrize("directions", [GRID.directions, TILTED])
def test_round_trip_in_any_order(tmp_path, directions):
    grid = Grid(
        size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm, directions=directions,
        frame_of_reference_uid="1.2.9",
    )  # fmt: skip
    files = series(tmp_path, grid)
    found = read_ct([files[i] for i in (3, 0, 5, 1, 4, 2)])
    assert found.grid.same_as(grid)
    np.testing.assert_array_equal(found.values, VALUES)


def test_reversed_series_lies_where_it_lay(tmp_path):
    """A series whose rows run backwards has other directions but the same HU at the same place."""
    directions = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
    grid = Grid(
        size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=(-10.0, 40.0, 30.0), directions=directions,
        frame_of_reference_uid="1.2.9",
    )  # fmt: skip
    found = read_ct(series(tmp_path, grid))
    for index in ((0, 0, 0), (8, 6, 5), (2, 3, 4)):
        place = grid.position_mm(tuple(float(i) for i in index))
        i, j, k = np.rint(found.grid.index(place)).astype(int)
        assert found.values[k, j, i] == VALUES[index[2], index[1], index[0]]


def test_each_slice_has_its_own_scale(tmp_path):
    files = series(tmp_path)
    dataset = pydicom.dcmread(files[2])
    slope, dataset.RescaleIntercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept) + 100
    dataset.save_as(files[2])
    found = read_ct(files)
    assert slope == 1
    assert np.abs(found.values - VALUES).max(axis=(1, 2)).tolist().count(100.0) == 1


def header(z_mm):
    """What places a slice."""
    dataset = pydicom.Dataset()
    dataset.SeriesInstanceUID, dataset.Rows, dataset.Columns = "1.2.3", 4, 4
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [1.0, 1.0], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0.0, 0.0, float(z_mm)]
    return dataset


def changed(path, **attributes):
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


@pytest.mark.parametrize(("spacing_mm", "decimals"), [(0.625, 2), (1.171875, 2), (1.25, 1), (3.27, 1)])
@pytest.mark.parametrize("first_mm", [-100.1, 0.03])
def test_rounded_positions_do_not_add_up(spacing_mm, decimals, first_mm):
    """The ends of the stack are rounded once each, whatever the number of slices."""
    places = np.round(first_mm + spacing_mm * np.arange(300), decimals)
    grid, _ = slice_stack([header(z) for z in places], [f"{k}.dcm" for k in range(300)])
    assert grid.spacing_mm[2] * 299 == pytest.approx(spacing_mm * 299, abs=10.0**-decimals)


@pytest.mark.parametrize("spacing_mm", [0.5, 3.0])
@pytest.mark.parametrize("n", [3, 4, 50])
def test_a_gap_is_seen_wherever_it_is(spacing_mm, n):
    for gone in range(1, n):
        places = [header(spacing_mm * k) for k in range(n + 1) if k != gone]
        with pytest.raises(DicomError, match="missing or unevenly spaced"):
            slice_stack(places, [f"{k}.dcm" for k in range(n)])


def test_a_missing_slice_is_named(tmp_path):
    files = series(tmp_path)
    with pytest.raises(DicomError, match=r"6\.00 mm where 3\.00 mm were expected"):
        read_ct([f for i, f in enumerate(files) if i != 3])


def test_a_double_slice_is_named(tmp_path):
    files = series(tmp_path)
    first = pydicom.dcmread(files[0])
    changed(files[1], ImagePositionPatient=first.ImagePositionPatient)
    with pytest.raises(DicomError, match="lie at the same position"):
        read_ct(files)


def test_mixed_series_are_refused(tmp_path):
    files = series(tmp_path)
    changed(files[4], SeriesInstanceUID="1.2.3.4")
    with pytest.raises(DicomError, match="SeriesInstanceUID"):
        read_ct(files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ImagePositionPatient": None}, r"Image Position \(Patient\) \(0020,0032\) is missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.9, 0.1]}, "ImageOrientationPatient is"),
        ({"PixelSpacing": [2, 2.5]}, "PixelSpacing is"),
        ({"RescaleSlope": None}, r"Rescale Slope \(0028,1053\)|Rescale Slope None"),
        ({"RescaleType": "US"}, r"Rescale Type \(0028,1054\) is US"),
        ({"Modality": "MR"}, "modality MR"),
    ],
)
def test_what_is_wrong_with_a_slice_is_named(tmp_path, change, message):
    files = series(tmp_path)
    changed(files[2], **change)
    with pytest.raises(DicomError, match=rf"{files[2].name}.*({message})"):
        read_ct(files)


def test_a_tilted_gantry_is_named(tmp_path):
    files = series(tmp_path)
    for k, file in enumerate(files):
        x, y, z = pydicom.dcmread(file).ImagePositionPatient
        changed(file, ImagePositionPatient=[x, float(y) + 0.8 * k, z])
    with pytest.raises(DicomError, match="tilted gantry"):
        read_ct(files)


def test_truncated_slice_is_named(tmp_path):
    files = series(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[:-40])
    with pytest.raises(DicomError, match=files[1].name):
        read_ct(files)


def test_real_series(shared_data):
    files = sorted((shared_data / "lu177_patient_spect" / "CT").glob("*.dcm"))
    ct = read_ct(files)
    assert ct.grid.size == (512, 512, 303)
    assert ct.grid.spacing_mm[2] == pytest.approx(2.5)
    assert ct.values.min() >= -1024
