"""What `run` states of regions with few counts or none: asymmetric intervals and upper limits, in words."""

import numpy as np
import pytest

from lutetia.app.workflow.counting import NoiseShape, few_counts, region_intervals
from lutetia.images.acquisition import EnergyWindow, Projections
from lutetia.images.volume import Volume
from lutetia.recon.bed import ReconSettings
from lutetia.recon.camera import Camera
from lutetia.recon.orbit import Orbit
from lutetia.recon.projector import spect_system
from lutetia.recon.reconstruct import reconstruct_time_point
from lutetia.recon.recovery import activity_per_count, counting_uncertainty, region_means

CAMERA = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=4.0, slope=0.06)
PER_BQ = 1e-5
"""Counts per second and head of one becquerel."""


@pytest.fixture(scope="module")
def scene():
    angle = np.deg2rad(np.arange(16) * 22.5)
    orbit = Orbit(
        angle_rad=angle, radius_mm=np.full(16, 150.0), frame_duration_s=np.full(16, 30.0), pixel_mm=(9.6, 9.6),
        centre_mm=(0.0, 0.0, 0.0), n_rows=16, n_columns=24,
    )  # fmt: skip
    grid = orbit.grid()
    x, y, z = (grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] for a in range(3))
    body = np.broadcast_to(x[None, None] ** 2 + y[None, :, None] ** 2 < 90.0**2, grid.shape)
    ball = lambda at: (x[None, None] - at) ** 2 + y[None, :, None] ** 2 + z[:, None, None] ** 2 < 22.0**2  # noqa: E731
    hot, cold = ball(40.0), ball(-40.0)
    regions = {"hot": hot, "cold": cold, "rest": body & ~hot & ~cold}
    mu = Volume(grid=grid, values=0.12 * body.astype(np.float32), unit="1/cm")
    return orbit, mu, {n: r.astype(np.float32) for n, r in regions.items()}


def scanned(scene, counts):
    """Hot sphere and rest, no activity in the cold one; reconstructed from so many counts."""
    orbit, mu, regions = scene
    image = 5 * regions["hot"] + regions["rest"]
    mean = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu).forward(image)
    drawn = np.random.default_rng(4).poisson(mean * (counts / mean.sum())).astype(np.float32)
    projections = Projections(
        counts=drawn[None], windows=(EnergyWindow(lower_mev=0.187, upper_mev=0.229),), angle_rad=orbit.angle_rad,
        radius_mm=orbit.radius_mm, frame_duration_s=orbit.frame_duration_s, pixel_mm=orbit.pixel_mm,
        centre_mm=orbit.centre_mm, detector=np.zeros(16, int), start_time=None, duration_s=480.0,
    )  # fmt: skip
    settings = ReconSettings(iterations=4, subsets=4, scatter="none")
    return reconstruct_time_point([projections], mu, CAMERA, 0.2084, settings, decay_constant_per_s=0.0)


def stated(scene, counts, *, cold=None, shape=None):
    result = scanned(scene, counts)
    regions = scene[2]
    means = {
        n: m / PER_BQ / result.volume.grid.voxel_ml for n, m in region_means(result.volume.values, regions).items()
    }
    if cold is not None:
        means["cold"] = cold
    volumes = {n: float(r.sum()) * result.volume.grid.voxel_ml for n, r in regions.items()}
    found, shape = region_intervals(
        result, regions, means, volumes_ml=volumes, bq_per_count_rate=1 / PER_BQ, shape=shape
    )
    return result, found, shape


def test_many_counts_are_not_spoken_of(scene):
    result, found, shape = stated(scene, 200_000)
    assert few_counts({n: found[n] for n in ("hot", "rest")}, "24 h") == []
    u = counting_uncertainty(result, scene[2])
    for name in ("hot", "rest"):
        # the scan that is propagated states what was propagated
        assert found[name].standard_uncertainty / found[name].value == pytest.approx(u[name], rel=1e-6)
        assert shape[name].excess >= 1.0


def test_few_counts_have_an_asymmetric_interval_in_words(scene):
    _, many, shape = stated(scene, 200_000)
    _, found, _ = stated(scene, 600, shape=shape)
    hot = found["hot"]
    assert hot.effective_counts < 30 < many["hot"].effective_counts
    assert hot.high - hot.value > hot.value - hot.low > 0
    (told,) = [w for w in few_counts(found, "24 h") if "hot" in w]
    assert told.startswith(f"24 h: hot: as sure as {hot.effective_counts:.2g} counts: {hot.value / 1e6:.3g} MBq")
    assert f"{hot.low / 1e6:.3g} to {hot.high / 1e6:.3g} MBq (95 %)" in told


def test_no_count_is_an_upper_limit_and_not_sure(scene):
    orbit, mu, regions = scene
    result, found, _ = stated(scene, 200_000, cold=0.0)
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu)
    voxels = float(regions["cold"].sum())
    # closed form: the activity from which one count would come, evenly over the region
    one = 1 / (float(system.forward(regions["cold"]).sum()) / voxels * PER_BQ)
    assert activity_per_count(result, regions["cold"]) / PER_BQ == pytest.approx(one, rel=1e-3)
    assert found["cold"].standard_uncertainty == pytest.approx(one, rel=1e-3)
    assert (found["cold"].low, found["cold"].value) == (0.0, 0.0)
    assert found["cold"].high == pytest.approx(-np.log(0.02275) * one, rel=1e-3)  # Garwood: 3.78 counts
    (told,) = [w for w in few_counts(found, "4 h") if "cold" in w]
    assert (
        told == f"4 h: cold: no count was seen; its activity is at most {found['cold'].high / 1e6:.3g} MBq (95 %, "
        "counting alone)."
    )


def test_a_region_that_no_other_scan_shows_has_the_usual_excess(scene):
    _, found, _ = stated(scene, 200_000, shape={})
    _, one, _ = stated(scene, 200_000, shape={"hot": NoiseShape(excess=1.0)})
    assert found["hot"].standard_uncertainty == pytest.approx(2 * one["hot"].standard_uncertainty)
