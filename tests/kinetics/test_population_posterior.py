"""Posterior of one patient: against quadrature and a sampler written here, coverage, limits, warnings."""

import dataclasses
import math

import numpy as np
import pytest
from tests.kinetics.population_cases import LU, TRUTH, H, drawn, omega, population, region

from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.population.model import PopulationModel
from lutetia.kinetics.population.posterior import posterior_fit
from lutetia.kinetics.population.shapes import SHAPES
from lutetia.kinetics.population.shipped import shipped_population

AGENT = "177Lu-DOTATATE"


def scans(hours, activity, relative=0.05, name="kidney left"):
    activity = np.atleast_1d(np.asarray(activity, dtype=float))
    return TimeActivityCurve(
        region=name,
        time_s=np.atleast_1d(np.asarray(hours, dtype=float)) * H,
        activity_bq=activity,
        standard_uncertainty_bq=None if relative is None else relative * activity,
    )


def mono(hours, half_life_h=52.0, size=1e8):
    return size * np.exp(-math.log(2) / half_life_h * np.atleast_1d(np.asarray(hours, dtype=float)))


def quadrature_mono(curve, mean, sd, noise_of):
    """Log-mean, log-sd and quantiles of the integral on a grid of ln k and ln(first activity), flat in the amplitude."""
    x = np.linspace(mean - 7 * sd, mean + 7 * sd, 3001)
    x = x[x > math.log(LU)]
    s = np.linspace(-1.2, 1.2, 1201)
    k = np.exp(x)[:, None]
    t, y = curve.time_s, curve.activity_bq
    first = y[0] * np.exp(s)[None, :]
    log_p = -0.5 * ((x[:, None] - mean) / sd) ** 2 + 0 * s
    for j in range(t.size):
        f = first * np.exp(-k * (t[j] - t[0]))
        v = noise_of(j, f) ** 2
        log_p = log_p - 0.5 * (y[j] - f) ** 2 / v - 0.5 * np.log(v)
    p = np.exp(log_p - log_p.max())
    tia = first * np.exp(k * t[0]) / k
    p, tia = (p / p.sum()).ravel(), tia.ravel()
    order = np.argsort(tia)
    edges = np.interp([0.025, 0.975], np.cumsum(p[order]), tia[order])
    m = float(p @ np.log(tia))
    return m, math.sqrt(float(p @ (np.log(tia) - m) ** 2)), edges


@pytest.mark.parametrize("hours", [[4], [24], [72], [168], [24, 96], [4, 24, 72, 168]])
def test_posterior_against_quadrature(hours):
    prior = shipped_population(AGENT, "kidney left", "organ")
    sigma = math.sqrt(math.log1p(0.04))  # the table's relative sd of 0.2
    mean = math.log(math.log(2) / (51.6 * H / math.sqrt(1.04)))
    curve = scans(hours, mono(hours, 65))
    fit = posterior_fit(curve, population=prior, decay_constant_per_s=LU)
    noise = curve.standard_uncertainty_bq
    m, sd, edges = quadrature_mono(curve, mean, sigma, lambda j, f: noise[j])
    # 4096 draws: relative error of the mean sd/64 at most, of quantiles about 1 % of the interval
    assert fit.time_integrated_activity_bq_s == pytest.approx(math.exp(m + sd**2 / 2), rel=0.003)
    u = fit.standard_uncertainty_bq_s / fit.time_integrated_activity_bq_s
    assert u == pytest.approx(math.sqrt(math.expm1(sd**2)), rel=0.03)
    np.testing.assert_allclose(fit.interval_95_bq_s, edges, atol=0.015 * (edges[1] - edges[0]))


def metropolis(shape, curve, mean, covariance, noise, n=30_000):
    """Adaptive random walk in the log-parameters, written here; the integral of each state after a tenth burnt in."""
    rng = np.random.default_rng(3)
    inverse = np.linalg.inv(covariance)

    def log_p(q):
        if q[1] < math.log(LU):
            return -math.inf
        f = shape.activity(q, curve.time_s)
        v = curve.standard_uncertainty_bq**2 + (noise * f) ** 2
        return -0.5 * float(
            (q - mean) @ inverse @ (q - mean) + ((curve.activity_bq - f) ** 2 / v + np.log(v)).sum()
        )

    q, value, step = mean.copy(), log_p(mean), 0.05 * np.eye(mean.size)
    kept = np.empty((n, mean.size))
    for i in range(n):
        if i in (500, 2000, 6000):
            step = np.linalg.cholesky(np.cov(kept[i // 2 : i].T) * 2.4**2 / mean.size + 1e-8 * np.eye(mean.size))
        trial = q + step @ rng.standard_normal(mean.size)
        new = log_p(trial)
        if math.log(rng.random()) < new - value:
            q, value = trial, new
        kept[i] = q
    return shape.integral(kept[n // 10 :])


@pytest.mark.parametrize(("model", "hours"), [("uptake", [3, 72]), ("bi", [24, 96])])
def test_posterior_against_a_sampler(model, hours):
    shape = SHAPES[model]
    mean, covariance = np.array(TRUTH[model][0]), omega(model)
    activity = shape.activity(mean + 0.2, np.array(hours) * H)
    curve = scans(hours, activity, 0.04)
    kinetics = region(model, noise=0.03, amplitude="per administered activity")
    whole = PopulationModel(agent=AGENT, nuclide="Lu-177", regions={"kidney": kinetics}, source="test")
    fit = posterior_fit(curve, population=whole, decay_constant_per_s=LU, administered_activity_bq=1.0)
    sample = metropolis(shape, curve, mean, covariance, 0.03)
    # a chain of 27,000 states has about 1,500 independent ones: mean to sd/39, sd to 2 %, quantiles to 7 % of sd; 3 sigma
    sd = float(sample.std())
    assert fit.time_integrated_activity_bq_s == pytest.approx(float(sample.mean()), abs=3 * sd / 39)
    assert fit.standard_uncertainty_bq_s == pytest.approx(sd, rel=0.06)
    np.testing.assert_allclose(fit.interval_95_bq_s, np.quantile(sample, [0.025, 0.975]), atol=0.25 * sd)


def coverage(model, hours, n, seed, noise=0.05):
    q = drawn(model, n, seed)
    rng = np.random.default_rng(seed + 1)
    shape, t = SHAPES[model], np.array(hours, dtype=float) * H
    prior = population(model, noise=0.0)
    inside = 0
    for one in q:
        true = shape.activity(one, t)
        u = noise * true
        curve = TimeActivityCurve(
            region="kidney left",
            time_s=t,
            activity_bq=np.maximum(true + u * rng.standard_normal(t.size), 1e-3 * true),
            standard_uncertainty_bq=u,
        )
        low, high = posterior_fit(curve, population=prior, decay_constant_per_s=LU).interval_95_bq_s
        inside += low <= float(shape.integral(one)) <= high
    return inside / n


CASES = [("mono", [24]), ("mono", [96]), ("mono", [24, 96]), ("uptake", [72]), ("uptake", [4, 96]), ("bi", [72])]


@pytest.mark.parametrize(("model", "hours"), CASES)
def test_the_interval_covers_the_truth(model, hours):
    # 300 patients from the prior: standard deviation of the coverage sqrt(0.95 x 0.05/300) = 1.26 %, three of them
    assert coverage(model, hours, 300, seed=11) == pytest.approx(0.95, abs=0.038)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "hours"), CASES)
def test_the_interval_covers_93_to_97_percent(model, hours):
    assert 0.93 <= coverage(model, hours, 4000, seed=21) <= 0.97  # 0.35 % standard deviation


def test_many_precise_scans_leave_the_prior_behind():
    hours = [4, 24, 48, 72, 120, 168]
    curve = scans(hours, mono(hours, 80), 0.005)
    fit = posterior_fit(
        curve, population=shipped_population(AGENT, "kidney left", "organ"), decay_constant_per_s=LU
    )
    plain = fit_curve(curve, decay_constant_per_s=LU, model="mono")
    assert fit.time_integrated_activity_bq_s == pytest.approx(plain.time_integrated_activity_bq_s, rel=0.002)
    assert fit.standard_uncertainty_bq_s == pytest.approx(plain.standard_uncertainty_bq_s, rel=0.1)
    assert any("outside the population" in w for w in fit.warnings) is False  # 80 h: 2.3 standard deviations


def test_a_scan_of_no_worth_leaves_the_prior():
    # scan so noisy in form that the half-life keeps its prior: TIA/A(0) ~ lognormal (closed form), at t close to 0
    fit = posterior_fit(
        scans([0.01], [1e8], 0.001),
        population=shipped_population(AGENT, "kidney left", "organ"),
        decay_constant_per_s=LU,
    )
    mean_life = 51.6 * H / math.log(2)
    assert fit.time_integrated_activity_bq_s / 1e8 == pytest.approx(mean_life, rel=0.003)  # the mean of the table
    assert fit.standard_uncertainty_bq_s / 1e8 == pytest.approx(0.2 * mean_life, rel=0.02)  # its relative sd


def test_the_curve_and_its_exponentials_have_the_integral():
    fit = posterior_fit(scans([4], mono(4)), population=population("uptake"), decay_constant_per_s=LU)
    t = np.concatenate([np.linspace(0, 30, 301), np.linspace(30.5, 1600, 600)]) * H
    # trapezoids err by 0.01 %; the mean of a lognormal with the draws' log-moments, at each time, by their skewness
    assert np.trapezoid(fit.activity_at(t), t) == pytest.approx(fit.time_integrated_activity_bq_s, rel=0.02)
    assert sum(a / k for a, k in fit.exponentials) == pytest.approx(fit.time_integrated_activity_bq_s, rel=1e-12)
    assert float(fit.activity_at(np.array(4 * H))) == pytest.approx(float(mono(4)[0]), rel=0.02)
    assert float(fit.band_at(np.array(4 * H))) == pytest.approx(0.05 * math.sqrt(2) * float(mono(4)[0]), rel=0.1)
    assert fit.band_at(np.array([4.0, 168.0]) * H).shape == (2,)


def test_a_late_scan_of_a_varied_population_keeps_a_finite_mean():
    # exp(kt)/k has no mean for lognormal k; the lognormal of its log-moments has, and the interval is wide
    kinetics = dataclasses.replace(region("mono", noise=0.0), omega=np.diag([1.0, 0.7**2]))
    prior = PopulationModel(agent=AGENT, nuclide="Lu-177", regions={"kidney": kinetics}, source="test")
    fit = posterior_fit(scans([168], mono(168)), population=prior, decay_constant_per_s=LU)
    low, high = fit.interval_95_bq_s
    assert low < fit.time_integrated_activity_bq_s < high
    assert high / low > 100  # it cannot be known, and is said so


def test_the_scale_of_the_scans_is_that_of_the_result():
    prior = population("uptake")
    one, ten = (
        posterior_fit(scans([24, 96], s * mono([24, 96])), population=prior, decay_constant_per_s=LU)
        for s in (1, 10)
    )
    assert ten.time_integrated_activity_bq_s == pytest.approx(10 * one.time_integrated_activity_bq_s, rel=1e-6)
    assert ten.interval_95_bq_s == pytest.approx(tuple(10 * v for v in one.interval_95_bq_s), rel=1e-6)


def test_the_administered_activity_helps_an_early_scan():
    kinetics = region("mono", amplitude="per administered activity")
    kinetics = dataclasses.replace(kinetics, mean_log=kinetics.mean_log - np.array([math.log(7.4e9), 0.0]))
    prior = PopulationModel(agent=AGENT, nuclide="Lu-177", regions={"kidney": kinetics}, source="test")
    curve = scans([168], mono(168), 0.3)
    free = posterior_fit(curve, population=prior, decay_constant_per_s=LU)
    known = posterior_fit(curve, population=prior, decay_constant_per_s=LU, administered_activity_bq=7.4e9)
    assert known.standard_uncertainty_bq_s < 0.8 * free.standard_uncertainty_bq_s
    assert any("says nothing of the amplitude" in w for w in free.warnings)


def test_a_rising_curve_stays_at_physical_decay():
    fit = posterior_fit(
        scans([24, 96], [1e8, 1.3e8], 0.01), population=population(noise=0.0), decay_constant_per_s=LU
    )
    assert fit.exponentials[0][1] >= LU * (1 - 1e-9)
    assert any("physical decay, the limit" in w for w in fit.warnings)
    assert any("outside the population" in w for w in fit.warnings)
    assert math.isfinite(fit.standard_uncertainty_bq_s)


def test_noise_that_nobody_states_is_unknown():
    fit = posterior_fit(
        scans([24], mono(24), None),
        population=shipped_population(AGENT, "kidney left", "organ"),
        decay_constant_per_s=LU,
    )
    assert fit.standard_uncertainty_bq_s is None
    assert fit.interval_95_bq_s is None
    assert fit.band_at is None
    assert any("state an uncertainty" in w for w in fit.warnings)


def test_a_residual_that_holds_the_noise_is_not_added_to_it():
    # the cohort stated nothing: its 5 % hold the noise, so that a stated 5 % changes nothing; 10 % is taken instead
    kinetics = region("mono", noise=0.05, stated_uncertainties=False)
    prior = PopulationModel(agent=AGENT, nuclide="Lu-177", regions={"kidney": kinetics}, source="test")
    none, same, more = (
        posterior_fit(scans([75], mono(75), r), population=prior, decay_constant_per_s=LU)
        for r in (None, 0.05, 0.1)
    )
    assert same.standard_uncertainty_bq_s == pytest.approx(none.standard_uncertainty_bq_s, rel=1e-6)
    assert more.standard_uncertainty_bq_s > 1.5 * none.standard_uncertainty_bq_s


def test_what_the_population_is_not_is_told():
    shipped = shipped_population(AGENT, "kidney left", "organ")
    fit = posterior_fit(
        scans([4], mono(4), name="liver"), population=shipped, decay_constant_per_s=LU, agent="177Lu-PSMA-617"
    )
    told = " ".join(fit.warnings)
    assert "that of kidney, not of this region" in told
    assert "that of 177Lu-DOTATATE, not of 177Lu-PSMA-617" in told
    assert "not verified" in told
    assert "at 0.08 effective half-lives" in told
    marrow = shipped_population("177Lu-PSMA-617", "red marrow", "organ")
    fit = posterior_fit(scans([24], mono(24), name="red marrow"), population=marrow, decay_constant_per_s=LU)
    assert any("does not do for the marrow" in w for w in fit.warnings)
    assert shipped_population(AGENT, "brain", "organ") is None


def test_shipped_names_follow_the_region_asked_for():
    gland = shipped_population("177Lu-PSMA-617", "salivary gland left", "organ")
    assert gland.of("salivary gland left").effective_half_life_s == pytest.approx(42.2 * H / math.sqrt(1.09))
    assert not gland.verified
    lesion = shipped_population(AGENT, "metastasis 2", "lesion")
    assert lesion.of("metastasis 2").region == "lesion"


def test_what_cannot_be_is_refused():
    with pytest.raises(FitError, match="kidney left: no activity at any time"):
        posterior_fit(scans([24], [0.0], None), population=population(), decay_constant_per_s=LU)
    with pytest.raises(InputError, match="both must be positive"):
        posterior_fit(scans([24], mono(24)), population=population(), decay_constant_per_s=0.0)
    two = PopulationModel(
        agent=AGENT, nuclide="Lu-177", regions={"kidney": region(), "liver": region()}, source="test"
    )
    with pytest.raises(MissingDataError, match=r"spleen: the population .* has kidney, liver"):
        posterior_fit(scans([24], mono(24), name="spleen"), population=two, decay_constant_per_s=LU)
