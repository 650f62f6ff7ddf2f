"""The response of a reconstruction to a point: the camera's where it is not modelled, narrower where it is."""

from functools import cache

import numpy as np
import pytest

from lutetia.errors import InputError, OutOfRangeError
from lutetia.images.volume import Volume
from lutetia.recon.camera import FWHM_PER_SIGMA, Camera
from lutetia.recon.osem import osem
from lutetia.recon.point_response import point_response
from lutetia.recon.projector import spect_system
from lutetia.recon.recovery import region_means
from lutetia.recon.voxel_recovery import region_based_voxelwise

from .conftest import make_orbit, positions_mm

CAMERA = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)


@cache
def systems():
    orbit = make_orbit(np.arange(0, 360, 9), n=33, rows=25, pixel_mm=(4.0, 4.0), radius_mm=150.0)
    plain = spect_system(orbit=orbit, camera=None, attenuation=None)
    return plain, spect_system(orbit=orbit, camera=CAMERA, attenuation=None)


@cache
def warm():
    """A warm cylinder, 1 count/s per voxel."""
    x, y, z = positions_mm(systems()[0].grid)
    return ((x**2 + y**2 <= 50.0**2) & (np.abs(z) < 40)).astype(np.float32)


@cache
def response(iterations, resolved, position=(0.0, 0.0, 0.0), strength=0.01):
    plain, blurred = systems()
    return point_response(
        blurred if resolved else plain, warm(), position, iterations=iterations, subsets=8, measured_by=blurred,
        strength=strength,
    )  # fmt: skip


def test_without_resolution_recovery_it_is_the_cameras():
    # on the axis every view sees the point at the same distance: FWHM(150 mm)
    expected = float(CAMERA.sigma_mm(150.0)) * FWHM_PER_SIGMA
    assert expected == pytest.approx(11.87, abs=0.01)  # hypot(3.8, 3 + 0.055 * 150)
    found = response(20, False)
    assert found.psf.fwhm_mm == pytest.approx((expected,) * 3, rel=0.03)  # measured: 11.65, 11.64, 11.92 mm
    # along the axis nothing is interpolated, and the variance is the camera's
    assert found.moments_fwhm_mm[2] == pytest.approx(expected, rel=0.005)
    assert found.recovered == pytest.approx(1.0, abs=0.05)  # on the axis of rotation; 0.997 beside it
    assert np.abs(found.shift_mm).max() < 0.05
    assert found.misfit < 0.005
    beside = response(20, False, position=(12.0, 8.0, 4.0))
    assert beside.psf.fwhm_mm == pytest.approx((expected,) * 3, rel=0.03)
    assert beside.recovered == pytest.approx(1.0, abs=0.01)


def test_with_resolution_recovery_it_narrows_with_iterations():
    widths = np.array([response(n, True).psf.fwhm_mm for n in (2, 5, 12, 20)])
    assert np.all(np.diff(widths, axis=0) < 0)
    assert widths[-1].max() < 0.95 * float(CAMERA.sigma_mm(150.0)) * FWHM_PER_SIGMA  # measured: 11.1, 11.1, 9.0 mm


def test_a_small_point_is_small_enough():
    # OSEM is not linear; a tenth as much must be answered alike
    small, smaller = (response(5, True, strength=s).psf.fwhm_mm for s in (0.01, 0.001))
    assert small == pytest.approx(smaller, rel=0.01)
    assert response(5, True, strength=0.1).psf.fwhm_mm[0] < 0.97 * small[0]  # a hot spot converges faster


def test_off_the_axis_it_stays_on_the_point():
    found = response(8, True, position=(24.0, -12.0, 8.0))
    assert np.abs(found.shift_mm).max() < 0.5
    assert found.recovered == pytest.approx(1.0, abs=0.1)


def test_scatter_in_the_data_is_part_of_it():
    _, blurred = systems()
    scatter = 0.3 * blurred.forward(warm())
    found = point_response(blurred, warm(), (0.0, 0.0, 0.0), iterations=5, subsets=8, scatter=scatter)
    # counts that tell nothing make OSEM slower, so at the same iterations the response is wider, but not by much
    assert np.all(np.array(found.psf.fwhm_mm) > response(5, True).psf.fwhm_mm)
    assert np.all(np.array(found.psf.fwhm_mm) < 1.2 * np.array(response(5, True).psf.fwhm_mm))


def test_places_and_images_without_activity_are_refused():
    plain, _ = systems()
    with pytest.raises(OutOfRangeError, match="outside the part that may hold activity"):
        point_response(plain, warm(), (64.0, 64.0, 0.0), iterations=1, subsets=4)
    with pytest.raises(OutOfRangeError, match=r"is voxel \(\d+, \d+, \d+\) of \(33, 33, 25\)"):
        point_response(plain, warm(), (900.0, 0.0, 0.0), iterations=1, subsets=4)
    with pytest.raises(InputError, match="counts in the image"):
        point_response(plain, 0 * warm(), (0.0, 0.0, 0.0), iterations=1, subsets=4)


def test_with_resolution_recovery_the_response_to_a_small_change_is_too_wide_for_a_lesion():
    _, blurred = systems()
    x, y, z = positions_mm(blurred.grid)
    sphere = ((x - 20) ** 2 + (y + 8) ** 2 + z**2 <= 12.0**2).astype(np.float32)
    image = osem(blurred, blurred.forward(warm() + 4 * sphere), iterations=6, subsets=8).image
    regions = {"sphere": sphere, "body": warm() - sphere, "air": 1 - warm()}
    volume, found = Volume(grid=blurred.grid, values=image, unit="counts/s"), []
    for strength in (0.01, 1.0):
        psf = point_response(blurred, image, (20.0, -8.0, 0.0), iterations=6, subsets=8, strength=strength).psf
        corrected = region_based_voxelwise(volume, regions, psf).volume.values
        found.append(region_means(corrected, regions)["sphere"] / 5)
    # measured, as the docstring says: 0.81 uncorrected, then 1.076 and 0.975
    assert found == pytest.approx([1.076, 0.975], abs=0.01)


def test_the_measured_response_undoes_the_partial_volume_of_a_reconstruction():
    # a sphere of 12 mm radius, 5 to 1, reconstructed without resolution recovery: its mean is far too low
    plain, blurred = systems()
    x, y, z = positions_mm(plain.grid)
    sphere = ((x - 20) ** 2 + (y + 8) ** 2 + z**2 <= 12.0**2).astype(np.float32)
    truth = warm() + 4 * sphere
    image = osem(plain, blurred.forward(truth), iterations=12, subsets=8).image
    regions = {"sphere": sphere, "body": warm() - sphere, "air": 1 - warm()}
    psf = point_response(plain, image, (20.0, -8.0, 0.0), iterations=12, subsets=8, measured_by=blurred).psf
    volume = Volume(grid=plain.grid, values=image, unit="counts/s")
    corrected = region_based_voxelwise(volume, regions, psf)
    before, after = (region_means(v, regions)["sphere"] for v in (image, corrected.volume.values))
    assert before < 0.7 * 5
    assert after == pytest.approx(5.0, rel=0.02)  # measured: 3.20 before, 4.97 after
