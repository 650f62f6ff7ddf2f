import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from lutetia.errors import GridError, InputError, MissingDataError, OutputError
from lutetia.images.grid import Grid
from lutetia.images.nifti import (
    embedded_names,
    read_nifti_labels,
    read_nifti_volume,
    totalsegmentator_names,
    write_nifti,
)
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

C, S = float(np.cos(0.3)), float(np.sin(0.3))
GRID = Grid(
    size=(7, 6, 5),
    spacing_mm=(2.0, 2.5, 3.5),
    origin_mm=(-10.0, 20.0, -30.0),
    directions=((C, -S, 0.0), (S, C, 0.0), (0.0, 0.0, -1.0)),
)


def volume() -> Volume:
    values = np.random.default_rng(7).random(GRID.shape, dtype=np.float32)
    return Volume(grid=GRID, values=values, unit="Bq/mL")


def regions() -> Regions:
    labels = np.zeros(GRID.shape, dtype=np.int16)
    labels[1:3, 2:4, 1:4] = 2
    labels[3, 3, 3] = 300
    table = {
        2: Region(name="kidney left", kind="organ", side="left"),
        300: Region(name="liver", kind="organ"),
    }
    return Regions(grid=GRID, labels=labels, table=table)


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_volume_round_trip(tmp_path: Path, name: str) -> None:
    back = read_nifti_volume(write_nifti(volume(), tmp_path / name), "Bq/mL", frame_of_reference_uid="1.2.3")
    assert back.grid.same_as(GRID)
    assert back.grid.frame_of_reference_uid == "1.2.3"
    np.testing.assert_array_equal(back.values, volume().values)


def test_nibabel_sees_the_same_points_in_ras(tmp_path: Path) -> None:
    image = nibabel.load(write_nifti(volume(), tmp_path / "v.nii.gz"))
    expected = np.diag([-1.0, -1.0, 1.0, 1.0]) @ GRID.affine  # RAS = -LPS in x and y
    np.testing.assert_allclose(image.affine, expected, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, volume().values)


def test_image_of_nibabel_is_read_in_lps(tmp_path: Path) -> None:
    affine = np.array([[-2.0, 0, 0, 11.0], [0, 3.0, 0, -20.0], [0, 0, 4.0, 5.0], [0, 0, 0, 1.0]])
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "n.nii.gz")
    read = read_nifti_volume(tmp_path / "n.nii.gz", "1")
    position = read.grid.position_mm((1.0, 2.0, 3.0))
    np.testing.assert_allclose(position, [-9.0, 14.0, 17.0], atol=1e-5)  # RAS (9, -14, 17)
    assert read.values[3, 2, 1] == data[1, 2, 3]


@pytest.mark.parametrize("name", ["r.nii", "r.nii.gz"])
def test_regions_carry_their_names(tmp_path: Path, name: str) -> None:
    path = write_nifti(regions(), tmp_path / name)
    assert embedded_names(path) == {2: "kidney left", 300: "liver"}
    image = nibabel.load(path)  # another reader is not disturbed by the names
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, regions().labels)


def test_regions_round_trip(tmp_path: Path) -> None:
    path = write_nifti(regions(), tmp_path / "r.nii.gz")
    back = read_nifti_labels(path, grid=GRID.moved_to_frame("1.2.3"))
    assert back.grid.same_as(GRID)
    assert back.grid.frame_of_reference_uid == "1.2.3"
    np.testing.assert_array_equal(back.labels, regions().labels)
    assert {label: r.name for label, r in back.table.items()} == {2: "kidney left", 300: "liver"}
    partly = read_nifti_labels(path, {2: "spleen"})
    assert partly.table[2].name == "spleen"
    assert "300" in partly.warnings[0]


def test_totalsegmentator_names_are_found(shared_data: Path) -> None:
    folder = shared_data / "totalsegmentator_example"
    names = embedded_names(folder / "example_seg_fast_force_split.nii.gz")
    # TotalSegmentator v2, class map "total"
    assert (names[1], names[2], names[3], names[5], len(names)) == (
        "spleen",
        "kidney_right",
        "kidney_left",
        "liver",
        117,
    )


def test_totalsegmentator_names_shipped_are_those_of_its_files(shared_data: Path) -> None:
    file = shared_data / "totalsegmentator_example" / "example_seg_fast_force_split.nii.gz"
    assert totalsegmentator_names() == embedded_names(file)


def test_labels_of_one_name_become_one_region(tmp_path: Path) -> None:
    path = write_nifti(regions(), tmp_path / "r.nii.gz")
    joined = read_nifti_labels(path, {2: "liver", 300: "liver"})
    assert [region.name for region in joined.table.values()] == ["liver"]
    np.testing.assert_array_equal(joined.mask("liver"), regions().labels > 0)
    assert "joined" in joined.warnings[0]


def test_totalsegmentator_volumes(shared_data: Path) -> None:
    regions = read_nifti_labels(shared_data / "totalsegmentator_example" / "example_seg_fast_force_split.nii.gz")
    # liver, spleen, kidneys as counted when the data were chosen (SOURCE.txt beside the file): rounded to 1 mL
    assert regions.volume_ml("liver") == pytest.approx(1126, abs=0.6)
    assert regions.volume_ml("spleen") == pytest.approx(261, abs=0.6)
    kidneys = sorted(regions.volume_ml(f"kidney {side}") for side in ("left", "right"))
    assert kidneys == pytest.approx([137, 193], abs=0.6)


def test_refuses(tmp_path: Path) -> None:
    path = write_nifti(volume(), tmp_path / "v.nii.gz")
    with pytest.raises(OutputError, match="already exists"):
        write_nifti(volume(), path)
    with pytest.raises(InputError, match=r"ends in \.nii"):
        write_nifti(volume(), tmp_path / "v.mha")
    with pytest.raises(InputError, match="not all of them labels"):
        read_nifti_labels(path)
    with pytest.raises(InputError, match="is not in"):
        read_nifti_volume(tmp_path / "none.nii", "1")
    (tmp_path / "bad.nii").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable NIfTI"):
        read_nifti_volume(tmp_path / "bad.nii", "1")
    labels = write_nifti(regions(), tmp_path / "r.nii.gz")
    with pytest.raises(GridError, match="drawn on another image"):
        read_nifti_labels(labels, grid=Grid(size=(7, 6, 5), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 0.0)))


def test_unnamed_labels_are_refused(tmp_path: Path) -> None:
    data = np.ones((2, 2, 2), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "l.nii.gz")
    with pytest.raises(MissingDataError, match=r"names none of its labels \[1\]"):
        read_nifti_labels(tmp_path / "l.nii.gz")


def test_orientation_is_not_guessed(tmp_path: Path) -> None:
    data = bytearray(gzip.decompress(write_nifti(volume(), tmp_path / "v.nii.gz").read_bytes()))
    struct.pack_into("<hh", data, 252, 0, 0)  # qform_code, sform_code
    (tmp_path / "n.nii").write_bytes(data)
    with pytest.raises(MissingDataError, match="how it lies in the patient"):
        read_nifti_volume(tmp_path / "n.nii", "1")
