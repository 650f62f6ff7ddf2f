"""Planar NM: written as objects of one and of two heads, read back, and every way in which they do not say enough."""

from datetime import datetime

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage

from lutetia.errors import DicomError, MissingDataError
from lutetia.images.acquisition import Equipment
from lutetia.images.dicom.index import index_dicom
from lutetia.images.dicom.planar import read_conjugate_views
from lutetia.images.dicom.write_common import Identity, add_pixels, add_times, new_object, save

WHEN = datetime(2026, 3, 1, 9, 15)
ROWS, COLUMNS, PIXEL_MM = 7, 5, 2.4
COUNTS = np.random.default_rng(4).poisson(9, (2, 2, ROWS, COLUMNS)).astype(np.uint16)  # windows, heads
VIEWS = {"anterior": ("399321004", "Anterior projection"), "posterior": ("399001007", "Posterior projection")}
LEFTWARD, RIGHTWARD = [1, 0, 0, 0, 0, -1], [-1, 0, 0, 0, 0, -1]


def item_of(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def head_item(view, orientation, position=(-10.0, 0.0, 900.0)):
    value, meaning = VIEWS[view]
    code = item_of(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)
    code.ViewModifierCodeSequence = Items([])
    return item_of(
        CollimatorGridName="MEGP",
        CollimatorType="PARA",
        FocalDistance=0,
        FieldOfViewShape="RECTANGLE",
        FieldOfViewDimensions=[540, 400],
        ImageOrientationPatient=orientation,
        ImagePositionPatient=list(position),
        ViewCodeSequence=Items([code]),
    )


def planar(path, *, kind="STATIC", views=("anterior", "posterior"), counts=COUNTS, change=None):
    """One object of the given heads; ``change`` alters it before it is written."""
    n = len(views)
    ds = new_object(
        Identity(patient_id="TEST01", study_datetime=WHEN),
        sop_class_uid=NuclearMedicineImageStorage,
        modality="NM",
        series_seed="planar",
        instance_seed=str(views),
        equipment=Equipment(manufacturer="maker", model="camera"),
    )
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    add_times(ds, WHEN)
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = "1.2.3", ""
    ds.ActualFrameDuration, ds.CountsAccumulated = 600_000, int(counts.sum())
    if kind == "WHOLE BODY":
        ds.ActualFrameDuration, ds.ScanVelocity, ds.ScanLength = 1_200_000, "2.0", 2000
        ds.WholeBodyTechnique = "1PS"
    ds.NumberOfEnergyWindows = 2
    ds.EnergyWindowInformationSequence = Items(
        [item_of(EnergyWindowName=name, EnergyWindowRangeSequence=Items(
            [item_of(EnergyWindowLowerLimit=low, EnergyWindowUpperLimit=high)]))
         for name, low, high in (("EM", "187.2", "228.8"), ("SC", "166.4", "187.2"))]
    )  # fmt: skip
    orientation = {"anterior": LEFTWARD, "posterior": RIGHTWARD}
    ds.DetectorInformationSequence = Items([head_item(v, orientation[v]) for v in views])
    ds.NumberOfDetectors = n
    window, head = np.indices((2, n)).reshape(2, -1)
    ds.FrameIncrementPointer = [Tag("EnergyWindowVector"), Tag("DetectorVector")]
    ds.EnergyWindowVector, ds.DetectorVector = (window + 1).tolist(), (head + 1).tolist()
    ds.PixelSpacing = [str(PIXEL_MM)] * 2
    add_pixels(ds, counts.reshape(-1, ROWS, COLUMNS))
    if change is not None:
        change(ds)
    return save(ds, path, overwrite=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "planar.dcm"


def test_what_is_written_is_read_back(file):
    found = read_conjugate_views(planar(file))
    np.testing.assert_array_equal(found.anterior, COUNTS[:, 0])
    np.testing.assert_array_equal(found.posterior, COUNTS[:, 1])
    np.testing.assert_array_equal(found.aligned[:, 1], COUNTS[:, 1, :, ::-1])
    assert not found.posterior_mirrored
    assert [w.lower_mev for w in found.windows] == pytest.approx([0.1872, 0.1664])
    assert (found.exposure_s, found.duration_s, found.start_time) == (600.0, 600.0, WHEN)
    assert (found.pixel_mm, found.corner_mm) == ((PIXEL_MM, PIXEL_MM), (-10.0, 900.0))
    assert found.equipment.collimator == "MEGP"
    assert found.warnings == ()


def test_frames_and_heads_are_placed_by_their_vectors(file):
    def shuffle(ds):
        order = np.array([2, 1, 3, 0])
        ds.PixelData = _frames(ds)[order].tobytes()
        for keyword in ("EnergyWindowVector", "DetectorVector"):
            setattr(ds, keyword, np.asarray(ds[keyword].value)[order].tolist())

    found = read_conjugate_views(planar(file, change=shuffle))
    np.testing.assert_array_equal(found.anterior, COUNTS[:, 0])
    np.testing.assert_array_equal(found.posterior, COUNTS[:, 1])
    turned = read_conjugate_views(planar(file, views=("posterior", "anterior")))
    np.testing.assert_array_equal(turned.anterior, COUNTS[:, 1])


def _frames(ds):
    return np.frombuffer(ds.PixelData, np.uint16).reshape(-1, ROWS, COLUMNS)


def test_two_files_are_one_scan(tmp_path):
    files = [planar(tmp_path / f"{view}.dcm", views=(view,), counts=COUNTS[:, [n]]) for n, view in enumerate(VIEWS)]
    for order in (files, files[::-1]):
        found = read_conjugate_views(order)
        np.testing.assert_array_equal(found.anterior, COUNTS[:, 0])
        np.testing.assert_array_equal(found.posterior, COUNTS[:, 1])
    with pytest.raises(DicomError, match=r"anterior.dcm: images of \['anterior'\]; expected one anterior and one"):
        read_conjugate_views(files[0])


def test_a_mirrored_posterior_image_is_known_by_its_orientation(file):
    def mirror(ds):
        ds.DetectorInformationSequence[1].ImageOrientationPatient = LEFTWARD

    found = read_conjugate_views(planar(file, change=mirror))
    assert found.posterior_mirrored
    np.testing.assert_array_equal(found.aligned[:, 1], COUNTS[:, 1])


def test_an_unstated_orientation_is_warned_of(file):
    def forget(ds):
        for item in ds.DetectorInformationSequence:
            item.ImageOrientationPatient = item.ImagePositionPatient = None

    found = read_conjugate_views(planar(file, change=forget))
    assert not found.posterior_mirrored
    assert found.corner_mm is None
    assert any("Check left and right" in w for w in found.warnings)


def test_images_from_feet_to_head_are_turned(file):
    def upside_down(ds):
        ds.PixelData = _frames(ds)[:, ::-1].tobytes()
        for item in ds.DetectorInformationSequence:
            item.ImageOrientationPatient = [*item.ImageOrientationPatient[:3], 0, 0, 1]
            item.ImagePositionPatient = [-10.0, 0.0, 900.0 - (ROWS - 1) * PIXEL_MM]

    found = read_conjugate_views(planar(file, change=upside_down))
    np.testing.assert_array_equal(found.anterior, COUNTS[:, 0])
    assert found.corner_mm == pytest.approx((-10.0, 900.0))


def test_an_anterior_image_that_runs_to_the_right_is_turned(file):
    def mirror(ds):
        item = ds.DetectorInformationSequence[0]
        item.ImageOrientationPatient = RIGHTWARD
        item.ImagePositionPatient = [-10.0 + (COLUMNS - 1) * PIXEL_MM, 0.0, 900.0]

    found = read_conjugate_views(planar(file, change=mirror))
    np.testing.assert_array_equal(found.anterior, COUNTS[:, 0, :, ::-1])
    assert found.corner_mm == pytest.approx((-10.0, 900.0))


def test_views_follow_from_older_codes_words_and_angles(file):
    def older(ds):
        for item, value in zip(ds.DetectorInformationSequence, ("G-5216", "G-5215"), strict=True):
            item.ViewCodeSequence[0].CodeValue, item.ViewCodeSequence[0].CodeMeaning = value, ""

    def words(ds):
        for item, text in zip(ds.DetectorInformationSequence, ("Posterior", "Anterior"), strict=True):
            item.ViewCodeSequence[0].CodeValue, item.ViewCodeSequence[0].CodeMeaning = "private", text

    def angles(ds):
        for item, angle in zip(ds.DetectorInformationSequence, ("359.8", "180.2"), strict=True):
            del item.ViewCodeSequence
            item.StartAngle = angle

    for change in (older, words, angles):
        # that head's columns still run to the right
        found = read_conjugate_views(planar(file, change=change))
        np.testing.assert_array_equal(found.anterior, COUNTS[:, 1, :, ::-1])


def test_views_that_cannot_be_told_are_asked_for(file):
    def forget(ds):
        for item in ds.DetectorInformationSequence:
            del item.ViewCodeSequence
            item.StartAngle = "90"

    path = planar(file, change=forget)
    with pytest.raises(DicomError, match=r"head 1 has View Code none \(0054,0220\) and Start Angle 90.0"):
        read_conjugate_views(path)
    found = read_conjugate_views(path, heads=("posterior", "anterior"))
    np.testing.assert_array_equal(found.anterior, COUNTS[:, 1, :, ::-1])


def test_an_oblique_view_is_no_conjugate_view(file):
    def oblique(ds):
        code = ds.DetectorInformationSequence[0].ViewCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "399074003", "Left anterior-oblique"

    with pytest.raises(DicomError, match="neither anterior nor posterior"):
        read_conjugate_views(planar(file, change=oblique))


def test_the_exposure_of_a_sweep_is_not_the_time_of_the_scan(file):
    found = read_conjugate_views(planar(file, kind="WHOLE BODY"))
    assert found.exposure_s == pytest.approx(400 / 2.0)  # field of 400 mm at 2 mm/s
    assert found.duration_s == 1200.0
    assert any("seen for 200.0 s" in w for w in found.warnings)
    path = planar(file, kind="WHOLE BODY", change=lambda ds: delattr(ds, "ScanVelocity"))
    with pytest.raises(MissingDataError, match=r"Scan Velocity \(0018,1300\)"):
        read_conjugate_views(path)
    assert read_conjugate_views(path, exposure_s=180.0).exposure_s == 180.0


def test_a_static_image_without_duration_is_refused(file):
    path = planar(file, change=lambda ds: delattr(ds, "ActualFrameDuration"))
    with pytest.raises(MissingDataError, match=r"Actual Frame Duration \(0018,1242\) missing"):
        read_conjugate_views(path)


def test_other_images_and_missing_frames_are_refused(file):
    def tomo(ds):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]

    def transmission(ds):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "TRANSMISSION"]

    def twice(ds):
        ds.EnergyWindowVector = [1, 1, 1, 2]

    for change, message in (
        (tomo, "expected a planar emission image"),
        (transmission, "expected a planar emission image"),
        (twice, r"head 1 has frames of the energy windows \[1, 1\]"),
        (lambda ds: delattr(ds, "DetectorVector"), "DetectorVector is missing"),
        (lambda ds: delattr(ds, "EnergyWindowInformationSequence"), r"\(0054,0012\) is missing"),
        (lambda ds: delattr(ds, "PixelSpacing"), r"Pixel Spacing \(0028,0030\)"),
    ):
        with pytest.raises(DicomError, match=message):
            read_conjugate_views(planar(file, change=change))


def test_views_of_different_length_are_no_pair(tmp_path):
    def shorter(ds):
        ds.ActualFrameDuration = 300_000

    front = planar(tmp_path / "a.dcm", views=("anterior",), counts=COUNTS[:, [0]])
    behind = planar(tmp_path / "p.dcm", views=("posterior",), counts=COUNTS[:, [1]], change=shorter)
    with pytest.raises(DicomError, match="anterior image of 600 s and posterior one of 300 s"):
        read_conjugate_views([front, behind])


def test_the_index_knows_planar_images(file):
    (series,) = index_dicom(planar(file)).series
    assert (series.role, series.unit) == ("nm planar", "counts")


def test_the_object_read_is_a_valid_one(file, dicom_errors):
    # what the reader is tested with is what a camera could send, not only what this reader accepts
    def isotope(ds):
        drug = item_of(Radiopharmaceutical="177Lu", RadionuclideCodeSequence=Items([]))
        ds.RadiopharmaceuticalInformationSequence = Items([drug])
        recumbent = item_of(CodeValue="102538003", CodingSchemeDesignator="SCT", CodeMeaning="recumbent")
        ds.PatientOrientationCodeSequence = Items([recumbent])
        ds.PatientGantryRelationshipCodeSequence = Items([])
        ds.AcquisitionTerminationCondition, ds.BodyPartExamined = "TIME", "ABDOMEN"

    assert dicom_errors(planar(file, change=isotope)) == []
    assert pydicom.dcmread(file).ImageType[2] == "STATIC"
