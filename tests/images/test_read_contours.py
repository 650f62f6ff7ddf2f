"""Contours with holes, gaps and foreign structures; fractional segmentations."""

from datetime import datetime

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from lutetia.errors import DicomError
from lutetia.images.dicom.rtstruct import read_rtstruct
from lutetia.images.dicom.seg import read_seg
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

GRID = Grid(
    size=(40, 36, 8), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(-40.0, -36.0, 0.0), frame_of_reference_uid="1.2.9"
)


def circle(radius_mm, z_mm, centre_mm=(0.0, 0.0)):
    t = np.linspace(0, 2 * np.pi, 181)[:-1]
    x, y = centre_mm[0] + radius_mm * np.cos(t), centre_mm[1] + radius_mm * np.sin(t)
    return np.stack([x, y, np.full_like(t, z_mm)], axis=1).ravel().round(6).tolist()


def structure_set(path, structures, *, frames=None, types=None, geometry="CLOSED_PLANAR"):
    """A bare RTSTRUCT: name -> list of contours."""
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3", "RTSTRUCT"
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(structures.items(), 1):
        roi, item, observation = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = (frames or {}).get(name, "1.2.9")
        item.ReferencedROINumber, item.ContourSequence = number, []
        for data in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType, contour.ContourData = geometry, data
            item.ContourSequence.append(contour)
        observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = (types or {}).get(name, "ORGAN")
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(item)
        ds.RTROIObservationsSequence.append(observation)
    ds.save_as(path, enforce_file_format=True)
    return path


def distance_mm():
    k, j, i = np.indices(GRID.shape)
    return np.hypot(-40 + 2.0 * i, -36 + 2.0 * j), 4.0 * k


@pytest.mark.parametrize("geometry", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_a_contour_within_another_cuts_a_hole(tmp_path, geometry):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(21.1, 8.0), circle(9.3, 8.0)]}, geometry=geometry)
    r, z = distance_mm()
    # radii that no voxel centre comes near: the polygon lies within 0.004 mm of the circle
    np.testing.assert_array_equal(read_rtstruct(path, GRID).mask("liver"), (r < 21.1) & (r > 9.3) & (z == 8.0))


def test_points_and_lines_enclose_nothing(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(20, 8.0)]}, geometry="OPEN_PLANAR")
    with pytest.raises(DicomError, match="none of its 1 structures"):
        read_rtstruct(path, GRID)


def test_slices_skipped_by_the_contours_are_told(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(20, z) for z in (4.0, 12.0, 20.0)]})
    found = read_rtstruct(path, GRID)
    assert any("'Liver': 2 slices between its contours have none" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("first_mm", "step_mm", "told"),
    [
        (2.5, 1.0, "12 planes of them were left out"),  # an even number of planes on each slice: XOR would empty it
        (2.4, 4 / 3, "8 planes of them were left out"),
        (2.0, 4.0, "2.0 mm from the slices' centres"),  # halfway: each plane still has a slice of its own
        (5.2, 4.0, "1.2 mm from the slices' centres"),
    ],
)
def test_contours_between_slices_count_once_for_the_nearest(tmp_path, first_mm, step_mm, told):
    """Contours that fill four slices of 4 mm, drawn on another image of the same frame, give the same region."""
    heights = first_mm + step_mm * np.arange(round(16 / step_mm))
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(21.1, z) for z in heights]})
    found = read_rtstruct(path, GRID)
    r, z = distance_mm()
    np.testing.assert_array_equal(found.mask("liver"), (r < 21.1) & (z >= 4.0) & (z <= 16.0))
    assert any(told in w for w in found.warnings)


def test_contours_on_the_slices_need_no_words(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(21.1, z) for z in (4.0, 8.02, 12.0)]})
    assert read_rtstruct(path, GRID).warnings == ()


def test_contours_off_the_image_are_told(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(20, 4.0), circle(20, 99.0)]})
    assert any("1 contours lie outside the slices" in w for w in read_rtstruct(path, GRID).warnings)


def test_outlines_and_structures_of_other_frames_are_left_out(tmp_path):
    names = {"BODY": [circle(30, 4.0)], "Kidney_L": [circle(9, 4.0)], "Spleen": [circle(15, 4.0)]}
    path = structure_set(tmp_path / "rs.dcm", names, types={"BODY": "EXTERNAL"}, frames={"Spleen": "9.9.9"})
    assert [r.name for r in read_rtstruct(path, GRID).table.values()] == ["kidney left"]


def test_the_smaller_of_two_overlapping_keeps_the_voxels(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"GTV 1": [circle(6.1, 4.0)], "Liver": [circle(20, 4.0)]})
    found = read_rtstruct(path, GRID)
    r, z = distance_mm()
    np.testing.assert_array_equal(found.mask("lesion 1"), (r < 6.1) & (z == 4.0))
    assert any("'liver' gave" in w and "'lesion 1'" in w for w in found.warnings)


def test_broken_contour_data_are_named(tmp_path):
    path = structure_set(tmp_path / "rs.dcm", {"Liver": [circle(20, 4.0)[:-1]]})
    with pytest.raises(DicomError, match=r"'Liver': Contour Data \(3006,0050\) has 539 numbers"):
        read_rtstruct(path, GRID)


def test_no_structures_are_named(tmp_path):
    with pytest.raises(DicomError, match=r"\(3006,0020\)"):
        read_rtstruct(structure_set(tmp_path / "rs.dcm", {}), GRID)


@pytest.mark.parametrize("omit_empty", [True, False])
def test_fractional_segments_above_one_half_are_inside(tmp_path, omit_empty):
    identity = Identity(
        patient_id="TEST01", study_datetime=datetime(2026, 3, 2, 10), frame_of_reference_uid="1.2.9"
    )
    ct = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="HU")
    files = write_ct_series(ct, tmp_path / "ct", identity=identity, acquisition_time=None)
    headers = sorted((pydicom.dcmread(f) for f in files), key=lambda d: float(d.ImagePositionPatient[2]))
    share = np.zeros(GRID.shape, np.float32)
    share[2:4, 5:10, 5:12], share[2:4, 10, 5:12], share[6, 5:10, 5:12] = 1.0, 0.4, 0.6  # with empty slices between
    segment = highdicom.seg.SegmentDescription(
        1, "Liver", codes.SCT.Organ, codes.SCT.Liver, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    made = highdicom.seg.Segmentation(
        headers, share, "FRACTIONAL", [segment], highdicom.UID(), 1, highdicom.UID(), 1, "maker", "model", "1", "1",
        omit_empty_frames=omit_empty,
    )  # fmt: skip
    made.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_seg(tmp_path / "seg.dcm", GRID).mask("liver"), share > 0.5)
