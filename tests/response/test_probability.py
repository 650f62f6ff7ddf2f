"""Uneven doses, complication and control probabilities, and curves of one's own data."""

import math

import numpy as np
import pytest

from lutetia.dose.histogram import dose_volume_histogram
from lutetia.errors import ConvergenceError, FitError, InputError, MissingDataError
from lutetia.response.dose_volume import (
    bed_volume_histogram,
    differential_histogram,
    equivalent_uniform_bed,
    equivalent_uniform_dose,
    generalised_equivalent_uniform_dose,
)
from lutetia.response.outcome_fit import OutcomeData, fit_outcome, read_outcomes
from lutetia.response.parameters import (
    complication_model,
    complication_models,
    dose_limits,
    find_tissue,
    limit_table,
    tissue,
    tissue_table,
)
from lutetia.response.probability import (
    complication_probability,
    logistic_ntcp,
    logistic_through,
    lyman_ntcp,
    lyman_ntcp_of_histogram,
    poisson_tcp,
    poisson_tcp_of_histogram,
)

DOSES, SHARES = np.array([1.0, 2.0, 4.0, 0.0]), np.array([2.0, 1.0, 1.0, 0.0])

# uneven doses


def test_geud_is_a_power_mean():
    # shares 1/2, 1/4, 1/4
    assert generalised_equivalent_uniform_dose(DOSES, SHARES, a=1) == pytest.approx(2.0)
    assert generalised_equivalent_uniform_dose(DOSES, SHARES, a=2) == pytest.approx(math.sqrt(5.5))
    assert generalised_equivalent_uniform_dose(DOSES, SHARES, a=-1) == pytest.approx(1 / (0.5 + 0.125 + 0.0625))
    assert generalised_equivalent_uniform_dose(DOSES, SHARES, a=500) == pytest.approx(
        4.0, rel=0.003
    )  # (1/4)^(1/500)
    assert generalised_equivalent_uniform_dose(DOSES, np.ones(4), a=-10) == 0  # one part got nothing
    assert generalised_equivalent_uniform_dose(np.zeros(2), np.ones(2), a=3) == 0
    scaled = generalised_equivalent_uniform_dose(7 * DOSES, 3 * SHARES, a=2)
    assert scaled == pytest.approx(7 * math.sqrt(5.5))


def test_equal_survival():
    even = equivalent_uniform_bed(DOSES, SHARES, alpha_per_gy=0.3)
    survival = 0.5 * math.exp(-0.3) + 0.25 * math.exp(-0.6) + 0.25 * math.exp(-1.2)
    assert math.exp(-0.3 * even) == pytest.approx(survival)
    # cold spots count: below the mean, the more so the more the cells are killed, down to the least dose
    assert 1 < equivalent_uniform_bed(DOSES, SHARES, alpha_per_gy=3) < even < 2
    assert equivalent_uniform_bed(100 * DOSES, SHARES, alpha_per_gy=30) == pytest.approx(100, rel=1e-3)
    uniform = equivalent_uniform_dose(np.full(3, 20.0), np.ones(3), alpha_per_gy=0.3, g=0.05, alpha_beta_gy=2.6)
    assert uniform == pytest.approx(20)


def test_histograms():
    rng = np.random.default_rng(3)
    doses, weights = rng.gamma(9, 1.5, 5000), rng.uniform(0.5, 1, 5000)
    dose, fraction = dose_volume_histogram(doses, weights, 400)
    at, share = differential_histogram(dose, fraction)
    assert share.sum() == pytest.approx(1)
    mean = np.average(doses, weights=weights)
    # bins of max/400 = 0.1 Gy, symmetric within: the mean is kept to a small part of a bin
    assert float(at @ share) == pytest.approx(mean, abs=0.02)
    bed, same = bed_volume_histogram(dose, fraction, g=0.05, alpha_beta_gy=2.6)
    assert same is fraction or np.array_equal(same, fraction)
    assert np.all(np.diff(bed) > 0)
    at, share = differential_histogram(bed, fraction)
    voxels = doses + 0.05 * doses**2 / 2.6
    # BED of the mean is below the mean BED
    assert (
        mean + 0.05 * mean**2 / 2.6
        < np.average(voxels, weights=weights)
        == pytest.approx(float(at @ share), abs=0.05)
    )


# complications and control


def test_two_anchors_of_the_kidney():
    # ln(19)/ln(28/23)
    d50, gamma50 = logistic_through((28, 0.5), (23, 0.05))
    assert d50 == pytest.approx(28)
    assert 4 * gamma50 == pytest.approx(14.968, abs=5e-4)
    assert gamma50 == pytest.approx(3.742, abs=5e-4)
    found = logistic_ntcp(np.array([0.0, 18.9, 23, 25, 28, 30]), d50_gy=d50, gamma50=gamma50)
    assert found[[0, 2, 4]] == pytest.approx([0, 0.05, 0.5], abs=1e-12)
    assert found[1] == pytest.approx(0.0028, abs=5e-5)
    assert found[[3, 5]] == pytest.approx([0.155, 0.737], abs=5e-4)


@pytest.mark.parametrize(
    "curve",
    [
        lambda d: logistic_ntcp(d, d50_gy=28, gamma50=2.0),
        lambda d: lyman_ntcp(d, td50_gy=28, m=1 / (2 * math.sqrt(2 * math.pi))),
    ],
)
def test_slope_is_gamma50(curve):
    assert curve(28.0) == pytest.approx(0.5)
    assert 28 * (curve(28.001) - curve(27.999)) / 0.002 == pytest.approx(2.0, rel=1e-6)


def test_lyman():
    # one and two standard deviations of the normal distribution
    assert lyman_ntcp(28 * 1.1, td50_gy=28, m=0.1) == pytest.approx(0.841345, abs=1e-6)
    assert lyman_ntcp(28 * 0.8, td50_gy=28, m=0.1) == pytest.approx(0.022750, abs=1e-6)
    half = lyman_ntcp_of_histogram(np.array([40.0, 0.0]), np.ones(2), td50_gy=28, m=0.1, n=0.7)
    # Kutcher and Burman: half of the organ at D is as all of it at D (1/2)^n
    assert half == pytest.approx(lyman_ntcp(40 * 0.5**0.7, td50_gy=28, m=0.1))


def test_published_curves_carry_their_warning():
    found = complication_probability(complication_model("kidney left"), 25.0)
    assert found.probability == pytest.approx(0.155, abs=5e-4)
    assert "EBRT anchor" in found.model
    assert "323 patients" in found.warnings[0]
    kidneys = [model for model in complication_models() if model.region == "kidney"]
    assert len(kidneys) == 2
    assert all("177Lu" in complication_probability(model, 20.0).warnings[0] for model in kidneys)
    liver = complication_probability(complication_model("liver", name="Dawson 2002 metastases"), 45.8)
    assert liver.probability == pytest.approx(0.5)
    assert any("not compared" in warning for warning in liver.warnings)


def test_tumour_control():
    # N exp(-alpha BED) = 1 cell: 1/e
    bed = math.log(1e7) / 0.3
    assert poisson_tcp(bed, clonogens=1e7, alpha_per_gy=0.3) == pytest.approx(1 / math.e)
    even = poisson_tcp_of_histogram(np.full(4, bed), np.ones(4), clonogens=1e7, alpha_per_gy=0.3)
    assert even == pytest.approx(1 / math.e)
    uneven = poisson_tcp_of_histogram(np.array([0.8, 1.2]) * bed, np.ones(2), clonogens=1e7, alpha_per_gy=0.3)
    assert uneven < 0.01 * even
    same = equivalent_uniform_bed(np.array([0.8, 1.2]) * bed, np.ones(2), alpha_per_gy=0.3)
    assert poisson_tcp(same, clonogens=1e7, alpha_per_gy=0.3) == pytest.approx(uneven)


# curves of one's own data


def simulated(model, n=3000, seed=5):
    dose = np.repeat(np.linspace(12, 40, 15), n // 15)
    p = logistic_ntcp(dose, d50_gy=28, gamma50=2.0) if model == "logistic" else lyman_ntcp(dose, td50_gy=28, m=0.2)
    events = (np.random.default_rng(seed).random(dose.size) < p).astype(float)
    return OutcomeData(dose_gy=dose, patients=np.ones_like(dose), events=events)


@pytest.mark.parametrize(("model", "gamma50"), [("logistic", 2.0), ("lyman", 1 / (0.2 * math.sqrt(2 * math.pi)))])
def test_fit_finds_what_was_simulated(model, gamma50):
    found = fit_outcome(simulated(model), model=model)
    (low, high), (flat, steep) = found.d50_interval_95_gy, found.gamma50_interval_95
    # within twice a 95 % interval; that these cover is tested below
    assert abs(found.d50_gy - 28) < high - low < 1.2  # 3000 patients
    assert abs(found.gamma50 - gamma50) < steep - flat < 0.6
    assert found.probability(28.0) == pytest.approx(0.5, abs=0.03)
    assert 0.3 < found.deviance / found.degrees_of_freedom < 2.2  # chi-square of 13
    assert found.warnings == ()
    if model == "lyman":
        assert found.m == pytest.approx(0.2, rel=0.1)


def grouped(single):
    doses = np.unique(single.dose_gy)
    events, patients = (
        np.array([v[single.dose_gy == d].sum() for d in doses]) for v in (single.events, single.patients)
    )
    return OutcomeData(dose_gy=doses, patients=patients, events=events)


def test_groups_and_patients_give_one_answer():
    single = simulated("logistic", 300)
    one, other = fit_outcome(single), fit_outcome(grouped(single))
    assert one.d50_gy == pytest.approx(other.d50_gy, rel=1e-6)
    assert one.gamma50_interval_95 == pytest.approx(other.gamma50_interval_95, rel=1e-4)
    assert one.deviance == pytest.approx(other.deviance, abs=1e-6)


def test_fit_is_the_logistic_regression():
    """At the maximum the events expected, and their doses, are those seen: the score equations."""
    data = simulated("logistic", 300)
    p = fit_outcome(data).probability(data.dose_gy)
    assert p.sum() == pytest.approx(data.events.sum(), abs=1e-3)
    assert p @ np.log(data.dose_gy) == pytest.approx(data.events @ np.log(data.dose_gy), abs=1e-2)


@pytest.mark.parametrize("model", ["logistic", "lyman"])
def test_profile_intervals_cover(model):
    """Of 60 small trials 52 or more of the 95 % intervals hold the truth, with a probability of 99.6 % (binomial)."""
    gamma50 = {"logistic": 2.0, "lyman": 1 / (0.2 * math.sqrt(2 * math.pi))}[model]
    fits = [fit_outcome(grouped(simulated(model, 300, seed)), model=model) for seed in range(60)]
    assert sum(holds(fit.d50_interval_95_gy, 28) for fit in fits) >= 52
    assert sum(holds(fit.gamma50_interval_95, gamma50) for fit in fits) >= 52


def holds(interval, truth):
    low, high = interval
    return (low or 0) < truth < (high or math.inf)


def test_few_events_leave_an_end_open_and_say_so():
    dose = np.array([15.0, 18.0, 20.0, 22.0, 25.0])
    found = fit_outcome(OutcomeData(dose_gy=dose, patients=np.full(5, 10.0), events=np.array([0.0, 0, 1, 0, 1])))
    assert "2 events" in found.warnings[0]
    assert found.d50_interval_95_gy[1] is None or found.d50_interval_95_gy[1] > 50


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([0, 0, 0, 0], "0 events in 40 patients"),
        ([10, 10, 10, 10], "40 events in 40 patients"),
        ([6, 4, 2, 1], "no rising curve"),
        ([0, 0, 10, 10], "do not overlap"),
        ([0, 0, 4, 10], "do not overlap"),
    ],
)
def test_data_without_an_answer(events, said):
    data = OutcomeData(
        dose_gy=np.array([10.0, 20, 30, 40]), patients=np.full(4, 10.0), events=np.array(events, float)
    )
    with pytest.raises(FitError, match=said):
        fit_outcome(data)


def test_one_dose_is_no_curve():
    with pytest.raises(FitError, match="same dose"):
        fit_outcome(OutcomeData(dose_gy=np.full(2, 20.0), patients=np.full(2, 9.0), events=np.array([1.0, 2.0])))


def test_reading_outcomes(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("dose_Gy,events\n20,0\n30,1\n", "utf-8")
    data = read_outcomes(path)
    assert data.patients.tolist() == [1, 1]
    path.write_text("dose_Gy,patients,events\n20,3,none\n", "utf-8")
    with pytest.raises(InputError, match="line 2, column events: 'none' is not a number"):
        read_outcomes(path)
    path.write_text("Gy,events\n20,3\n", "utf-8")
    with pytest.raises(InputError, match="no column dose_Gy in the heading 'Gy, events'"):
        read_outcomes(path)
    path.write_text("dose_Gy;patients;events\n20,5;3;1\n30;;1\n", "utf-8")
    with pytest.raises(InputError, match="line 3, column patients: empty"):
        read_outcomes(path)
    path.write_text("dose_Gy;events\n20,5;0\n", "utf-8")
    assert read_outcomes(path).dose_gy.tolist() == [20.5]
    with pytest.raises(InputError, match="no such file"):
        read_outcomes(tmp_path / "none.csv")


# tables


def test_tissues():
    kidney = tissue("kidney left")
    assert (kidney.alpha_beta_gy, kidney.repair_half_life_s) == (2.6, 2.8 * 3600)
    assert tissue("Kidneys") == kidney
    assert kidney.alpha_beta_range_gy == (1.5, 3.0)
    assert tissue("bone marrow").region == "red marrow"
    assert tissue("anything", kind="lesion").alpha_beta_gy == 10
    assert tissue("lesion 3", kind="lesion", agent="177Lu-PSMA-617").alpha_beta_gy == 1.5
    assert tissue("lesion 3", kind="lesion", agent="177Lu-DOTATATE").repair_half_life_s == pytest.approx(5400)
    assert find_tissue("spleen") is None
    assert find_tissue("remainder") is None
    with pytest.raises(MissingDataError, match="there are kidney, liver"):
        tissue("spleen")
    with pytest.raises(MissingDataError, match="no repair half-life"):
        _ = tissue("parotid gland right").repair


def test_every_row_names_its_source():
    rows = (*tissue_table(), *limit_table(), *complication_models())
    assert all(row.source for row in rows)
    assert all("memory" not in row.source for row in rows if row.verified)


def test_limits():
    kidney = {(limit.quantity, limit.limit_gy): limit for limit in dose_limits("kidney right")}
    assert kidney["absorbed dose", 23].verified
    assert "risk factors" in kidney["BED", 28].condition
    assert not kidney["BED", 40].verified
    assert {limit.limit_gy for limit in dose_limits("red marrow")} == {1, 2, 3}
    assert {limit.quantity for limit in limit_table()} == {"absorbed dose", "BED"}
    assert dose_limits("spleen") == ()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: generalised_equivalent_uniform_dose(DOSES, SHARES, a=0), InputError, "other than 0"),
        (lambda: generalised_equivalent_uniform_dose(DOSES, SHARES[:2], a=1), InputError, "one volume each"),
        (lambda: generalised_equivalent_uniform_dose(-DOSES, SHARES, a=1), InputError, "not negative"),
        (lambda: differential_histogram(DOSES[:3], np.array([0.9, 0.5, 0.1])), InputError, "fall from 1"),
        (lambda: differential_histogram(DOSES[:3], np.ones(2)), InputError, "as many"),
        (lambda: logistic_through((23, 0.5), (28, 0.05)), InputError, "that rise"),
        (lambda: logistic_ntcp(-1.0, d50_gy=28, gamma50=1), InputError, "not negative"),
        (lambda: lyman_ntcp(1.0, td50_gy=28, m=0), InputError, "m of 0"),
        (lambda: poisson_tcp(1.0, clonogens=0, alpha_per_gy=1), InputError, "clonogens"),
        (
            lambda: poisson_tcp_of_histogram(DOSES, SHARES[:2], clonogens=1, alpha_per_gy=1),
            InputError,
            "one volume",
        ),
        (lambda: complication_model("spleen"), MissingDataError, "there are kidney: EBRT anchor"),
        (lambda: complication_model("kidney", name="mine"), MissingDataError, "by name 'mine'"),
        (lambda: fit_outcome(simulated("logistic", 30), model="probit"), InputError, "logistic or lyman"),
        (lambda: OutcomeData(dose_gy=DOSES, patients=SHARES, events=SHARES), InputError, "above 0"),
        (
            lambda: OutcomeData(dose_gy=np.ones(1), patients=np.ones(1), events=np.full(1, 2.0)),
            InputError,
            "as many",
        ),
        (lambda: OutcomeData(dose_gy=np.ones(1), patients=np.ones(2), events=np.ones(2)), InputError, "as many"),
    ],
)
def test_what_cannot_be(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_doses_beyond_all_numbers_are_not_a_curve():
    data = OutcomeData(
        dose_gy=np.array([10.0, 20, 30, 1e300]), patients=np.full(4, 20.0), events=np.array([0.0, 3, 12, 5])
    )
    with pytest.raises(ConvergenceError, match="look at the data"):
        fit_outcome(data)
