from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from lutetia.errors import GridError, InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.images.calibration import Calibration
from lutetia.images.grid import Grid
from lutetia.images.resample import average_onto
from lutetia.images.volume import Volume
from lutetia.recon.bed import ReconSettings, reconstruct_bed
from lutetia.recon.camera import Camera
from lutetia.recon.peaks import usable_pixels
from lutetia.recon.reconstruct import decay_factor, reconstruct_time_point
from lutetia.recon.recovery import count_uncertainty, recovery_by_reprojection, region_means
from lutetia.recon.simulate import ScatterModel, simulate_projections

PEAK_MEV = 0.2084
SENSITIVITY = 9e-6
CAMERA = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
WINDOWS = tuple(
    EnergyWindow(lower_mev=a / 1000, upper_mev=b / 1000) for a, b in ((166, 187), (187, 229), (229, 250))
)
SETTINGS = ReconSettings(iterations=5, subsets=6)
START = datetime(2024, 1, 1, 12)


def _phantom(half_length_mm=200.0):
    """Elliptic body with a warm background and a hot sphere, off-centre, on its own grid."""
    grid = Grid(size=(80, 60, 110), spacing_mm=(3.0, 3.0, 4.0), origin_mm=(-118.5, -88.5, -218.0))
    x, y, z = (grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] for a in range(3))
    x, y, z = x[None, None, :], y[None, :, None], z[:, None, None]
    body = ((x / 105) ** 2 + (y / 75) ** 2 <= 1) & (np.abs(z) < half_length_mm)
    hot = (x - 40) ** 2 + (y + 20) ** 2 + (z - 10) ** 2 < 20**2
    return grid, {"hot": hot, "remainder": body & ~hot}


GRID, REGIONS = _phantom()
TRUE = {"hot": 1.0e6, "remainder": 1.0e5}
ACTIVITY = Volume(grid=GRID, values=sum(TRUE[n] * REGIONS[n] for n in TRUE), unit="Bq/mL")
MU = Volume(grid=GRID, values=0.135 * (REGIONS["hot"] | REGIONS["remainder"]), unit="1/cm")


def _simulate(**changes):
    views = 30
    given = dict(
        activity=ACTIVITY,
        attenuation=MU,
        camera=CAMERA,
        sensitivity_cps_per_bq=SENSITIVITY,
        windows=WINDOWS,
        photopeak_index=1,
        angle_rad=np.deg2rad(np.arange(views) * 12.0),
        radius_mm=np.full(views, 160.0),
        frame_duration_s=np.full(views, 40.0),
        pixel_mm=(4.8, 4.8),
        n_rows=40,
        n_columns=64,
        centre_mm=(1.0, -2.0, 0.0),
        detector=np.repeat([1, 2], 15),
        start_time=START,
    )
    return simulate_projections(**(given | changes))


@pytest.fixture(scope="module")
def whole_body():
    """Two beds of the phantom without noise, reconstructed."""
    beds = [_simulate(centre_mm=(1.0, -2.0, z)) for z in (-67.2, 67.2)]
    return reconstruct_time_point(beds, MU, CAMERA, PEAK_MEV, SETTINGS, decay_constant_per_s=0.0)


def _occupancy(grid):
    return {
        name: average_onto(Volume(grid=GRID, values=mask.astype(np.float32), unit="1"), grid).values
        for name, mask in REGIONS.items()
    }


def test_simulated_scatter_has_the_asked_ratio_but_not_the_estimates_shape():
    clean = _simulate(scatter=ScatterModel(scatter_to_primary=0.0, primary_spill=0.0)).counts
    full = _simulate().counts
    assert full[1].sum() / clean[1].sum() == pytest.approx(1.30, rel=1e-4)
    # closed form: density of scatter beside the peak over that in it, 21 keV of 42 keV wide; 0.3 % spill
    assert full[0].sum() / clean[1].sum() == pytest.approx(0.3 * 1.45 / 2 + 0.003, rel=1e-4)
    assert full[2].sum() / clean[1].sum() == pytest.approx(0.3 * 0.45 / 2 + 0.003, rel=1e-4)


def test_primary_counts_without_a_body_are_activity_times_sensitivity_times_time():
    nothing = MU.with_values(MU.values * 0)
    counts = _simulate(
        attenuation=nothing, n_rows=100, scatter=ScatterModel(scatter_to_primary=0.0, primary_spill=0.0)
    ).counts
    expected = ACTIVITY.values.sum(dtype=float) * GRID.voxel_ml * SENSITIVITY * 40.0
    assert counts[1].sum(axis=(1, 2)) == pytest.approx(np.full(30, expected), rel=2e-3)  # law; turned lattices 1e-3


def test_noise_is_poisson():
    expected = _simulate().counts
    noisy = _simulate(rng=np.random.default_rng(2)).counts
    inside = expected > 5
    chi2 = ((noisy - expected)[inside] ** 2 / expected[inside]).mean()
    assert chi2 == pytest.approx(1.0, abs=5 * np.sqrt(2.2 / inside.sum()))  # 5 sigma; kurtosis 2 + 1/mean
    assert np.array_equal(noisy, np.round(noisy))


def test_quantitative_image_of_two_beds(whole_body):
    image = Calibration(sensitivity_cps_per_bq=SENSITIVITY, relative_uncertainty=None).activity_concentration(
        whole_body.volume
    )
    assert len(whole_body.beds) == 2
    assert whole_body.volume.grid.size[2] == 68  # 40 rows + 134.4 mm / 4.8 mm
    middle = image.values[14:-14, 30:34, 18:26]  # right of the middle, away from the sphere
    # simulated scatter differs from the estimate by design (about 5 % of 30 %) and is attenuated differently
    assert middle.mean() == pytest.approx(1.0e5, rel=0.06)
    # the seam leaves no step: overlap against single bed
    profile = image.values[10:-10, 28:36, 18:46].mean(axis=(1, 2))
    assert np.ptp(profile[:8]) < 0.1 * profile.mean()


def test_recovery_brings_back_a_small_hot_region(whole_body):
    occupancy = _occupancy(whole_body.volume.grid)
    own = region_means(whole_body.volume.values, occupancy)
    per_unit = SENSITIVITY * whole_body.volume.grid.voxel_ml
    measured = {name: value / per_unit for name, value in own.items()}
    recovery = recovery_by_reprojection(whole_body, occupancy, measured, iterations=2)
    assert measured["hot"] < 0.9 * TRUE["hot"]  # 40 mm sphere at about 13 mm resolution, stopped early
    assert recovery.corrected["hot"] == pytest.approx(TRUE["hot"], rel=0.05)  # remaining: scatter model, voxels
    assert recovery.corrected["hot"] == pytest.approx(measured["hot"] / recovery.measured_over_true["hot"])


def test_recovery_runs_as_long_as_an_image_that_stopped_early():
    """Recovery is that of the image at hand: stopping after n iterations, or asking for n, is the same."""
    projections = _simulate()
    early = replace(SETTINGS, iterations=12, until_change=0.2)
    stopped = reconstruct_time_point([projections], MU, CAMERA, PEAK_MEV, early, decay_constant_per_s=0.0)
    n = stopped.beds[0].log.iterations
    assert n < 12
    asked = reconstruct_time_point(
        [projections], MU, CAMERA, PEAK_MEV, replace(SETTINGS, iterations=n), decay_constant_per_s=0.0
    )
    occupancy = _occupancy(stopped.volume.grid)
    measured = region_means(stopped.volume.values, occupancy)
    first, second = (recovery_by_reprojection(r, occupancy, measured, iterations=1) for r in (stopped, asked))
    assert first.measured_over_true == pytest.approx(second.measured_over_true, rel=1e-6)


def test_counting_uncertainty_agrees_with_repeated_noise():
    # one large region: the sum over the body has the variance of its counts
    projections = _simulate(scatter=ScatterModel(scatter_to_primary=0.0, primary_spill=0.0))
    done = reconstruct_time_point(
        [projections], MU, CAMERA, PEAK_MEV, replace(SETTINGS, scatter="none"), decay_constant_per_s=0.0
    )
    occupancy = {"body": sum(_occupancy(done.volume.grid).values())}
    u = count_uncertainty(done, occupancy, {"body": 1.0})["body"]
    # closed form: with t = lambda the information is the sum of counts
    model = done.beds[0].system.forward(occupancy["body"])
    total = region_means(done.volume.values, occupancy)["body"] * float(model.sum())
    assert u == pytest.approx(1 / np.sqrt(total), rel=0.02)


def test_regions_known_alone_are_known_better(whole_body):
    occupancy = _occupancy(whole_body.volume.grid)
    joint = count_uncertainty(whole_body, occupancy, TRUE)
    alone = count_uncertainty(whole_body, occupancy, TRUE, joint=False)
    assert all(joint[name] >= alone[name] > 0 for name in occupancy)
    with pytest.raises(InputError, match="fills no voxel"):
        count_uncertainty(whole_body, {"hot": occupancy["hot"] * 0}, TRUE)
    with pytest.raises(GridError, match="Occupancy of hot"):
        count_uncertainty(whole_body, {"hot": occupancy["hot"][:3]}, TRUE)
    with pytest.raises(InputError, match="but measured values of"):
        recovery_by_reprojection(whole_body, occupancy, {"hot": 1.0})


def test_beds_are_decay_corrected_to_the_start_of_the_first():
    rate = np.log(2) / 3600.0  # a fast nuclide, so that it shows
    first = _simulate(n_rows=24, decay_constant_per_s=rate)
    decayed = ACTIVITY.with_values(ACTIVITY.values * np.exp(-rate * 900))
    later = _simulate(
        n_rows=24,
        activity=decayed,
        decay_constant_per_s=rate,
        start_time=START + timedelta(seconds=900),
    )
    both = reconstruct_time_point([later, first], MU, CAMERA, PEAK_MEV, SETTINGS, decay_constant_per_s=rate)
    assert both.start_time == START
    corrected = [bed.volume.values.sum() * bed.decay_factor for bed in both.beds]
    assert corrected[0] == pytest.approx(corrected[1], rel=1e-4)
    assert decay_factor(rate, 600.0, 0.0) == pytest.approx(1 + rate * 300, rel=2e-3)  # series: 1 + x/2 + x^2/12


def test_unknown_start_times_are_a_warning():
    beds = [_simulate(n_rows=24, start_time=None, scatter=ScatterModel(scatter_to_primary=0)) for _ in range(2)]
    quick = ReconSettings(iterations=1, subsets=6, scatter="none")
    done = reconstruct_time_point(beds, MU, CAMERA, PEAK_MEV, quick, decay_constant_per_s=1e-6)
    assert "Start times of the beds are not known" in done.warnings[0]
    assert done.start_time is None


def test_what_is_needed_is_asked_for():
    projections = _simulate(n_rows=24, scatter=ScatterModel(scatter_to_primary=0))
    with pytest.raises(MissingDataError, match="needs a CT"):
        reconstruct_bed(projections, None, CAMERA, PEAK_MEV)
    with pytest.raises(MissingDataError, match="needs a camera"):
        reconstruct_bed(projections, MU, None, PEAK_MEV)
    with pytest.raises(InputError, match="no counts"):
        reconstruct_bed(replace(projections, counts=projections.counts * 0), MU, CAMERA, PEAK_MEV)
    with pytest.raises(InputError, match="No bed position"):
        reconstruct_time_point([], MU, CAMERA, PEAK_MEV, decay_constant_per_s=0.0)
    with pytest.raises(InputError, match="expected a CT in 'HU'"):
        reconstruct_bed(projections, ACTIVITY, CAMERA, PEAK_MEV)
    far = Volume(grid=replace(GRID, origin_mm=(-118.5, -88.5, 30.0)), values=MU.values, unit="1/cm")
    with pytest.raises(GridError, match="The CT does not cover the SPECT"):
        reconstruct_bed(projections, far, CAMERA, PEAK_MEV)


def test_a_ct_that_is_a_little_short_is_a_warning():
    projections = _simulate(n_rows=24, scatter=ScatterModel(scatter_to_primary=0))
    short = Volume(grid=replace(GRID, origin_mm=(-118.5, -88.5, -40.0)), values=MU.values, unit="1/cm")
    quick = ReconSettings(iterations=1, subsets=6, scatter="none")
    done = reconstruct_time_point([projections], short, CAMERA, PEAK_MEV, quick, decay_constant_per_s=0.0)
    assert "air was assumed elsewhere" in done.warnings[0]


def test_hounsfield_units_and_a_map_agree():
    projections = _simulate(n_rows=24, scatter=ScatterModel(scatter_to_primary=0))
    quick = ReconSettings(iterations=2, subsets=6, scatter="none")
    ct = MU.with_values(np.where(MU.values > 0, 0.0, -1000.0), "HU")
    by_ct = reconstruct_bed(projections, ct, CAMERA, PEAK_MEV, quick).values.sum()
    by_map = reconstruct_bed(projections, MU, CAMERA, PEAK_MEV, quick).values.sum()
    assert by_ct == pytest.approx(by_map, rel=0.02)  # XCOM: water 0.1353/cm at 208 keV; map 0.135/cm


def test_windows_that_the_simulation_does_not_know():
    extra = (*WINDOWS, EnergyWindow(lower_mev=0.1, upper_mev=0.125))
    with pytest.raises(InputError, match="the simulation knows one peak"):
        _simulate(windows=extra)
    with pytest.raises(InputError, match="one share per width"):
        ScatterModel(widths_mm=(1.0,))


def test_dark_rows_of_a_short_detector_do_not_count():
    projections = _simulate(n_rows=40)
    assert usable_pixels(projections).all()
    masked = projections.counts.copy()
    masked[:, :, :8] = masked[:, :, -8:] = 0
    usable = usable_pixels(replace(projections, counts=masked))
    assert np.flatnonzero(usable.all(axis=1)).tolist() == list(range(11, 29))  # 8 dark and 3 half-lit rows
    one_end = projections.counts.copy()
    one_end[:, :, :8] = 0  # the top of a head, not the end of a detector
    assert usable_pixels(replace(projections, counts=one_end)).all()
