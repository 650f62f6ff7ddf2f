"""Scenario of daughters that leave, as people write it."""

import pytest

from lutetia.app.case.redistribution import read_redistribution
from lutetia.errors import InputError

FULL = """\
name: 225Ac, daughters free in blood
models: ICRP 137
leaving:
  - {member: Fr-221, region: blood, fraction: 1.0, target: plasma, source: assumption}
  - {member: Bi-213, region: tumour, fraction: 0.25, target: tumour bed, source: this hospital, verified: true}
compartments:
  - {name: tumour bed, region: tumour}
transfers:
  - {element: Bi, source: tumour bed, target: plasma, rate_per_h: 0.36}
"""


def read(tmp_path, text):
    path = tmp_path / "daughters.yaml"
    path.write_text(text, encoding="utf-8")
    return read_redistribution(path)


def test_a_scenario_is_read(tmp_path):
    found = read(tmp_path, FULL)
    assert found.name == "225Ac, daughters free in blood"
    assert [(row.member, row.fraction, row.verified) for row in found.leaving] == [
        ("Fr-221", 1.0, False),
        ("Bi-213", 0.25, True),
    ]
    assert found.compartments[-1].region == "tumour"
    assert found.transfers[-1].rate_per_s == pytest.approx(1.0e-4, rel=1e-15)  # 0.36 1/h
    assert {"assumption", "this hospital"} < set(found.sources)
    assert any("100% of Fr-221 leaving blood: not checked against assumption" in told for told in found.warnings)
    assert not any("Bi-213" in told for told in found.warnings)


def test_a_scenario_without_models_has_its_own_compartments_only(tmp_path):
    found = read(tmp_path, FULL.replace("models: ICRP 137\n", ""))
    assert [compartment.name for compartment in found.compartments] == ["tumour bed"]
    assert found.warnings == ("100% of Fr-221 leaving blood: not checked against assumption.",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "fraction: 0.25",
            "fraction: 1.25",
            r"daughters.yaml, line 5, leaving\[1\]: Bi-213 leaving tumour: fraction of 1",
        ),
        ("fraction: 0.25", "fraction: a quarter", r"line 5, leaving\[1\].fraction: 'a quarter'; expected a number"),
        ("fraction: 0.25, ", "", r"line 5, leaving\[1\].fraction: is missing"),
        (", source: assumption", "", r"line 4, leaving\[0\].source: is missing"),
        (
            "rate_per_h",
            "rate_per_s",
            r"line 9, transfers\[0\].rate_per_s: unknown; expected one of element, source",
        ),
        ("rate_per_h: 0.36", "rate_per_h: true", r"transfers\[0\].rate_per_h: True; expected a number"),
        ("ICRP 137", "ICRP 30", r"line 2, models: 'ICRP 30'; expected 'ICRP 137'"),
        ("name: tumour bed", "name: plasma", "line 1, the whole file: .*compartment plasma stands there twice"),
        ("verified: true", "verified: perhaps", r"verified: 'perhaps'; expected true or false"),
        ("name: 225Ac, daughters free in blood\n", "", "line 1, name: is missing"),
        (FULL, "- 1\n", "the whole file: expected the fields name, models"),
    ],
)
def test_refusals_name_file_line_and_field(tmp_path, old, new, message):
    assert old in FULL
    with pytest.raises(InputError, match=message):
        read(tmp_path, FULL.replace(old, new, 1))
