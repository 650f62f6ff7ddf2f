"""Nonlinear mixed-effects fit: likelihood against brute force, score, recovery, laws, warnings."""

import dataclasses
import math

import numpy as np
import pytest
from tests.kinetics.population_cases import LU, TRUTH, H, cohort, drawn, omega, population, region

from lutetia.errors import FitError, InputError, MissingDataError
from lutetia.kinetics.population.cohort import Cohort
from lutetia.kinetics.population.fit import fit_population
from lutetia.kinetics.population.fit.likelihood import largest_likelihood
from lutetia.kinetics.population.individual import Prior, expected, modes, observations
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, kind_of_region
from lutetia.kinetics.population.shapes import BI, MONO, SHAPES, UPTAKE

OPTIONS = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}


def seen_of(given):
    return observations([(c.curve, 1.0) for c in given.curves])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients_are_those_of_the_shape(shape):
    q, t = np.array(TRUTH[shape.key][0]), np.array([2.0, 24.0, 150.0]) * H
    for j in range(shape.size):
        step = np.zeros(shape.size)
        step[j] = 1e-5
        activity = (shape.activity(q + step, t) - shape.activity(q - step, t)) / 2e-5
        integral = (shape.integral(q + step) - shape.integral(q - step)) / 2e-5
        # central differences: error of step^2 = 1e-10 relative to the largest term
        np.testing.assert_allclose(shape.activity_gradient(q, t)[:, j], activity, rtol=1e-6, atol=1e-7 * 1e8)
        assert shape.integral_gradient(q)[j] == pytest.approx(
            integral, rel=1e-6, abs=1e-7 * float(shape.integral(q))
        )
    assert shape.integral(q) == pytest.approx(sum(a / k for a, k in shape.exponentials(q)), rel=1e-12)
    # multiplying the curve is a step along the scale
    np.testing.assert_allclose(
        shape.activity(q + math.log(3) * shape.scale, t), 3 * shape.activity(q, t), rtol=1e-12
    )


def test_marginal_likelihood_is_the_integral_over_patients():
    # brute force on a fine grid of both log-parameters, written out here
    given = cohort("mono", n=3, hours=(4, 48), noise=0.1)
    mean, covariance = np.array(TRUTH["mono"][0]), omega("mono")
    prior = Prior(mean=mean, precision=np.linalg.inv(covariance), proportional=0.1)
    found = expected(MONO, seen_of(given), prior).log_marginal
    a, k = np.meshgrid(mean[0] + np.linspace(-2.4, 2.4, 801), mean[1] + np.linspace(-1.3, 1.3, 801), indexing="ij")
    off = np.stack([a - mean[0], k - mean[1]], axis=-1)
    density = np.exp(-0.5 * np.einsum("...i,ij,...j", off, np.linalg.inv(covariance), off))
    density /= 2 * math.pi * math.sqrt(np.linalg.det(covariance))
    for i, one in enumerate(given.curves):
        likelihood = np.ones_like(a)
        for t, y in zip(one.curve.time_s, one.curve.activity_bq, strict=True):
            f = np.exp(a - np.exp(k) * t)
            likelihood *= np.exp(-0.5 * ((y - f) / (0.1 * f)) ** 2) / (0.1 * f * math.sqrt(2 * math.pi))
        brute = math.log((likelihood * density).sum() * 0.006 * 0.00325)
        assert found[i] == pytest.approx(brute, abs=0.01)  # 7 x 7 nodes; the integrand's tails are not normal


@pytest.mark.parametrize("model", ["mono", "uptake"])
def test_modes_are_the_largest_log_probability(model):
    from scipy.optimize import minimize

    from lutetia.kinetics.population.individual import log_joint

    shape, seen = SHAPES[model], seen_of(cohort(model, n=4))
    prior = Prior(mean=np.array(TRUTH[model][0]), precision=np.linalg.inv(omega(model)), proportional=0.05)
    found, _ = modes(shape, seen, prior)
    for i in range(4):
        one = dataclasses.replace(
            seen, **{n: getattr(seen, n)[i : i + 1] for n in ("time_s", "activity", "variance", "seen")}
        )

        def negative(q, one=one):
            return -float(log_joint(shape, one, prior, q[None, None, :])[0, 0])

        other = minimize(negative, np.array(TRUTH[model][0]), method="Nelder-Mead", options=OPTIONS)
        np.testing.assert_allclose(found[i], other.x, atol=1e-5)  # SciPy's simplex, to its own tolerance


@pytest.mark.parametrize("residual", ["proportional", "combined"])
def test_score_is_the_slope_of_the_likelihood(residual):
    search = largest_likelihood(MONO, seen_of(cohort("mono", n=12)), residual, False)
    # Fisher's identity at a point away from the solution, against central differences
    at = search.at + 0.15
    slope = search.score(at)[1]
    for j in range(at.size):
        step = np.zeros(at.size)
        step[j] = 1e-4
        numeric = (search.score(at + step)[0] - search.score(at - step)[0]) / 2e-4
        # both are quadratures of 49 nodes about a posterior that is close to normal
        assert slope[j] == pytest.approx(numeric, rel=0.02, abs=0.05)


@pytest.mark.parametrize("model", ["mono", "uptake", "bi"])
def test_a_cohort_gives_back_its_population(model):
    q = drawn(model, 60, seed=3)
    given = cohort(model, n=60, hours=(2, 6, 24, 72, 168), q=q)
    found = fit_population(given).regions["kidney"]
    assert found.model == model
    assert found.converged
    # against the very patients drawn: what is left is measurement noise, well below the standard error of the mean
    u = np.sqrt(np.diagonal(found.mean_covariance))
    assert np.all(np.abs(found.mean_log - q.mean(axis=0)) < 1.5 * u)
    assert np.all(np.abs(found.spread - q.std(axis=0)) < 3 * found.spread_standard_error)
    assert found.proportional == pytest.approx(
        0.05, abs=0.008
    )  # 300 residuals less parameters: 0.05/sqrt(2 x 120)=0.003
    # a mean of 60 patients is never known better than without noise (closed form), nor here much worse
    least = found.spread / math.sqrt(60)
    assert np.all((u > 0.95 * least) & (u < 3 * least))
    assert np.all(found.shrinkage < 0.5)  # two early scans say little about the fast phase, the others nothing


def test_the_scale_of_a_cohort_moves_only_its_amplitude():
    one, ten = (fit_population(cohort(scale=s), models=("mono",)).regions["kidney"] for s in (1.0, 10.0))
    np.testing.assert_allclose(ten.mean_log - one.mean_log, [math.log(10), 0], atol=1e-4)
    np.testing.assert_allclose(ten.omega, one.omega, rtol=2e-3)  # to the tolerance of the search
    assert ten.log_likelihood == pytest.approx(
        one.log_likelihood - 160 * math.log(10), abs=1e-3
    )  # density of 160 points


def test_order_and_names_of_patients_do_not_matter():
    given = cohort(n=15)
    turned = dataclasses.replace(given, curves=tuple(reversed(given.curves)))
    a, b = (fit_population(c, models=("mono",)).regions["kidney"] for c in (given, turned))
    np.testing.assert_allclose(a.mean_log, b.mean_log, atol=1e-4)


def test_administered_activity_makes_the_amplitude_relative():
    given = cohort(n=20)
    curves = tuple(dataclasses.replace(c, administered_activity_bq=7.4e9) for c in given.curves)
    relative = fit_population(dataclasses.replace(given, curves=curves), models=("mono",)).regions["kidney"]
    absolute = fit_population(given, models=("mono",)).regions["kidney"]
    assert relative.amplitude == "per administered activity"
    assert absolute.amplitude == "free"
    assert relative.mean_log[0] == pytest.approx(absolute.mean_log[0] - math.log(7.4e9), abs=1e-4)


def test_stated_uncertainties_leave_nothing_to_the_residual():
    found = fit_population(cohort(n=60, stated=True), models=("mono",)).regions["kidney"]
    assert found.stated_uncertainties
    assert found.proportional < 0.02  # the noise of 5 % is stated


def test_a_combined_residual_finds_both_parts():
    q = drawn("mono", 80, seed=5)
    given = cohort("mono", n=80, hours=(4, 24, 72, 168, 240), noise=0.05, q=q)
    rng = np.random.default_rng(7)
    curves = tuple(
        dataclasses.replace(
            c,
            curve=dataclasses.replace(
                c.curve, activity_bq=np.maximum(c.curve.activity_bq + 1e6 * rng.standard_normal(5), 0.0)
            ),
        )
        for c in given.curves
    )
    found = fit_population(
        dataclasses.replace(given, curves=curves), models=("mono",), residual="combined"
    ).regions["kidney"]
    assert found.proportional == pytest.approx(0.05, rel=0.2)  # 240 degrees of freedom share two errors
    assert found.additive == pytest.approx(1e6, rel=0.25)


def test_few_patients_and_one_parameter_without_spread_are_told():
    q = np.tile(TRUTH["mono"][0], (5, 1)) + np.array([[0.3, 0.0]]) * np.linspace(-1, 1, 5)[:, None]
    found = fit_population(cohort(n=5, q=q, noise=0.02), models=("mono",)).regions["kidney"]
    assert any("5 patients are few" in w for w in found.warnings)
    # patients of one half-life: either no spread, or one that single curves do not show
    assert any("rate_per_s" in w for w in found.warnings)


def test_early_scans_alone_do_not_show_an_uptake():
    given = cohort("mono", n=12, hours=(24, 72))
    found = fit_population(given).regions["kidney"]
    assert found.model == "mono"
    assert [t.reason for t in found.tried][1:] == [
        "only 0% of the curves have the 3 points it needs",
        "only 0% of the curves have the 4 points it needs",
    ]


def test_two_kidneys_count_as_two_curves_of_one_patient():
    given = cohort(n=20)
    curves = tuple(dataclasses.replace(c, patient=f"P{i // 2}") for i, c in enumerate(given.curves))
    found = fit_population(dataclasses.replace(given, curves=curves), models=("mono",)).regions["kidney"]
    assert (found.n_patients, found.n_curves, found.n_points) == (10, 20, 80)
    assert any("20 curves of 10 patients" in w for w in found.warnings)


def test_a_population_beyond_physical_decay_is_told():
    q = drawn("mono", 30, seed=2)
    q[:, 1] = math.log(LU * 1.1) + 0.3 * np.random.default_rng(1).standard_normal(30)
    found = fit_population(cohort(q=q, n=30), models=("mono",)).regions["kidney"]
    assert any("longer than the nuclide lives" in w for w in found.warnings)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(FitError, match="kidney: 2 patients; a population needs at least 3"):
        fit_population(cohort(n=2))
    with pytest.raises(InputError, match="Model tri; expected one or more of mono, uptake, bi"):
        fit_population(cohort(n=3), models=("tri",))
    with pytest.raises(
        FitError, match="kidney: no model can be fitted: bi: only 0% of the curves have the 4 points"
    ):
        fit_population(cohort(n=4, hours=(24, 72)), models=("bi",))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Kidney left", "kidney"), ("kidneys", "kidney"), ("lesion 3", "lesion"), ("red marrow", "red marrow")],
)
def test_kinds_of_regions(name, kind):
    assert kind_of_region(name) == kind


def test_a_population_knows_its_regions():
    assert population().of("kidney right").region == "kidney"
    with pytest.raises(
        MissingDataError, match="liver: the population of 177Lu-DOTATATE has no such region; it has kidney"
    ):
        population().of("liver")


def test_impossible_kinetics_are_refused():
    with pytest.raises(InputError, match="covariance between patients is not symmetric and positive"):
        dataclasses.replace(region(), omega=np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(InputError, match="a mono model has 2 means"):
        dataclasses.replace(region(), mean_log=np.zeros(3))
    with pytest.raises(InputError, match="model 'tri'"):
        dataclasses.replace(region(), model="tri")
    with pytest.raises(InputError, match="must not be negative"):
        dataclasses.replace(region(), proportional=-0.1)


def test_shapes_keep_the_slow_rate_second():
    assert [s.names[1].startswith("rate") for s in (MONO, UPTAKE, BI)] == [True] * 3
    assert isinstance(population(), PopulationModel)
    assert isinstance(region(), RegionKinetics)
    assert isinstance(cohort(n=3), Cohort)
