"""Views, windows, several photopeaks of one nuclide, and two nuclides in one scan."""

from dataclasses import replace

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow, Projections
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.recon.attenuation import attenuation_on
from lutetia.recon.bed import ReconSettings, hot_parts, reconstruct_bed_in_detail
from lutetia.recon.camera import Camera
from lutetia.recon.noise import propagated_noise
from lutetia.recon.peaks import (
    Peak,
    balanced_scatter,
    expected_weight,
    modelled_scatter,
    peak_windows,
    sound_views,
    with_weights,
)
from lutetia.recon.projector import spect_system
from lutetia.recon.scatter_model import Emission, accepted, crystal_efficiency, simulate_scatter

from .conftest import make_orbit, positions_mm

HIGH = Camera(name="208", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
WIDE = Camera(name="113", intrinsic_fwhm_mm=4.2, intercept_mm=3.0, slope=0.050)
ORBIT = make_orbit(np.arange(24) * 15.0, n=32, rows=24, pixel_mm=(7.2, 7.2), radius_mm=110.0, seconds=20.0)
GRID = ORBIT.grid()
X, Y, Z = positions_mm(GRID)
BODY = (X**2 + Y**2 < 80**2) & (np.abs(Z) < 78)  # to the detector's ends, so that no row is dark
MIDDLE = (X**2 + Y**2 < 80**2) & (np.abs(Z) < 50)
CT = Volume(grid=GRID, values=np.where(BODY, 0.0, -1000.0).astype(np.float32), unit="HU")


def sphere(x_mm, y_mm, radius_mm=20.0):
    return (X - x_mm) ** 2 + (Y - y_mm) ** 2 + Z**2 < radius_mm**2


def window(low_kev, high_kev):
    return EnergyWindow(lower_mev=low_kev / 1000, upper_mev=high_kev / 1000)


def projections(counts, windows, orbit=ORBIT):
    return Projections(
        counts=np.asarray(counts, dtype=np.float32),
        windows=tuple(windows),
        angle_rad=orbit.angle_rad,
        radius_mm=orbit.radius_mm,
        frame_duration_s=orbit.frame_duration_s,
        pixel_mm=orbit.pixel_mm,
        centre_mm=orbit.centre_mm,
        detector=np.zeros(orbit.angle_rad.size, int),
        start_time=None,
        duration_s=float(orbit.frame_duration_s.sum()),
    )


def seen(image, peak):
    """Unscattered counts of an image at a photopeak."""
    mu = attenuation_on(CT, GRID, peak.energy_mev)
    return spect_system(orbit=ORBIT, camera=peak.camera, attenuation=mu).forward(image)


# ---- views and windows ------------------------------------------------------------------------------------------


def test_empty_views_are_left_out_and_named():
    counts = np.full((1, 24, 24, 32), 5.0)
    whole, told = sound_views(projections(counts, [window(187, 229)]))
    assert (whole.angle_rad.size, told) == (24, ())
    counts[:, [3, 10]] = 0.01
    kept, told = sound_views(projections(counts, [window(187, 229)]))
    assert kept.counts.shape == (1, 22, 24, 32)
    assert np.rad2deg(kept.angle_rad) == pytest.approx(np.delete(np.arange(24) * 15.0, [3, 10]))
    assert len(kept.detector) == len(kept.radius_mm) == len(kept.frame_duration_s) == 22
    assert "2 of 24 views hold (nearly) no counts (number 4, 11) and were left out" in told[0]
    assert len(told) == 1  # a gap of 30 degrees where 15 are usual is not yet worth a word
    with pytest.raises(InputError, match="hold no counts"):
        sound_views(projections(0 * counts, [window(187, 229)]))


def test_short_frames_are_not_empty_views():
    # law: rates count, not counts
    orbit = replace(ORBIT, frame_duration_s=np.where(np.arange(24) < 12, 20.0, 0.2))
    counts = np.ones((1, 24, 24, 32)) * orbit.frame_duration_s[None, :, None, None]
    assert sound_views(projections(counts, [window(187, 229)], orbit))[0].angle_rad.size == 24


def test_a_gap_between_the_views_is_named():
    counts = np.ones((1, 24, 24, 32))
    counts[:, 6:11] = 0
    _, told = sound_views(projections(counts, [window(187, 229)]))
    assert "No views between 75 and 165 degrees (90 degrees; 15.0 are usual)" in told[1]
    counts = np.ones((1, 24, 24, 32))
    counts[:, [0, 1, 22, 23]] = 0  # across 0 degrees
    assert (
        "No views between 315 and 30 degrees (75 degrees"
        in sound_views(projections(counts, [window(187, 229)]))[1][1]
    )


def test_a_window_beside_its_peak_is_named():
    image = sphere(0, 0).astype(np.float32)
    peak = Peak(energy_mev=0.2084, camera=HIGH)
    off, on = window(204, 250), window(187, 229)
    counts = seen(image, peak)[None]
    _, told = peak_windows(projections(counts, [off]), CT, [peak], scatter="none")
    share = float(accepted(off, 0.2084, HIGH.energy_fwhm_at_140_kev))
    assert f"The energy window 204.0-250.0 keV counts {share:.0%} of the photopeak at 208 keV" in told[0]
    assert peak_windows(projections(counts, [on]), CT, [peak], scatter="none")[1] == ()
    with pytest.raises(InputError, match="The projections of the peak window hold no counts"):
        peak_windows(projections(0 * counts, [on]), CT, [peak], scatter="none")
    with pytest.raises(MissingDataError, match="No energy window holds the photopeak"):
        peak_windows(projections(counts, [on]), CT, [replace(peak, energy_mev=0.364)], scatter="none")


def test_a_map_of_one_photopeak_is_scaled_to_the_other():
    peaks = [Peak(energy_mev=e, camera=HIGH) for e in (0.2084, 0.113)]
    given = projections([seen(BODY * 1.0, p) for p in peaks], [window(187, 229), window(102, 124)])
    mu = attenuation_on(CT, GRID, 0.2084)
    by_map, told = peak_windows(given, mu, peaks, scatter="none")
    by_ct, silent = peak_windows(given, CT, peaks, scatter="none")
    assert silent == ()
    assert "taken to hold at 208 keV and scaled like water to 113 keV" in told[0]
    for a, b in zip(by_map, by_ct, strict=True):
        assert a.attenuation.values[BODY] == pytest.approx(b.attenuation.values[BODY], rel=1e-4)
    ratio = by_ct[1].attenuation.values[BODY].mean() / by_ct[0].attenuation.values[BODY].mean()
    assert ratio == pytest.approx(
        mass_attenuation_cm2_per_g("water", 0.113) / mass_attenuation_cm2_per_g("water", 0.2084)
    )


# ---- two photopeaks of one nuclide ------------------------------------------------------------------------------

LINES = (Emission(energy_mev=0.2084), Emission(energy_mev=0.113, relative_yield=0.6))
PEAKS = (
    Peak(energy_mev=0.2084, camera=HIGH, emissions=LINES, weight=1.0),
    Peak(energy_mev=0.113, camera=WIDE, emissions=LINES, weight=0.45),
)
TWO = (window(187, 229), window(102, 124))
LU177 = (0.3 * BODY + 2.0 * sphere(35, 0)).astype(np.float32)
REGIONS = {"sphere": sphere(35, 0).astype(np.float32), "rest": (MIDDLE & ~sphere(35, 0, 35.0)).astype(np.float32)}
PLAIN = ReconSettings(scatter="none", iterations=10, subsets=6)


@pytest.fixture(scope="module")
def two_peaks():
    return projections([seen(LU177, PEAKS[0]), 0.45 * seen(LU177, PEAKS[1])], TWO)


def test_two_photopeaks_give_the_image_of_one_with_less_noise(two_peaks):
    both = reconstruct_bed_in_detail(two_peaks, CT, PEAKS, PLAIN)
    one = reconstruct_bed_in_detail(two_peaks, CT, PEAKS[:1], PLAIN)
    sums = [{n: float((share * bed.volume.values).sum()) for n, share in REGIONS.items()} for bed in (both, one)]
    assert both.volume.values.shape == GRID.shape
    assert len(both.volumes) == 1
    assert sums[0] == pytest.approx(sums[1], rel=0.01)  # law: consistent noise-free counts have one image
    assert sums[0]["rest"] == pytest.approx(0.3 * REGIONS["rest"].sum(), rel=0.01)
    noise = [
        propagated_noise([p.channel for p in bed.peaks], REGIONS, iterations=3, subsets=6) for bed in (both, one)
    ]
    share = two_peaks.counts[1].sum() / two_peaks.counts[0].sum()
    for name in REGIONS:
        u = [n.relative_uncertainty()[name] for n in noise]
        # law: counts that tell the same add up; those at 113 keV tell a little less, through more body
        assert u[0] < 0.98 * u[1]
        assert u[0] > 0.95 * u[1] / np.sqrt(1 + share)


def test_weights_from_the_data_are_said(two_peaks):
    unknown = (PEAKS[0], replace(PEAKS[1], weight=None))
    found = reconstruct_bed_in_detail(two_peaks, CT, unknown, PLAIN)
    assert found.peaks[1].weight == pytest.approx(0.45, rel=0.02)  # law: without noise the counts tell the ratio
    (told,) = (w for w in found.warnings if "no measured ratio" in w)
    assert told.startswith("The sensitivity at 113 keV was taken to be 0.4")
    assert "times that at 208 keV" in told
    given = reconstruct_bed_in_detail(two_peaks, CT, PEAKS, PLAIN)
    assert not [w for w in given.warnings if "measured ratio" in w]
    kept, none = with_weights(given.peaks, [LU177], None)
    assert ([w.weight for w in kept], none) == ([1.0, 0.45], ())


def test_rows_that_do_not_count_tell_no_weight():
    # activity well within the field looks like a short detector, whose edge rows are left out though they hold counts
    image = (LU177 * (np.abs(Z) < 50)).astype(np.float32)
    given = projections([seen(image, PEAKS[0]), 0.45 * seen(image, PEAKS[1])], TWO)
    unknown = (PEAKS[0], replace(PEAKS[1], weight=None))
    found = reconstruct_bed_in_detail(given, CT, unknown, PLAIN).peaks[1]
    assert not found.system.usable.all()
    assert found.total(found.counts) < 0.99 * found.counts.sum()
    assert found.weight == pytest.approx(0.45, rel=0.03)


def test_weights_from_the_data_allow_for_scatter():
    scattered = simulate_scatter(
        image=LU177, attenuation=attenuation_on(CT, GRID, 0.2084), photopeak_mev=0.2084, orbit=ORBIT, camera=HIGH,
        windows=TWO, emissions=LINES, histories=300_000, seed=77,
    ).counts  # fmt: skip
    unknown = (PEAKS[0], replace(PEAKS[1], weight=None))
    weight = expected_weight(TWO[1], PEAKS[1], TWO[0], PEAKS[0])
    counts = np.stack([seen(LU177, PEAKS[0]), weight * seen(LU177, PEAKS[1])]) + scattered
    settings = ReconSettings(scatter="model", iterations=6, subsets=6, histories=60_000)
    found = reconstruct_bed_in_detail(projections(counts, TWO), CT, unknown, settings)
    assert found.peaks[1].weight == pytest.approx(weight, rel=0.06)
    rest = float((REGIONS["rest"] * found.volume.values).sum())
    assert rest == pytest.approx(0.3 * REGIONS["rest"].sum(), rel=0.04)


def test_expected_weight_is_its_product():
    first, second = PEAKS
    unit = accepted(TWO[0], 0.2084, 0.098) * crystal_efficiency(0.2084)
    own = accepted(TWO[1], 0.113, 0.098) * crystal_efficiency(0.113)
    # closed form: yield, window, crystal, and the square of the holes' opening
    assert expected_weight(TWO[1], second, TWO[0], first) == pytest.approx(0.6 * own / unit * (0.050 / 0.055) ** 2)
    assert expected_weight(TWO[0], first, TWO[0], first) == pytest.approx(1.0)
    bare = expected_weight(TWO[1], replace(second, camera=None), TWO[0], first)
    assert bare == pytest.approx(0.6 * own / unit)
    with pytest.raises(MissingDataError, match="The yield of the line at 113 keV is not among the emissions"):
        expected_weight(TWO[1], replace(second, emissions=LINES[:1]), TWO[0], first)


# ---- two nuclides -----------------------------------------------------------------------------------------------

BI213 = Peak(energy_mev=0.4405, camera=HIGH, emissions=(Emission(energy_mev=0.4405),), image=1)
FR221 = Peak(energy_mev=0.2181, camera=HIGH, emissions=(Emission(energy_mev=0.2181),))
BOTH = (window(196, 240), window(396, 485))
TRUE = (
    (0.2 * BODY + 2.0 * sphere(35, 0)).astype(np.float32),
    (0.4 * BODY + 3.0 * sphere(-35, 0)).astype(np.float32),
)
PLACES = {"francium": sphere(35, 0, 28.0), "bismuth": sphere(-35, 0, 28.0)}
MODEL = ReconSettings(scatter="model", iterations=8, subsets=6, histories=80_000)


@pytest.fixture(scope="module")
def two_nuclides():
    counts = np.zeros((2, *seen(TRUE[0], FR221).shape), np.float32)
    for image, peak, own in ((TRUE[0], FR221, 0), (TRUE[1], BI213, 1)):
        counts[own] += seen(image, peak)
        counts += simulate_scatter(
            image=image, attenuation=attenuation_on(CT, GRID, peak.energy_mev), photopeak_mev=peak.energy_mev,
            orbit=ORBIT, camera=HIGH, windows=BOTH, emissions=peak.emissions, histories=400_000, seed=50 + own,
        ).counts  # fmt: skip
    return projections(counts, BOTH)


def test_two_nuclides_are_told_apart(two_nuclides):
    found = reconstruct_bed_in_detail(two_nuclides, CT, (FR221, BI213), MODEL)
    share = {
        (n, k): v.values[p].sum() / TRUE[k][p].sum() for n, p in PLACES.items() for k, v in enumerate(found.volumes)
    }
    # law: without noise both come back; 80000 photons for each scatter estimate, 7 mm cells, 48 updates
    assert share["francium", 0] == pytest.approx(1.0, abs=0.05)
    assert share["bismuth", 1] == pytest.approx(1.0, abs=0.05)
    for k, volume in enumerate(found.volumes):
        assert volume.values[MIDDLE].sum() / TRUE[k][MIDDLE].sum() == pytest.approx(1.0, abs=0.04)
    # where there is 15 times less francium than bismuth, 440 keV scattered down to 218 keV is most of what is seen
    assert share["francium", 1] == pytest.approx(1.0, abs=0.05)
    assert share["bismuth", 0] == pytest.approx(1.0, abs=0.15)
    alone = reconstruct_bed_in_detail(two_nuclides, CT, (FR221,), MODEL).volume.values
    assert alone[PLACES["bismuth"]].sum() > 2.5 * TRUE[0][PLACES["bismuth"]].sum()
    assert alone[PLACES["francium"]].sum() > 1.2 * TRUE[0][PLACES["francium"]].sum()


def test_scatter_of_images_is_balanced_with_their_counts(two_nuclides):
    windows, _ = peak_windows(two_nuclides, CT, (FR221, BI213), scatter="model")
    assert not any(w.scatter.counts.any() for w in windows)
    images = [1.3 * image for image in TRUE]
    found = modelled_scatter(windows, images, histories=40_000, seed=5)
    balanced = balanced_scatter(windows, images, found)
    ratio = balanced[0].sum() / found[0].sum()
    assert balanced[1].sum() / found[1].sum() == pytest.approx(ratio, rel=1e-5)  # one factor for all
    # closed form: images and scatter of 1.3 times the truth explain 1.3 times the counts
    assert ratio == pytest.approx(1 / 1.3, rel=0.01)
    more = modelled_scatter(windows, [TRUE[0], 0 * TRUE[1]], histories=40_000, seed=5)
    assert not more[1].any()  # photons of 218 keV never reach 396 keV
    for missing in ({"attenuation": None}, {"peak": replace(FR221, camera=None)}):
        with pytest.raises(MissingDataError, match="needs the attenuation map and the camera"):
            modelled_scatter([replace(windows[0], **missing)], images[:1], histories=1000, seed=1)


def test_second_photopeaks_scatter_as_they_were_weighed(two_peaks):
    windows, _ = peak_windows(two_peaks, CT, PEAKS, scatter="model")
    weighed, _ = with_weights(windows, [LU177], None)
    expected = modelled_scatter(windows, [LU177], histories=20_000, seed=5, weighed=False)
    scaled = modelled_scatter(weighed, [LU177], histories=20_000, seed=5)
    ratio = 0.45 / expected_weight(TWO[1], PEAKS[1], TWO[0], PEAKS[0])
    assert np.array_equal(scaled[0], expected[0])
    assert scaled[1] == pytest.approx(ratio * expected[1], rel=1e-5)


def test_settings_of_a_bed_are_checked(two_peaks):
    for settings in (dict(algorithm="fbp"), dict(device="tpu")):
        with pytest.raises(InputError, match="expected osem, mlem or bsrem, on cpu or cuda"):
            ReconSettings(**settings)
    with pytest.raises(InputError, match="10 histories"):
        ReconSettings(histories=10)
    with pytest.raises(InputError, match="No photopeak"):
        reconstruct_bed_in_detail(two_peaks, CT, (), PLAIN)
    for off in ("attenuation", "resolution"):
        with pytest.raises(MissingDataError, match="needs attenuation and resolution"):
            reconstruct_bed_in_detail(two_peaks, CT, PEAKS, replace(MODEL, **{off: False}))


@pytest.mark.parametrize(("algorithm", "scatter"), [("mlem", "none"), ("bsrem", "none"), ("bsrem", "model")])
def test_every_algorithm_keeps_the_counts(two_peaks, algorithm, scatter):
    settings = ReconSettings(algorithm=algorithm, scatter=scatter, iterations=6, subsets=4, histories=20_000)
    found = reconstruct_bed_in_detail(two_peaks, CT, PEAKS[:1], settings)
    assert found.log.subsets == (1 if algorithm == "mlem" else 4)
    assert found.log.explained_counts[-1] == pytest.approx(found.log.measured_counts, rel=0.02)
    assert bool(found.scatter.counts.any()) == (scatter == "model")


def test_a_bed_stops_when_its_hot_parts_have_settled(two_peaks):
    settings = ReconSettings(scatter="none", iterations=40, subsets=6, until_change=0.02)
    found = reconstruct_bed_in_detail(two_peaks, CT, PEAKS[:1], settings)
    assert found.log.converged
    assert 2 <= found.log.iterations < 40
    before, last = found.log.watched[-2:]
    assert max(abs(last[n] / before[n] - 1) for n in last) <= 0.02


def test_hot_parts_are_the_largest_first():
    image = 10.0 * sphere(35, 0, 25.0) + 10.0 * sphere(-40, 0, 18.0) + 0.1 * BODY
    parts = hot_parts(image)
    sizes = [p.sum() for p in parts.values()]
    assert list(parts) == ["part 1", "part 2"]
    assert sizes == sorted(sizes, reverse=True)
    assert parts["part 1"][12, 16, 16 + 5] == 1.0
    assert len(hot_parts(image, largest=1)) == 1
