"""Facts from a file: what is read, and what is refused with file, line and field."""

from datetime import date, datetime

import pytest

from lutetia.errors import InputError
from lutetia.therapy.facts import Fact, read_facts
from lutetia.therapy.items import in_reference_unit, items, units_of

TODAY = date(2026, 3, 2)
GOOD = """\
birth_date: 1960-05-02
facts:
  platelets:
    - {value: 142, unit: 10^9/L, date: 2026-02-20, lower_limit: 150, upper_limit: 400}
    - {value: 150, unit: 10^9/L, date: 2026-03-01}
  ecog: {value: 1, date: 2026-02-20}
  short_acting_ssa: {value: true, date: 2026-02-28 08:30:00}
"""


@pytest.fixture
def facts_file(tmp_path):
    def write(text):
        path = tmp_path / "facts.yaml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_facts_are_read(facts_file):
    facts = read_facts(facts_file(GOOD), today=TODAY)
    assert facts["birth_date"] == (Fact(value=date(1960, 5, 2), date=date(1960, 5, 2)),)
    first, second = facts["platelets"]
    assert first == Fact(value=142, unit="10^9/L", date=date(2026, 2, 20), lower_limit=150, upper_limit=400)
    assert second.upper_limit is None
    assert facts["ecog"] == (Fact(value=1, date=date(2026, 2, 20)),)
    assert facts["short_acting_ssa"][0].date == datetime(2026, 2, 28, 8, 30)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("2026-03-01", "2026-03-03", "line 5, facts.platelets[1].date", "is in the future"),
        ("2026-03-01", "1959-03-01", "line 5, facts.platelets[1]", "before birth"),
        ("2026-03-01", "march", "line 5, facts.platelets[1].date", "expected a date"),
        ("2026-03-01", "2026-02-20", "line 5, facts.platelets[1]", "another value at the same time"),
        (", date: 2026-03-01", "", "line 5, facts.platelets[1].date", "missing; every value needs a date"),
        ("unit: 10^9/L, date: 2026-03", "unit: g/L, date: 2026-03", "line 5, facts.platelets[1]", "unit 'g/L'"),
        ("ecog: {value: 1, ", "ecgo: {value: 1, ", "line 6, facts.ecgo", "is it ecog"),
        ("ecog: {value: 1, ", "ecog: {value: one, ", "line 6, facts.ecog", "expected a number"),
        ("ecog: {value: 1, ", "ecog: {score: 1, ", "line 6, facts.ecog.score", "unknown; expected value"),
        ("ecog: {value: 1, date: 2026-02-20}", "ecog: 1", "line 6, facts.ecog", "expected a mapping"),
        ("birth_date: 1960-05-02", "birth_date: 2060-05-02", "line 1, birth_date", "is in the future"),
        ("birth_date: 1960-05-02", "birth_date: 1960", "line 1, birth_date", "expected a date"),
        ("birth_date: 1960-05-02", "name: somebody", "line 1, name", "expected facts and birth_date"),
        ("08:30:00", "08:30:00Z", "line 7, facts.short_acting_ssa", "time zone"),
        ("facts:", "fact:", "line 1, facts", "missing; expected a mapping"),
        ("- {value: 142", "- {value: 142, value: 143", "line 4, facts.platelets[0].value", "twice"),
        ("unit: 10^9/L, date: 2026-03-01}", "unit: [10^9/L, date: 2026-03-01}", "line 5", "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(facts_file, old, new, where, message):
    with pytest.raises(InputError) as caught:
        read_facts(facts_file(GOOD.replace(old, new, 1)), today=TODAY)
    assert str(caught.value).startswith(f"facts.yaml, {where}")
    assert message in str(caught.value)


def test_no_such_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: cannot be read"):
        read_facts(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("name", "value", "unit", "reference"),
    [
        ("haemoglobin", 1, "mmol/L", 16.11),  # 1.611 g/dL
        ("creatinine", 1, "mg/dL", 88.42),
        ("albumin", 3, "g/dL", 30),
        ("platelets", 100000, "/mm3", 100),
        ("largest_lesion_left_lobe", 3, "cm", 30),
    ],
)
def test_reference_units(name, value, unit, reference):
    assert in_reference_unit(name, value, unit) == reference


def test_every_item_has_units_and_a_believable_range():
    for name, item in items().items():
        if item.kind == "number":
            assert units_of(name)
            assert item.lowest < item.highest
        elif item.kind == "choice":
            assert len(item.choices) > 1
