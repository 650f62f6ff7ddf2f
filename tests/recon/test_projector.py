from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.recon.camera import Camera, SeptalTail
from lutetia.recon.projector import spect_system

from .conftest import blob, cylinder_mu, make_orbit, positions_mm

CAMERA = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
TAIL = SeptalTail(share=0.3, intercept_mm=12.0, slope=0.08)
WITH_TAIL = replace(CAMERA, tail=TAIL)


def _moments(view, orbit):
    """Total, centre and variance along columns and rows of one view [mm]."""
    rows, columns = view.shape
    u = (np.arange(columns) - (columns - 1) / 2) * orbit.pixel_mm[0]
    v = (np.arange(rows) - (rows - 1) / 2) * orbit.pixel_mm[1]
    total = view.sum(dtype=float)
    pu, pv = view.sum(0, dtype=float) / total, view.sum(1, dtype=float) / total
    mu, mv = pu @ u, pv @ v
    return total, mu, mv, pu @ (u - mu) ** 2, pv @ (v - mv) ** 2


@pytest.mark.parametrize("attenuate", [False, True])
@pytest.mark.parametrize("resolve", [False, True])
@pytest.mark.parametrize("pixel_mm", [(4.8, 4.8), (4.8, 3.1)])
def test_backprojection_is_the_transpose_of_projection(attenuate, resolve, pixel_mm):
    orbit = make_orbit(
        np.arange(7) * 51.4, pixel_mm=pixel_mm, radius_mm=[90, 120, 100, 95, 110, 105, 99], seconds=3.0
    )
    grid = orbit.grid()
    usable = np.ones((orbit.n_rows, orbit.n_columns), bool)
    usable[:3] = False
    system = spect_system(
        orbit=orbit,
        camera=CAMERA if resolve else None,
        attenuation=cylinder_mu(grid, orbit, 50.0, 0.15) if attenuate else None,
        usable=usable,
    )
    rng = np.random.default_rng(3)
    image, counts = rng.random(grid.shape), rng.random((7, orbit.n_rows, orbit.n_columns))
    left = np.vdot(system.forward(image).astype(float), counts)
    right = np.vdot(image, system.adjoint(counts).astype(float))
    assert left == pytest.approx(right, rel=1e-5)  # float32 sums of about 2e4 terms


@settings(max_examples=15, deadline=None)
@given(angle=st.floats(0, 360), x=st.floats(-25, 25), y=st.floats(-25, 25), z=st.floats(-20, 20))
def test_a_source_is_seen_where_the_convention_says(angle, x, y, z):
    orbit = make_orbit([angle], n=40, rows=32, centre=(3.0, -2.0, 100.0))
    grid = orbit.grid()
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=None)
    at = (x + 3.0, y - 2.0, z + 100.0)
    total, u, v, _, _ = _moments(system.forward(blob(grid, at, 12.0))[0], orbit)
    theta = np.deg2rad(angle)
    # law: counts per second of all activity. Turned lattices beat, most at 45 degrees, where (2, 2) falls near (3, 0)
    # (Poisson summation): for a 12 mm blob on 4.8 mm 4 sinc^2(2.83) exp(-2 pi^2 (0.17 12/4.8)^2) = 4e-4
    assert total == pytest.approx(1.0, rel=1e-3)
    assert u == pytest.approx(
        -x * np.cos(theta) + y * np.sin(theta), abs=0.05
    )  # closed form: column axis (-cos, sin)
    assert v == pytest.approx(-z, abs=0.05)  # closed form: rows run from the head (+z) to the feet


@pytest.mark.parametrize("angle", [0, 33, 90, 135, 180, 270, 311])
def test_width_grows_with_the_distance_from_the_collimator(angle):
    orbit = make_orbit([angle], n=64, rows=64, pixel_mm=(3.0, 3.0), radius_mm=140.0)
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=None)
    at, theta = np.array([30.0, -20.0, 4.0]), np.deg2rad(angle)
    _, _, _, var_u, var_v = _moments(system.forward(blob(system.grid, at, 6.0))[0], orbit)
    distance = 140.0 - (at[0] * np.sin(theta) + at[1] * np.cos(theta))
    # closed form: variances add; the mean of sigma^2 over the blob adds (0.055/2.355 x 6)^2 = 0.02
    # in-plane linear interpolation adds between 0 and dx^2/6 = 1.5 mm^2
    expected = 36.0 + float(CAMERA.sigma_mm(distance)) ** 2
    assert expected - 0.1 <= var_u <= expected + 1.6
    assert var_v == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("angle", [0, 45, 90, 200])
def test_attenuation_is_exponential_in_the_way_through_the_body(angle):
    orbit = make_orbit([angle], n=48, rows=16)
    grid = orbit.grid()
    x, y, _ = positions_mm(grid)
    theta, mu = np.deg2rad(angle), 0.14
    depth = x * np.sin(theta) + y * np.cos(theta)
    # half space with its face 60 mm from the axis, towards the detector; linear across the face's voxels
    share = np.clip((60.0 - depth) / 4.8 + 0.5, 0, 1)
    body = Volume(grid=grid, values=np.broadcast_to(share, grid.shape) * mu, unit="1/cm")
    at = (12.0, -17.0, 0.0)
    source = blob(grid, at, 3.0)
    seen = spect_system(orbit=orbit, camera=None, attenuation=body).forward(source).sum()
    bare = spect_system(orbit=orbit, camera=None, attenuation=None).forward(source).sum()
    way_cm = (60.0 - (at[0] * np.sin(theta) + at[1] * np.cos(theta))) / 10
    # closed form: exp(-mu d), times exp(mu^2 s^2/2) = 1.001 for the blob's width; 0.3 % for the face
    assert seen / bare == pytest.approx(np.exp(-mu * way_cm) * np.exp(0.5 * (mu * 0.3) ** 2), rel=4e-3)


def test_the_bits_do_not_depend_on_the_threads():
    orbit = make_orbit(np.arange(12) * 30.0)
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=cylinder_mu(orbit.grid(), orbit, 50.0, 0.15))
    rng = np.random.default_rng(5)
    image = rng.random(system.grid.shape, np.float32)
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            counts = system.forward(image)
            results.append((counts, system.adjoint(counts)))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])


def test_a_narrow_support_changes_nothing_where_activity_is():
    orbit = make_orbit(np.arange(6) * 60.0, n=48)
    grid = orbit.grid()
    mu = cylinder_mu(grid, orbit, 40.0, 0.15)
    image = mu.values / 0.15
    wide = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu).forward(image)
    narrow = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu, support=image.any(axis=0)).forward(image)
    # the window of columns ends 3.5 sigma (erfc = 5e-4) beyond; at the axial ends what spreads out is lost at every
    # plane walked, of which there are fewer with a narrow support
    middle = np.abs(wide - narrow)[:, 6:-6]
    assert middle.max() < 2e-3 * wide.max()


def test_the_axis_may_lie_anywhere_in_the_grid():
    orbit = make_orbit([20.0, 110.0], n=40, rows=16)
    own = orbit.grid()
    moved = Grid(
        size=own.size,
        spacing_mm=own.spacing_mm,
        origin_mm=(own.origin_mm[0] + 1.3, own.origin_mm[1] - 0.7, own.origin_mm[2]),
    )
    a = spect_system(orbit=orbit, camera=CAMERA, attenuation=None)
    b = spect_system(orbit=orbit, camera=CAMERA, attenuation=None, grid=moved)
    first, second = a.forward(blob(own, (10, -8, 3), 6.0)), b.forward(blob(moved, (10, -8, 3), 6.0))
    assert np.abs(first - second).max() < 0.03 * first.max()  # interpolation of a 6 mm blob on 4.8 mm voxels


def test_wide_collimators_take_several_diffusion_steps():
    coarse = Camera(name="wide", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.25)
    orbit = make_orbit([40.0], n=64, rows=64, pixel_mm=(3.0, 3.0), radius_mm=100.0)
    system = spect_system(orbit=orbit, camera=coarse, attenuation=None)
    assert system.tables[0].passes.max() > 1
    _, _, _, _, var_v = _moments(system.forward(blob(system.grid, (0, 0, 0), 6.0))[0], orbit)
    # closed form: 36 + sigma(100 mm)^2; sigma^2 over the blob adds (0.25/2.355 x 6)^2 = 0.4; tails cut < 1 %
    assert var_v == pytest.approx(36.4 + float(coarse.sigma_mm(100.0)) ** 2, rel=0.01)


@pytest.mark.parametrize("attenuate", [False, True])
def test_backprojection_is_the_transpose_of_projection_with_a_tail(attenuate):
    orbit = make_orbit(np.arange(5) * 72.0, radius_mm=[90, 120, 100, 95, 110], seconds=3.0)
    mu = cylinder_mu(orbit.grid(), orbit, 50.0, 0.15) if attenuate else None
    system = spect_system(orbit=orbit, camera=WITH_TAIL, attenuation=mu)
    rng = np.random.default_rng(3)
    image, counts = rng.random(system.grid.shape), rng.random((5, orbit.n_rows, orbit.n_columns))
    left = np.vdot(system.forward(image).astype(float), counts)
    assert left == pytest.approx(
        np.vdot(image, system.adjoint(counts).astype(float)), rel=1e-5
    )  # law; float32 sums


def test_a_tail_is_the_second_of_two_gaussians():
    orbit = make_orbit([30.0], n=96, rows=96, pixel_mm=(3.0, 3.0), radius_mm=100.0)
    source = blob(orbit.grid(), (0, 0, 0), 6.0)
    seen, core = (
        spect_system(orbit=orbit, camera=camera, attenuation=None).forward(source)[0]
        for camera in (WITH_TAIL, CAMERA)
    )
    total, u, v, _, var_v = _moments(seen, orbit)
    assert total == pytest.approx(1.0, rel=3e-3)  # law: a tail takes no counts; lattice 1e-3, what leaves the field
    assert (u, v) == pytest.approx((0.0, 0.0), abs=0.05)
    # closed form: variances of the components by their shares; 6 mm blob, sigma^2 over its depth adds
    inner, outer = 36.0 + float(CAMERA.sigma_mm(100.0)) ** 2, 36.0 + float(TAIL.sigma_mm(100.0)) ** 2
    assert var_v == pytest.approx(0.7 * inner + 0.3 * outer, rel=0.02)
    # closed form: profile of the two Gaussians along the rows
    place = (np.arange(96) - 47.5) * 3.0
    normal = lambda variance: np.exp(-0.5 * place**2 / variance) / np.sqrt(2 * np.pi * variance) * 3.0  # noqa: E731
    profile = 0.7 * normal(inner) + 0.3 * normal(outer)
    assert seen.sum(axis=1) == pytest.approx(profile, abs=0.02 * profile.max())
    assert np.all(seen >= 0.7 * core - 1e-7)  # law: the core stays, the tail only adds


def test_tails_of_no_share_change_nothing():
    orbit = make_orbit([0.0, 120.0, 240.0])
    mu = cylinder_mu(orbit.grid(), orbit, 50.0, 0.15)
    image = mu.values
    empty = replace(CAMERA, tail=replace(TAIL, share=0.0))
    seen, bare = (spect_system(orbit=orbit, camera=c, attenuation=mu).forward(image) for c in (empty, CAMERA))
    assert np.array_equal(seen, bare)  # law


def test_grids_that_do_not_fit_are_refused():
    orbit = make_orbit([0.0])
    other = make_orbit([0.0], pixel_mm=(4.0, 4.0)).grid()
    with pytest.raises(GridError, match="axis-aligned one of"):
        spect_system(orbit=orbit, camera=None, attenuation=None, grid=other)
    short = make_orbit([0.0], rows=20).grid()
    with pytest.raises(GridError, match="one slice per detector row"):
        spect_system(orbit=orbit, camera=None, attenuation=None, grid=short)
    system = spect_system(orbit=orbit, camera=None, attenuation=None)
    with pytest.raises(GridError, match="Image of shape"):
        system.forward(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="Projections of shape"):
        system.adjoint(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="expected some of 0 to 0"):
        system.forward(np.zeros(system.grid.shape), views=[1])
    wrong = Volume(grid=orbit.grid(), values=np.zeros(orbit.grid().shape), unit="HU")
    with pytest.raises(InputError, match="expected '1/cm'"):
        spect_system(orbit=orbit, camera=None, attenuation=wrong)
