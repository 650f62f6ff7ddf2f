"""Krenning score and grades with two tracers, at their limits and against the table of the source."""

import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.therapy.imaging_scores import LesionRead, dual_tracer_grade, krenning_score


@pytest.mark.parametrize(
    ("lesion", "liver", "spleen", "score"),
    [
        (2.0, 4.0, 8.0, 1),  # half of liver or less is much lower: the choice of the table
        (2.01, 4.0, 8.0, 2),
        (4.0, 4.0, 8.0, 2),  # equal to liver
        (4.01, 4.0, 8.0, 3),  # above liver
        (8.0, 4.0, 8.0, 3),  # equal to spleen
        (8.01, 4.0, 8.0, 4),  # above spleen
        (3.0, 4.0, 2.0, 2),  # a spleen below the liver does not make a 4
    ],
)
def test_krenning_by_ratios(lesion, liver, spleen, score):
    found = krenning_score(lesion=lesion, liver=liver, spleen=spleen)
    assert found.score == found.by_ratio == score
    assert found.reader is None
    assert found.verified is (score >= 3)
    # ratios alone count
    assert krenning_score(lesion=7 * lesion, liver=7 * liver, spleen=7 * spleen).score == score


def test_krenning_without_uptake_or_spleen():
    assert krenning_score(visible=False).score == 0
    alone = krenning_score(lesion=20, liver=4)
    assert (alone.score, alone.lesion_to_spleen) == (3, None)
    assert "3 cannot be told from 4" in alone.warnings[0]
    odd = krenning_score(lesion=3, liver=4, spleen=2)
    assert "takes up less than the liver" in odd.warnings[0]


def test_the_reader_overrules():
    found = krenning_score(lesion=20, liver=4, spleen=8, reader=3)
    assert (found.score, found.by_ratio, found.reader, found.source) == (3, 4, 3, "reader")
    assert found.warnings == ("The reader scored 3, the ratios give 4.",)
    assert krenning_score(reader=2).score == 2


def test_krenning_refusals():
    with pytest.raises(MissingDataError, match="give the uptake of lesion and liver"):
        krenning_score(lesion=3)
    with pytest.raises(InputError, match="Uptake of liver is 0"):
        krenning_score(lesion=3, liver=0)
    with pytest.raises(InputError, match="expected 0 to 4"):
        krenning_score(reader=5)


def lesions(*reads):
    return [LesionRead(lesion=f"lesion {i}", sstr=s, fdg=f, fdg_avidity=a) for i, (s, f, a) in enumerate(reads)]


P1, P5, BOTH_NEGATIVE = (3, 0, None), (1, 3, None), (1, 1, None)


@pytest.mark.parametrize(
    ("reads", "group", "suitability"),
    [  # table 1 of doi:10.1186/s40644-022-00465-3, NETPET
        ([BOTH_NEGATIVE], "P0", "not suitable"),
        ([P1], "P1a", "probably suitable"),
        ([P1] * 3, "P1b", "probably suitable"),
        ([P1, (4, 2, "lower")], "P2a", "probably suitable"),
        ([P1, (3, 3, "equal")], "P3a", "probably suitable"),
        ([P1, (2, 4, "higher")], "P4a", "probably suitable"),
        ([P1, *[(2, 4, "higher")] * 2], "P4a", "probably suitable"),
        ([P1, *[(2, 4, "higher")] * 3], "P4b", "may be suitable with additional therapy"),
        ([P1, (2, 4, "higher"), P5], "P5a", "not suitable"),
        ([P5] * 3, "P5b", "not suitable"),
        ([(2, 1, None)], "P1a", "probably suitable"),  # above background is positive
        ([(1, 2, None)], "P5a", "not suitable"),
    ],
)
def test_netpet(reads, group, suitability):
    found = dual_tracer_grade("NETPET", lesions(*reads))
    assert (found.group, found.suitability) == (group, suitability)
    assert found.verified


def test_netpet_names_the_lesions_that_decide():
    assert dual_tracer_grade("NETPET", lesions(P1, P5, P1)).lesions == ("lesion 1",)


@pytest.mark.parametrize(
    ("reads", "karfis", "zidan"),
    [  # the same table; Karfis counts from 2, Zidan from 3
        ([P1, (4, 1, None)], "C1", "2"),
        ([P1, (4, 4, None)], "C2", "3"),
        ([P1, P5], "C3", "4"),
        ([(2, 2, None)], "C2", "1"),  # above background, not above liver
        ([(2, 3, None)], "C2", "4"),
        ([BOTH_NEGATIVE], None, "1"),
        ([P1, BOTH_NEGATIVE], None, None),
        ([(2, 0, None), P1], "C1", None),
    ],
)
def test_karfis_and_zidan(reads, karfis, zidan):
    for scale, group in (("Karfis", karfis), ("Zidan", zidan)):
        found = dual_tracer_grade(scale, lesions(*reads))
        assert found.group == group
        assert bool(found.warnings) == (group is None)
        suitable = {
            "C3": "not suitable",
            "4": "not suitable",
            "1": "not suitable",
            "2": "suitable",
            "3": "suitable",
        }
        expected = None if group is None else suitable.get(group, "probably suitable")
        assert found.suitability == expected


def test_dual_tracer_refusals():
    with pytest.raises(MissingDataError, match="say whether FDG is lower, equal or higher"):
        dual_tracer_grade("NETPET", lesions((3, 3, None)))
    with pytest.raises(InputError, match="No scale 'Deauville'; there are NETPET, Karfis, Zidan"):
        dual_tracer_grade("Deauville", lesions(P1))
    with pytest.raises(InputError, match="one or more lesions"):
        dual_tracer_grade("Zidan", [])
    with pytest.raises(InputError, match="name of its own"):
        dual_tracer_grade("Zidan", [*lesions(P1), *lesions(P5)])
    with pytest.raises(InputError, match="liver: sstr is 5; expected a score of 0 to 4"):
        LesionRead(lesion="liver", sstr=5, fdg=0)
    with pytest.raises(InputError, match="expected lower, equal or higher"):
        LesionRead(lesion="liver", sstr=3, fdg=3, fdg_avidity="same")
