import dataclasses
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from lutetia.errors import GridError, InputError
from lutetia.images.acquisition import Administration, EnergyWindow, Equipment, Projections
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_nm import nuclide_code, write_nm_recon, write_nm_tomo
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume

TIME = datetime(2024, 5, 6, 10, 30, 15)
IDENTITY = Identity(patient_id="P001", study_datetime=TIME)
GIVEN = Administration(nuclide="Lu-177", activity_bq=7.4e9, time=datetime(2024, 5, 5, 9, 0), agent="177Lu-DOTATATE")


def projections(n_heads: int = 2, step_deg: float = 6.0) -> Projections:
    n_views = 12
    head = np.repeat(np.arange(1, n_heads + 1), n_views // n_heads)
    start = np.array([180.16, 0.16])[head - 1]
    angle = np.radians(start + step_deg * (np.arange(n_views) % (n_views // n_heads)))
    counts = np.random.default_rng(2).poisson(40.0, (3, n_views, 5, 6)).astype(np.float32)
    return Projections(
        counts=counts,
        windows=(
            EnergyWindow(lower_mev=0.1872, upper_mev=0.2288, name="Lu177_EM"),
            EnergyWindow(lower_mev=0.16689, upper_mev=0.18631, name="sc3"),
            EnergyWindow(lower_mev=0.22963, upper_mev=0.25116, name="sc4"),
        ),
        angle_rad=angle % (2 * np.pi),
        radius_mm=np.linspace(200.0, 260.0, n_views),
        frame_duration_s=np.full(n_views, 25.0),
        pixel_mm=(4.4196, 4.8),
        centre_mm=(0.3, -6.9, 177.0),
        detector=head.astype(np.int64),
        start_time=TIME,
        duration_s=25.0 * n_views / n_heads,
        equipment=Equipment(manufacturer="GE MEDICAL SYSTEMS", model="Tandem_Discovery_670_Pro", collimator="MEGP"),
    )


def write(p: Projections, folder: Path, **kwargs: object) -> pydicom.Dataset:
    path = write_nm_tomo(
        p, folder / "nm.dcm", identity=IDENTITY, nuclide="Lu-177", administration=GIVEN, overwrite=True
    )
    return pydicom.dcmread(path)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_tomo_is_valid(tmp_path: Path, dicom_errors, n_heads: int) -> None:
    write(projections(n_heads), tmp_path)
    assert dicom_errors(tmp_path / "nm.dcm") == []


def test_tomo_frames_follow_their_vectors(tmp_path: Path) -> None:
    p = projections()
    ds = write(p, tmp_path)
    order = [
        (w - 1, (d - 1) * 6 + v - 1)
        for w, d, v in zip(ds.EnergyWindowVector, ds.DetectorVector, ds.AngularViewVector, strict=True)
    ]
    np.testing.assert_array_equal(ds.pixel_array, np.array([p.counts[w, v] for w, v in order]))
    assert [hex(tag) for tag in ds.FrameIncrementPointer] == ["0x540010", "0x540020", "0x540050", "0x540090"]


def test_tomo_geometry_is_that_of_a_real_camera(tmp_path: Path) -> None:
    # the GE Discovery 670 file of lu177_patient_spect, bed 1: start angle 180.16, 128 pixels of 4.4196 mm,
    # Image Position (Patient) -280.3446, -287.5446, 457.6446, orientation 0.999996, -0.002793, 0, 0, 0, -1
    p = dataclasses.replace(
        projections(1),
        counts=np.zeros((3, 12, 128, 128), np.float32),
        pixel_mm=(4.4196, 4.4196),
        centre_mm=(0.3, -6.9, 177.0),
    )
    detector = write(p, tmp_path).DetectorInformationSequence[0]
    np.testing.assert_allclose(detector.ImagePositionPatient, [-280.3446, -287.5446, 457.6446], atol=1e-6)
    np.testing.assert_allclose(detector.ImageOrientationPatient, [0.999996, -0.002793, 0, 0, 0, -1], atol=1e-6)


@pytest.mark.parametrize(("step_deg", "direction"), [(6.0, "CC"), (-6.0, "CW")])
def test_tomo_rotation(tmp_path: Path, step_deg: float, direction: str) -> None:
    ds = write(projections(step_deg=step_deg), tmp_path)
    rotation = ds.RotationInformationSequence[0]
    assert (rotation.RotationDirection, rotation.AngularStep, rotation.StartAngle) == (direction, 6.0, 180.16)
    assert (rotation.ActualFrameDuration, rotation.NumberOfFramesInRotation) == (25000, 6)
    np.testing.assert_allclose(rotation.RadialPosition, projections().radius_mm[:6], atol=1e-6)
    assert [d.StartAngle for d in ds.DetectorInformationSequence] == [180.16, 0.16]
    np.testing.assert_allclose(
        ds.DetectorInformationSequence[1].RadialPosition, projections().radius_mm[6:], atol=1e-6
    )


def test_administered_activity_is_in_mbq(tmp_path: Path) -> None:
    drug = write(projections(), tmp_path).RadiopharmaceuticalInformationSequence[0]
    assert drug.RadionuclideTotalDose == 7400  # MBq, PS3.3 C.8.4.10.1.7
    assert drug.RadionuclideCodeSequence[0].CodeMeaning == "^177^Lutetium"


def test_tomo_refuses_what_it_cannot_say(tmp_path: Path) -> None:
    p = projections()
    bad = dataclasses.replace
    with pytest.raises(InputError, match="whole counts"):
        write(bad(p, counts=p.counts + np.float32(0.5)), tmp_path)
    with pytest.raises(InputError, match="0 to 65535"):
        write(bad(p, counts=p.counts * 5000), tmp_path)
    with pytest.raises(InputError, match="equal angular steps"):
        write(bad(p, angle_rad=p.angle_rad + 0.01 * np.arange(12) ** 2), tmp_path)
    with pytest.raises(InputError, match="one duration"):
        write(bad(p, frame_duration_s=np.linspace(20.0, 25.0, 12)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def recon(unit: str = "Bq/mL") -> Volume:
    grid = Grid(size=(6, 5, 4), spacing_mm=(4.4, 4.4, 4.8), origin_mm=(-12.3, -4.5, 100.0))
    values = np.random.default_rng(3).gamma(2.0, 1e5, grid.shape).astype(np.float32)
    return Volume(grid=grid, values=values, unit=unit)


@pytest.mark.parametrize("source", [None, projections()])
def test_recon_is_valid_and_read_by_another_program(tmp_path: Path, dicom_errors, source) -> None:
    volume = recon()
    path = write_nm_recon(
        volume,
        tmp_path / "r.dcm",
        identity=IDENTITY,
        nuclide="Lu-177",
        acquisition_time=TIME,
        administration=GIVEN,
        corrections=("ATTN", "SCAT"),
        source=source,
    )
    assert dicom_errors(path) == []
    image = SimpleITK.ReadImage(str(path))
    # half a step of 16 bits
    np.testing.assert_allclose(
        SimpleITK.GetArrayFromImage(image), volume.values, atol=volume.values.max() / 65535 * 0.51
    )
    np.testing.assert_allclose(image.GetOrigin(), volume.grid.origin_mm, atol=1e-6)
    np.testing.assert_allclose(image.GetSpacing(), volume.grid.spacing_mm, atol=1e-6)
    ds = pydicom.dcmread(path)
    mapping = ds.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "Bq/ml"
    assert mapping.RealWorldValueSlope == float(ds.RescaleSlope)


def test_recon_refuses_negative_values_and_other_units(tmp_path: Path) -> None:
    kwargs = {"identity": IDENTITY, "nuclide": "Lu-177", "acquisition_time": TIME}
    with pytest.raises(InputError, match="at least 0"):
        write_nm_recon(recon().with_values(-recon().values), tmp_path / "r.dcm", **kwargs)
    with pytest.raises(GridError, match="Bq/mL, counts or counts/s"):
        write_nm_recon(recon("HU"), tmp_path / "r.dcm", **kwargs)


def test_nuclide_codes() -> None:
    assert nuclide_code("Lu-177").meaning == "^177^Lutetium"
    assert nuclide_code("Tc-99m").meaning == "^99m^Technetium"
    assert nuclide_code("Xx-1") is None


@pytest.mark.parametrize(("position", "first"), [("HFS", "headfirst"), ("FFP", "feet-first")])
def test_patient_position_is_coded(tmp_path: Path, dicom_errors, position: str, first: str) -> None:
    kwargs = {"identity": IDENTITY, "nuclide": "Lu-177", "acquisition_time": TIME}
    path = write_nm_recon(recon(), tmp_path / "r.dcm", patient_position=position, **kwargs)
    assert pydicom.dcmread(path).PatientGantryRelationshipCodeSequence[0].CodeMeaning == first
    assert dicom_errors(path) == []
    with pytest.raises(InputError, match="HFS, HFP"):
        write_nm_recon(recon(), tmp_path / "s.dcm", patient_position="standing", **kwargs)
