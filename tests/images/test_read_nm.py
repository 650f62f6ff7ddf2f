"""Raw and reconstructed NM: written by us and read back, vendors' files, and every way in which they are wrong."""

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
