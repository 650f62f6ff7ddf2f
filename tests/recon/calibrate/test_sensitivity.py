import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import GridError, InputError, MissingDataError, OutOfRangeError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import nuclide
from lutetia.recon.calibrate.conditions import Conditions, Source
from lutetia.recon.calibrate.sensitivity import (
    Counted,
    PlanarCounts,
    planar_sensitivity,
    slab_transmission,
    tomographic_sensitivity,
)

START = datetime(2026, 3, 2, 12)
CONDITIONS = Conditions(camera="Camera 1", collimator="MEGP", nuclide="Lu-177", window_mev=(0.1872, 0.2288))
SOURCE = Source(
    nuclide="Lu-177",
    activity_bq=50e6,
    reference_time=START - timedelta(hours=3),
    relative_uncertainty=0.02,
    clock_uncertainty_s=30.0,
    meter="Meter A",
)
DECAY = nuclide("Lu-177").decay_constant_per_s
TRUE = 9.4e-6


def _expected(duration_s, source=SOURCE, *, sensitivity=TRUE, decay=DECAY):
    """Counts of one head: the integral of the decaying activity over the acquisition."""
    start = source.activity_bq * math.exp(-decay * (START - source.reference_time).total_seconds())
    return sensitivity * start * (1 - math.exp(-decay * duration_s)) / decay


def _counts(*totals, heads=1, duration_s=600.0, scatter=0.0, variance=0.0):
    counted = tuple(Counted(total=t, scatter=scatter, scatter_variance=variance) for t in totals)
    return PlanarCounts(counted=counted, heads=heads, duration_s=duration_s)


def _measure(counts, source=SOURCE, **changes):
    return planar_sensitivity(counts, source, CONDITIONS, **({"start_time": START} | changes))


@given(duration_s=st.floats(1, 3e6), heads=st.integers(1, 3), hours=st.floats(-200, 200))
def test_the_integral_of_the_decaying_source_gives_its_sensitivity_back(duration_s, heads, hours):
    source = replace(SOURCE, reference_time=START - timedelta(hours=hours))
    counts = _counts(heads * _expected(duration_s, source), heads=heads, duration_s=duration_s)
    assert _measure(counts, source).value_cps_per_bq == pytest.approx(TRUE, rel=1e-9)  # law


def test_background_scatter_transmission_and_dead_time_are_taken_out():
    clean = _expected(600.0) * 0.9
    lost = 1 - 2e-6 * 5e4
    counts = _counts((clean + 4000.0) * lost + 0.5 * 60.0 * 10, scatter=0.5 * 600.0, variance=300.0)
    # 4000 true counts of the room in 600 s, losses on both, and 300 scattered counts on top
    background = _counts(8000.0, duration_s=1200.0)
    found = _measure(
        counts,
        background=background,
        transmission=0.9,
        transmission_relative_uncertainty=0.01,
        dead_time_s=2e-6,
        spectrum_rate_cps=5e4,
    )
    assert found.value_cps_per_bq == pytest.approx(TRUE, rel=1e-9)  # closed form
    variance = (counts.counted[0].total + 300.0) / lost**2 / 600.0**2 + 8000.0 / 1200.0**2
    net = clean / 600.0
    assert found.budget["counting"] == pytest.approx(math.sqrt(variance) / net, rel=1e-9)  # Poisson
    assert found.budget["attenuation in the source"] == 0.01
    assert found.budget["clocks"] == pytest.approx(DECAY * 30.0)
    assert found.relative_uncertainty == pytest.approx(math.sqrt(sum(u**2 for u in found.budget.values())))
    assert not found.warnings


def test_heads_are_told_apart():
    n = _expected(600.0)
    found = _measure(_counts(0.9 * n, 1.1 * n, heads=2))
    assert found.value_cps_per_bq == pytest.approx(TRUE)
    assert found.per_head_cps_per_bq == pytest.approx((0.9 * TRUE, 1.1 * TRUE))
    assert any("heads differ by 10%" in w for w in found.warnings)
    assert not _measure(_counts(2 * n, heads=2)).per_head_cps_per_bq


def test_uncertainty_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    source, pulls = replace(SOURCE, relative_uncertainty=0.01, clock_uncertainty_s=0.0), []
    for _ in range(800):
        drawn = replace(source, activity_bq=source.activity_bq * (1 + 0.01 * rng.standard_normal()))
        counts = _counts(float(rng.poisson(_expected(60.0) + 6000)), duration_s=60.0)
        found = _measure(counts, drawn, background=_counts(float(rng.poisson(6000)), duration_s=60.0))
        pulls.append((found.value_cps_per_bq - TRUE) / (found.relative_uncertainty * found.value_cps_per_bq))
    assert np.mean(pulls) == pytest.approx(0, abs=4 / math.sqrt(800))  # 4 sigma of the mean
    assert np.std(pulls) == pytest.approx(1, abs=4 / math.sqrt(2 * 800))  # 4 sigma of a standard deviation


def test_what_is_assumed_is_told_and_what_is_unknown_stays_unknown():
    vague = replace(SOURCE, relative_uncertainty=None, clock_uncertainty_s=None)
    found = _measure(_counts(_expected(600.0)), replace(vague, reference_time=START - timedelta(days=20)))
    assert found.relative_uncertainty is None
    told = " ".join(found.warnings)
    assert "activity is not known" in told
    assert "agree within 60 s" in told
    assert "3.0 half-lives" in told  # 20 d over 6.647 d
    assert "No background" in told
    dead = _measure(_counts(_expected(600.0)), dead_time_s=1e-6)
    assert any("by the rate in the window alone" in w for w in dead.warnings)


def test_transmission_of_a_layer():
    assert slab_transmission(0.135, 0.0) == 1.0
    depth = np.linspace(0, 10, 20001)  # mm
    mean = np.trapezoid(np.exp(-0.135 * depth / 10), depth) / 10
    assert slab_transmission(0.135, 10.0) == pytest.approx(mean, rel=1e-8)  # integral over the depth
    with pytest.raises(InputError, match="expected 0 or more"):
        slab_transmission(0.1, -1.0)


def test_calibration_for_the_reconstruction():
    calibration = _measure(_counts(_expected(600.0))).calibration(dead_time_s=1e-6)
    assert calibration.sensitivity_cps_per_bq == pytest.approx(TRUE)
    assert calibration.dead_time_s == 1e-6
    assert "planar measurement of 2026-03-02" in calibration.source


def test_impossible_measurements():
    n = _expected(600.0)
    with pytest.raises(InputError, match="background files are not exchanged"):
        _measure(_counts(100.0), background=_counts(5000.0))
    with pytest.raises(InputError, match="expected the same heads"):
        _measure(_counts(n), background=_counts(5.0, 5.0, heads=2))
    with pytest.raises(InputError, match="source is Tc-99m, the calibration is for Lu-177"):
        _measure(_counts(n), replace(SOURCE, nuclide="Tc-99m"))
    with pytest.raises(InputError, match="Transmission out of the source"):
        _measure(_counts(n), transmission=1.2)
    with pytest.raises(OutOfRangeError, match="time is dead"):
        _measure(_counts(n), dead_time_s=1e-4, spectrum_rate_cps=9e3)
    with pytest.raises(InputError, match="2 counts for 3 heads"):
        _counts(1.0, 2.0, heads=3)
    with pytest.raises(InputError, match="Duration 0"):
        _counts(1.0, duration_s=0.0)
    with pytest.raises(InputError, match="expected finite numbers"):
        Counted(total=-1.0)
    with pytest.raises(InputError, match="expected more than 0"):
        replace(SOURCE, activity_bq=0.0)
    with pytest.raises(InputError, match="source's activity is -1"):
        replace(SOURCE, relative_uncertainty=-1.0)
    with pytest.raises(InputError, match="time zone"):
        _measure(_counts(n), start_time=START.astimezone())


def test_conditions_name_what_differs():
    assert not CONDITIONS.differences(replace(CONDITIONS, camera="camera 1 ", window_mev=(0.18722, 0.2288)))
    other = replace(CONDITIONS, collimator="LEHR", nuclide="tc99m", window_mev=(0.126, 0.154))
    assert CONDITIONS.differences(other) == ("collimator", "nuclide", "window")
    assert CONDITIONS.differences(other, window=False) == ("collimator", "nuclide")
    assert CONDITIONS.describe() == "Camera 1, MEGP, Lu-177, 187.2-228.8 keV"
    with pytest.raises(MissingDataError, match=r"collimator .* is not known.*--collimator"):
        replace(CONDITIONS, collimator=" ")
    with pytest.raises(InputError, match="expected 0 < lower < upper"):
        replace(CONDITIONS, window_mev=(0.2, 0.1))


GRID = Grid(size=(30, 30, 30), spacing_mm=(8.0, 8.0, 8.0), origin_mm=(-116.0, -116.0, -116.0))
RADIUS = np.sqrt(sum((np.arange(30) * 8.0 - 116.0).reshape(s) ** 2 for s in ((-1, 1, 1), (1, -1, 1), (1, 1, -1))))


def _sphere_image():
    """A uniform sphere of radius 80 mm that holds the source, its edge blurred outwards."""
    activity = SOURCE.activity_at(START)
    phantom_ml = 4 / 3 * math.pi * 8.0**3
    inside = TRUE * activity / phantom_ml * GRID.voxel_ml
    return Volume(grid=GRID, values=np.where(RADIUS < 60.0, inside, 0.0), unit="counts/s"), phantom_ml


def test_phantom_by_its_inside_and_by_the_whole_image():
    image, phantom_ml = _sphere_image()
    found = tomographic_sensitivity(
        image,
        SOURCE,
        CONDITIONS,
        start_time=START,
        region=RADIUS < 40.0,
        phantom_ml=phantom_ml,
        phantom_relative_uncertainty=0.003,
        counting_relative_uncertainty=0.004,
        dead_time_correction=1.05,
        reconstruction="OSEM 6 x 6",
    )
    assert found.value_cps_per_bq == pytest.approx(1.05 * TRUE, rel=1e-6)  # float32 image
    assert found.budget["phantom volume"] == 0.003
    assert found.relative_uncertainty == pytest.approx(math.hypot(0.02, 0.003, 0.004, DECAY * 30.0))
    whole = tomographic_sensitivity(image, SOURCE, CONDITIONS, start_time=START)
    total = float(image.values.sum(dtype=float))
    assert whole.value_cps_per_bq == pytest.approx(total / SOURCE.activity_at(START), rel=1e-9)
    assert whole.relative_uncertainty is None  # counting unknown
    unseen = tomographic_sensitivity(
        image, SOURCE, CONDITIONS, start_time=START, counting_relative_uncertainty=math.inf
    )
    assert unseen.budget["counting"] is None
    assert "phantom volume" not in whole.budget


def test_impossible_phantoms():
    image, phantom_ml = _sphere_image()
    inside = RADIUS < 40.0

    def measure(values=image, **changes):
        given = {"start_time": START, "region": inside, "phantom_ml": phantom_ml} | changes
        return tomographic_sensitivity(values, SOURCE, CONDITIONS, **given)

    with pytest.raises(InputError, match="needs 'counts/s'"):
        measure(image.with_values(image.values, "Bq/mL"))
    with pytest.raises(GridError, match="Region of shape"):
        measure(region=inside[1:])
    with pytest.raises(InputError, match="in a phantom of None mL"):
        measure(phantom_ml=None)
    with pytest.raises(InputError, match="a region inside it"):
        measure(phantom_ml=10.0)
    with pytest.raises(InputError, match=r"dead-time correction of 0\.9"):
        measure(dead_time_correction=0.9)
