import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.recon.scatter import classify_windows, estimate_scatter, triple_energy_window


def _window(low_kev, high_kev):
    return EnergyWindow(lower_mev=low_kev / 1000, upper_mev=high_kev / 1000, name="same name")


# the two 177Lu peaks, each with its neighbours, in an order that tells nothing
LU177 = [
    _window(187.2, 228.8),
    _window(93, 101),
    _window(228.8, 249.6),
    _window(101, 125),
    _window(166, 187.2),
    _window(125, 133),
]


def test_windows_are_found_by_energy():
    high, low = classify_windows(LU177, 0.2084), classify_windows(LU177, 0.1130)
    assert (high.peak, high.lower, high.upper) == (0, 4, 2)
    assert (low.peak, low.lower, low.upper) == (3, 1, 5)


def test_a_window_far_away_is_no_scatter_window():
    roles = classify_windows([_window(187, 229), _window(100, 125)], 0.2084)
    assert (roles.lower, roles.upper) == (None, None)


def test_no_window_on_the_peak():
    with pytest.raises(MissingDataError, match=r"364 keV; there are 187\.2-228\.8 keV"):
        classify_windows(LU177, 0.364)


def test_a_straight_spectrum_is_estimated_exactly():
    # closed form: density a + b E integrated over each window; the trapezoid is exact when the scatter windows are
    # as far from the peak's middle on both sides
    low, peak, high = (170.0, 190.0), (190.0, 230.0), (230.0, 250.0)
    integral = lambda w: 3.0 * (w[1] - w[0]) - 0.01 * (w[1] ** 2 - w[0] ** 2) / 2  # noqa: E731
    counts = [np.full((2, 6, 6), integral(w)) for w in (low, peak, high)]
    estimate = triple_energy_window(
        lower=counts[0], upper=counts[2], lower_width_mev=0.02, upper_width_mev=0.02, peak_width_mev=0.04
    )
    assert estimate.counts == pytest.approx(counts[1], rel=1e-6)
    assert np.allclose(estimate.variance, counts[0] + counts[2], rtol=1e-6)  # (w_p/2/w)^2 = 1 here


def test_scatter_estimates_keep_counts_and_are_not_negative():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, (6, 3, 40, 40)).astype(np.float32)
    roles = classify_windows(LU177, 0.2084)
    for method in ("tew", "dew"):
        smooth = estimate_scatter(counts, LU177, roles, method)
        raw = estimate_scatter(counts, LU177, roles, method, smoothing_fwhm_pixels=0)
        assert smooth.counts.min() >= 0
        assert smooth.counts.sum() == pytest.approx(raw.counts.sum(), rel=0.02)  # mirrored edges: 1/40 of the noise
    assert not estimate_scatter(counts, LU177, roles, "none").counts.any()


def test_missing_scatter_windows_are_named():
    windows = LU177[:1]
    roles = classify_windows(windows, 0.2084)
    with pytest.raises(MissingDataError, match=r"next below the peak 187\.2-228\.8 keV"):
        estimate_scatter(np.ones((1, 1, 4, 4)), windows, roles, "tew")
    windows = [LU177[0], LU177[4]]
    roles = classify_windows(windows, 0.2084)
    with pytest.raises(MissingDataError, match="next above"):
        estimate_scatter(np.ones((2, 1, 4, 4)), windows, roles, "tew")
    with pytest.raises(InputError, match="expected 'tew'"):
        estimate_scatter(np.ones((2, 1, 4, 4)), windows, roles, "esse")
