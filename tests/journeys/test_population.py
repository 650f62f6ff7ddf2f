"""When to scan, by the command line: the documented figures, scans already made, and what is refused."""

import dataclasses

import pytest
from tests.kinetics.population_cases import population
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.kinetics.population.files import write_population

SCANS = ("--scans-h", "4,24,72,168")


def advise(lutetia, *arguments, region="kidney", nuclide="Lu-177"):
    return lutetia("population", "advise", "--region", region, "--nuclide", nuclide, *arguments)


def at(document, *hours):
    by_time = {t["time_h"]: t["expected_relative_u"] for t in document["times"]}
    return [by_time[h] for h in hours]


@pytest.fixture
def curve(tmp_path):
    def write(*rows, heading="region,time_h,activity_MBq,u_MBq"):
        path = tmp_path / "curves.csv"
        path.write_text("\n".join([heading, *rows]) + "\n", "utf-8")
        return path

    return write


@pytest.fixture
def model(tmp_path):
    def write(**more):
        path = tmp_path / "model.json"
        write_population(dataclasses.replace(population(), **more), path)
        return path

    return write


# docs/methods/single_time_point.md, "When to scan": best time, u then, u at 4, 24, 72, 96 h, loss of each scan;
# tolerances are half of the last digit that the table has
@pytest.mark.parametrize(
    ("agent", "region", "best_h", "u", "others", "lost"),
    [
        ("177Lu-DOTATATE", "kidney", 69, 6.3, (19, 14, 6.4, 10), (1.18, 1.15, 1.15, 1.93)),
        ("177Lu-DOTATATE", "Liver", 89, 6.3, (20, 16, 7.4, 6.5), (1.07, 1.08, 1.13, 2.29)),
        ("177Lu-DOTATATE", "lesion 2", 93, 9.8, (29, 23, 12, 9.8), (1.05, 1.05, 1.10, 2.51)),
        ("177Lu-PSMA-617", "kidney left", 43, 9.9, (27, 16, 21, 36), (1.31, 1.22, 1.13, 1.40)),
    ],
)
def test_the_documented_figures(lutetia, agent, region, best_h, u, others, lost):
    code, document, _ = advise(lutetia, "--agent", agent, *SCANS, region=region)
    assert code == 0, document
    assert document["best_next_time_h"] == best_h
    assert 100 * document["expected_relative_u"] == pytest.approx(u, abs=0.05)
    for found, expected in zip(at(document, 4, 24, 72, 96), others, strict=True):
        assert 100 * found == pytest.approx(expected, abs=0.5 if expected >= 9.95 else 0.05)
    assert [x["time_h"] for x in document["loss_of_dropping"]] == [4, 24, 72, 168]
    assert [x["ratio"] for x in document["loss_of_dropping"]] == pytest.approx(lost, abs=0.005)
    assert (document["times"][0]["time_h"], document["times"][-1]["time_h"]) == (1, 168)
    assert document["expected_relative_u_without"] is None
    assert document["verified"] is False
    assert "was not verified against the publication" in document["warnings"][0]
    assert "Research use only" in document["note"]


def test_the_protocol_is_optional_and_the_range_is_kept(lutetia):
    code, document, _ = advise(lutetia, "--agent", "177Lu-DOTATATE", "--from-h", 20, "--to-h", 30)
    assert code == 0
    assert [t["time_h"] for t in document["times"]] == list(range(20, 31))
    assert document["best_next_time_h"] == 30  # the best of all, 69 h, is later
    assert any("latest allowed, 30 h" in w for w in document["warnings"])
    assert document["loss_of_dropping"] == []
    _, one, _ = advise(lutetia, "--agent", "177Lu-DOTATATE", "--from-h", 69, "--to-h", 69)
    assert [t["time_h"] for t in one["times"]] == [69]
    assert not any("latest allowed" in w for w in one["warnings"])


def test_a_population_of_ones_own_and_the_scans_so_far(lutetia, model, curve):
    scans = curve("kidney left,24,60,1.8", "liver,24,300,9")
    code, document, _ = advise(lutetia, "--population", model(), "--curve", scans)
    assert code == 0, document
    assert (document["region"], document["source"], document["verified"]) == ("kidney left", "test", True)
    assert document["times"][0]["time_h"] == 25  # after the last scan
    assert document["expected_relative_u"] < document["expected_relative_u_without"]
    _, none_yet, _ = advise(lutetia, "--population", model())
    # a scan more never tells less
    assert all(a < b for a, b in zip(at(document, 72, 96), at(none_yet, 72, 96), strict=True))
    assert document["warnings"] == []
    _, other, _ = advise(lutetia, "--population", model(), "--agent", "177Lu-PSMA-617")
    assert other["warnings"] == ["The population is that of 177Lu-DOTATATE, not of 177Lu-PSMA-617."]


def test_scans_without_uncertainty_have_that_of_the_option(lutetia, model, curve):
    bare = curve("kidney,24,60", "kidney,4,80", heading="region,time_h,activity_MBq")
    given = ("--population", model(), "--scan-uncertainty-percent", 3)
    _, document, _ = advise(lutetia, *given, "--curve", bare)
    assert document["warnings"][0] == "kidney: the scans state no uncertainty; 3 % was taken."
    stated = curve("kidney,24,60,1.8", "kidney,4,80,2.4")
    _, same, _ = advise(lutetia, *given, "--curve", stated)
    assert same["times"] == document["times"]


def test_one_scan_of_marrow_is_warned_of(lutetia, curve):
    _, document, _ = advise(lutetia, "--agent", "177Lu-PSMA-617", region="red marrow")
    assert any("One scan does not do for the marrow" in w for w in document["warnings"])
    scans = curve("red marrow,24,5,0.3")
    _, document, _ = advise(lutetia, "--agent", "177Lu-PSMA-617", "--curve", scans, region="red marrow")
    assert not any("One scan" in w for w in document["warnings"])


def test_in_words():
    done = CliRunner().invoke(
        application,
        ["population", "advise", "--region", "kidney", "--nuclide", "Lu-177", "--agent", "177Lu-DOTATATE", *SCANS],
    )
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "kidney: next scan best at 69 h, expected uncertainty of the time-integrated activity 6.3 %" in text
    assert "1.93" in text
    assert "Research use only" in text


DOTATATE = ("--agent", "177Lu-DOTATATE")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 3, "kidney: no half-lives are known for an unnamed agent; give a model"),
        (("--agent", "131I-mIBG"), 3, "no half-lives are known for 131I-mIBG"),
        (("--population", "nowhere.json"), 2, "nowhere.json: no such file"),
        ((*DOTATATE, "--curve", "nowhere.csv"), 2, "nowhere.csv: no such file"),
        ((*DOTATATE, "--scans-h", "4,x"), 2, "--scans-h '4,x': 'x' is not a number; expected 4,24,72,168"),
        ((*DOTATATE, "--scans-h", "0,24"), 2, "--scans-h '0,24': 0 h; times are after the administration"),
        ((*DOTATATE, "--scans-h", "24,nan"), 2, "nan h; times are after"),
        ((*DOTATATE, "--scans-h", "4,24,24"), 2, "a time is there twice"),
        ((*DOTATATE, "--scans-h", "24"), 2, "give at least two times"),
        ((*DOTATATE, "--from-h", "0"), 2, "from 0 to 168 h; expected --from-h after the administration"),
        ((*DOTATATE, "--from-h", "80", "--to-h", "70"), 2, "from 80 to 70 h"),
        ((*DOTATATE, "--to-h", "nan"), 2, "from 1 to nan h"),
        ((*DOTATATE, "--to-h", "inf"), 2, "from 1 to inf h"),
        ((*DOTATATE, "--scan-uncertainty-percent", "0"), 2, "--scan-uncertainty-percent 0; expected above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(lutetia, arguments, code, said):
    found, document, _ = advise(lutetia, *arguments)
    assert (found, said in document["error"]["message"]) == (code, True), document


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "said"),
    [
        (["liver,24,60,3"], (), 3, "curves.csv: no region kidney; there are liver"),
        (["kidney left,24,60,3", "kidney right,24,50,3"], (), 2, "kidney may be kidney left or kidney right; name one"),
        (["kidney,24,60,3"], ("--from-h", "20"), 2, "expected --from-h after the last scan (24 h)"),
        (["kidney,200,60,3"], (), 2, "Next scan from 201 to 168 h"),
        (["kidney,24,0,3"], (), 6, "kidney: no activity at any time"),
        (["kidney,24,x,3"], (), 2, "curves.csv, line 2, column activity_MBq: 'x' is not a number"),
    ],
)  # fmt: skip
def test_scans_that_cannot_be_are_refused(lutetia, curve, rows, arguments, code, said):
    found, document, _ = advise(lutetia, *DOTATATE, "--curve", curve(*rows), *arguments)
    assert (found, said in document["error"]["message"]) == (code, True), document


def test_another_nuclide_or_region_is_refused(lutetia, model):
    code, document, _ = advise(lutetia, "--population", model(), nuclide="I-131")
    assert (code, document["error"]["message"]) == (
        2,
        "The population is of Lu-177, not of I-131; effective half-lives do not carry over.",
    )
    kidney = population().regions["kidney"]
    two = {"kidney": kidney, "liver": dataclasses.replace(kidney, region="liver")}
    code, document, _ = advise(lutetia, "--population", model(regions=two), region="spleen")
    assert code == 3
    assert (
        "spleen: the population of 177Lu-DOTATATE has no such region; it has kidney, liver"
        in (document["error"]["message"])
    )
