"""Blood, whole body and urine: recovery of known kinetics, conservation, what cannot be."""

import math

import numpy as np
import pytest

from lutetia.errors import FitError, InputError
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.measured.excretion import (
    blood_curve,
    geometric_mean_counts,
    unbalanced,
    urinary_excretion,
    whole_body_from_counts,
    whole_body_from_urine,
)

H = 3600.0
LU = math.log(2) / (159.528 * H)
A0 = 7.4e9
TIMES = np.array([0.5, 4.0, 24.0, 96.0, 168.0]) * H
FAST, SLOW = math.log(2) / (8 * H), math.log(2) / (150 * H)


def retained(t):
    return 0.7 * np.exp(-FAST * t) + 0.3 * np.exp(-SLOW * t)


def counts_of(t):
    """Of a probe: everything is in the body at the first measurement."""
    return 1e6 * np.exp(-LU * t) * retained(t) / retained(t[0])


def urine_of(ends_s, relative=0.05):
    """Perfect collections of what ``retained`` loses, in 500 mL each."""
    parts = -np.diff(np.concatenate([[1.0], retained(ends_s)])) * A0 * np.exp(-LU * ends_s)
    return urinary_excretion(
        time_s=ends_s,
        volume_ml=np.full(ends_s.size, 500.0),
        concentration_bq_per_ml=parts / 500.0,
        relative_uncertainty=None if relative is None else np.full(ends_s.size, relative),
        administered_activity_bq=A0,
        decay_constant_per_s=LU,
    )


def body_of(t, relative=0.02):
    return whole_body_from_counts(
        time_s=t,
        counts=counts_of(t),
        relative_uncertainty=None if relative is None else np.full(t.size, relative),
        administered_activity_bq=A0,
        decay_constant_per_s=LU,
    )


def test_blood_of_two_phases_is_recovered_without_noise():
    a, b = 50e3, 5e3  # Bq/mL
    ka, kb = math.log(2) / (1.5 * H), math.log(2) / (43 * H)
    t = np.array([0.05, 0.75, 2, 4, 7.5, 24, 96, 168]) * H
    curve = blood_curve(time_s=t, concentration_bq_per_ml=a * np.exp(-ka * t) + b * np.exp(-kb * t))
    fit = fit_curve(curve, decay_constant_per_s=LU, model="bi")
    # closed form: a/ka + b/kb; the search ends where residuals change by less than 1e-8 of themselves
    assert fit.time_integrated_activity_bq_s == pytest.approx(a / ka + b / kb, rel=1e-6)


def test_blood_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="must increase"):
        blood_curve(time_s=np.array([4.0, 1.0]), concentration_bq_per_ml=np.array([1.0, 2.0]))
    with pytest.raises(InputError, match="blood: activities must be finite and not negative"):
        blood_curve(time_s=np.array([1.0, 4.0]), concentration_bq_per_ml=np.array([1.0, -2.0]))


def test_geometric_mean_of_views():
    mean, relative = geometric_mean_counts(np.array([400.0]), np.array([100.0]))
    assert mean[0] == pytest.approx(200.0)  # sqrt(400 * 100)
    # half of the root of 1/400 + 1/100
    assert relative[0] == pytest.approx(0.5 * math.sqrt(0.0125))


def test_geometric_mean_needs_both_views():
    with pytest.raises(InputError, match="one positive number of each"):
        geometric_mean_counts(np.array([400.0]), np.array([0.0]))


def test_geometric_mean_does_not_depend_on_depth():
    depth = np.linspace(2.0, 18.0, 5)  # cm in 20 cm of mu = 0.1 1/cm
    mean, _ = geometric_mean_counts(1e5 * np.exp(-0.1 * depth), 1e5 * np.exp(-0.1 * (20 - depth)))
    np.testing.assert_allclose(mean, 1e5 * math.exp(-1.0), rtol=1e-12)


def test_whole_body_starts_with_all_that_was_given():
    body = body_of(TIMES)
    assert body.curve.activity_bq[0] == pytest.approx(A0 * math.exp(-LU * TIMES[0]), rel=1e-12)
    # later points keep the counts' ratios
    counts = counts_of(TIMES)
    np.testing.assert_allclose(body.curve.activity_bq / body.curve.activity_bq[0], counts / counts[0], rtol=1e-12)
    assert body.shared_relative_uncertainty == pytest.approx(0.02)
    assert "0.50 h" in body.warnings[0]
    assert "leaves out" in body.warnings[1]


def test_uncertainty_of_the_scale_has_that_of_the_activity():
    body = whole_body_from_counts(
        time_s=TIMES, counts=counts_of(TIMES), relative_uncertainty=np.full(5, 0.03), administered_activity_bq=A0,
        decay_constant_per_s=LU, administered_relative_uncertainty=0.04,
    )  # fmt: skip
    assert body.shared_relative_uncertainty == pytest.approx(0.05)
    assert body_of(TIMES, relative=None).shared_relative_uncertainty is None


def test_whole_body_scales_with_activity_not_with_counts():
    double = whole_body_from_counts(
        time_s=TIMES, counts=2 * counts_of(TIMES), relative_uncertainty=None, administered_activity_bq=2 * A0,
        decay_constant_per_s=LU,
    )  # fmt: skip
    np.testing.assert_allclose(double.curve.activity_bq, 2 * body_of(TIMES).curve.activity_bq, rtol=1e-12)


def test_counts_that_rise_are_refused():
    counts = counts_of(TIMES)
    counts[1] *= 2
    with pytest.raises(FitError, match=r"at 4\.0 h are 1\.\d+ times those of the first"):
        whole_body_from_counts(
            time_s=TIMES, counts=counts, relative_uncertainty=None, administered_activity_bq=A0,
            decay_constant_per_s=LU,
        )  # fmt: skip


@pytest.mark.parametrize("bad", [0.0, -5.0, math.nan])
def test_counts_that_cannot_be_are_refused(bad):
    counts = counts_of(TIMES)
    counts[2] = bad
    with pytest.raises(InputError, match="one positive number per time"):
        whole_body_from_counts(
            time_s=TIMES, counts=counts, relative_uncertainty=None, administered_activity_bq=A0,
            decay_constant_per_s=LU,
        )  # fmt: skip


def test_urine_is_what_the_body_lost():
    ends = np.array([2.0, 6.0, 12.0, 24.0, 48.0]) * H
    found = urine_of(ends)
    np.testing.assert_allclose(found.fraction, 1 - retained(ends), rtol=1e-12)
    # independent collections: variances of the parts add
    parts = np.diff(np.concatenate([[0.0], found.fraction]))
    assert found.standard_uncertainty[-1] == pytest.approx(0.05 * math.sqrt(float(np.sum(parts**2))))
    assert urine_of(ends, relative=None).standard_uncertainty is None


def test_body_by_urine_and_urine_are_the_administered_activity():
    ends = np.array([2.0, 6.0, 12.0, 24.0, 48.0]) * H
    body = whole_body_from_urine(urine_of(ends), administered_activity_bq=A0, decay_constant_per_s=LU)
    back = body.curve.activity_bq * np.exp(LU * ends) / A0
    np.testing.assert_allclose(back + urine_of(ends).fraction, 1.0, rtol=1e-12)
    assert "faeces" in body.warnings[0]


def test_more_urine_than_was_given_is_refused():
    with pytest.raises(FitError, match="of the administered activity were collected up to 2"):
        urinary_excretion(
            time_s=np.array([2.0]) * H, volume_ml=np.array([1000.0]), concentration_bq_per_ml=np.array([9e6]),
            relative_uncertainty=None, administered_activity_bq=A0, decay_constant_per_s=LU,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "volume", "message"), [([4, 2], [1, 1], "must increase"), ([2, 4], [1, -1], "0 or more")]
)
def test_collections_that_cannot_be_are_refused(ends, volume, message):
    with pytest.raises(InputError, match=message):
        urinary_excretion(
            time_s=np.array(ends, float) * H, volume_ml=np.array(volume, float),
            concentration_bq_per_ml=np.array([1.0, 1.0]), relative_uncertainty=None, administered_activity_bq=A0,
            decay_constant_per_s=LU,
        )  # fmt: skip


def test_balance_of_body_and_urine():
    # dense points, so that interpolation between them errs by less than the 2 to 5 % of uncertainty
    t = np.linspace(0.001, 48.0, 25) * H
    ends = np.array([4.0, 12.0, 24.0]) * H
    held = {"administered_activity_bq": A0, "decay_constant_per_s": LU}
    assert unbalanced(body_of(t).curve, urine_of(ends), **held) == ()
    lost = urine_of(ends)
    half = type(lost)(time_s=lost.time_s, fraction=lost.fraction / 2, standard_uncertainty=None)
    told = unbalanced(body_of(t).curve, half, **held)
    assert "At 24.0 h body" in told[-1]
    assert "within 0.15 of 1 was expected" in told[-1]
