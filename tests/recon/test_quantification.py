"""How accurate and how honest quantification is: a cylinder of 20 cm with hot spheres, 177Lu, transported scatter.

The tables of docs/validation are what the long tests record (``pytest -m slow --junitxml``).
"""

import numpy as np
import pytest
from scipy.special import erf

from .quantification import (
    BACKGROUND_BQ_PER_ML,
    DIAMETERS_MM,
    FINE,
    REGIONS,
    WEEK,
    Assumed,
    expected_projections,
    noisy,
    over_seeds,
    profiles,
    quantify,
    sphere_share,
)
from .quantification_budget import coverage, rerun_budget, rerun_terms

LIMITS = {"whole": 0.05, "37 mm": 0.05, "28 mm": 0.10, "22 mm": 0.15}
"""Of activities after correction: the aim of the project."""


@pytest.fixture
def record(request, record_testsuite_property):
    """Write what was measured into the report."""
    return lambda name, value: record_testsuite_property(f"{request.node.name}: {name}", value)


def test_activities_of_one_noisy_measurement():
    quick = {"iterations": 4, "histories": 100_000}
    projections = noisy(expected_projections(views=24, histories=200_000), np.random.default_rng(3))
    found = quantify(projections, **quick)
    error = found.activity_error()
    assert {name: abs(error[name]) < limit for name, limit in LIMITS.items()} == dict.fromkeys(LIMITS, True)
    assert found.recovery["22 mm"] < found.recovery["28 mm"] < found.recovery["37 mm"] < 0.9  # there was much to do
    grown = quantify(projections, Assumed(growth_mm={"28 mm": 0.5}), **quick)
    volume = grown.volume_ml["28 mm"] / found.volume_ml["28 mm"]
    assert volume == pytest.approx((14.5 / 14.0) ** 3, rel=0.005)  # closed form; voxels cut in 6^3
    # an outline too wide: the concentration falls with the volume, but by less, as the activity rises
    assert found.corrected["28 mm"] / volume < grown.corrected["28 mm"]
    assert grown.activity_error()["28 mm"] > error["28 mm"]


def test_uniform_cylinder_is_flat_in_a_quick_look():
    projections = expected_projections(spheres=False, views=24, histories=200_000)
    rings, slabs = profiles(quantify(projections, spheres=False, scatter="tew", iterations=4))
    both = np.concatenate([rings, slabs])
    assert np.abs(both / both.mean() - 1).max() < 0.03  # 2 % by the long test; here few photons, few views


def test_share_of_a_sphere_has_its_volume():
    for diameter in DIAMETERS_MM.values():
        share = sphere_share(FINE, (3.1, -7.7, 12.2), diameter / 2)
        volume = float(share.sum(dtype=float)) * FINE.voxel_ml * 1000
        assert volume == pytest.approx(np.pi / 6 * diameter**3, rel=0.002)  # voxels cut in 6^3


@pytest.mark.slow
@pytest.mark.parametrize(("scatter", "level"), [("model", 0.01), ("tew", 0.03)])
def test_uniform_cylinder_is_flat(scatter, level, record):
    projections = expected_projections(spheres=False)
    rings, slabs = profiles(quantify(projections, spheres=False, scatter=scatter, histories=2_000_000))
    weights = 2 * np.arange(rings.size) + 1  # areas of the rings
    mean = float(np.average(rings, weights=weights))
    record("rings", (rings / mean - 1).round(4).tolist())
    record("slabs", (slabs / mean - 1).round(4).tolist())
    assert np.abs(rings / mean - 1).max() < 0.02
    assert np.abs(slabs / mean - 1).max() < 0.02
    record("mean", round(mean, 4))
    assert mean == pytest.approx(1.0, abs=level)  # as found: triple windows are 2.3 % low here
    for share in (1.0, WEEK):
        one = quantify(noisy(projections, np.random.default_rng(1), share), spheres=False, scatter=scatter)
        both = np.concatenate(profiles(one)) / share
        record(
            f"largest deviation at {share * BACKGROUND_BQ_PER_ML:.0f} Bq/mL",
            round(float(np.abs(both / mean - 1).max()), 4),
        )
        # 4 sigma of the smallest part: 1.2 and 2 %, and 1.25 times that with the noise of two narrow windows, which TEW
        # scales up by half the ratio of their width to the peak's
        limit = (0.05 if share == 1.0 else 0.08) * (1.25 if scatter == "tew" else 1.0)
        assert np.abs(both / mean - 1).max() < limit


METHODS = {"model": {}, "tew": {"scatter": "tew"}, "model, both peaks": {"both": True}}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_activities_within_the_limits_for_every_seed(method, record):
    projections = expected_projections()
    exact = quantify(projections, **METHODS[method]).activity_error()
    found = over_seeds(projections, 10, **METHODS[method])
    for name, errors in found.items():
        spread = errors.std(ddof=1)
        record(name, [round(100 * float(v), 2) for v in (exact[name], errors.mean(), spread, np.abs(errors).max())])
    for name, limit in LIMITS.items():
        assert np.abs(found[name]).max() < limit, name
        assert abs(exact[name]) < limit
    # the noise that is stated is the noise there is; 10 seeds know it to 24 %, and the spread has the photons' as well
    if method == "model":
        stated = quantify(projections).propagated()
        least = quantify(projections).fisher()
        for name in DIAMETERS_MM:
            assert least[name] < stated[name]  # no unbiased estimate does better than the information allows
            assert 0.5 * stated[name] < found[name].std(ddof=1) < 2.2 * stated[name], name


@pytest.mark.slow
def test_activities_a_week_later(record):
    found = over_seeds(expected_projections(), 10, share=WEEK)
    for name, errors in found.items():
        row = (errors.mean(), errors.std(ddof=1), np.abs(errors).max())
        record(name, [round(100 * float(v), 2) for v in row])
    for name, limit in LIMITS.items():
        assert abs(found[name].mean()) < limit, name  # single draws may lie outside: noise of 2.5 to 7 %


@pytest.mark.slow
def test_corrected_activities_do_not_wait_for_convergence(record):
    course = {}
    for iterations in (2, 4, 6, 10, 20):
        found = quantify(expected_projections(), iterations=iterations)
        course[iterations] = found.activity_error()
        rows = {n: [round(100 * found.recovery[n], 1), round(100 * course[iterations][n], 1)] for n in REGIONS}
        record(str(iterations), rows)
        assert all(abs(course[iterations][name]) < limit for name, limit in LIMITS.items())
    for name in ("whole", "37 mm", "28 mm", "22 mm"):
        # measured means rise by 6 to 17 % from 4 iterations on; corrected ones stay, within the photons' own 1 %
        assert abs(course[20][name] - course[4][name]) < 0.025, name


@pytest.mark.slow
def test_stated_intervals_hold_the_truth_as_often_as_they_say(record):
    projections = expected_projections()
    terms, activity_terms = rerun_terms(projections)
    for name, term in terms.items():
        record(name, {n: round(100 * u, 2) for n, u in term.items()})
    for seed, share, draws in ((1, 1.0, 50), (2, WEEK, 30)):
        found = coverage(projections, draws, seed=seed, share=share, terms=terms, activity_terms=activity_terms)
        for budget, inside in found.inside.items():
            row = [100 * found.share(budget), *(100 * inside.mean(axis=0))]
            widths = 100 * found.uncertainty[budget].mean(axis=0)
            record(f"{share}: {budget}", [np.round(row, 1).tolist(), np.round(widths, 1).tolist()])
        # terms found by doing it again are neither too wide nor too narrow: 95.4 % were they exact and normal
        for budget in ("rerun", "rerun, activity", "closed forms"):
            assert 0.90 <= found.share(budget) <= 0.99, (share, budget)
            assert found.scaled(budget).std() == pytest.approx(1.0, abs=0.25)
        # the project's budget, which knows the outline and the resolution by closed forms
        assert 0.90 <= found.share("project, one scan, propagated counts") <= 0.99
        # its term for registered scans is wider than needed
        assert found.share("project, registered scans") >= 0.95


def test_budget_of_rerun_terms_adds_in_quadrature():
    terms = {"a": dict.fromkeys(REGIONS, 0.03), "b": dict.fromkeys(REGIONS, 0.06)}
    budget = rerun_budget(terms, dict.fromkeys(REGIONS, 0.0))
    assert budget["37 mm"] == pytest.approx(0.07)  # 2, 3 and 6 give 7


def test_error_of_an_outline_that_stays_in_a_blurred_sphere():
    radius = (np.arange(4000) + 0.5) / 4000
    for sigma in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5):  # of a Gaussian, over the radius of the sphere
        recovery = float((3 * radius**2 * _blurred_sphere(radius, sigma)).mean())
        shell = float(
            _blurred_sphere(np.array([1.0]), sigma)[0]
        )  # by symmetry, what a shell leaves within the sphere
        assert shell / recovery == pytest.approx(1 / (1 + recovery), rel=0.04)


def _blurred_sphere(r, sigma):
    """A unit sphere convolved with a Gaussian (closed form)."""
    inside = 0.5 * (erf((1 - r) / (sigma * np.sqrt(2))) + erf((1 + r) / (sigma * np.sqrt(2))))
    edges = np.exp(-((1 - r) ** 2) / (2 * sigma**2)) - np.exp(-((1 + r) ** 2) / (2 * sigma**2))
    return inside - sigma / (r * np.sqrt(2 * np.pi)) * edges
