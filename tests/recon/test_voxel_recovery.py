"""Voxel-wise partial-volume correction: exact where its assumptions hold, conserving, monotone, and noisy as stated."""

import numpy as np
import pytest

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.recon.recovery import region_means
from lutetia.recon.voxel_recovery import (
    REST,
    GaussianPsf,
    iterative_yang,
    region_based_voxelwise,
    richardson_lucy,
    van_cittert,
)

GRID = Grid(size=(30, 28, 24), spacing_mm=(4.0, 4.0, 5.0), origin_mm=(0.0, 0.0, 0.0))
PSF = GaussianPsf.of(in_plane_mm=12.0, axial_mm=16.0)


def sphere(centre, radius_mm, parts=3):
    """Share of each voxel (z, y, x) in a sphere, from parts^3 points."""
    shifts = (np.arange(parts) + 0.5) / parts - 0.5
    share = np.zeros(GRID.shape)
    z, y, x = np.indices(GRID.shape)
    for a in shifts:
        for b in shifts:
            for c in shifts:
                r2 = (
                    ((x + a - centre[0]) * GRID.spacing_mm[0]) ** 2
                    + ((y + b - centre[1]) * GRID.spacing_mm[1]) ** 2
                    + ((z + c - centre[2]) * GRID.spacing_mm[2]) ** 2
                )
                share += r2 <= radius_mm**2
    return (share / parts**3).astype(np.float32)


@pytest.fixture(scope="module")
def regions():
    lesion, organ = sphere((9, 13, 11), 9.0), sphere((19, 14, 12), 22.0)
    return {"lesion": lesion, "organ": organ, "remainder": 1 - lesion - organ}


TRUTH = {"lesion": 80.0, "organ": 30.0, "remainder": 2.0}


@pytest.fixture(scope="module")
def true_image(regions):
    return sum(TRUTH[n] * regions[n].astype(float) for n in regions)


@pytest.fixture(scope="module")
def measured(true_image):
    return Volume(grid=GRID, values=PSF.blur(true_image, GRID.spacing_mm), unit="counts/s")


def test_the_blur_keeps_the_total_and_has_its_width():
    point = np.zeros(GRID.shape)
    point[12, 14, 15] = 1.0
    blurred = PSF.blur(point, GRID.spacing_mm)
    assert blurred.sum() == pytest.approx(1.0, rel=1e-12)
    for axis, width in zip((2, 1, 0), PSF.fwhm_mm, strict=True):
        profile = blurred.sum(axis=tuple(a for a in range(3) if a != axis))
        offset = np.arange(profile.size) - point.sum(axis=tuple(a for a in range(3) if a != axis)).argmax()
        variance = profile @ offset.astype(float) ** 2 * GRID.spacing_mm[2 - axis] ** 2
        assert np.sqrt(8 * np.log(2) * variance) == pytest.approx(width, rel=1e-4)  # the discrete Gaussian's law
    # at the edge it is mirrored, so nothing leaves
    edge = np.zeros(GRID.shape)
    edge[0, 0, 0] = 1.0
    assert PSF.blur(edge, GRID.spacing_mm).sum() == pytest.approx(1.0, rel=1e-12)


def test_the_blur_is_its_own_transpose():
    rng = np.random.default_rng(0)
    a, b = rng.random(GRID.shape), rng.random(GRID.shape)
    forth, back = np.vdot(PSF.blur(a, GRID.spacing_mm), b), np.vdot(a, PSF.blur(b, GRID.spacing_mm))
    assert forth == pytest.approx(back, rel=1e-12)


def test_a_piecewise_uniform_image_comes_back_exactly(measured, regions, true_image):
    found = region_based_voxelwise(measured, regions, PSF)
    np.testing.assert_allclose(found.volume.values, true_image, rtol=2e-5)  # float32 image
    assert found.region_means == pytest.approx(TRUTH, rel=1e-5)
    assert found.total_ratio == pytest.approx(1.0, rel=1e-6)  # the blur kept it, so its undoing does
    assert found.warnings == ()


def test_iterative_yang_converges_to_it(measured, regions, true_image):
    found = iterative_yang(measured, regions, PSF, iterations=60, tolerance=1e-7)
    np.testing.assert_allclose(found.volume.values, true_image, rtol=1e-3)
    assert found.region_means == pytest.approx(TRUTH, rel=1e-3)


def test_iterative_yang_comes_nearer_with_each_iteration_and_stops(measured, regions):
    errors = [
        abs(iterative_yang(measured, regions, PSF, iterations=n, tolerance=0).region_means["lesion"] - 80.0)
        for n in (1, 2, 4, 8, 16)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * errors[0]
    misfit = iterative_yang(measured, regions, PSF, iterations=16, tolerance=0).misfit
    falling = [m for m in misfit if m > 1e-6]  # below is float32
    assert falling == sorted(falling, reverse=True)
    assert len(falling) > 3
    stopped = iterative_yang(measured, regions, PSF, iterations=100, tolerance=1e-3)
    assert stopped.iterations < 20


def test_what_varies_inside_a_region_stays(regions):
    # on a region much larger than the response the correction is one, whatever is inside
    rng = np.random.default_rng(2)
    everywhere = {"body": np.ones(GRID.shape, np.float32)}
    image = Volume(grid=GRID, values=rng.random(GRID.shape) + 1, unit="Bq/mL")
    for method in (region_based_voxelwise, iterative_yang):
        np.testing.assert_allclose(method(image, everywhere, PSF).volume.values, image.values, rtol=1e-6)


def test_what_the_regions_leave_is_one_more(measured, regions, true_image):
    found = region_based_voxelwise(measured, {n: regions[n] for n in ("lesion", "organ")}, PSF)
    assert found.region_means[REST] == pytest.approx(2.0, rel=1e-4)
    np.testing.assert_allclose(found.volume.values, true_image, rtol=1e-4)
    assert "Regions leave 9" in found.warnings[0]


def test_a_wrong_width_is_not_exact(measured, regions):
    wide, narrow = (
        region_based_voxelwise(measured, regions, GaussianPsf.of(in_plane_mm=12 * f, axial_mm=16 * f))
        for f in (1.2, 0.8)
    )
    assert wide.region_means["lesion"] > 1.1 * 80 > 0.9 * 80 > narrow.region_means["lesion"]


@pytest.mark.parametrize("method", [richardson_lucy, van_cittert])
def test_deconvolution_keeps_the_total_and_comes_nearer(measured, regions, true_image, method):
    found = method(measured, PSF, iterations=20)
    assert found.total_ratio == pytest.approx(1.0, abs=1e-9)  # law of a symmetric response with unit row sums
    assert list(found.misfit) == sorted(found.misfit, reverse=True)
    errors = [
        float(np.linalg.norm(method(measured, PSF, iterations=n).volume.values - true_image)) for n in (1, 5, 20)
    ]
    assert errors == sorted(errors, reverse=True)
    recovery = [region_means(v, regions)["lesion"] / 80 for v in (measured.values, found.volume.values)]
    assert recovery[0] + 0.1 < recovery[1] < 1.0
    assert method(measured, PSF, iterations=3).iterations == 3


def test_only_van_cittert_goes_below_nothing(regions):
    image = Volume(grid=GRID, values=PSF.blur(regions["lesion"], GRID.spacing_mm), unit="counts/s")
    assert richardson_lucy(image, PSF, iterations=20).volume.values.min() >= 0
    assert van_cittert(image, PSF, iterations=20).volume.values.min() < 0


def test_noise_grows_as_the_docstrings_say():
    grid = Grid(size=(32, 32, 32), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
    psf = GaussianPsf.of(in_plane_mm=12.0, axial_mm=12.0)
    white = np.random.default_rng(1).standard_normal(grid.shape)
    smooth = psf.blur(white, grid.spacing_mm)
    for noise, stated in ((smooth, (1.56, 1.81)), (white, (1.16, 1.31))):
        image = Volume(grid=grid, values=100 + 2 * noise / noise.std(), unit="counts/s")
        for iterations, factor in zip((5, 10), stated, strict=True):
            for method in (richardson_lucy, van_cittert):
                after = method(image, psf, iterations=iterations).volume.values.std()
                assert after / image.values.std() == pytest.approx(factor, rel=0.01)  # measured here, as documented


def test_region_methods_amplify_noise_less_than_deconvolution(measured, regions):
    rng = np.random.default_rng(3)
    noise = PSF.blur(rng.standard_normal(GRID.shape), GRID.spacing_mm)
    noisy = measured.with_values(np.maximum(measured.values + 0.2 * noise / noise.std(), 0))
    inside = regions["organ"] == 1.0
    spread = {
        "region": region_based_voxelwise(noisy, regions, PSF).volume.values
        - region_based_voxelwise(measured, regions, PSF).volume.values,
        "lucy": richardson_lucy(noisy, PSF, iterations=20).volume.values
        - richardson_lucy(measured, PSF, iterations=20).volume.values,
    }
    assert spread["region"][inside].std() < 0.8 * spread["lucy"][inside].std()


def test_what_cannot_be_is_refused(measured, regions):
    with pytest.raises(GridError, match="Occupancy of lesion has shape"):
        region_based_voxelwise(measured, {"lesion": np.ones((2, 2, 2), np.float32)}, PSF)
    with pytest.raises(InputError, match=r"fill voxels up to 2\.00 times"):
        iterative_yang(measured, {**regions, "again": np.ones(GRID.shape, np.float32)}, PSF)
    with pytest.raises(InputError, match="fills no voxel"):
        iterative_yang(measured, {"nothing": np.zeros(GRID.shape, np.float32)}, PSF)
    with pytest.raises(InputError, match="expected at least 1"):
        richardson_lucy(measured, PSF, iterations=0)
    with pytest.raises(InputError, match="use reblurred Van Cittert"):
        richardson_lucy(measured.with_values(measured.values - 10), PSF, iterations=2)
    with pytest.raises(InputError, match="between 0 and 2"):
        van_cittert(measured, PSF, iterations=2, step_size=2.0)
    with pytest.raises(InputError, match="three widths"):
        GaussianPsf(fwhm_mm=(5.0, -1.0, 5.0))
    narrow = van_cittert(measured, GaussianPsf.of(in_plane_mm=12.0, axial_mm=3.0), iterations=1)
    assert "3 mm along axis k" in narrow.warnings[0]
