"""Agents: what ships, what each statement is held by, and what is refused with file, line and field."""

from importlib.resources import files

import pytest

from lutetia.errors import ProtocolError
from lutetia.physics.nuclides import decays_of_chain, nuclide
from lutetia.therapy.agents import pairs, read_agent, shipped_agents
from lutetia.therapy.agents.nuclide_classes import nuclide_classes
from lutetia.therapy.agents.reading import agent_schema
from lutetia.therapy.documents import read_document
from lutetia.therapy.protocols import shipped_protocols
from lutetia.therapy.protocols.schema import faults
from lutetia.units import S_PER_DAY, S_PER_H

PROFILES = files("lutetia.therapy") / "data" / "agents" / "profiles"
STATEMENTS = tuple(f"C{number:02d}" for number in range(1, 47))


def cited():
    """Number of a statement -> sources of the entries that cite it."""
    found = {}
    for agent in shipped_agents():
        for entry in agent.entries():
            for number in entry.cites:
                found.setdefault(number, []).append(entry.origin.source)
    for row in (*pairs(), *nuclide_classes().values()):
        for number in row.cites:
            found.setdefault(number, []).append(row.source)
    return found


def study(agent, name):
    return next(study for study in read_agent(agent).studies if study.id == name)


def outcomes(agent, name):
    return {outcome.what: outcome.value for outcome in study(agent, name).outcomes}


@pytest.mark.parametrize("number", STATEMENTS)
def test_every_statement_is_held_by_an_entry_with_a_source(number):
    assert all(cited()[number])


def test_no_entry_cites_a_statement_that_is_not_there():
    assert set(cited()) == set(STATEMENTS)


@pytest.mark.parametrize("agent", shipped_agents(), ids=lambda agent: agent.id)
def test_every_agent_is_named_by_its_file_and_classed(agent):
    assert (PROFILES / f"{agent.id}.yaml").is_file()
    assert nuclide(agent.nuclide).half_life_s > 0
    assert (nuclide_classes()[agent.nuclide].works_by == "imaging") == (agent.purpose == "imaging")
    # what was noted from memory was not verified
    assert not [e for e in agent.entries() if e.origin.verified and "memory" in e.origin.source]


@pytest.mark.parametrize("agent", shipped_agents(), ids=lambda agent: agent.id)
def test_lines_are_emitted_by_the_agents_own_chain(agent):
    chain = decays_of_chain(agent.nuclide, 30 * S_PER_DAY)
    for image in agent.imaging:
        member = image.member or agent.nuclide
        assert member in chain
        for line_kev in image.line_kev:
            # lines are printed to 1 keV; those of ICRP Publication 107 are within that
            near = [line for line in nuclide(member).photon_lines if abs(1e3 * line.energy_mev - line_kev) < 1.0]
            assert sum(line.yield_per_decay for line in near) > 0.05


def test_every_protocol_of_an_agent_exists_and_no_number_is_repeated():
    known = {protocol.id: protocol for protocol in shipped_protocols()}
    linked = [(agent, regimen) for agent in shipped_agents() for regimen in agent.regimens if regimen.shipped]
    for agent, regimen in linked:
        assert regimen.protocol is known[regimen.id]
        assert regimen.protocol.agent == agent.name
    alpha = {"Ac-225", "Bi-213", "Pb-212", "At-211"}
    # each shipped protocol of an alpha emitter is a regimen of its agent
    assert {p.id for p in known.values() if p.nuclide in alpha} <= {regimen.id for _, regimen in linked}


def test_roles_and_routes():
    # agonists DOTATATE and DOTATOC, antagonists LM3 and JR11 (the review confuses them)
    assert {a.vector for a in shipped_agents() if a.role == "antagonist"} == {"LM3", "JR11"}
    assert read_agent("225Ac-DOTATATE").role == "agonist"
    assert read_agent("at211-mabg").target == "norepinephrine transporter"
    assert read_agent("at211-mabg").chelator == ""
    # into the hepatic artery: 213Bi-DOTATOC, and 225Ac-DOTATOC with about 8 MBq
    arterial = {
        (agent.id, regimen.id): regimen
        for agent in shipped_agents()
        for regimen in agent.regimens
        if regimen.route == "intra-arterial"
    }
    assert set(arterial) == {("bi213-dotatoc", "bi213-dotatoc"), ("ac225-dotatoc", "hepatic-artery")}
    assert {regimen.artery for regimen in arterial.values()} == {"hepatic"}
    assert arterial["ac225-dotatoc", "hepatic-artery"].protocol.activity.activity_bq == 8e6


def test_activities_of_the_regimens():
    given = {(a.id, r.id): r.protocol for a in shipped_agents() for r in a.regimens}
    assert given["ac225-dotatate", "ac225-dotatate"].activity.activity_bq_per_kg == pytest.approx(100e3)
    assert given["ac225-dotatate", "action-1-phase-1b"].activity.activity_bq_per_kg == pytest.approx(120e3)
    assert given["ac225-dotatate", "action-1"].activity.activity_bq == pytest.approx(10.2e6)
    assert given["ac225-dotatate", "ac225-dotatate"].cumulative.at_most_bq == pytest.approx(55.5e6)
    assert given["ac225-dotatate", "ac225-dotatate-capecitabine"].cumulative.at_most_bq == pytest.approx(74e6)
    alphamedix = given["pb212-dotamtate", "alphamedix"]
    # 67.6 uCi/kg = 2.5012 MBq/kg, printed as 2.50
    assert alphamedix.activity.activity_bq_per_kg == pytest.approx(67.6 * 37e3, rel=1e-3)
    assert alphamedix.cycles.planned == 4
    # two cycles of 225Ac-DOTATOC in four months
    assert given["ac225-dotatoc", "every-4-months"].interval.planned_days == 122


def test_tolerances_of_225ac():
    found = {
        t.id: (t.kind, t.activity_bq, t.within and t.within.value) for t in read_agent("ac225-dotatoc").tolerances
    }
    assert found["single-44"] == ("single", 44e6, None)
    assert found["single-40"] == ("single", 40e6, None)
    assert found["repeated-20"] == ("repeated", 20e6, 4)
    assert found["repeated-25"] == ("repeated", 25e6, 4)
    assert found["repeated-18-5"] == ("repeated", 18.5e6, 2)
    assert found["cumulative-75"] == ("cumulative", 75e6, None)
    # those of the other peptide are shown, and say with what they were found
    assert {t.agent for t in read_agent("ac225-dotatate").tolerances} == {"225Ac-DOTATOC"}


def test_studies_keep_counts():
    ballal = study("ac225-dotatate", "ballal-2020")
    (seen,) = ballal.responses
    assert (ballal.patients, sum(group.patients for group in ballal.groups)) == (32, 32)
    assert (seen.objective, seen.controlled, seen.assessed) == (15, 24, 24)
    (long_term,) = study("ac225-dotatate", "ballal-2023").responses
    # as printed: 2.5 + 48 + 29 + 20.2
    assert sum(dict(long_term.percent).values()) == pytest.approx(99.7)
    assert long_term.objective is None
    (demirci,) = study("ac225-dotatate", "demirci").responses
    assert (demirci.objective, demirci.controlled, demirci.assessed) == (4, 8, 9)
    (phase2,) = study("pb212-dotamtate", "alphamedix-02").responses
    assert 100 * phase2.objective / phase2.assessed == pytest.approx(phase2.responders_percent, abs=0.05)
    (phase1,) = study("pb212-dotamtate", "delpassand-2022").responses
    assert (phase1.objective, phase1.assessed) == (8, 10)
    assert study("pb212-vmt-alpha-net", "singh-case").responses[0].objective == 1


@pytest.mark.parametrize(
    ("agent", "name", "what", "value"),
    [
        ("ac225-dotatate", "ballal-2023", "cycles", 453),  # C17
        ("ac225-dotatate", "ballal-2023", "mean age", 54.3),  # C17
        ("ac225-dotatate", "ballal-2023", "overall survival", 70.8),  # C19
        ("ac225-dotatate", "ballal-2023", "progression-free survival", 67.5),  # C19
        ("ac225-dotatate", "ballal-2023", "median overall survival", None),  # C19: not reached
        ("ac225-dotatate", "demirci", "mean activity", 8.2),  # C23
        ("ac225-dotatate", "satapathy-case", "chromogranin A", -89.6),  # C30
        ("ac225-dotatate", "durban-case", "stable disease", 12),  # C31
        ("ac225-dotatoc", "thymus-case", "activity of beta emitters before", 46.9),  # C29
        ("ac225-dotatoc", "kratochwil-2021", "mean age", 58),  # C12
        ("pb212-dotamtate", "after-prrt", "adverse events", 145),  # C36
        ("pb212-dotamtate", "after-prrt", "of them unrelated or unlikely related", 42),  # C36
        ("pb212-vmt-alpha-net", "singh-case", "administered activity", 130),  # C35
    ],
)
def test_outcomes_as_printed(agent, name, what, value):
    assert outcomes(agent, name)[what] == value


def test_trials_and_times():
    trials = {study.trial: study.patients for agent in shipped_agents() for study in agent.studies if study.trial}
    # C41 to C44, as the review's list of trials has them; of NCT03466216 the 20 of the publication
    assert {key: trials[key] for key in ("NCT05477576", "NCT05595460", "NCT05153772", "NCT05111509")} == {
        "NCT05477576": 218, "NCT05595460": 31, "NCT05153772": 34, "NCT05111509": 20,
    }  # fmt: skip
    assert {"NCT03466216", "NCT05636618"} <= set(trials)
    hours = {agent.id: {at / S_PER_H for image in agent.imaging for at in image.at_s} for agent in shipped_agents()}
    assert hours["bi213-dotatoc"] == {1}  # C06
    assert hours["cu64-sar-tate"] == {0.5, 1, 4, 24}  # C37
    assert hours["pb212-vmt-alpha-net"] == {18}  # C35
    assert study("ac225-dotatoc", "kratochwil-2021").follow_up_months == 57  # C13


def test_pairs():
    found = {(pair.imaging, pair.therapy): pair for pair in pairs()}
    wanted = "Ga-68/Lu-177 Cu-64/Cu-67 Pb-203/Pb-212 Tb-155/Tb-161 Tb-152/Tb-161 Lu-177/Ac-225 Ga-68/Bi-213"
    assert {tuple(pair.split("/")) for pair in wanted.split()} <= set(found)
    for pair in found.values():
        assert pair.same_element == (pair.chemistry == "identical")
        assert pair.source
        assert nuclide_classes()[pair.therapy].works_by != "imaging"
    ratios = {ratio.region: ratio for ratio in found["Ga-68", "Lu-177"].ratios if ratio.vector == "HA-DOTATATE"}
    # Siebinga 2023, doi:10.1186/s40658-023-00565-4
    assert {region: ratio.ratio for region, ratio in ratios.items()} == {
        "spleen": 0.29, "kidney": 0.49, "lesion": 1.43,
    }  # fmt: skip
    assert [ratio.relative_standard_error for ratio in ratios.values()] == [0.15, 0.15, 0.14]
    # 161.8/0.0188 h: half-lives of 6.647 d and 67.71 min
    assert found["Ga-68", "Lu-177"].half_life_ratio == pytest.approx(6.647 * 1440 / 67.71, rel=1e-6)


def test_an_agent_is_found_by_any_of_its_names():
    assert read_agent("ryz101") is read_agent("ac225-dotatate")
    with pytest.raises(ProtocolError, match="No agent 'dotatate'; there are ac225-dotatate"):
        read_agent("dotatate")


@pytest.fixture
def own_file(tmp_path):
    """An agent in a file of one's own, with a piece of text replaced: (path, line of the piece)."""

    def write(agent, old, new):
        text = (PROFILES / f"{agent}.yaml").read_text("utf-8")
        path = tmp_path / "ours.yaml"
        path.write_text(text.replace(old, new, 1), "utf-8")
        return path, text[: text.index(old)].count("\n") + 1

    return write


def test_a_file_of_ones_own(own_file):
    path, _ = own_file("ac225-dotatate", "id: ac225-dotatate", "id: ours")
    assert read_agent(path).id == "ours"
    assert len(read_agent(path).tolerances) == 6


@pytest.mark.parametrize("agent", shipped_agents(), ids=lambda agent: agent.id)
def test_shipped_files_hold_to_the_schema(agent, tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text((PROFILES / f"{agent.id}.yaml").read_text("utf-8"), "utf-8")
    assert not list(faults(read_document(path).content, agent_schema(), root=agent_schema()))


@pytest.mark.parametrize(
    ("agent", "old", "new", "field", "message"),
    [
        ("ac225-dotatate", "role: agonist", "role: agonsit", "role", "expected one of agonist, antagonist"),
        ("ac225-dotatate", "nuclide: Ac-225", "nuclide: Ac-925", "nuclide", "Ac-925"),
        ("ac225-dotatate", "hours: 5,", "hours: -5,", "stability[0].hours", "expected more than 0"),
        ("ac225-dotatate", "{protocol: action-1,", "{protocol: action-9,", "regimens[2].protocol", "no such protocol"),
        ("ac225-dotatate", "{protocol: action-1,", "{protocol: alphamedix,", "regimens[2].protocol", "it is of Pb-212"),
        ("ac225-dotatate", "tolerances_of: [ac225-dotatoc]", "tolerances_of: [nobody]", "tolerances_of[0]", "No agent"),
        ("ac225-dotatate", "at_least_percent: 90", "at_least_percent: 190", "purity[0].at_least_percent", "above 100"),
        ("ac225-dotatate", "PR: 15, SD: 9", "PR: 16, SD: 9", "studies[0].responses[0]", "25 patients with a response"),
        ("ac225-dotatoc", "artery: hepatic, ", "", "regimens[0].artery", "missing"),
        ("bi213-dotatoc", "artery: hepatic, ", "", "regimens[0].artery", "the protocol is intra-arterial"),
        ("ac225-dotatoc", "within_months: 4, ", "", "tolerances[2].within_months", "missing"),
        ("ac225-dotatoc", "id: single-40", "id: single-44", "tolerances[1].id", "stands there twice"),
        ("ac225-dotatoc", "id: every-4-months", "protocol: x, id: y", "regimens[1].protocol", "give either"),
    ],
)  # fmt: skip
def test_refusals_name_file_line_and_field(own_file, agent, old, new, field, message):
    path, line = own_file(agent, old, new)
    with pytest.raises(ProtocolError) as refused:
        read_agent(path)
    assert f"ours.yaml, line {line}, {field}: " in str(refused.value)
    assert message in str(refused.value)
