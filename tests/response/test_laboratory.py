"""Laboratory tests, their units, and tables of results."""

from collections import Counter
from datetime import date, datetime

import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.response.laboratory import LabResult, convert, find_test, in_unit, laboratory_tests
from lutetia.response.laboratory.catalogue import TIMES_ULN
from lutetia.response.laboratory.table import read_lab_table

DAY = datetime(2026, 3, 2)


def lab(test, value, unit, low=None, high=None, time=DAY):
    return LabResult(test=test, time=time, value=value, unit=unit, lower_limit=low, upper_limit=high)


# the table


def test_every_name_means_one_test():
    names = Counter(name.casefold() for test in laboratory_tests() for name in {test.name, *test.synonyms})
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("test", laboratory_tests(), ids=lambda test: test.name)
def test_units_go_there_and_back(test):
    middle = (test.plausible[0] * test.plausible[1]) ** 0.5
    for unit in test.factors:
        there = convert(test, middle, test.canonical_unit, unit)
        assert convert(test, there, unit, test.canonical_unit) == pytest.approx(middle, rel=1e-12)
    assert next(iter(test.factors.values())) == 1
    assert test.plausible[0] < test.lower_limit_bounds[1] < test.plausible[1]
    assert test.lower_limit_bounds[1] <= test.upper_limit_bounds[1] <= test.plausible[1]


@pytest.mark.parametrize(
    ("test", "value", "unit", "to", "expected"),
    [
        ("creatinine", 1.0, "mg/dL", "µmol/L", 88.42),  # molar mass 113.1 g/mol
        ("creatinine", 88.42, "umol/l", "mg/dl", 1.0),
        ("Hb", 1.0, "mmol/L", "g/dL", 1.611),  # monomer
        ("Hb", 80.0, "g/L", "g/dL", 8.0),
        ("ANC", 1500.0, "/µL", "10^9/L", 1.5),
        ("PLT", 150000.0, "/mm3", "G/L", 150.0),
        ("PLT", 150.0, "10³/µL", "10^9/L", 150.0),
        ("ALT", 1.0, "µkat/L", "U/L", 60.0),  # 1 kat = 6e7 U
        ("bilirubin", 1.0, "mg/dL", "umol/L", 17.1),  # JAMA's table
        ("glucose", 100.0, "mg/dL", "mmol/L", 5.551),
        ("albumin", 3.5, "g/dL", "g/L", 35.0),
        ("potassium", 4.0, "mEq/L", "mmol/L", 4.0),
        ("creatinine clearance", 1.0, "mL/s", "mL/min", 60.0),
    ],
)
def test_conversions(test, value, unit, to, expected):
    assert convert(test, value, unit, to) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "spelled", ["10^9/L", "x10^9/l", "10*9/L", "10E9/L", "10e09/L", "10⁹/L", "×10⁹ / L", "10 ^ 9/L"]
)
def test_units_are_spelled_in_many_ways(spelled):
    assert lab("plt", 200.0, spelled).unit == "10^9/L"


def test_an_exact_conversion_stays_exact():
    assert convert("Hb", 80.0, "g/L", "g/dL") == 8.0
    assert convert("PLT", 75000.0, "/uL", "10^9/L") == 75.0


# results


def test_a_result_takes_the_names_of_the_table():
    result = lab("PLT", 210, "G/l", 150, 400)
    assert (result.test, result.unit) == ("platelets", "G/L")
    moved = in_unit(result, "/uL")
    assert (moved.value, moved.lower_limit, moved.upper_limit) == (210000, 150000, 400000)


def test_multiples_of_the_upper_limit():
    result = lab("ALT", 2.5, "x ULN")
    assert (result.unit, result.upper_limit) == (TIMES_ULN, 1.0)
    assert in_unit(lab("ALT", 100, "U/L", None, 40), "×ULN").value == pytest.approx(2.5)
    with pytest.raises(InputError, match="without the upper limit"):
        in_unit(result, "U/L")
    with pytest.raises(InputError, match="the upper one is 1"):
        lab("ALT", 2.5, "x ULN", None, 40)
    with pytest.raises(InputError, match="unit 'x ULN' of platelets"):
        lab("PLT", 2.5, "x ULN")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Hb", 130, "g/dL"), "2 to 25 g/dL. It would be possible in g/L"),
        (("Hb", 13, "g/L"), "possible in g/dL or mmol/L"),
        (("PLT", 150000, "10^9/L"), "possible in /uL"),
        (("PLT", 150, "/uL"), "possible in 10^9/L"),
        (("ANC", 3500, "G/L"), "possible in /uL"),
        (("crea", 88, "mg/dL"), "possible in umol/L"),
        (("crea", 1.0, "umol/L"), "possible in mg/dL"),
        (("albumin", 3.5, "g/L"), "possible in g/dL"),
        (("calcium", 9.0, "mmol/L"), "possible in mg/dL"),
        (("glucose", 100, "mmol/L"), "possible in mg/dL"),
        # 0.7 mg/dL with the limit of umol/L: the value alone would pass
        (("bili", 0.7, "mg/dL", None, 21), "upper_limit 21 mg/dL of bilirubin.*possible in umol/L"),
        (("Hb", 8.5, "g/dL", 7.4), "lower_limit 7.4 g/dL of haemoglobin.*possible in mmol/L"),
        (("PLT", -1, "G/L"), "not negative"),
        (("PLT", float("nan"), "G/L"), "not negative"),
        (("PLT", 0, "G/L"), "0.5 to 5000"),
        (("PLT", 200, "G/L", 400, 350), "expected 80 to 220"),
        (("K", 4, "mmol/L", 4.5, 4.5), "is not below"),
        (("PLT", 200, "g/dL"), "expected one of 10^9/L, G/L"),
    ],
)
def test_slips_of_the_unit_are_told(arguments, said):
    with pytest.raises(InputError, match=said.replace("^", r"\^")):
        lab(*arguments)


def test_a_count_below_detection_is_zero():
    assert lab("ANC", 0, "G/L").value == 0
    with pytest.raises(InputError, match="expected 5 to 300000 /uL"):
        lab("ANC", 2.5, "/uL")


def test_unknown_tests_and_times_are_refused():
    with pytest.raises(MissingDataError, match="there are platelets, neutrophils"):
        find_test("MCV")
    with pytest.raises(InputError, match="local date and time"):
        lab("PLT", 200, "G/L", time=datetime.fromisoformat("2026-03-02T10:00+01:00"))
    with pytest.raises(InputError, match="local date and time"):
        lab("PLT", 200, "G/L", time=date(2026, 3, 2))


# tables


def write(tmp_path, text):
    path = tmp_path / "labs.csv"
    path.write_text(text, "utf-8")
    return path


GOOD = "test,date,value,unit,lower_limit,upper_limit,ward\n"


def test_a_table_is_read(tmp_path):
    path = write(
        tmp_path,
        "# export\n"
        + GOOD
        + "Thrombos,2026-03-02,210,G/L,150,400,A\n\nHb,2026-03-02T08:30,8.1,mmol/L,,,A\nMCV,2026-03-02,90,fL,,,A\n",
    )
    table = read_lab_table(path, names={"thrombos": "platelets"})
    platelets, haemoglobin = table.results
    assert (platelets.test, platelets.lower_limit, platelets.time) == ("platelets", 150, DAY)
    assert (haemoglobin.upper_limit, haemoglobin.time) == (None, datetime(2026, 3, 2, 8, 30))
    assert table.warnings == ("labs.csv, line 6: left out, the test 'MCV' is not in the table.",)


def test_a_table_with_decimal_commas_and_other_headings(tmp_path):
    path = write(tmp_path, "Parameter;Datum;Ergebnis;Einheit\nINR;2026-03-02;1,1;\n")
    names = {"Parameter": "test", "Datum": "date", "Ergebnis": "value", "Einheit": "unit"}
    (result,) = read_lab_table(path, names=names).results
    assert (result.value, result.unit) == (1.1, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "labs.csv: the file is empty"),
        (GOOD, "a heading and no rows"),
        ("test,date,value\nPLT,2026-03-02,200\n", "no column unit"),
        ("test,test,date,value,unit\nPLT,PLT,2026-03-02,200,G/L\n", "column test is there 2 times"),
        (GOOD + "PLT,2026-03-02,210\n", "line 2: 3 fields, the heading has 7"),
        (GOOD + "PLT,02/03/2026,210,G/L,,,\n", "line 2, column date: '02/03/2026' is not an ISO date"),
        (GOOD + "PLT,2026-03-02T10:00Z,210,G/L,,,\n", "line 2, column date: .* has an offset"),
        (
            GOOD + "PLT,2026-05-02,210,G/L,,,\n",
            r"line 2, column date: 2026-05-02 is in the future \(after 2026-04-01\)",
        ),
        (GOOD + "PLT,1950-05-02,210,G/L,,,\n", "line 2, column date: 1950-05-02 is before the date of birth"),
        (GOOD + "PLT,2026-03-02,,G/L,,,\n", "line 2, column value: empty"),
        (GOOD + "PLT,2026-03-02,<5,G/L,,,\n", "line 2, column value: '<5' is not a number"),
        (GOOD + "PLT,2026-03-02,inf,G/L,,,\n", "line 2, column value: 'inf'; expected a finite"),
        (GOOD + "PLT,2026-03-02,210,G/L,x,,\n", "line 2, column lower_limit: 'x' is not a number"),
        (GOOD + "PLT,2026-03-02,210,mg,,,\n", "line 2, column unit 'mg' of platelets"),
        (GOOD + "PLT,2026-03-02,210000,G/L,,,\n", "line 2, column value 210000 G/L of platelets.*possible in /uL"),
        (GOOD + "MCV,2026-03-02,90,fL,,,\n", "no test of the table; the file has 'MCV'"),
    ],
)
def test_faults_of_a_table_are_told_with_line_and_column(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as told:
        read_lab_table(write(tmp_path, text), until=datetime(2026, 4, 1), born=date(1960, 1, 1))
    assert "1960" not in str(told.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_lab_table(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_lab_table(tmp_path / "x.csv")
