"""Curves from a CSV file: what is read, and what is refused with its place."""

import numpy as np
import pytest

from lutetia.errors import InputError
from lutetia.kinetics.curve import TimeActivityCurve
from lutetia.kinetics.measured.curve_table import read_columns, read_curves, read_rows

GOOD = "region,time_h,activity_MBq,u_MBq\nliver,4,100,5\nkidney left,24,40,2\nliver,24,80,4\nkidney left,4,60,3\n"


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "curves.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_rows_in_any_order(table):
    found = read_curves(table(GOOD))
    assert [c.region for c in found.curves] == ["liver", "kidney left"]
    assert found.curves[1].time_s.tolist() == [14400.0, 86400.0]
    assert found.curves[1].activity_bq.tolist() == [60e6, 40e6]
    assert found.curves[1].standard_uncertainty_bq.tolist() == [3e6, 2e6]
    assert found.warnings == ()


def test_as_a_spreadsheet_writes_it(table):
    text = GOOD.replace(",", ";").replace("80;4", "80,5;4,25").replace("\n", "\r\n")
    liver = read_curves(table(text, "utf-8-sig")).curves[0]
    np.testing.assert_allclose(liver.activity_bq, [100e6, 80.5e6])
    np.testing.assert_allclose(liver.standard_uncertainty_bq, [5e6, 4.25e6])


def test_the_curves_that_a_report_writes(table):
    text = "region,time_h,activity_MBq,u_activity_MBq,fitted_activity_MBq\nliver,4,100,5,101\n"
    assert read_curves(table(text)).curves[0].standard_uncertainty_bq.tolist() == [5e6]


@pytest.mark.parametrize("text", [GOOD.replace("100,5", "100,"), GOOD + "liver,30,70,\n"])
def test_some_uncertainties_are_none(table, text):
    found = read_curves(table(text))
    assert found.curves[0].standard_uncertainty_bq is None
    assert found.curves[1].standard_uncertainty_bq is not None
    assert "liver: u_MBq is given for" in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("region,time_h,activity_MBq\n", "a heading and no rows"),
        ("region,hours,activity_MBq\nliver,4,100\n", "no column time_h in the heading"),
        ("region,time_h,time_h,activity_MBq\nliver,4,4,1\n", "column time_h is there 2 times"),
        (GOOD.replace("24,80", "x,80"), "line 4, column time_h: 'x' is not a number"),
        (GOOD.replace("24,80", "24,nan"), "line 4, column activity_MBq: 'nan'; expected a finite"),
        (GOOD.replace("24,80", "24,"), "line 4, column activity_MBq: empty"),
        (GOOD.replace("24,80", "24,-80"), "line 4, column activity_MBq: -80 MBq; an activity is not negative"),
        (GOOD.replace("80,4", "80,-4"), "line 4, column u_MBq: -4 MBq"),
        (GOOD.replace("24,80", "-1,80"), "line 4, column time_h: -1 h; times count from the administration"),
        (GOOD.replace("24,80", "0,80"), "line 4, column time_h: 0 h"),
        (GOOD + "liver,24,81,4\n", "lines 4 and 6: liver has two activities at 24 h"),
        (GOOD.replace("24,80,4", "24,80,4,9"), "line 4: 5 fields, the heading has 4. A decimal comma needs"),
        (GOOD.replace("\nliver", "\n", 1), "line 2, column region: empty"),
        (GOOD.replace("u_MBq", "u_mbq"), "the column 'u_mbq' would be ignored; expected u_MBq"),
        (GOOD.replace("24,80,4", '24,80,"4x'), "line 4, column u_MBq: '4x' is not a number"),
    ],
)
def test_refused_with_its_place(table, text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        read_curves(table(text))


def test_no_file_and_no_text(tmp_path, table):
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        read_curves(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_curves(table("région,time_h\n", "latin-1"))


def test_remarks_and_empty_lines_are_skipped(table):
    rows = read_rows(table("# measured by probe\na,b\n\nx,1\n,\ny,2\n"), texts=("a",), numbers=("b",))
    assert [(r.line, r.texts["a"], r.numbers["b"]) for r in rows] == [(4, "x", 1.0), (6, "y", 2.0)]


def test_columns_that_are_there_are_whole(table):
    found = read_columns(table("b;a;c\n1,5;2;\n2,5;3;\n"), numbers=("a", "b"), whole=("d",))
    assert {name: column.tolist() for name, column in found.items()} == {"a": [2.0, 3.0], "b": [1.5, 2.5]}
    with pytest.raises(InputError, match=r"curves\.csv, line 3, column c: empty"):
        read_columns(table("a,c\n1,2\n2,\n"), numbers=("a",), whole=("c",))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("time_s", "u_bq", "message"),
    [
        ([1.0, NAN], None, r"liver: times must be finite and after administration, got \[1.0, nan\] s"),
        ([1.0, INF], None, r"liver: times must be finite and after administration, got \[1.0, inf\] s"),
        ([0.0, 1.0], None, r"liver: times must be finite and after administration, got \[0.0, 1.0\] s"),
        ([1.0, 2.0], [1.0, NAN], r"one finite, non-negative standard uncertainty per time expected, got \[ 1. nan\]"),
        ([1.0, 2.0], [1.0, INF], r"None where it is not known"),
    ],
)  # fmt: skip
def test_a_curve_has_numbers_only(time_s, u_bq, message):
    with pytest.raises(InputError, match=message):
        TimeActivityCurve(
            region="liver",
            time_s=np.array(time_s),
            activity_bq=np.ones(2),
            standard_uncertainty_bq=None if u_bq is None else np.array(u_bq),
        )
