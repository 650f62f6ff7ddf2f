"""What the virtual camera leaves on disk, read back: sides, times, frames of reference, and the truth apart from it."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pydicom
import pytest

from lutetia.errors import InputError
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.nm import read_projections
from lutetia.images.dicom.rtstruct import read_rtstruct
from lutetia.phantoms.acquire import SENSITIVITY_CPS_PER_MBQ, SMALL, AcquisitionSettings, acquire
from lutetia.phantoms.virtual_patient import draw_patient, region_masses_g

TIME_H = (4.0, 24.0)


@pytest.fixture(scope="module")
def patient():
    return draw_patient(11, "female")


@pytest.fixture(scope="module")
def case(patient, tmp_path_factory):
    return acquire(patient, tmp_path_factory.mktemp("case"), time_h=TIME_H, settings=SMALL, n_histories=20_000)


def test_views_read_back_at_their_times(case, patient):
    for number, hours in enumerate(TIME_H, 1):
        views = read_projections(case.folder / f"session{number}" / "bed1.dcm")
        assert views.counts.shape == (3, SMALL.n_views, SMALL.n_rows, SMALL.n_columns)
        assert views.start_time == patient.administration.time + timedelta(hours=hours)
        assert views.counts.sum() > 0


def test_every_session_has_its_own_frame(case):
    frames = [
        {str(pydicom.dcmread(p, stop_before_pixels=True).FrameOfReferenceUID) for p in folder.rglob("*.dcm")}
        for folder in sorted(case.folder.glob("session*"))
    ]
    assert [len(f) for f in frames] == [1, 1]
    assert not frames[0] & frames[1]


def test_contours_are_of_all_regions_with_activity(case, patient):
    drawn = pydicom.dcmread(case.folder / "session2" / "rtstruct.dcm")
    assert {roi.ROIName for roi in drawn.StructureSetROISequence} == set(patient.kinetics) - {"remainder"}
    assert not list((case.folder / "session1").glob("rtstruct*"))


def test_contours_enclose_the_organs_on_the_ct(case, patient):
    ct = read_ct(sorted((case.folder / "session2" / "ct").glob("*.dcm")))
    drawn = read_rtstruct(case.folder / "session2" / "rtstruct.dcm", ct.grid)
    masses = region_masses_g(patient.anatomy)
    for name, density in (("liver", 1.06), ("spleen", 1.06), ("kidney left", 1.05)):  # ICRU 46 [g/mL]
        # voxels of 4.4 x 4.4 x 8 mm against organs some 30 mm thick
        assert drawn.volume_ml(name) == pytest.approx(masses[name] / density, rel=0.1), name
    # noise of 12 HU about liver of 1.06 g/mL, 45 to 65 HU on the Schneider curve; whole numbers add 0.3 HU
    inside = ct.values[drawn.mask("liver")]
    assert 40 < inside.mean() < 70
    assert inside.std() == pytest.approx(SMALL.ct_noise_hu, rel=0.05)


@pytest.mark.parametrize("time_h", [(), (0.0, 4.0), (24.0, 4.0), (4.0, 4.0)])
def test_impossible_times_are_named(patient, tmp_path, time_h):
    with pytest.raises(InputError, match="increasing times after administration"):
        acquire(patient, tmp_path, time_h=time_h, settings=SMALL)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"), [({"n_views": 31}, "31 views"), ({"bed_centres_mm": ()}, "at least one bed")]
)
def test_impossible_cameras_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        AcquisitionSettings(**settings)


def test_truth_lies_apart_and_decays(case, patient):
    assert case.folder not in case.truth_path.parents
    truth = json.loads(case.truth_path.read_text("utf-8"))
    assert truth["seed"] == patient.seed
    for region in truth["regions"]:
        kinetics = patient.kinetics[region["region"]]
        assert region["activity_MBq"][1] == pytest.approx(float(kinetics.activity_bq(24 * 3600)) * 1e-6)
        assert region["absorbed_dose_Gy"] > 0


def test_the_stated_sensitivity_is_off_within_its_uncertainty(case):
    stated = case.document["camera"]["sensitivity_cps_per_MBq"]
    # drawn within 1.5 of the stated 2 %
    assert 0 < abs(stated / SENSITIVITY_CPS_PER_MBQ - 1) <= 0.0301
    assert case.document["camera"]["sensitivity_uncertainty_percent"] == pytest.approx(2.0)


def test_a_seed_is_an_acquisition_and_the_left_kidney_is_on_the_left(patient, tmp_path):
    one = replace(patient, kinetics={"kidney left": patient.kinetics["kidney left"]})
    for name in "ab":
        acquire(one, tmp_path / name, time_h=(24.0,), settings=SMALL, n_histories=1000)
    first, again = (read_projections(tmp_path / name / "dicom" / "session1" / "bed1.dcm") for name in "ab")
    np.testing.assert_array_equal(first.counts, again.counts)
    behind = int(np.argmax(np.cos(first.angle_rad)))
    # from the back, columns run to the patient's right (Projections)
    profile = first.counts[0, behind].sum(axis=0)
    assert np.average(np.arange(SMALL.n_columns), weights=profile) < SMALL.n_columns / 2 - 3
