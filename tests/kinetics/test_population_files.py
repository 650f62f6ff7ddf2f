"""Tables of cohorts, files of populations, and the command, as a user meets them."""

import dataclasses
import json
import math

import numpy as np
import pytest
from tests.kinetics.population_cases import LU, H, cohort, population
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.errors import InputError, OutputError
from lutetia.kinetics.population.cohort import read_cohort
from lutetia.kinetics.population.files import population_document, read_population, write_population
from lutetia.kinetics.population.fit import fit_population

HEAD = "patient,region,time_h,activity_MBq"


def table(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(path):
    return read_cohort(path, nuclide="Lu-177", decay_constant_per_s=LU)


def test_units_and_order_of_a_table(tmp_path):
    path = table(
        tmp_path,
        "region, patient ,time_h,remark,activity_MBq,u_MBq,administered_MBq\n"
        "kidney left,A,24,moved,80,4,7400\nkidney left,A,4,,100,5,7400\nliver,B,4,,20,1,7000\n",
    )
    given = read(path)
    first = given.curves[0]
    np.testing.assert_allclose(first.curve.time_s, [4 * H, 24 * H])
    np.testing.assert_allclose(first.curve.activity_bq, [1e8, 8e7])
    np.testing.assert_allclose(first.curve.standard_uncertainty_bq, [5e6, 4e6])
    assert first.administered_activity_bq == 7.4e9
    assert [c.curve.region for c in given.curves] == ["kidney left", "liver"]
    assert len(given.provenance["cohort_sha256"]) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,region,time_h\nA,kidney,4\n", r"curves\.csv: no column activity_MBq in the heading .*; expected patient"),
        (f"{HEAD},u_Mbq\nA,kidney,4,1,2\n", r"curves\.csv: the column 'u_Mbq' would be ignored; expected u_MBq"),
        (f"{HEAD},u_MBq\nA,kidney,4,9,1\nA,kidney,8,7,\n", r"curves\.csv, line 3, column u_MBq: empty"),
        (f"{HEAD},u_MBq\nA,kidney,4,9,-1\n", r"line 2, column u_MBq: -1; expected 0 or more"),
        (f"{HEAD},administered_MBq\nA,kidney,4,9,0\n", r"column administered_MBq: 0; expected a number above 0"),
        (f"{HEAD}\n", r"curves\.csv: a heading and no rows"),
        (f"{HEAD}\nA,kidney,4\n", r"curves\.csv, line 2: 3 fields, the heading has 4"),
        (f"{HEAD}\nA,kidney,4,1,2\n", r"curves\.csv, line 2: 5 fields, the heading has 4"),
        (f"{HEAD}\n,kidney,4,1\n", r"curves\.csv, line 2, column patient: empty"),
        (f"{HEAD}\nA,kidney,4,1\nA,kidney,-2,1\n", r"line 3, column time_h: -2; expected a number above 0"),
        (f"{HEAD}\nA,kidney,4,nan\n", r"line 2, column activity_MBq: 'nan'; expected a finite number"),
        (f"{HEAD}\nA,kidney,4,\"1,5\"\n", r"line 2, column activity_MBq: '1,5' is not a number"),
        (f"{HEAD}\nA,kidney,4,1\nA,kidney,4,2\n", r"lines 2 and 3, column time_h: 4 h twice for the same patient"),
        (f"{HEAD}\nA,kidney,4,0\nA,kidney,8,0\n", r"line 2, column activity_MBq: 0 at all times of kidney"),
        (
            f"{HEAD},administered_MBq\nA,kidney,4,1,7000\nA,kidney,8,1,7400\n",
            r"line 3, column administered_MBq: 7400, but 7000 in line 2",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_where_it_is_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(table(tmp_path, text))


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b\.csv: cannot be read: it is not text in UTF-8"):
        read(tmp_path / "b.csv")


def test_a_population_comes_back_as_it_was_written(tmp_path):
    fitted = fit_population(cohort(n=15), models=("mono",))
    write_population(fitted, tmp_path / "model.json")
    back = read_population(tmp_path / "model.json")
    assert population_document(back) == population_document(fitted)
    text = (tmp_path / "model.json").read_text("utf-8")
    assert "P0" not in text  # no pseudonyms
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]  # nothing half-written beside it
    write_population(population(), tmp_path / "bare.json")  # without standard errors
    assert read_population(tmp_path / "bare.json").regions["kidney"].mean_covariance is None


def test_a_file_that_is_no_population_is_refused(tmp_path):
    path = tmp_path / "m.json"
    with pytest.raises(InputError, match=r"m\.json: no such file"):
        read_population(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.json: not a JSON file"):
        read_population(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.json: format 'list'; expected 'lutetia population 1'"):
        read_population(path)
    document = population_document(population())
    del document["regions"][0]["omega_log"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.json: no key 'omega_log'"):
        read_population(path)
    document = population_document(population())
    document["regions"][0]["mean_log"] = ["a", 1]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.json: could not convert"):
        read_population(path)
    with pytest.raises(OutputError, match=r"m\.json: could not be written"):
        write_population(population(), tmp_path / "nowhere" / "m.json")


def written(tmp_path, n=12):
    given = cohort("mono", n=n, hours=(4, 24, 96))
    rows = [
        f"{c.patient},{c.curve.region},{t / H:g},{a * 1e-6:.6g}"
        for c in given.curves
        for t, a in zip(c.curve.time_s, c.curve.activity_bq, strict=True)
    ]
    return table(tmp_path, "\n".join([HEAD, *rows]) + "\n"), given


def test_the_command_fits_a_table(tmp_path):
    path, given = written(tmp_path)
    out = tmp_path / "model.json"
    done = CliRunner().invoke(
        application,
        ["population", "fit", str(path), "--nuclide", "Lu-177", "--agent", "177Lu-DOTATATE", "--model", "mono",
         "--out", str(out), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (found,) = document["regions"]
    direct = fit_population(given, models=("mono",)).regions["kidney"]
    assert found["effective_half_life_h"] == pytest.approx(direct.effective_half_life_s / H, rel=1e-4)
    assert (found["n_patients"], found["n_points"]) == (12, 36)
    assert json.loads(out.read_text("utf-8")) == document
    again = CliRunner().invoke(
        application, ["population", "fit", str(path), "--nuclide", "Lu-177", "--out", str(out)]
    )
    assert again.exit_code == 10  # OutputError: the file is there
    assert math.isfinite(found["bic"])


def test_the_command_tells_in_words(tmp_path):
    path, _ = written(tmp_path, n=6)
    done = CliRunner().invoke(
        application, ["population", "fit", str(path), "--nuclide", "Lu-177", "--model", "mono"]
    )
    assert done.exit_code == 0
    assert "6 patients are few" in " ".join(done.output.split())
    wrong = CliRunner().invoke(
        application, ["population", "fit", str(table(tmp_path, "a,b\n1,2\n")), "--nuclide", "Lu-177", "--json"]
    )
    assert wrong.exit_code == 2
    assert "no column patient" in json.loads(wrong.stdout)["error"]["message"]


def test_the_provenance_keeps_no_patient(tmp_path):
    path, _ = written(tmp_path, n=4)
    fitted = fit_population(dataclasses.replace(read(path)), models=("mono",))
    assert fitted.source == "own cohort of 4 patients"
    assert set(fitted.provenance) == {"cohort_sha256"}
