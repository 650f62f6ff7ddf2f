"""Theranostic pairs: decay exchanged, biology kept, and what the points leave open said."""

import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from lutetia.errors import FitError, InputError, MissingDataError, OutOfRangeError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.pairs.prediction import predict_curve
from lutetia.kinetics.pairs.reweighting import (
    reweighted_curve,
    reweighted_population,
    reweighted_terms,
    share_until,
)
from lutetia.kinetics.pairs.uptake import UptakeRatio, known_pairs, pair_of, pair_rows, ratio_rows, uptake_ratio
from lutetia.kinetics.population.shipped import shipped_population
from lutetia.physics.nuclides import nuclide
from lutetia.units import S_PER_H

LN2 = math.log(2)
SAME = UptakeRatio(value=1.0, relative_u=0.0, source="one element", verified=True)
PB203, PB212, LU177, GA68, AC225 = (
    nuclide(name).decay_constant_per_s for name in ("Pb-203", "Pb-212", "Lu-177", "Ga-68", "Ac-225")
)


def curve_of(terms, time_h, *, decay, given=1e8, relative=0.05, noise=None, region="kidney left"):
    """Activity of an uptake sum of (fraction, biological half-life [h]) with a nuclide's decay."""
    t = np.asarray(time_h, float) * S_PER_H
    activity = given * sum(f * np.exp(-(decay + LN2 / (h * S_PER_H)) * t) for f, h in terms)
    if noise is not None:
        activity = activity * (1 + relative * noise)
    return TimeActivityCurve(
        region=region, time_s=t, activity_bq=np.maximum(activity, 0.0),
        standard_uncertainty_bq=None if relative is None else relative * np.maximum(activity, 1e-12),
    )  # fmt: skip


def truth_s(terms, decay):
    """Decays per administered activity, in closed form."""
    return sum(f / (decay + LN2 / (h * S_PER_H)) for f, h in terms)


def predicted(curve, imaging, therapy, **more):
    return predict_curve(
        curve, imaging_per_s=imaging, therapy_per_s=therapy,
        **({"administered_activity_bq": 1e8, "ratio": SAME} | more),
    )  # fmt: skip


def test_one_nuclide_for_both_is_the_fit_itself():
    curve = curve_of([(0.05, 40.0)], (4, 24, 72, 120), decay=LU177)
    found, plain = predicted(curve, LU177, LU177), fit_curve(curve, decay_constant_per_s=LU177)
    assert found.time_integrated_activity_s == plain.time_integrated_activity_bq_s / 1e8
    low, high = plain.interval_95_bq_s
    assert found.interval_95_s == pytest.approx((low / 1e8, high / 1e8), rel=1e-12)
    assert found.relative_u == plain.standard_uncertainty_bq_s / plain.time_integrated_activity_bq_s


def test_one_phase_has_the_closed_form():
    # T_eff of 203Pb 51.873 h and of 212Pb 10.64 h (ICRP 107) with a biological half-life of 30 h
    curve = curve_of([(0.04, 30.0)], (1, 4, 24, 48), decay=PB203)
    found = predicted(curve, PB203, PB212, model="mono")
    effective_h = 1 / (1 / 10.64 + 1 / 30.0)
    assert found.fit.effective_half_life_s / S_PER_H == pytest.approx(effective_h, rel=1e-6)
    # a_T = f T_eff / ln 2
    assert found.time_integrated_activity_s / S_PER_H == pytest.approx(0.04 * effective_h / LN2, rel=1e-6)


def test_points_there_and_back_are_the_same():
    curve = curve_of([(0.04, 30.0), (0.02, 3.0)], (1, 4, 24, 48), decay=PB203)
    there = reweighted_curve(curve, imaging_per_s=PB203, therapy_per_s=PB212)
    back = reweighted_curve(there, imaging_per_s=PB212, therapy_per_s=PB203)
    np.testing.assert_allclose(back.activity_bq, curve.activity_bq, rtol=1e-13)
    np.testing.assert_allclose(back.standard_uncertainty_bq, curve.standard_uncertainty_bq, rtol=1e-13)
    # the relative uncertainty of each point stays
    np.testing.assert_allclose(there.standard_uncertainty_bq / there.activity_bq, 0.05, rtol=1e-13)


def test_fit_of_the_new_points_is_the_old_fit_with_the_new_decay():
    rng = np.random.default_rng(4)
    curve = curve_of(
        [(0.04, 60.0), (0.03, 4.0)],
        (1, 4, 10, 24, 48, 96),
        decay=PB203,
        relative=0.02,
        noise=rng.standard_normal(6),
    )
    own = fit_curve(curve, decay_constant_per_s=PB203, model="bi")
    there = predicted(curve, PB203, PB212, model="bi").fit
    expected = reweighted_terms(own.exponentials, imaging_per_s=PB203, therapy_per_s=PB212)
    # two minima of one function, each found to the tolerance of the search
    np.testing.assert_allclose(sorted(there.exponentials), sorted(expected), rtol=1e-4)


def test_ratio_scales_and_widens():
    curve = curve_of([(0.05, 40.0)], (1, 4, 24, 48), decay=PB203)
    plain = predicted(curve, PB203, PB212)
    scaled = predicted(curve, PB203, PB212, ratio=replace(SAME, value=0.49, relative_u=0.15))
    assert scaled.time_integrated_activity_s == pytest.approx(0.49 * plain.time_integrated_activity_s, rel=1e-12)
    assert scaled.relative_u == pytest.approx(math.hypot(plain.relative_u, 0.15), rel=1e-12)
    # half-widths in the logarithm in quadrature, 1.96 sqrt(ln(1 + 0.15^2)) of the ratio
    for end, sign in ((0, -1), (1, 1)):
        own = sign * math.log(plain.interval_95_s[end] / plain.time_integrated_activity_s)
        wide = sign * math.log(scaled.interval_95_s[end] / scaled.time_integrated_activity_s)
        assert wide == pytest.approx(math.hypot(own, 1.959964 * math.sqrt(math.log1p(0.15**2))), rel=1e-6)


def test_unknown_ratio_or_points_leave_the_uncertainty_unknown():
    curve = curve_of([(0.05, 40.0)], (1, 4, 24, 48), decay=PB203)
    found = predicted(curve, PB203, PB212, ratio=replace(SAME, relative_u=None))
    assert (found.relative_u, found.interval_95_s, found.log_spread) == (None, None, None)
    assert found.time_integrated_activity_s > 0
    bare = predicted(replace(curve, standard_uncertainty_bq=None), PB203, PB212, model="mono")
    assert bare.time_integrated_activity_s == pytest.approx(truth_s([(0.05, 40.0)], PB212), rel=1e-6)


def test_horizon_cuts_the_integral():
    curve = curve_of([(0.05, 40.0)], (1, 4, 24, 48), decay=PB203)
    whole = predicted(curve, PB203, PB212, model="mono")
    half = predicted(curve, PB203, PB212, model="mono", horizon_s=whole.fit.effective_half_life_s)
    assert half.time_integrated_activity_s == pytest.approx(0.5 * whole.time_integrated_activity_s, rel=1e-12)
    assert share_until(((1.0, 1e-5), (-1.0, 1e-4)), math.inf) == 1.0


def test_one_early_scan_alone_is_refused():
    curve = curve_of([(0.05, 60.0)], (1.0,), decay=GA68)
    with pytest.raises(
        MissingDataError, match=r"kidney left: the only scan, at 1 h.*late part is not seen.*--prior"
    ):
        predicted(curve, GA68, LU177)


def test_one_early_scan_with_a_population_says_what_it_assumes():
    curve = curve_of([(0.05, 60.0)], (1.0,), decay=GA68, relative=0.10)
    population = shipped_population("177Lu-DOTATATE", "kidney left", "organ")
    found = predicted(curve, GA68, LU177, population=population, agent="177Lu-DOTATATE")
    told = " ".join(found.warnings)
    assert "late part was not seen and is extrapolated by the population's kinetics" in told
    assert "uptake to be complete by then" in told
    # the population's half-lives spread by 20 %, and at 1 h they act almost whole, with 10 % of the scan
    assert found.relative_u == pytest.approx(math.hypot(0.2, 0.1), rel=0.1)
    # 0.05 exp(-ln2/60 * 1) held at 1 h falls with 51.6 h on average
    value = 0.05 * math.exp(-LN2 / 60) * 51.6 / LN2
    assert found.time_integrated_activity_s / S_PER_H == pytest.approx(value, rel=0.05)


def test_early_scans_alone_leave_the_therapy_open():
    """Four scans within four hours: anything from a fast washout to none; the interval has to reach that far."""
    rng = np.random.default_rng(1)
    curve = curve_of([(0.05, 60.0)], (0.5, 1, 2, 4), decay=GA68, noise=rng.standard_normal(4))
    found = predicted(curve, GA68, LU177)
    low, high = found.interval_95_s
    assert any("was not seen and is extrapolated by the points' own curve" in w for w in found.warnings)
    assert high / low > 4
    assert low < truth_s([(0.05, 60.0)], LU177) < high
    # no more than physics allows: all that was there at the last scan stays
    assert high < 1.3 * 0.05 / LU177


def test_longer_lived_imaging_needs_no_extrapolation():
    curve = curve_of([(0.05, 40.0)], (1, 4, 24, 48), decay=PB203)
    found = predicted(curve, PB203, PB212)
    # after 48 h and 8.4 h of effective half-life: 2^-5.7
    assert found.fit.extrapolated_fraction == pytest.approx(2 ** (-48 * (1 / 10.64 + 1 / 40)), rel=0.05)
    assert found.fit.extrapolated_fraction < fit_curve(curve, decay_constant_per_s=PB203).extrapolated_fraction


def test_population_of_another_nuclide_keeps_the_biology():
    population = shipped_population("177Lu-DOTATATE", "kidney left", "organ")
    moved = reweighted_population(population, own_per_s=LU177, therapy_per_s=AC225)
    before, after = population.of("kidney"), moved.of("kidney")
    assert LN2 / after.effective_half_life_s - AC225 == pytest.approx(LN2 / before.effective_half_life_s - LU177)
    # d ln k' / d ln k = k/k'
    gain = after.effective_half_life_s / before.effective_half_life_s
    assert after.spread[1] == pytest.approx(gain * before.spread[1])
    assert reweighted_population(population, own_per_s=LU177, therapy_per_s=LU177) is population


def test_known_pairs_and_their_ratios():
    assert {p.name for p in known_pairs()} == {
        "Ga-68/Lu-177", "Cu-64/Cu-67", "Pb-203/Pb-212", "Tb-155/Tb-161", "Tb-152/Tb-161", "Lu-177/Ac-225", "Ga-68/Bi-213",
        "Ga-68/Ac-225", "I-123/At-211",
    }  # fmt: skip
    lead = uptake_ratio(pair_of("203Pb", "212Pb"), "kidney left")
    assert (lead.value, lead.relative_u) == (1.0, 0.0)
    actinium = uptake_ratio(pair_of("Lu-177", "Ac-225"), "kidney left")
    assert (actinium.value, actinium.relative_u) == (1.0, None)
    assert "assumption" in actinium.warnings[0]
    gallium = pair_of("Ga-68", "Lu-177")
    # Siebinga 2023, doi:10.1186/s40658-023-00565-4, abstract
    for region, kind, ratio, u in (
        ("kidney right", "organ", 0.49, 0.15), ("spleen", "organ", 0.29, 0.15), ("liver segment", "lesion", 1.43, 0.14),
    ):  # fmt: skip
        found = uptake_ratio(gallium, region, kind=kind, agent="177Lu-HA-DOTATATE")
        assert (found.value, found.relative_u, found.verified) == (ratio, u, True)
        assert "without the spread between patients" in found.warnings[0]
    assert uptake_ratio(gallium, "liver", agent="177Lu-HA-DOTATATE") is None
    # of another ligand the published ratio says nothing
    assert uptake_ratio(gallium, "spleen", agent="177Lu-PSMA-617") is None
    assert "was not named" in uptake_ratio(gallium, "spleen").warnings[1]
    # a ratio of tumour-to-organ ratios is no uptake, and of these pairs nothing is assumed
    assert uptake_ratio(gallium, "tumour to liver") is None
    for imaging, therapy in (("Ga-68", "Ac-225"), ("I-123", "At-211")):
        assert uptake_ratio(pair_of(imaging, therapy), "kidney left") is None


def test_a_pair_and_a_published_ratio_stand_once():
    pairs = [(row["imaging"], row["therapy"]) for row in pair_rows()]
    assert len(set(pairs)) == len(pairs)
    stated = [tuple(row[key] for key in ("imaging", "therapy", "ligand", "region", "at")) for row in ratio_rows()]
    assert len(set(stated)) == len(stated)
    # the catalogue of agents reads the same tables and has none of its own
    own = files("lutetia.therapy") / "data" / "agents"
    assert not {"pairs.csv", "uptake_ratios.csv"} & {entry.name for entry in own.iterdir()}


def test_users_ratio_comes_first_and_makes_any_pair():
    with pytest.raises(
        InputError, match=r"The pair In-111/Y-90 is not known; there are Pb-203/Pb-212, .*uptake-ratio"
    ):
        pair_of("In-111", "Y-90")
    pair = pair_of("In-111", "Y-90", given=True)
    own = UptakeRatio(value=0.8, relative_u=0.2, source="given by the user", verified=True)
    assert uptake_ratio(pair, "kidney left", given={"Kidney": own}) is own
    assert uptake_ratio(pair, "liver", given={"Kidney": own}) is None
    assert uptake_ratio(pair_of("Pb-203", "Pb-212"), "kidney left", given={"kidney left": own}) is own


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"administered_activity_bq": 0.0}, InputError, "Administered activity of 0.0 Bq"),
        ({"model": "trapezoid"}, FitError, "kidney left: a trapezoid.* has no rates to carry on"),
        ({"imaging_per_s": 0.0}, InputError, "Decay constants of 0.0"),
        ({"horizon_s": 0.0}, InputError, "A horizon of 0.0 s"),
    ],
)
def test_what_cannot_be_is_refused(change, error, message):
    curve = curve_of([(0.05, 40.0)], (1, 4, 24, 48), decay=PB203)
    given = {
        "imaging_per_s": PB203, "therapy_per_s": PB212, "administered_activity_bq": 1e8, "ratio": SAME,
    }  # fmt: skip
    with pytest.raises(error, match=message):
        predict_curve(curve, **(given | change))


def test_points_that_hold_no_signal_are_refused():
    curve = curve_of([(0.05, 40.0)], (1, 1000), decay=PB203)
    with pytest.raises(OutOfRangeError, match="kidney left: the point at 1000 h"):
        reweighted_curve(curve, imaging_per_s=GA68, therapy_per_s=LU177)
    with pytest.raises(InputError, match="slower than the nuclide decays"):
        reweighted_terms([(1.0, 1e-7)], imaging_per_s=PB203, therapy_per_s=PB212)
    for value, u in ((0.0, 0.1), (1.0, 3.0)):
        with pytest.raises(InputError, match="An uptake ratio"):
            UptakeRatio(value=value, relative_u=u, source="", verified=True)


def patient(rng):
    """(Fraction, biological half-life [h]) of one or two washouts and of the uptake, which is a negative fraction."""
    slow = 0.04 * math.exp(0.3 * rng.standard_normal())
    terms = [(slow, 40.0 * math.exp(0.35 * rng.standard_normal()))]
    if rng.random() < 0.4:
        terms.append((slow * rng.uniform(0.1, 0.6), rng.uniform(3.0, 10.0)))
    return [*terms, (-sum(f for f, _ in terms), 0.25 * 4.0 ** rng.random())]


def scanned(rng, terms, time_h, decay, relative):
    """Counting noise: relative where there is most activity, growing as 1/sqrt(counts) elsewhere."""
    exact = curve_of(terms, time_h, decay=decay)
    u = relative * np.sqrt(exact.activity_bq * exact.activity_bq.max())
    noisy = np.maximum(exact.activity_bq + u * rng.standard_normal(u.size), 0.0)
    return replace(exact, activity_bq=noisy, standard_uncertainty_bq=u)


def share_inside(rng, patients, time_h, imaging, therapy, relative=0.05):
    inside = 0
    for _ in range(patients):
        terms = patient(rng)
        found = predicted(scanned(rng, terms, time_h, imaging, relative), imaging, therapy)
        low, high = found.interval_95_s
        inside += low < truth_s(terms, therapy) < high
    return inside / patients


def test_interval_holds_the_truth_in_sixty_virtual_patients():
    # 95 % of 60 with four standard deviations of chance: 0.95 - 4 sqrt(0.95 0.05/60)
    assert share_inside(np.random.default_rng(5), 60, (1, 4, 24, 48), PB203, PB212) >= 0.84


@pytest.mark.slow
def test_interval_holds_the_truth_in_19_of_20_virtual_patients():
    """203Pb at 1, 4, 24 and 48 h to 212Pb in 500 patients; 95 % has a standard deviation of 1 % by chance."""
    assert 0.93 <= share_inside(np.random.default_rng(2026), 500, (1, 4, 24, 48), PB203, PB212) <= 0.97


@pytest.mark.slow
def test_interval_holds_the_truth_where_the_therapy_lives_longer():
    """64Cu (12.7 h) at 1, 4, 24 and 48 h to 67Cu (61.8 h): the tail is extrapolated, and the interval says how far."""
    imaging, therapy = (nuclide(name).decay_constant_per_s for name in ("Cu-64", "Cu-67"))
    assert 0.93 <= share_inside(np.random.default_rng(2027), 500, (1, 4, 24, 48), imaging, therapy) <= 0.97
