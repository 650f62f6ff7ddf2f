"""Raw and reconstructed NM: written by us and read back, vendors' files, and every way in which they are wrong."""

import warnings
from datetime import datetime

import numpy as np
import pydicom
import pytest

from lutetia.errors import DicomError
from lutetia.images.acquisition import Administration, EnergyWindow, Equipment, Projections
from lutetia.images.dicom.nm import read_nm_reconstructed, read_projections
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_nm import write_nm_recon, write_nm_tomo
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

WHEN = datetime(2026, 2, 28, 23, 59, 30)
WINDOWS = (
    EnergyWindow(lower_mev=0.1872, upper_mev=0.2288, name="EM"),
    EnergyWindow(lower_mev=0.16689, upper_mev=0.18631, name="SC"),
)


def projections(**changes):
    rng = np.random.default_rng(3)
    views = 8
    fields = {
        "counts": rng.poisson(5, (2, views, 6, 10)).astype(np.float32),
        "windows": WINDOWS,
        "angle_rad": np.radians(np.r_[0:180:45, 180:360:45].astype(float)),
        "radius_mm": np.linspace(230, 260, views),
        "frame_duration_s": np.full(views, 25.0),
        "pixel_mm": (4.8, 4.8),
        "centre_mm": (0.3, -6.9, 177.0),
        "detector": np.repeat([0, 1], 4),
        "start_time": WHEN,
        "duration_s": 100.0,
        "frame_of_reference_uid": "1.2.3",
        "equipment": Equipment(manufacturer="GE", model="D670", collimator="MEGP"),
    }
    return Projections(**{**fields, **changes})


@pytest.fixture
def identity():
    return Identity(patient_id="TEST01", study_datetime=WHEN, frame_of_reference_uid="1.2.3")


@pytest.fixture
def raw(tmp_path, identity):
    given = Administration(nuclide="Lu-177", activity_bq=7.4e9, time=datetime(2026, 2, 28, 10, 0))
    return write_nm_tomo(
        projections(), tmp_path / "bed1.dcm", identity=identity, nuclide="Lu-177", administration=given
    )


def rewritten(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_what_is_written_is_read_back(raw):
    found, wanted = read_projections(raw), projections()
    np.testing.assert_array_equal(found.counts, wanted.counts)
    np.testing.assert_allclose(found.angle_rad, wanted.angle_rad, atol=1e-9)
    np.testing.assert_allclose(found.radius_mm, wanted.radius_mm, atol=1e-6)
    np.testing.assert_allclose(found.centre_mm, wanted.centre_mm, atol=1e-4)
    for window, other in zip(found.windows, wanted.windows, strict=True):
        assert (window.lower_mev, window.upper_mev) == pytest.approx((other.lower_mev, other.upper_mev), rel=1e-9)
    assert found.start_time == WHEN
    assert found.detector.tolist() == wanted.detector.tolist()
    assert found.warnings == ()


def test_frames_are_placed_by_their_vectors(raw):
    def shuffle(dataset):
        order = np.random.default_rng(1).permutation(16)
        dataset.PixelData = dataset.pixel_array[order].astype(np.uint16).tobytes()
        for keyword in ("EnergyWindowVector", "DetectorVector", "RotationVector", "AngularViewVector"):
            setattr(dataset, keyword, np.asarray(dataset[keyword].value)[order].tolist())

    np.testing.assert_array_equal(read_projections(rewritten(raw, shuffle)).counts, projections().counts)


def test_rows_that_run_to_the_head_are_turned(raw):
    def turn(dataset):
        dataset.PixelData = dataset.pixel_array[:, ::-1].tobytes()
        for item in dataset.DetectorInformationSequence:
            across, position = list(item.ImageOrientationPatient)[:3], list(item.ImagePositionPatient)
            item.ImageOrientationPatient = [*across, 0, 0, 1]
            item.ImagePositionPatient = [*position[:2], float(position[2]) - 5 * 4.8]

    found = read_projections(rewritten(raw, turn))
    np.testing.assert_array_equal(found.counts, projections().counts)
    assert found.centre_mm[2] == pytest.approx(177.0, abs=1e-4)


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ("EnergyWindowInformationSequence", r"\(0054,0012\)"),
        ("RotationInformationSequence", "RotationInformationSequence has 0 items"),
    ],
)
def test_missing_parts_are_named(raw, keyword, message):
    with pytest.raises(DicomError, match=message):
        read_projections(rewritten(raw, lambda dataset: delattr(dataset, keyword)))


def test_missing_frame_duration_is_named(raw):
    def remove(dataset):
        del dataset.RotationInformationSequence[0].ActualFrameDuration

    with pytest.raises(DicomError, match=r"bed1.dcm: Actual Frame Duration \(0018,1242\)"):
        read_projections(rewritten(raw, remove))


def test_truncated_pixels_are_refused(raw):
    raw.write_bytes(raw.read_bytes()[:-500])
    with pytest.raises(DicomError, match=r"bed1\.dcm: (truncated|not readable)"):
        read_projections(raw)


def test_missing_dates_are_none(raw):
    def remove(dataset):
        dataset.AcquisitionDate = dataset.AcquisitionTime = dataset.ContentDate = dataset.ContentTime = ""
        dataset.pop("AcquisitionDateTime", None)

    assert read_projections(rewritten(raw, remove)).start_time is None


def test_reconstructed_image_keeps_unit_and_place(tmp_path, identity):
    grid = Grid(
        size=(8, 7, 5), spacing_mm=(4.8, 4.8, 4.4), origin_mm=(-20.0, 3.0, 100.0), frame_of_reference_uid="1.2.3"
    )
    values = np.random.default_rng(0).random(grid.shape).astype(np.float32) * 1e6
    path = write_nm_recon(
        Volume(grid=grid, values=values, unit="Bq/mL"), tmp_path / "r.dcm", identity=identity, nuclide="Lu-177",
        acquisition_time=WHEN,
    )  # fmt: skip
    found = read_nm_reconstructed(path)
    assert found.volume.unit == "Bq/mL"
    assert found.volume.grid.same_as(grid)
    np.testing.assert_allclose(found.volume.values, values, atol=1e6 / 65535)  # one stored step


def test_missing_slice_spacing_falls_back_with_a_warning(tmp_path, identity):
    grid = Grid(size=(8, 7, 5), spacing_mm=(4.8, 4.8, 4.4), origin_mm=(0, 0, 0))
    volume = Volume(grid=grid, values=np.ones(grid.shape, np.float32), unit="Bq/mL")
    path = write_nm_recon(volume, tmp_path / "r.dcm", identity=identity, nuclide="Lu-177", acquisition_time=WHEN)
    found = read_nm_reconstructed(rewritten(path, lambda dataset: delattr(dataset, "SpacingBetweenSlices")))
    assert found.volume.grid.spacing_mm[2] == pytest.approx(4.4)
    assert any("Slice Thickness" in w for w in found.warnings)


def each_head(**values):
    def change(dataset):
        for item in dataset.DetectorInformationSequence:
            for keyword, value in values.items():
                setattr(item, keyword, value)

    return change


def test_another_makers_position_is_an_assumption(raw):
    found = read_projections(rewritten(raw, lambda d: setattr(d, "Manufacturer", "OTHER")))
    assert found.centre_mm == pytest.approx((0.3, -6.9, 177.0), abs=1e-4)
    assert any("as cameras of GE mean it" in w for w in found.warnings)


def test_position_zero_means_the_isocentre(raw):
    def zero(dataset):
        each_head(ImagePositionPatient=[0, 0, 189.0])(dataset)
        dataset.RotationInformationSequence[0].TableHeight = 143.4

    found = read_projections(rewritten(raw, zero))
    assert found.centre_mm == pytest.approx((0.0, -143.4, 177.0))  # z: 5 half pixels of 4.8 mm below the first row
    assert any("y = -143.4 mm" in w for w in found.warnings)


def test_missing_position_is_told(raw):
    found = read_projections(rewritten(raw, each_head(ImagePositionPatient=None)))
    assert any("Image Position (Patient) is missing" in w for w in found.warnings)


def test_orientation_that_contradicts_the_start_angle_is_told(raw):
    found = read_projections(rewritten(raw, each_head(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])))
    assert any("is not that of a detector at 0.0 degrees" in w for w in found.warnings)


def test_start_angle_may_stand_with_the_rotation(raw):
    def move(dataset):
        for item in dataset.DetectorInformationSequence:
            del item.StartAngle
            del item.RadialPosition
        rotation = dataset.RotationInformationSequence[0]
        rotation.StartAngle, rotation.RotationDirection, rotation.RadialPosition = 180, "CW", 250
        dataset.DetectorVector = [1] * 16
        dataset.AngularViewVector = list(range(1, 9)) * 2

    found = read_projections(rewritten(raw, move))
    # one head of eight views: clockwise lowers the angle
    assert np.degrees(found.angle_rad) == pytest.approx(180 - 45 * np.arange(8))
    assert found.radius_mm.tolist() == [250.0] * 8
    assert found.duration_s == 200


@pytest.mark.parametrize(
    ("where", "keyword", "value", "message"),
    [
        ("rotation", "AngularStep", None, r"Angular Step \(0018,1144\)"),
        ("rotation", "RotationDirection", "", r"Rotation Direction \(0018,1140\)"),
        ("heads", "RadialPosition", [250, 251], r"Radial Position \(0018,1142\) has 2 values"),
        ("heads", "RadialPosition", 0, "expected more than 0"),
        ("heads", "ImageOrientationPatient", [1, 0, 0, 0, 1, 0], "rows along the patient's axis"),
        ("top", "PixelSpacing", None, r"Pixel Spacing \(0028,0030\)"),
        ("top", "AngularViewVector", [1] * 16, "some are missing"),
        ("top", "AngularViewVector", [1, 2], "has 2 entries"),
        ("top", "EnergyWindowVector", [3] * 16, "names window 3 of 2"),
    ],
)
def test_contradictions_are_named(raw, where, keyword, value, message):
    def change(dataset):
        parts = {
            "rotation": list(dataset.RotationInformationSequence),
            "heads": list(dataset.DetectorInformationSequence),
            "top": [dataset],
        }[where]
        for part in parts:
            setattr(part, keyword, value)

    with pytest.raises(DicomError, match=rf"bed1\.dcm: .*{message}"):
        read_projections(rewritten(raw, change))


@pytest.mark.parametrize("limits", [(0, 0), (230, 190), (None, 228)])
def test_windows_without_limits_are_named(raw, limits):
    def change(dataset):
        item = dataset.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence[0]
        item.EnergyWindowLowerLimit, item.EnergyWindowUpperLimit = limits

    with pytest.raises(DicomError, match=r"\(0054,0012\)"):
        read_projections(rewritten(raw, change))


@pytest.mark.parametrize(("low", "read"), [(228.8, True), (300.0, False)])
def test_a_window_of_touching_ranges_is_one_and_of_separate_ones_none(raw, low, read):
    def change(dataset):
        ranges = dataset.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence
        ranges.append(pydicom.Dataset())
        ranges[1].EnergyWindowLowerLimit, ranges[1].EnergyWindowUpperLimit = low, 330.0

    path = rewritten(raw, change)
    if read:
        window = read_projections(path).windows[0]
        assert (window.lower_mev, window.upper_mev) == pytest.approx((0.1872, 0.33))
    else:
        with pytest.raises(DicomError, match="several separate ranges"):
            read_projections(path)


def test_an_unreadable_date_is_none_and_told(raw):
    def change(dataset):
        dataset.AcquisitionDate = "20261345"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's remark on the value
        found = read_projections(rewritten(raw, change))
    assert found.start_time is None
    assert any("start of the acquisition is unknown" in w for w in found.warnings)


RECON_GRID = Grid(
    size=(8, 7, 5), spacing_mm=(4.8, 4.8, 4.4), origin_mm=(-20, 3, 100), frame_of_reference_uid="1.2.3"
)
RECON_VALUES = (np.arange(280).reshape(RECON_GRID.shape) + 1).astype(np.float32) * 100


@pytest.fixture
def recon(tmp_path, identity):
    return write_nm_recon(
        Volume(grid=RECON_GRID, values=RECON_VALUES, unit="Bq/mL"), tmp_path / "r.dcm", identity=identity,
        nuclide="Lu-177", acquisition_time=WHEN, source=projections(),
    )  # fmt: skip


def test_duration_is_the_live_time_of_one_head(recon):
    assert read_nm_reconstructed(recon).duration_s == pytest.approx(4 * 25.0)  # two heads measure at once


def test_negative_spacing_stacks_the_other_way(recon):
    def turn(dataset):
        dataset.PixelData = dataset.pixel_array[::-1].tobytes()
        dataset.SpacingBetweenSlices = -4.4
        dataset.DetectorInformationSequence[0].ImagePositionPatient = [-20, 3, 100 + 4 * 4.4]

    found = read_nm_reconstructed(rewritten(recon, turn)).volume
    for index in ((0, 0, 0), (7, 6, 4), (1, 2, 3)):
        i, j, k = np.rint(found.grid.index(RECON_GRID.position_mm(index))).astype(int)
        assert found.values[k, j, i] == pytest.approx(RECON_VALUES[index[::-1]], abs=0.5)  # one stored step


def test_slices_are_ordered_by_their_vector(recon):
    def shuffle(dataset):
        order = [3, 0, 4, 1, 2]
        dataset.PixelData = dataset.pixel_array[order].tobytes()
        dataset.SliceVector = [n + 1 for n in order]

    np.testing.assert_allclose(
        read_nm_reconstructed(rewritten(recon, shuffle)).volume.values, RECON_VALUES, atol=0.5
    )


def test_unit_by_precedence(recon):
    """Real world value mapping, then Units with the rescale slope, then counts."""
    step = float(pydicom.dcmread(recon).RescaleSlope)

    def other_slope(dataset):
        dataset.RescaleSlope = step * 2

    found = read_nm_reconstructed(rewritten(recon, other_slope))
    np.testing.assert_allclose(found.volume.values, RECON_VALUES, atol=0.5)
    assert any("differ; the latter is used" in w for w in found.warnings)

    def kilo(dataset):
        item = dataset.RealWorldValueMappingSequence[0]
        item.MeasurementUnitsCodeSequence[0].CodeValue = "kBq/ml"

    np.testing.assert_allclose(
        read_nm_reconstructed(rewritten(recon, kilo)).volume.values, RECON_VALUES * 1e3, atol=500
    )

    def units(dataset):
        del dataset.RealWorldValueMappingSequence
        dataset.Units = "BQML"

    found = read_nm_reconstructed(rewritten(recon, units))
    assert found.volume.unit == "Bq/mL"
    np.testing.assert_allclose(found.volume.values, RECON_VALUES * 2, atol=1)
    found = read_nm_reconstructed(rewritten(recon, lambda d: delattr(d, "Units")))
    assert found.volume.unit == "counts"
    assert any("No unit is stored" in w for w in found.warnings)


def test_a_mapping_without_slope_is_refused(recon):
    def change(dataset):
        del dataset.RealWorldValueMappingSequence[0].RealWorldValueSlope

    with pytest.raises(DicomError, match=r"\(0040,9225\)"):
        read_nm_reconstructed(rewritten(recon, change))


def test_scanner_files_of_a_patient(shared_data):
    beds = [read_projections(p) for p in sorted((shared_data / "lu177_patient_spect" / "NM").glob("*.dcm"))]
    assert [b.counts.shape for b in beds] == [(6, 60, 128, 128)] * 2
    assert [b.counts.sum(dtype=float) for b in beds] == [5692479, 12190080]  # Counts Accumulated (0018,0070)
    # opposite starts and directions: both beds see the patient from all sides, 6 degrees apart
    assert np.degrees(beds[0].angle_rad[:2]) == pytest.approx([180.16, 186.16])
    assert np.degrees(beds[1].angle_rad[:2]) == pytest.approx([0.16, -5.84])
    assert beds[0].centre_mm == pytest.approx((0.3, -6.9, 177.0), abs=0.01)
    assert beds[0].start_time is None


def test_another_vendor(shared_data):
    image = read_nm_reconstructed(shared_data / "nmqc_mediso_nm" / "Jaszack.dcm")
    grid = image.volume.grid
    assert grid.size == (128, 128, 45)
    # negative Spacing Between Slices: stacked against row x column
    assert np.asarray(grid.directions)[:, 2].tolist() == pytest.approx([0, 0, -1])
    assert image.volume.unit == "counts"
    with pytest.raises(DicomError, match="STATIC"):
        read_projections(shared_data / "nmqc_mediso_nm" / "FourBar.dcm")
