"""PET to Bq/mL and SUV: units, slopes per slice and the three ways of decay correction."""

import math
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lutetia.errors import DicomError, InputError, MissingDataError
from lutetia.images.dicom.pet import read_pet
from lutetia.images.dicom.suv import (
    lean_body_mass_james1976_kg,
    lean_body_mass_janmahasatian2005_kg,
    suv_factor_body_weight,
)

T_HALF = 4062.6  # 68Ga, ICRP 107: 67.71 min
RATE = math.log(2) / T_HALF
START = datetime(2026, 3, 1, 0, 20)
INJECTION = datetime(2026, 2, 28, 23, 50)  # the day, and the month, before
FRAME_S = 120.0


def pet_series(folder, *, correction="START", change=None):
    """Three slices, each with its own slope, the second bed 2 min after the first; values worth 1000 Bq/mL at START."""
    files = []
    for k in range(3):
        when = START + timedelta(seconds=FRAME_S * (k // 2))
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.128", generate_uid()
        ds.Modality, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "PT", "1.2.3", "1.2.9"
        ds.Rows = ds.Columns = 4
        ds.PixelSpacing, ds.ImageOrientationPatient = [4.0, 4.0], [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [0, 0, 3.0 * k]
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 0, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.Units, ds.DecayCorrection = "BQML", correction
        ds.AcquisitionDate, ds.AcquisitionTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
        ds.SeriesDate, ds.SeriesTime = "20260305", "120000"  # rewritten later
        ds.ActualFrameDuration = int(FRAME_S * 1000)
        average = math.log(RATE * FRAME_S / -math.expm1(-RATE * FRAME_S)) / RATE
        ds.FrameReferenceTime = ((when - START).total_seconds() + average) * 1000
        ds.PatientWeight, ds.PatientSize, ds.PatientSex = 70, 1.75, "M"
        item = pydicom.Dataset()
        item.RadionuclideTotalDose, item.RadionuclideHalfLife = 150e6, T_HALF
        item.RadiopharmaceuticalStartTime = INJECTION.strftime("%H%M%S")
        ds.RadiopharmaceuticalInformationSequence = [item]
        ds.RescaleSlope, ds.RescaleIntercept = 0.5 + 0.25 * k, 0
        ds.PixelData = np.full((4, 4), round(1000 / float(ds.RescaleSlope)), np.uint16).tobytes()
        if change is not None:
            change(ds)
        files.append(folder / f"{k}.dcm")
        ds.save_as(files[-1], enforce_file_format=True)
    return files


def test_every_slice_has_its_own_slope(tmp_path):
    image = read_pet(pet_series(tmp_path))
    np.testing.assert_allclose(image.volume.values, 1000, rtol=1e-3)  # rounding of the stored values
    assert image.volume.unit == "Bq/mL"


def test_start_is_computed_back_from_the_frames(tmp_path):
    found = read_pet(pet_series(tmp_path)).start_time
    # the series time was rewritten; rounding of DS to 16 characters leaves less than a second
    assert abs((found - START).total_seconds()) < 1


def test_suv_follows_from_weight_activity_and_time(tmp_path):
    image = read_pet(pet_series(tmp_path))
    left = 150e6 * math.exp(-RATE * (START - INJECTION).total_seconds())  # closed form, across midnight
    assert image.suv_bw_g_per_ml == pytest.approx(70e3 / left, rel=1e-4)
    lean = 1.10 * 70 - 128 * (70 / 175) ** 2  # James 1976, men
    assert image.suv_lbm_g_per_ml == pytest.approx(70e3 / left * lean / 70, rel=1e-4)


def test_correction_to_the_injection_is_taken_to_the_start(tmp_path):
    image = read_pet(pet_series(tmp_path, correction="ADMIN"))
    factor = math.exp(-RATE * (START - INJECTION).total_seconds())
    np.testing.assert_allclose(image.volume.values, 1000 * factor, rtol=1e-3)


def test_no_correction_is_made_good_for_each_bed(tmp_path):
    image = read_pet(pet_series(tmp_path, correction="NONE"))
    during = RATE * FRAME_S / -math.expm1(-RATE * FRAME_S)
    np.testing.assert_allclose(image.volume.values[0], 1000 * during, rtol=1e-3)
    np.testing.assert_allclose(image.volume.values[2], 1000 * during * math.exp(RATE * FRAME_S), rtol=1e-3)


def test_injected_activity_in_mbq_is_recognised(tmp_path):
    def in_mbq(ds):
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 150

    image = read_pet(pet_series(tmp_path, change=in_mbq))
    assert any("read as MBq" in w for w in image.warnings)
    assert image.suv_bw_g_per_ml == pytest.approx(70e3 / 150e6 / math.exp(-RATE * 1800), rel=1e-3)


def test_without_weight_there_is_no_suv(tmp_path):
    image = read_pet(pet_series(tmp_path, change=lambda ds: setattr(ds, "PatientWeight", None)))
    assert image.suv_bw_g_per_ml is None
    assert any("No SUV" in w for w in image.warnings)


def test_philips_counts_need_their_factor(tmp_path):
    def counts(ds):
        ds.Units = "CNTS"
        block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x09, "DS", "2.0")

    np.testing.assert_allclose(read_pet(pet_series(tmp_path, change=counts)).volume.values, 2000, rtol=1e-3)


def test_philips_counts_may_come_with_the_factor_to_suv_only(tmp_path):
    def counts(ds):
        ds.Units = "CNTS"
        block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.001")
        block.add_new(0x09, "DS", "0")

    image = read_pet(pet_series(tmp_path, change=counts))
    np.testing.assert_allclose(image.volume.values * image.suv_bw_g_per_ml, 1.0, rtol=1e-3)


@pytest.mark.parametrize("kind", ["", "BW"])
def test_suv_by_body_weight_are_turned_back(tmp_path, kind):
    def suv(ds):
        ds.Units, ds.SUVType = "GML", kind

    image = read_pet(pet_series(tmp_path, change=suv))
    assert image.volume.unit == "Bq/mL"
    np.testing.assert_allclose(image.volume.values * image.suv_bw_g_per_ml, 1000, rtol=1e-3)


def test_suv_without_weight_stay_suv(tmp_path):
    def suv(ds):
        ds.Units, ds.PatientWeight = "GML", None

    with pytest.raises(MissingDataError, match=r"\(0010,1030\)"):
        read_pet(pet_series(tmp_path, change=suv))


def test_scan_time_of_ge_goes_before_what_is_computed(tmp_path):
    def ge(ds):
        ds.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20260301001900.00")

    assert read_pet(pet_series(tmp_path, change=ge)).start_time == datetime(2026, 3, 1, 0, 19)


def test_half_life_of_the_coded_nuclide(tmp_path):
    def coded(ds):
        item = ds.RadiopharmaceuticalInformationSequence[0]
        del item.RadionuclideHalfLife
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "SCT", "^68^Gallium"
        item.RadionuclideCodeSequence = [code]

    image = read_pet(pet_series(tmp_path, correction="NONE", change=coded))
    during = RATE * FRAME_S / -math.expm1(-RATE * FRAME_S)
    np.testing.assert_allclose(image.volume.values[0], 1000 * during, rtol=1e-3)
    assert any("of Ga-68 was used" in w for w in image.warnings)


def test_a_half_life_of_another_nuclide_is_told(tmp_path):
    def coded(ds):
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "SCT", "^18^Fluorine"
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence = [code]

    assert any("is not that of F-18" in w for w in read_pet(pet_series(tmp_path, change=coded)).warnings)


def test_weight_in_grams(tmp_path):
    image = read_pet(pet_series(tmp_path, change=lambda ds: setattr(ds, "PatientWeight", 70000)))
    lean = 1.10 * 70 - 128 * (70 / 175) ** 2  # James 1976, men
    assert image.suv_lbm_g_per_ml / image.suv_bw_g_per_ml == pytest.approx(lean / 70)
    assert any("read as grams" in w for w in image.warnings)


def test_missing_corrections_are_told(tmp_path):
    image = read_pet(pet_series(tmp_path, change=lambda ds: setattr(ds, "CorrectedImage", ["DECY", "SCAT"])))
    assert [w for w in image.warnings if "Corrected Image" in w] == [
        "Corrected Image (0028,0051) names no attenuation correction."
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"RescaleIntercept": -5}, "Intercept -5"),
        ({"RescaleSlope": None}, "Rescale Slope None"),
        ({"NumberOfFrames": 3}, "3 frames"),
    ],
)
def test_what_cannot_be_a_pet_slice_is_refused(tmp_path, change, message):
    def apply(ds):
        for keyword, value in change.items():
            setattr(ds, keyword, value)

    with pytest.raises(DicomError, match=message):
        read_pet(pet_series(tmp_path, change=apply))


@pytest.mark.parametrize("units", ["CNTS", "PROPCPS", "CPS"])
def test_other_units_are_refused(tmp_path, units):
    with pytest.raises(DicomError, match=r"Units \(0054,1001\)"):
        read_pet(pet_series(tmp_path, change=lambda ds: setattr(ds, "Units", units)))


def test_missing_half_life_is_named(tmp_path):
    def without(ds):
        del ds.RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife

    with pytest.raises(MissingDataError, match=r"\(0018,1075\)"):
        read_pet(pet_series(tmp_path, correction="NONE", change=without))


@given(st.floats(30, 150), st.floats(1.4, 2.1), st.floats(0, 20000))
def test_laws_of_suv(weight_kg, height_m, since_s):
    factor = suv_factor_body_weight(
        weight_kg=weight_kg, activity_bq=1e8, half_life_s=T_HALF, since_injection_s=since_s
    )
    # an even distribution has an SUV of 1 at any time
    left = 1e8 * 0.5 ** (since_s / T_HALF)
    assert factor * left / (weight_kg * 1e3) == pytest.approx(1)
    for lean in (lean_body_mass_james1976_kg, lean_body_mass_janmahasatian2005_kg):
        man, woman = (lean(weight_kg=weight_kg, height_m=height_m, sex=s) for s in "MF")
        assert woman < man
        assert lean(weight_kg=weight_kg, height_m=height_m, sex="O") == pytest.approx((man + woman) / 2)


def test_suv_of_nobody_is_refused():
    with pytest.raises(InputError, match="expected positive"):
        suv_factor_body_weight(weight_kg=0, activity_bq=1e8, half_life_s=T_HALF, since_injection_s=0)


def test_lean_body_mass_by_hand():
    man = {"weight_kg": 70.0, "height_m": 1.75, "sex": "M"}
    assert lean_body_mass_james1976_kg(**man) == pytest.approx(56.52)  # 77 - 128 * 0.16
    assert lean_body_mass_janmahasatian2005_kg(**man) == pytest.approx(
        55.857, abs=1e-3
    )  # 648900 / (6680 + 216 * 22.857)
