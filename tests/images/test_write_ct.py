from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from lutetia.errors import GridError, InputError, OutputError
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

TIME = datetime(2024, 5, 6, 10, 30, 15)
IDENTITY = Identity(patient_id="P001", study_datetime=TIME, weight_kg=71.5, patient_sex="F")
GRID = Grid(size=(7, 6, 4), spacing_mm=(2.0, 2.5, 3.1), origin_mm=(-10.25, 5.0, -33.3))


def ct(grid: Grid = GRID) -> Volume:
    values = np.random.default_rng(1).integers(-1000, 2000, grid.shape).astype(np.float32)
    return Volume(grid=grid, values=values, unit="HU")


def test_files_are_valid(tmp_path: Path, dicom_errors) -> None:
    for file in write_ct_series(ct(), tmp_path, identity=IDENTITY, acquisition_time=TIME, description="low dose"):
        assert dicom_errors(file) == []


def test_another_reader_sees_the_same_image(tmp_path: Path) -> None:
    volume = ct()
    files = write_ct_series(volume, tmp_path, identity=IDENTITY, acquisition_time=TIME)
    image = SimpleITK.ReadImage([str(f) for f in files])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.values)
    np.testing.assert_allclose(image.GetSpacing(), GRID.spacing_mm, atol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), GRID.origin_mm, atol=1e-6)


def test_slices_run_along_the_normal_when_the_grid_is_left_handed(tmp_path: Path) -> None:
    grid = Grid(
        size=GRID.size,
        spacing_mm=GRID.spacing_mm,
        origin_mm=GRID.origin_mm,
        directions=((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    )
    volume = ct(grid)
    files = write_ct_series(volume, tmp_path, identity=IDENTITY, acquisition_time=TIME)
    z = [float(pydicom.dcmread(f).ImagePositionPatient[2]) for f in files]
    np.testing.assert_allclose(np.diff(z), 3.1)
    np.testing.assert_array_equal(pydicom.dcmread(files[-1]).pixel_array, volume.values[0])


def test_repeating_gives_the_same_identifiers_and_other_content_others(tmp_path: Path) -> None:
    def uids(volume: Volume, folder: str) -> list[str]:
        files = write_ct_series(volume, tmp_path / folder, identity=IDENTITY, acquisition_time=TIME)
        return [pydicom.dcmread(f).SOPInstanceUID for f in files]

    first, again = uids(ct(), "a"), uids(ct(), "b")
    other = uids(ct().with_values(ct().values + 1), "c")
    assert first == again
    assert len(set(first + other)) == 8


def test_refuses_what_ct_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="16 bits"):
        write_ct_series(ct().with_values(ct().values * 100), tmp_path, identity=IDENTITY, acquisition_time=TIME)
    with pytest.raises(InputError, match="16 bits"):
        write_ct_series(ct().with_values(ct().values * np.nan), tmp_path, identity=IDENTITY, acquisition_time=TIME)
    with pytest.raises(GridError, match="HU"):
        write_ct_series(ct().with_values(ct().values, "1/cm"), tmp_path, identity=IDENTITY, acquisition_time=TIME)


def test_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    write_ct_series(ct(), tmp_path, identity=IDENTITY, acquisition_time=TIME)
    with pytest.raises(OutputError, match=r"CT0001.dcm already exists"):
        write_ct_series(ct(), tmp_path, identity=IDENTITY, acquisition_time=TIME)
    write_ct_series(ct(), tmp_path, identity=IDENTITY, acquisition_time=TIME, overwrite=True)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, count = pydicom.dcmwrite, iter(range(100))

    def full(path: Path, *args: object, **kwargs: object) -> None:
        if next(count) == 2:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        original(path, *args, **kwargs)

    monkeypatch.setattr(pydicom, "dcmwrite", full)
    with pytest.raises(OutputError, match=r"CT0003.dcm could not be written.*No space left"):
        write_ct_series(ct(), tmp_path, identity=IDENTITY, acquisition_time=TIME)
    assert list(tmp_path.iterdir()) == []
