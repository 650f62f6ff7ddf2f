"""The budget of a region in a case."""

import math
from pathlib import Path

import numpy as np
import pytest

from lutetia.app.case.settings import CameraSettings, Case, KineticsSettings
from lutetia.app.workflow.doses.budget import DRAWN_BOUNDARY_MM, region_budget
from lutetia.app.workflow.kinetics.regions import fit_region, kinetics_choice
from lutetia.app.workflow.measure import REGISTRATION_MM, REMAINDER, REPEATABILITY
from lutetia.dose.uncertainty import combined, surface_area_mm2
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_trapezoid
from lutetia.physics.nuclides import nuclide

H = 3600.0
LU177 = nuclide("Lu-177")
GRID = Grid(size=(31, 31, 31), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(0.0, 0.0, 0.0))
STEPS = (np.arange(31) - 15) * 2.0
BALL = STEPS[:, None, None] ** 2 + STEPS[:, None] ** 2 + STEPS**2 <= 24**2
KIDNEY = Region(name="kidney left", kind="organ", side="left", source="RTSTRUCT")
REGIONS = Regions(grid=GRID, labels=BALL.astype(np.int16), table={1: KIDNEY})
VOXELS = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="Gy")
SURFACE_PER_VOLUME = surface_area_mm2(BALL, GRID.spacing_mm) / (REGIONS.volume_ml("kidney left") * 1e3)
MOTION = REGISTRATION_MM * SURFACE_PER_VOLUME / 4


def case(model="auto", **more):
    camera = CameraSettings(sensitivity_relative_uncertainty=0.03)
    return Case(
        folder=Path(), nuclide="Lu-177", agent="177Lu-DOTATATE", kinetics=KineticsSettings(model=model), camera=camera,
        **more
    )  # fmt: skip


def curve(hours=(4.0, 24.0, 72.0, 168.0), counting=0.02, region="kidney left"):
    t = np.array(hours) * H
    activity = 2e8 * np.exp(-math.log(2) / (51 * H) * t)
    motion = MOTION if len(hours) > 1 and region != REMAINDER else 0.0
    u = math.sqrt(counting**2 + motion**2 + REPEATABILITY**2) * activity
    return TimeActivityCurve(region=region, time_s=t, activity_bq=activity, standard_uncertainty_bq=u)


def fitted(this, c):
    return fit_region(c, nuclide=LU177, kind="organ", choice=kinetics_choice(this))


def budget(this, c, fit, region=KIDNEY, **more):
    given = {"recoveries": (0.8, 0.7), "scatter_to_primary": 0.3, "statistics": None} | more
    found = region_budget(this, kinetics_choice(this), REGIONS, region, VOXELS, c, fit, **given)
    return found, {part.name: part.relative for part in found}


def test_the_points_errors_are_told_apart_and_add_up():
    this, c = case("mono"), curve()
    fit = fitted(this, c)
    found, parts = budget(this, c, fit, statistics=0.004)
    # the same weights for all: the causes are in the ratio of their sizes
    assert parts["registration and motion"] / parts["count rate"] == pytest.approx(MOTION / 0.02, rel=1e-6)
    assert parts["repeatability"] / parts["count rate"] == pytest.approx(REPEATABILITY / 0.02, rel=1e-6)
    course = [
        part
        for part in found
        if part.name in ("count rate", "repeatability", "registration and motion", "extrapolation")
    ]
    own = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    assert combined(course) == pytest.approx(own, rel=1e-6)
    # closed form: 0.5 mm of boundary over 1 + R of the largest correction
    assert parts["volume"] == pytest.approx(DRAWN_BOUNDARY_MM * SURFACE_PER_VOLUME / 1.7)
    assert parts["recovery coefficient"] == pytest.approx(0.03)
    assert parts["Monte Carlo statistics"] == 0.004
    assert parts["calibration"] == 0.03


def test_one_scan_has_no_motion_and_a_model():
    this, c = case("haenscheid2018"), curve((72.0,))
    _, parts = budget(this, c, fitted(this, c))
    assert "registration and motion" not in parts
    assert parts["count rate"] == pytest.approx(0.02, rel=1e-6)
    assert parts["curve model"] > 0.01


def test_the_remainder_has_a_trapezoid_and_no_outline():
    c = curve(region=REMAINDER)
    fit = fit_trapezoid(c, decay_constant_per_s=LU177.decay_constant_per_s)
    region = Region(name=REMAINDER, kind="remainder", side="", source="computed")
    found, parts = budget(case(), c, fit, region, recoveries=())
    assert "volume" not in parts
    assert "registration and motion" not in parts
    assert parts["extrapolation"] > 0
    assert [p.name for p in found if p.shared] == ["calibration", "scatter correction", "density", "decay energy"]


def test_unknown_points_leave_the_other_components():
    this = case("mono")
    c = TimeActivityCurve(
        region="kidney left", time_s=np.array([4.0, 24.0]) * H, activity_bq=np.array([2e8, 1.5e8])
    )
    _, parts = budget(this, c, fitted(this, c))
    assert not {"count rate", "extrapolation", "count rate, fit and extrapolation"} & set(parts)
    assert parts["volume"] > 0


def test_a_volume_uncertainty_of_the_case_is_taken():
    this, c = case("mono", volume_relative_uncertainty=0.17), curve()
    _, parts = budget(this, c, fitted(this, c))
    assert parts["volume"] == pytest.approx(0.1)
