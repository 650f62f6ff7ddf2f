"""Motion between views: none where there was none, and the right way where there was."""

import numpy as np
import pytest
from scipy.ndimage import shift

from lutetia.recon.camera import Camera
from lutetia.recon.motion import detect_motion
from lutetia.recon.osem import osem
from lutetia.recon.projector import spect_system

from .conftest import cylinder_mu, make_orbit, positions_mm

PIXEL_MM = (4.8, 4.8)
VIEWS = 24


@pytest.fixture(scope="module")
def still():
    """System, and the expected counts of a hot sphere in a cylinder."""
    orbit = make_orbit(np.arange(VIEWS) * 15.0, n=32, rows=24, radius_mm=120.0, pixel_mm=PIXEL_MM)
    mu = cylinder_mu(orbit.grid(), orbit, 55.0, 0.13)
    camera = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
    system = spect_system(orbit=orbit, camera=camera, attenuation=mu)
    x, y, z = positions_mm(orbit.grid())
    image = 0.5 * ((x**2 + y**2 < 55**2) & (np.abs(z) < 35)) + 5.0 * ((x - 25) ** 2 + y**2 + z**2 < 12**2)
    return system, system.forward(image)


def moved_views(counts, across_mm, headwards_mm, views):
    """Views seen with the patient elsewhere; rows run from head to feet."""
    moved = counts.copy()
    for view in views:
        moved[view] = shift(counts[view], (-headwards_mm / PIXEL_MM[1], across_mm / PIXEL_MM[0]), order=1)
    return moved


def looked_at(system, counts):
    """Motion against the image that the counts themselves give."""
    image = osem(system, counts, iterations=3, subsets=6).image
    return detect_motion(counts, system.forward(image), pixel_mm=PIXEL_MM)


def test_nothing_moves_when_nothing_moved(still):
    system, expected = still
    flagged = 0
    for seed in range(20):
        counts = np.random.default_rng(seed).poisson(expected).astype(np.float32)
        found = looked_at(system, counts)
        flagged += int(found.moved.sum())
        assert found.largest_mm == 0 or found.moved.any()
    assert flagged <= 0.01 * 20 * VIEWS  # law: 4 standard errors; at least 99 % of the views stay quiet


@pytest.mark.parametrize(("headwards", "across"), [(10.0, 0.0), (-10.0, 0.0), (0.0, 3.0), (0.0, -3.0)])
def test_a_known_step_is_found(still, headwards, across):
    _, expected = still
    found = detect_motion(moved_views(expected, across, headwards, [5, 6]), expected, pixel_mm=PIXEL_MM)
    # closed form: to first order in the shift; 10 mm are twice a pixel and beyond it
    assert found.shift_mm[5:7] == pytest.approx(np.tile([across, headwards], (2, 1)), rel=0.15, abs=0.3)
    assert np.abs(np.delete(found.shift_mm, [5, 6], axis=0)).max() < 1e-6
    assert np.flatnonzero(found.moved).tolist() == ([5, 6] if headwards else [])  # 3 mm are less than 0.9 pixels


@pytest.mark.parametrize("step_mm", [10.0, -10.0])
def test_a_step_during_the_scan_is_found_against_the_mean_place(still, step_mm):
    system, expected = still
    late = range(14, 20)
    counts = np.random.default_rng(3).poisson(moved_views(expected, 0.0, step_mm, late)).astype(np.float32)
    found = looked_at(system, counts)
    assert np.flatnonzero(found.moved).tolist() == list(late)
    # closed form: the image stands at the mean place, a quarter of the step away from the others
    assert found.shift_mm[14:20, 1].mean() == pytest.approx(0.75 * step_mm, rel=0.15)
    assert np.sign(found.shift_mm[:14, 1].mean()) == -np.sign(step_mm)
    assert found.largest_mm == pytest.approx(0.75 * abs(step_mm), rel=0.2)
    (told,) = found.warnings()
    assert "6 of 24 views (number 15, 16, 17, 18, 19, 20) are shifted by up to" in told
    assert "Look at the projections as a film" in told


def test_the_standard_error_is_that_of_counting(still):
    _, expected = still
    pulls = []
    for seed in range(12):
        counts = np.random.default_rng(seed).poisson(expected).astype(np.float32)
        found = detect_motion(counts, expected, pixel_mm=PIXEL_MM)
        pulls.append(found.shift_mm / found.u_mm)
    # law: scatter over error of 288 views is 1; the error leaves out that smoothing blunts the weights
    assert np.std(pulls, axis=(0, 1)) == pytest.approx(1.0, abs=0.3)


def test_long_lists_are_cut_and_empty_views_left_alone(still):
    _, expected = still
    counts = moved_views(expected, 0.0, 12.0, range(10))
    counts[20] = 0
    found = detect_motion(counts, expected, pixel_mm=PIXEL_MM, usable=np.ones(counts.shape[1:], bool))
    assert "10 of 24 views (number 1, 2, 3, 4, 5, 6, 7, 8, ...)" in found.warnings()[0]
    assert np.isinf(found.u_mm[20]).all()
    assert not found.moved[20]
    few = np.zeros(counts.shape[1:], bool)
    few[:3, :3] = True
    assert detect_motion(counts, expected, pixel_mm=PIXEL_MM, usable=few).warnings() == ()
