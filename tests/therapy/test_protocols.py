"""Protocol files: what ships, and what is refused with file, line and field."""

from importlib.resources import files

import pytest
import yaml

from lutetia.errors import ProtocolError
from lutetia.physics.nuclides import nuclide
from lutetia.response.toxicity import versions
from lutetia.therapy.documents import field_name, read_document
from lutetia.therapy.protocols import read_protocol, shipped_protocols
from lutetia.therapy.protocols.schema import faults, protocol_schema
from lutetia.therapy.rules.conditions import Span, expected

PACKAGE = files("lutetia.therapy.protocols")
CONFLICTS = yaml.safe_load((PACKAGE / "conflicts.yaml").read_text("utf-8"))


@pytest.fixture
def own_file(tmp_path):
    """The label in a file of one's own, with a piece of text replaced: (path, line of the piece)."""

    def write(old, new):
        text = (PACKAGE / "profiles" / "us-label.yaml").read_text("utf-8")
        assert text.count(old) >= 1
        path = tmp_path / "ours.yaml"
        path.write_text(text.replace(old, new, 1), "utf-8")
        return path, text[: text.index(old)].count("\n") + 1

    return write


def origins(protocol):
    yield from (protocol.ctcae_origin, protocol.activity.origin, protocol.cycles.origin)
    for part in (
        protocol.tailored_cycles, protocol.eligibility, protocol.retreatment, protocol.washout, protocol.cycle_day,
        protocol.labs, protocol.modifications, protocol.imaging,
    ):  # fmt: skip
        yield from (entry.origin for entry in part)
    for one in (protocol.cumulative, protocol.interval, protocol.delay):
        if one is not None:
            yield one.origin


@pytest.mark.parametrize("protocol", shipped_protocols(), ids=lambda protocol: protocol.id)
def test_every_shipped_protocol_names_sources_and_known_conflicts(protocol):
    assert nuclide(protocol.nuclide).half_life_s > 0
    found = list(origins(protocol))
    assert all(origin.source for origin in found)
    assert {conflict for origin in found for conflict in origin.conflicts} <= set(CONFLICTS)
    # what was noted from memory was not verified
    assert not [origin for origin in found if origin.verified and "memory" in origin.source]


def test_each_file_is_named_by_its_id_and_ids_differ():
    names = sorted(path.name for path in (PACKAGE / "profiles").iterdir() if path.name.endswith(".yaml"))
    assert [f"{protocol.id}.yaml" for protocol in shipped_protocols()] == names


def test_key_numbers():
    """Numbers of the published texts; MBq and days."""
    label = read_protocol("us-label")
    assert label.activity.activity_bq == 7.4e9  # 200 mCi
    assert (label.interval.earliest_days, label.interval.planned_days, label.interval.latest_days) == (49, 56, 63)
    assert label.interval.extended_days == 112
    assert (label.delay.stop_at_days, label.delay.counted_from) == (112, "last_administration")
    bordet = read_protocol("bordet-phase-3")
    assert bordet.activity.tolerance == 0.05  # 7.03 to 7.77 GBq
    (fourth,) = bordet.tailored_cycles
    assert (fourth.cycle, fourth.lowest_bq, fourth.highest_bq) == (4, 4.6e9, 7.4e9)
    # 120 kBq/kg is the flat 10.2 MBq at 85 kg (X7)
    per_kg = read_protocol("action-1-phase-1b").activity.activity_bq_per_kg
    assert per_kg * 85 == pytest.approx(read_protocol("action-1").activity.activity_bq, rel=1e-12)
    # 67.6 µCi/kg is 2.5012 MBq/kg
    assert read_protocol("alphamedix").activity.activity_bq_per_kg == pytest.approx(67.6e-6 * 3.7e10, rel=1e-3)
    # 55 500 kBq in all is 7.9 cycles of 100 kBq/kg at 70 kg
    ballal = read_protocol("ac225-dotatate")
    cycles = ballal.cumulative.at_most_bq / (70 * ballal.activity.activity_bq_per_kg)
    assert cycles == pytest.approx(7.93, abs=0.005)
    assert read_protocol("vmt-alpha-net").activity.levels_bq == (111e6, 185e6, 370e6, 555e6)
    first, second, third = read_protocol("at211-mabg").activity.levels_bq_per_kg
    assert (second / first, third / first) == (pytest.approx(2), pytest.approx(4))  # ratio 1:2:4
    assert read_protocol("lutia").route == "intra-arterial"
    assert read_protocol("netter-1").ctcae_version == "4.03"
    assert label.ctcae_version == "5.0"
    # grades are computed by the version that a protocol pins, so each must be there
    assert {p.ctcae_version for p in shipped_protocols()} == {"4.03", "5.0"} <= set(versions())


def test_washouts():
    least = {p.id: {w.item: w.least for w in p.washout} for p in shipped_protocols()}
    assert least["us-label"]["long_acting_ssa"] == Span(value=4, unit="weeks")
    assert least["us-label"]["short_acting_ssa"] == Span(value=24, unit="h")
    assert least["bordet-phase-3"]["short_acting_ssa"] == Span(value=48, unit="h")


def test_the_day_of_a_cycle_is_in_seconds():
    day = {event.event: event for event in read_protocol("application-note").cycle_day}
    assert (day["amino-acids"].earliest_s, day["amino-acids"].latest_s) == (-3600, -1800)
    assert day["amino-acids"].lasts_at_least_s == 4 * 3600
    assert (day["antiemetic"].relative_to, day["antiemetic"].at_s) == ("amino-acids_start", -1800)


def test_dose_modifications_of_the_label():
    found = {m.id: m for m in read_protocol("us-label").modifications}
    assert expected(found["thrombocytopenia"].trigger) == "CTCAE grade of thrombocytopenia ≥ 2"
    assert expected(found["anaemia"].trigger) == "CTCAE grade of anaemia ≥ 3"
    assert (found["renal"].resume_bq, found["renal"].then_bq) == (3.7e9, 7.4e9)
    assert "creatinine clearance (Cockcroft-Gault) < 40 mL/min" in expected(found["renal"].trigger)
    assert found["hypersensitivity"].action == "stop"
    assert found["lymphopenia"].action == "none"
    assert not found["hypersensitivity"].delay_stops


def test_a_file_of_ones_own_is_read_the_same_way(own_file):
    path, _ = own_file("id: us-label", "id: ours")
    ours, label = read_protocol(path), read_protocol("us-label")
    assert ours.id == "ours"
    assert ours.eligibility == label.eligibility
    assert read_protocol(str(path)) == ours


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("activity_MBq: 7400", "activity_mbq: 7400", "activity.activity_mbq", "unknown"),
        ("activity_MBq: 7400", "activity_MBq: seven", "activity.activity_MBq", "expected a number"),
        ("activity_MBq: 7400", "activity_MBq: -1", "activity.activity_MBq", "expected more than 0"),
        ("activity_MBq: 7400", "lowest_MBq: 7400", "activity.activity_MBq", "missing"),
        ("nuclide: Lu-177", "nuclide: 177Lu", "nuclide", "expected a text like"),
        ("route: intravenous", "route: oral", "route", "expected one of intravenous, intra-arterial"),
        ('version: "2024-04"', "version: 2024", "version", "expected a string"),
        ("format: lutetia protocol 1", "format: lutetia protocol 2", "format", "expected 'lutetia protocol 1'"),
        ("verified: true}\ncycles", "verified: perhaps}\ncycles", "activity.verified", "expected a boolean"),
        ("earliest_weeks: 7", "earliest_weeks: 9", "interval.planned_weeks", "is below earliest_weeks"),
        ("earliest_weeks: 7", "earliest_weeks: 7.1", "interval.earliest_weeks", "whole days"),
        ("{item: age, at_least", "{item: aeg, at_least", "eligibility[0].require.item", "is it age"),
        (
            "at_least: 12, unit: years",
            "at_least: 12, unit: months",
            "eligibility[0].require.unit",
            "expected years",
        ),
        ("at_least: 12, unit", "least: 12, unit", "eligibility[0].require.least", "does not go here"),
        ("at_least: 12, unit", "at_least: 12, above: 11, unit", "eligibility[0].require.above", "beside at_least"),
        ("at_least: 12, ", "", "eligibility[0].require", "no bound"),
        ("one_of: [GEP-NET]", "one_of: [carcinoid]", "eligibility[1].require.one_of", "expected some of GEP-NET"),
        ("sstr_positive, is: true", "sstr_positive, is: 1", "eligibility[2].require.is", "expected true or false"),
        ("{id: tumour, ", "{id: age, ", "eligibility[1].id", "stands there twice"),
        ("years}, source: label", "years}, source: lable", "eligibility[0].source", "not among sources"),
        ("item: long_acting_ssa", "item: platelets", "washout[0].item", "expected an event"),
        (
            "unit: weeks, before: each",
            "unit: weeks, before: some",
            "washout[0].before",
            "expected one of first, each",
        ),
        ("amino-acids_start", "amino-acid_start", "cycle_day[0].relative_to", "of no event of the day"),
        ("items: [platelets", "items: [platelet", "labs[0].items[0]", "no item"),
        ("conflicts: [X4]", "conflicts: [4]", "interval.conflicts[0]", "expected a string"),
        ("    recurrence: stop\n", "", "modifications[0].recurrence", "missing"),
        ("all_of:", "both:", "retreatment[7].require.not.item", "no item"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(own_file, old, new, field, message):
    path, line = own_file(old, new)
    with pytest.raises(ProtocolError) as caught:
        read_protocol(path)
    told = next(text for text in str(caught.value).splitlines() if f" {field}: " in text)
    assert message in told
    # what is missing is told on the line of what should hold it
    lines = (
        range(line - 7, line + 4)
        if message == "missing" or field.endswith(("not.item", "planned_weeks"))
        else (line,)
    )
    assert any(told.startswith(f"ours.yaml, line {n}, ") for n in lines), told


def test_all_faults_are_told_at_once(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("format: lutetia protocol 1\n")
    with pytest.raises(ProtocolError) as caught:
        read_protocol(path)
    told = str(caught.value).splitlines()
    assert len(told) == 9
    assert told[-1].startswith("and ")
    assert "empty.yaml, line 1, id: missing." in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "broken.yaml, line 3: not YAML"),
        ("a: 1\nb: 2\na: 3\n", "broken.yaml, line 3, a: stands there twice"),
        ("a: 1\n2: 3\n", "broken.yaml, line 2: the key 2 is not a text"),
        ("a: &x {b: *x}\n", "alias of itself"),
        ("- 1\n", "line 1, the whole file: .*expected an object"),
        ("", "line 1, the whole file: None; expected an object"),
        ("a: \x07\n", "not YAML"),
        ("a: 1\nb: 2024-13-45\n", "broken.yaml, line 2, b: month must be in 1..12"),
    ],
)
def test_broken_yaml_is_told_with_its_line(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProtocolError, match=message):
        read_protocol(path)


def test_an_unknown_protocol_is_told():
    with pytest.raises(ProtocolError, match=r"No protocol 'usa-label'; there are .*us-label.*or give the path"):
        read_protocol("usa-label")


def test_a_file_that_is_no_text_is_told(tmp_path):
    path = tmp_path / "image.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ProtocolError, match=r"image.yaml: cannot be read"):
        read_document(path)


def words(schema):
    """Every word of a schema, below properties too."""
    for word, value in schema.items():
        yield word
        below = list(value.values()) if word in ("properties", "$defs") else value if word == "allOf" else []
        below += (
            [value] if word in ("items", "additionalProperties", "if", "then") and isinstance(value, dict) else []
        )
        for part in below:
            yield from words(part)


def test_the_schema_uses_only_words_that_are_checked():
    known = {"$ref", "type", "const", "enum", "pattern", "minimum", "exclusiveMinimum", "minLength", "minItems"}
    known |= {"minProperties", "required", "properties", "additionalProperties", "items", "allOf", "if", "then"}
    assert set(words(protocol_schema())) - known == {"$schema", "$defs", "title", "description"}
    with pytest.raises(KeyError):
        list(faults(1, {"maximum": 2}, root={}))


def test_places_are_written_as_people_do():
    assert field_name(("eligibility", 2, "require", "item")) == "eligibility[2].require.item"
    assert field_name(()) == "the whole file"
