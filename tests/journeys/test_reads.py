"""Scores of receptor imaging from the command line."""

import json

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application


def said(*words, code=0):
    result = CliRunner().invoke(application, words)
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


def test_ratios_give_a_score_and_the_reader_overrules():
    # above liver and spleen: 4; the definition in spec/clinical.md 2.5
    assert json.loads(said("krenning", "--lesion", "30", "--liver", "6", "--spleen", "20", "--json"))["score"] == 4
    assert "Krenning 3" in said("krenning", "--lesion", "12", "--liver", "6", "--spleen", "20")
    read = json.loads(said("krenning", "--lesion", "12", "--liver", "6", "--reader", "2", "--json"))
    assert (read["score"], read["by_ratio"], read["reader"]) == (2, 3, 2)


def test_dual_tracer(tmp_path):
    table = tmp_path / "reads.csv"
    table.write_text("lesion,sstr,fdg,fdg_avidity\nliver 1,4,1,\nnode,1,3,\n")
    # one lesion positive with FDG alone: P5, one or two lesions: a
    found = json.loads(said("dual-tracer", str(table), "--json"))
    assert (found["scale"], found["group"], found["lesions"]) == ("NETPET", "P5a", ["node"])
    assert "Research use only" in said("dual-tracer", str(table), "--scale", "Zidan")


@pytest.mark.parametrize(
    ("rows", "message"),
    [("liver 1,5,1,", "reads.csv line 2: liver 1: sstr is 5"), ("liver 1,x,1,", "reads.csv line 2: sstr 'x'")],
)
def test_bad_reads_name_their_line(tmp_path, rows, message):
    table = tmp_path / "reads.csv"
    table.write_text(f"lesion,sstr,fdg,fdg_avidity\n{rows}\n")
    assert message in said("dual-tracer", str(table), code=2)


def test_nothing_to_score():
    assert "MissingDataError" in said("krenning", code=3)
