"""Images of alpha emitters: whose activity they show, what a window counts, and how sure few counts are."""

import numpy as np
import pytest
from scipy.stats import chi2

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.physics.nuclides import nuclide
from lutetia.recon.chain_lines import (
    EQUILIBRIUM_HALF_LIVES,
    chain_lines,
    equilibrium_activities,
    grown_activities,
    imaged_member,
    member_difference,
    window_lines,
)
from lutetia.recon.lines import emissions_of, photopeak_of
from lutetia.recon.low_counts import COVERAGE, counting_interval, empty_interval

H = 3600.0


def window(low_kev, high_kev):
    return EnergyWindow(lower_mev=low_kev / 1e3, upper_mev=high_kev / 1e3)


PEAK_440, PEAK_218, PEAK_239 = window(396.5, 484.5), window(196.2, 239.8), window(214.8, 262.5)


# ---- yields ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parent", "member", "kev", "photons", "branch"),
    [
        # ICRP Publication 107: photons per decay of the member, and decays of it per decay of the parent. Newer
        # evaluations: 0.259 (213Bi 440), 0.114 (221Fr 218), 0.436 (212Pb 239), within 2 % of these
        ("Ac-225", "Bi-213", 440.45, 0.261, 1.0),
        ("Ac-225", "Fr-221", 218.12, 0.116, 1.0),
        ("Ac-225", "Tl-209", 1567.1, 0.998, 0.0209),
        ("Pb-212", "Pb-212", 238.63, 0.433, 1.0),
        ("Pb-212", "Tl-208", 583.19, 0.845, 0.3594),
        ("Pb-212", "Tl-208", 2614.5, 0.992, 0.3594),
        ("Pb-212", "Bi-212", 727.33, 0.0658, 1.0),
    ],
)
def test_yields_per_decay_of_the_parent(parent, member, kev, photons, branch):
    near = [x for x in chain_lines(parent) if x.member == member and abs(1e3 * x.energy_mev - kev) < 0.7]
    assert sum(x.yield_per_member_decay for x in near) == pytest.approx(photons, rel=5e-3)  # digits printed
    # closed form: transient equilibrium of every daughter on the way
    rates = {m: nuclide(m).decay_constant_per_s for m in {parent, member, "Bi-212", "Bi-213", "Tl-209"}}
    grown = 1.0
    way = {"Tl-208": ("Bi-212", "Tl-208"), "Tl-209": ("Bi-213", "Tl-209")}.get(member, (member,))
    for one in way if member != parent else ():
        rate = nuclide(one).decay_constant_per_s
        grown *= rate / (rate - rates[parent])
    assert sum(x.yield_per_parent_decay for x in near) == pytest.approx(photons * branch * grown, rel=6e-3)


def test_bismuth_stands_above_lead_in_equilibrium():
    # 10.64 h and 60.55 min: 1 / (1 - 60.55 / 638.4) = 1.105
    assert equilibrium_activities("Pb-212")["Bi-212"] == pytest.approx(1 / (1 - 60.55 / 638.4), rel=1e-3)
    # law: Bateman's solution goes there; 20 half-lives of 212Bi, 5 h * 20 % of the lead left does not matter
    late = grown_activities("Pb-212", 20 * H)
    for member, ratio in equilibrium_activities("Pb-212").items():
        assert late[member] == pytest.approx(ratio, rel=1e-5), member


def test_a_daughter_that_lives_long_is_in_no_equilibrium():
    assert "Ra-223" not in equilibrium_activities("Th-227")  # 11.4 d beside 18.7 d
    assert dict(equilibrium_activities("Lu-177")) == {"Lu-177": 1.0}
    assert "Pb-209" in equilibrium_activities("Ac-225")  # 3.2 h beside 10 d


def test_what_a_window_counts():
    first, *rest = window_lines("Ac-225", PEAK_440)
    assert first.line.member == "Bi-213"
    # +-10 % of a peak whose resolution at 440 keV is 9.8 % * sqrt(140/440) = 5.5 %: 4.2 sigma a side
    assert first.accepted_per_parent_decay == pytest.approx(0.2619, rel=1e-3)
    assert "Tl-209" in {one.line.member for one in rest}  # 465 keV, 0.97 * 2.1 %
    members = {one.line.member for one in window_lines("Ac-225", PEAK_218, least=3e-3)}
    assert members == {"Fr-221", "Ac-225"} or members == {"Fr-221"}
    assert window_lines("Pb-212", PEAK_239)[0].line.member == "Pb-212"


def test_photopeaks_and_scatter_take_the_chain_in():
    assert photopeak_of("Ac-225", [PEAK_440, PEAK_218]) == pytest.approx(0.4405, abs=1e-3)
    assert photopeak_of("Ac-225", [PEAK_218]) == pytest.approx(0.2182, abs=1e-3)
    assert photopeak_of("Pb-212", [PEAK_239]) == pytest.approx(0.2386, abs=1e-3)
    found = {round(1e3 * e.energy_mev): e.relative_yield for e in emissions_of("Pb-212", 0.2386, [PEAK_239])}
    # 583 keV: 0.845 * 0.3594 * 1.110 / 0.433, and 2615 keV 0.992 / 0.845 as many
    assert found[583] == pytest.approx(0.845 * 0.3594 * 1.110 / 0.434, rel=0.01)
    assert found[2615] == pytest.approx(found[583] * 0.992 / 0.845, rel=0.01)
    alone = emissions_of("Pb-212", 0.2386, [PEAK_239], activities={"Pb-212": 1.0})
    assert max(e.energy_mev for e in alone) < 0.42
    with pytest.raises(MissingDataError, match="Lu-177 has no photon line at 600 keV"):
        emissions_of("Lu-177", 0.6, [PEAK_440])


# ---- whose activity -------------------------------------------------------------------------------------------------


def test_an_image_at_440_kev_is_of_bismuth():
    image = imaged_member("Ac-225", 0.4405, time_s=24 * H)
    assert (image.parent, image.member, image.in_equilibrium) == ("Ac-225", "Bi-213", True)
    assert image.needed_s == pytest.approx(6 * 45.59 * 60)  # ICRP 107: 4.56 h
    assert image.parent_activity_bq(1003.4) == pytest.approx(1000.0, rel=1e-4)  # 45.59 min beside 10.0 d
    assert "shows Bi-213, not Ac-225" in image.warnings[0]
    assert "Fr-221, At-217, Bi-213" in image.warnings[0]
    assert len(image.warnings) == 1


def test_before_equilibrium_the_image_is_less_than_the_parent():
    image = imaged_member("Ac-225", 0.4405, time_s=45.59 * 60)
    assert image.in_equilibrium is False
    # closed form: half of it after one half-life, but for the 4.8 min of 221Fr before it
    half = 0.5 - 0.5 * 4.9 / 45.59
    assert image.ratio / image.equilibrium_ratio == pytest.approx(half, abs=0.02)
    assert image.parent_activity_bq(image.ratio) == pytest.approx(1.0)
    assert any("not in equilibrium with Ac-225 0.76 h after separation" in told for told in image.warnings)
    # francium is there much sooner
    assert imaged_member("Ac-225", 0.2182, time_s=45.59 * 60).in_equilibrium
    slow = 1 - 0.5**EQUILIBRIUM_HALF_LIVES
    there = imaged_member("Ac-225", 0.4405, time_s=image.needed_s)
    assert there.ratio / there.equilibrium_ratio == pytest.approx(slow, abs=3e-3)


def test_an_unknown_time_is_said():
    image = imaged_member("Ac-225", 0.4405)
    assert image.in_equilibrium is None
    assert any("is not known; equilibrium, after 4.6 h, was assumed" in told for told in image.warnings)


def test_lead_shows_itself():
    image = imaged_member("Pb-212", 0.2386, time_s=0.0)
    assert image.is_parent
    assert image.in_equilibrium
    assert image.ratio == 1.0
    assert not image.warnings
    thallium = imaged_member("Pb-212", 0.583, time_s=18 * H)
    assert thallium.member == "Tl-208"
    assert thallium.needed_s == pytest.approx(6 * 60.55 * 60)
    assert imaged_member("Lu-177", 0.2084).warnings == ()


def test_images_that_cannot_be():
    with pytest.raises(MissingDataError, match=r"No photons of Ac-225 or its daughters at 700 keV.*440 \(Bi-213\)"):
        imaged_member("Ac-225", 0.7)
    with pytest.raises(InputError, match="No Bi-213 has grown in"):
        imaged_member("Ac-225", 0.4405, time_s=0.0)
    with pytest.raises(InputError, match="expected 0 or more"):
        imaged_member("Ac-225", 0.4405, time_s=-1.0)


def test_a_difference_between_daughters_is_stated_with_its_interval():
    found = member_difference(first_bq=100.0, u_first_bq=5.0, second_bq=130.0, u_second_bq=6.0)
    # closed form: 30 over hypot(5, 6); the ends of Fieller's interval lie where |b - r a| = 2 hypot(6, 5 r)
    assert found.k == pytest.approx(30 / np.hypot(5, 6))
    assert found.ratio == pytest.approx(1.3)
    for end in (found.low, found.high):
        assert abs(130 - end * 100) == pytest.approx(2 * np.hypot(6, 5 * end), rel=1e-3)
    assert found.differ
    assert "may be redistribution" in found.text
    assert "sensitivity" in found.text


def test_no_difference_is_not_said_to_be_equality():
    found = member_difference(first_bq=100.0, u_first_bq=15.0, second_bq=115.0, u_second_bq=15.0)
    assert not found.differ
    assert found.low < 1 < found.high
    assert "a difference of less than" in found.text
    # what both windows share drops out of the difference; what they do not share does not
    shared = member_difference(first_bq=100.0, u_first_bq=15.0, second_bq=115.0, u_second_bq=15.0, correlation=0.9)
    assert shared.k > found.k
    apart = member_difference(
        first_bq=100.0, u_first_bq=5.0, second_bq=130.0, u_second_bq=6.0, calibration_relative=0.2
    )
    assert not apart.differ


def test_hardly_any_francium_leaves_the_ratio_open():
    found = member_difference(first_bq=10.0, u_first_bq=8.0, second_bq=100.0, u_second_bq=10.0)
    assert found.high is None
    assert "no upper end" in found.text
    with pytest.raises(InputError, match="uncertainties above 0"):
        member_difference(first_bq=1.0, u_first_bq=0.0, second_bq=1.0, u_second_bq=0.1)


# ---- few counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [1, 4, 20])
def test_few_counts_have_garwoods_interval(counts):
    found = counting_interval(counts, counts, counts)
    alpha = 1 - COVERAGE
    # closed form: Garwood 1936, from the chi-square of 2 n and 2 n + 2 degrees of freedom
    assert found.method == "gamma"
    assert found.effective_counts == pytest.approx(counts)
    assert found.low == pytest.approx(0.5 * chi2.ppf(alpha / 2, 2 * counts))
    assert found.high == pytest.approx(0.5 * chi2.ppf(1 - alpha / 2, 2 * counts + 2))
    assert "normal interval does not hold" in found.warnings[0]


def test_many_counts_have_the_normal_interval():
    found = counting_interval(1e4, 1e4, 1e4)
    assert (found.method, found.warnings) == ("normal", ())
    assert (found.low, found.high) == pytest.approx((9800.0, 10200.0), abs=0.1)  # k = 2
    # law: the unit does not matter
    scaled = counting_interval(20 * 0.3, 20 * 0.09, 20 * 0.027)
    assert scaled.low / 0.3 == pytest.approx(counting_interval(20, 20, 20).low)


def test_no_count_is_an_upper_limit():
    found = empty_interval(2.0)
    assert found.low == 0.0
    assert found.high == pytest.approx(2.0 * -np.log(0.5 * (1 - COVERAGE)))  # chance of no count
    assert found.high == pytest.approx(2.0 * 0.5 * chi2.ppf(1 - (1 - COVERAGE) / 2, 2))  # Garwood
    assert "only an upper limit" in found.warnings[0]
    with pytest.raises(InputError, match="a weight of 0"):
        empty_interval(0.0)
    with pytest.raises(InputError, match="variance of 0"):
        counting_interval(0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="expected finite"):
        counting_interval(float("nan"), 1.0, 1.0)


@pytest.mark.parametrize(
    # weights of the counts, coverage that is needed: a binomial share of 4000 is known to 0.4 %. With weights that differ
    # by a factor of four the typical weight is too small for the rare heavy count, and 93 % is what is left
    ("weights", "least"),
    [((1.0, 0.8, 1.2), COVERAGE - 0.01), ((1.0, 0.5, 2.0), 0.915)],
)
def test_the_gamma_interval_covers_where_the_normal_one_does_not(weights, least):
    rng, weights = np.random.default_rng(3), np.array(weights)
    mean = np.array([1.5, 3.0, 0.5])
    truth = weights @ mean
    inside, normal, n = 0, 0, 4000
    for _ in range(n):
        y = rng.poisson(mean)
        if y.any():
            found = counting_interval(weights @ y, weights**2 @ y, weights**3 @ y)
        else:
            found = empty_interval(weights.max())
        inside += found.low <= truth <= found.high
        normal += abs(weights @ y - truth) <= 2 * np.sqrt(weights**2 @ y)
    assert inside / n > least
    assert normal / n < 0.90
