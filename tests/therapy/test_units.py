"""One table of units: laboratory items convert as the laboratory does, and every unit has its UCUM code."""

import csv
import re
from importlib.resources import files
from math import isclose

import pytest

from lutetia.errors import InputError
from lutetia.response.laboratory import convert, find_test, laboratory_tests
from lutetia.response.laboratory.catalogue import TIMES_ULN, find_unit
from lutetia.therapy.items import in_reference_unit, items, rounded, unit_as_spelled, units_of

DATA = files("lutetia.therapy") / "data"


def rows(*place):
    return list(csv.DictReader(DATA.joinpath(*place).read_text("utf-8").splitlines()))


CODES = {row["unit"]: row for row in rows("ucum", "units.csv")}
LABORATORY = {name: item for name, item in items().items() if item.laboratory_test}
NUMBERS = {name: item for name, item in items().items() if item.kind == "number"}


def laboratory_knows(unit):
    return any(knows(test, unit) for test in laboratory_tests())


def knows(test, unit):
    try:
        find_unit(test, unit)
    except InputError:
        return False
    return True


def test_laboratory_items_have_the_units_and_factors_of_their_test():
    for name, item in LABORATORY.items():
        test = find_test(item.laboratory_test)
        assert units_of(name) == tuple(test.factors)
        assert item.reference_unit in test.factors
        assert item.quantity == ""
        for unit in test.factors:
            assert in_reference_unit(name, 7, unit) == rounded(convert(test, 7, unit, item.reference_unit))


def test_each_conversion_stands_once():
    assert {row["item"]: row["test"] for row in rows("clinical_items", "laboratory.csv")}.items() <= {
        name: item.laboratory_test for name, item in LABORATORY.items()
    }.items()
    # what is measured by a laboratory is in no quantity of the items' own table
    assert {item.quantity for item in NUMBERS.values()} - {""} == {
        row["quantity"] for row in rows("clinical_items", "units.csv")
    }


def test_units_of_items_are_read_as_the_laboratory_reads_them():
    for unit in ("µmol/L", "\u03bcmol/L", "umol/l", " umol/L "):
        assert in_reference_unit("creatinine", 88.42, unit) == 88.42
    assert in_reference_unit("platelets", 120, "Gpt/L") == in_reference_unit("platelets", 120, "10*9/L") == 120
    assert unit_as_spelled("creatinine", TIMES_ULN) is None
    with pytest.raises(InputError, match="creatinine has the unit 'x ULN'; expected umol/L or mg/dL"):
        in_reference_unit("creatinine", 1.5, TIMES_ULN)


def test_a_mass_per_litre_is_no_count():
    for unit in ("G/L", "G/l"):
        assert find_unit(find_test("platelets"), unit) == "G/L"
    with pytest.raises(InputError, match="unit 'g/L' of platelets"):
        find_unit(find_test("platelets"), "g/L")


# codes


def test_every_unit_that_a_reader_accepts_has_a_code():
    read = {unit for test in laboratory_tests() for unit in test.factors}
    read |= {TIMES_ULN} | {unit for name in NUMBERS for unit in units_of(name)}
    assert read <= set(CODES)


def test_every_unit_with_a_code_is_read_where_the_table_says():
    def reader(unit):
        if laboratory_knows(unit):
            return "laboratory"
        return "item" if any(unit_as_spelled(name, unit) is not None for name in NUMBERS) else "ward"

    assert {unit: row["of"] for unit, row in CODES.items()} == {unit: reader(unit) for unit in CODES}


# sizes of the atoms of UCUM in SI units and moles (definitions of the SI; [IU], annotations: 1)
ATOMS = {"g": 1e-3, "L": 1e-3, "mol": 1, "U": 1e-6 / 60, "kat": 1, "s": 1, "min": 60, "h": 3600, "d": 86400, "m": 1,
         "eq": 1, "%": 1e-2, "[IU]": 1, "a": 31557600, "mo": 2629800, "Gy": 1, "Sv": 1, "Bq": 1, "Cel": 1,
         "m[Hg]": 133322.387415}  # fmt: skip
PREFIXES = {"": 1, "G": 1e9, "M": 1e6, "k": 1e3, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}


def size(code):
    """Size of a UCUM code; KeyError where it is none."""
    code = re.sub(r"\{[^{}]*\}", "1", code)
    number = 1.0
    for sign, part, inner in re.findall(r"(^|/|\.)(\(([^()]*)\)|[^/.()]+)", code):
        one = size(inner) if inner else component(part)
        number = number / one if sign == "/" else number * one
    return number


def component(text):
    if re.fullmatch(r"\d+", text):
        return float(text)
    if power := re.fullmatch(r"10\*(\d+)", text):
        return 10.0 ** int(power[1])
    unit, exponent = re.fullmatch(r"(.*?)(\d?)", text).groups()
    found = [factor * ATOMS[unit.removeprefix(prefix)] for prefix, factor in PREFIXES.items()
             if unit.startswith(prefix) and unit.removeprefix(prefix) in ATOMS]  # fmt: skip
    if unit in ATOMS:
        found = [ATOMS[unit]]
    (only,) = found
    return only ** int(exponent or 1)


def test_every_code_is_of_the_grammar():
    assert all(size(row["ucum"]) > 0 for row in CODES.values())


def test_codes_have_the_factors_of_the_laboratory():
    compared = 0
    for test in laboratory_tests():
        for unit, factor in test.factors.items():
            # one kind of quantity only: moles and masses, equivalents of ions, and units of enzymes differ by the substance
            code, canonical = (CODES[one]["ucum"] for one in (unit, test.canonical_unit))
            kinds = [re.sub(r"^[munpk]?(mol|g|eq|kat|U|\[IU\]).*", r"\1", one) for one in (code, canonical)]
            if kinds[0] in ("eq", "[IU]") or ({"mol", "g"} <= set(kinds)):
                continue
            assert isclose(size(code) / size(canonical), factor, rel_tol=1e-12), (test.name, unit)
            compared += 1
    assert compared > 100
