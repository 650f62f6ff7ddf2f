"""What the virtual camera leaves on disk, read back: sides, times, frames of reference, and the truth apart from it."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pydicom
import pytest

from lutetia.images.dicom.nm import read_projections
from lutetia.phantoms.acquire import SENSITIVITY_CPS_PER_MBQ, SMALL, acquire
from lutetia.phantoms.virtual_patient import draw_patient

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
