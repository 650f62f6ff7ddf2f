"""Red marrow through the command line: the command of its own, and the section of a run."""

import math

import numpy as np
import pytest
import yaml

from lutetia.images.grid import Grid
from lutetia.images.nifti import read_nifti_volume, write_nifti
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume

DECAY_PER_H = math.log(2) / 159.528
GRID = Grid(size=(28, 24, 20), spacing_mm=(6.0, 6.0, 6.0), origin_mm=(-84.0, -72.0, -60.0))


def write_csv(path, head, rows):
    path.write_text("\n".join([head, *(",".join(f"{v:.6g}" for v in row) for row in rows)]) + "\n", "utf-8")
    return path


@pytest.fixture
def blood(tmp_path):
    """Samples of two phases: 300 MBq/L with 1.5 h and 10 MBq/L with 43 h."""
    hours = (0.05, 0.75, 2.0, 4.0, 7.5, 24.0, 96.0, 168.0)
    rows = [(h, 300 * 2 ** (-h / 1.5) + 10 * 2 ** (-h / 43), 5) for h in hours]
    return write_csv(tmp_path / "blood.csv", "time_h,concentration_MBq_per_L,u_percent", rows)


@pytest.fixture
def whole_body(tmp_path):
    """Anterior and posterior counts of a body that loses 70 % with 8 h and the rest with 150 h."""
    rows = []
    for h in (0.2, 4.0, 24.0, 96.0, 168.0):
        left = math.exp(-DECAY_PER_H * h) * (0.7 * 2 ** (-h / 8) + 0.3 * 2 ** (-h / 150))
        rows.append((h, 1e6 * left, 8e5 * left, 3))
    return write_csv(tmp_path / "wb.csv", "time_h,anterior_counts,posterior_counts,u_percent", rows)


GIVEN = (
    "--nuclide",
    "Lu-177",
    "--activity-MBq",
    "7400",
    "--sex",
    "F",
    "--mass-kg",
    "60",
    "--agent",
    "177Lu-DOTATATE",
)


def test_methods_stand_side_by_side(lutetia, blood, whole_body):
    code, document, _ = lutetia(
        "marrow", "--blood", blood, "--whole-body", whole_body, "--haematocrit", "0.38", *GIVEN
    )
    assert code == 0, document
    found = {m["method"]: m for m in document["methods"]}
    assert list(found) == ["blood, haematocrit", "blood, as blood", "whole body"]
    own, one = found["blood, haematocrit"], found["blood, as blood"]
    # the ratio is all that differs in the self-dose: 0.19/0.62
    assert own["self_dose_Gy"] / one["self_dose_Gy"] == pytest.approx(0.19 / 0.62, rel=1e-9)
    for method in (own, one):
        assert method["absorbed_dose_Gy"] == pytest.approx(method["self_dose_Gy"] + method["cross_dose_Gy"])
        assert method["u_absorbed_dose_Gy"] > 0
        assert method["source"]
        # relative components in quadrature are the whole
        u = math.sqrt(sum(c**2 for c in method["budget"].values())) * method["absorbed_dose_Gy"]
        assert u == pytest.approx(method["u_absorbed_dose_Gy"])
    # closed form: (300 * 1.5 + 10 * 43) MBq h/L / ln 2 / 7400 MBq; the fit sees these samples without noise
    closed = (300 * 1.5 + 10 * 43) / math.log(2) / 7400
    assert document["blood_coefficient_h_per_L"]["value"] == pytest.approx(closed, rel=2e-3)
    # female: 1 L as 1 kg of marrow of 0.9 kg, S of 1.466e-5 mGy/(MBq s)
    assert one["self_dose_Gy"] == pytest.approx(closed * 3600 * 7400 * 0.9 * 1.466e-5 * 1e-3, rel=5e-3)
    body = document["time_integrated_activity_coefficients_h"]["whole body"]["value"]
    assert 0 < body < 1 / DECAY_PER_H
    assert "factor of 3" in document["caution"]
    assert len(document["published_Gy_per_GBq"]) > 4


def test_a_unit_that_is_wrong_by_a_thousand_is_told(lutetia, tmp_path, blood):
    _, right, _ = lutetia("marrow", "--blood", blood, *GIVEN)
    assert not any("administered activity right?" in w for w in right["warnings"])
    for unit, words in (("Bq_per_mL", "at least"), ("MBq_per_mL", "at most 1.25")):
        wrong = tmp_path / f"{unit}.csv"
        wrong.write_text(blood.read_text("utf-8").replace("MBq_per_L", unit), "utf-8")
        code, document, _ = lutetia("marrow", "--blood", wrong, *GIVEN)
        assert code == 0
        text = next(w for w in document["warnings"] if w.startswith("Blood: "))
        assert words in text
        assert "4132 mL of blood (60 kg)" in text


def test_body_excretion_and_bladder_share_all_decays(lutetia, whole_body):
    command = ("marrow", "--whole-body", whole_body, "--voiding-interval-h", "4", "--model", "bi")
    code, document, _ = lutetia(*command, *GIVEN)
    assert code == 0, document
    found = {k: v["value"] for k, v in document["time_integrated_activity_coefficients_h"].items()}
    assert found["remainder"] == pytest.approx(found["whole body"])
    # all decays, in the body and outside it
    assert found["whole body"] + found["excreted"] == pytest.approx(1 / DECAY_PER_H, rel=1e-6)
    # of half-lives of 8 and 150 h, a bladder emptied every 4 h holds the activity for some 2 h
    assert 0.5 < found["urinary bladder contents"] < 2.1


def test_a_given_ratio_takes_the_place_of_one(lutetia, blood):
    code, document, _ = lutetia("marrow", "--blood", blood, "--ratio", "0.5", *GIVEN)
    assert code == 0
    (only,) = document["methods"]
    assert only["method"] == "blood, given ratio"
    assert only["cross_dose_Gy"] is None
    assert only["u_absorbed_dose_Gy"] is None  # nobody said how certain 0.5 is
    assert any("Self-dose alone" in w for w in only["warnings"])


def test_uncertainties_of_samples_are_not_negative(lutetia, tmp_path):
    heading = "time_h,volume_mL,concentration_MBq_per_L,u_percent"
    urine = write_csv(tmp_path / "urine.csv", heading, [(4, 500, 3000, 5), (24, 900, 800, -5)])
    code, document, _ = lutetia("marrow", "--urine", urine, *GIVEN)
    assert code == 2
    assert "urine.csv, column u_percent: -5; a standard uncertainty" in document["error"]["message"]


def test_urine_alone_gives_the_whole_body(lutetia, tmp_path):
    fraction, before = 0.0, 1.0
    rows = []
    for h in (2.0, 6.0, 12.0, 24.0, 48.0):
        now = 0.7 * 2 ** (-h / 8) + 0.3
        rows.append((h, 500, (before - now) * 7400 * math.exp(-DECAY_PER_H * h) / 0.5, 5))
        fraction, before = fraction + before - now, now
    urine = write_csv(tmp_path / "urine.csv", "time_h,volume_mL,concentration_MBq_per_L,u_percent", rows)
    code, document, _ = lutetia("marrow", "--urine", urine, *GIVEN)
    assert code == 0, document
    assert [m["method"] for m in document["methods"]] == ["whole body"]
    assert any("faeces" in w for w in document["warnings"])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "time_h,concentration_MBq_per_L\n1,5\n4,x\n",
            2,
            "blood.csv, line 3, column concentration_MBq_per_L: 'x' is not",
        ),
        ("time_h,concentration_MBq_per_L\n1,5\n4\n", 2, "blood.csv, line 3: 1 fields, the heading has 2"),
        ("time_h,concentration_MBq_per_L\n4,5\n1,6\n", 2, "must increase"),
        ("time_h,concentration_MBq_per_L\n-1,5\n1,6\n", 2, "after administration"),
        (
            "time_h,concentration_MBq_per_L\n1,nan\n4,6\n",
            2,
            "MBq_per_L: 'nan'; expected a finite number",
        ),
        ("time_h,activity\n1,5\n", 3, "0 columns of concentration"),
        ("time_h,concentration_kbq_per_ml\n1,5\n", 2, "expected concentration_kBq_per_mL"),
        ("hours,concentration_MBq_per_L\n1,5\n", 2, "no column time_h"),
        ("time_h,concentration_MBq_per_L\n", 2, "a heading and no rows"),
        ("time_h,concentration_MBq_per_L\n1,5\n", 6, "one time point"),
    ],
)
def test_samples_that_cannot_be_are_told_by_line_and_column(lutetia, tmp_path, text, code, words):
    path = tmp_path / "blood.csv"
    path.write_text(text, "utf-8")
    found, document, _ = lutetia("marrow", "--blood", path, *GIVEN)
    assert (found, words in document["error"]["message"]) == (code, True), document


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--haematocrit", "38"], 2, "0.38, not 38"),
        (["--sex", "X"], 2, "expected F or M"),
        (["--activity-MBq", "0"], 2, "--activity-MBq 0 MBq; expected above 0"),
        (["--mass-kg", "60000"], 2, "--mass-kg 60000 kg; expected above 0 and at most 500 kg"),
        (["--image-region", "vertebra L3"], 3, "needs --dose"),
        (["--whole-body", "nowhere.csv"], 2, "nowhere.csv: no such file"),
    ],
)
def test_options_that_cannot_be_are_refused(lutetia, blood, options, code, words):
    found, document, _ = lutetia("marrow", "--blood", blood, *GIVEN, *options)
    assert (found, words in document["error"]["message"]) == (code, True), document


def test_a_body_that_holds_more_than_was_given_is_refused(lutetia, tmp_path):
    path = tmp_path / "body.csv"
    path.write_text("time_h,activity_MBq\n1,74000\n24,40000\n48,30000\n", "utf-8")
    code, document, _ = lutetia("marrow", "--whole-body", path, *GIVEN)
    assert code == 6
    # 10 times what was given, and the decay of an hour of 159.5 h: 2^(1/159.5) = 1.0044
    assert "74000 MBq at 1.0 h are 10.04 times the administered activity" in document["error"]["message"]


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("3", "dose.json, region 1: expected an object with region and kind"),
        ('{"region": "vertebra L3"}', "dose.json, region 1: expected an object with region and kind"),
        ('{"region": "vertebra L3", "kind": "organ"}', "time_integrated_activity_MBq_h is None"),
        (
            '{"region": "vertebra L3", "kind": "organ", "time_integrated_activity_MBq_h": 300, '
            '"u_time_integrated_activity_MBq_h": NaN}',
            "dose.json, vertebra L3: u_time_integrated_activity_MBq_h is nan",
        ),
        (
            '{"region": "vertebra L3", "kind": "organ", "time_integrated_activity_MBq_h": 300, '
            '"u_time_integrated_activity_MBq_h": null, "volume_mL": null}',
            "volume_mL is None; expected a number",
        ),
    ],
)
def test_a_dose_json_that_cannot_be_is_told_by_region_and_key(lutetia, tmp_path, region, words):
    path = tmp_path / "dose.json"
    path.write_text(f'{{"administration": {{"nuclide": "Lu-177"}}, "regions": [{region}]}}', "utf-8")
    code, document, _ = lutetia("marrow", "--dose", path, "--image-region", "vertebra L3", *GIVEN)
    assert (code, words in document["error"]["message"]) == (2, True), document


def test_without_measurements_there_is_no_dose(lutetia):
    code, document, _ = lutetia("marrow", *GIVEN)
    assert code == 3
    assert "give --blood" in document["error"]["message"]


@pytest.fixture
def case(tmp_path, blood):
    """Two quantitative images of a liver, a kidney and marrow in a column; blood samples beside them."""
    labels = np.zeros(GRID.shape, np.int16)
    labels[4:16, 4:16, 4:12], labels[6:14, 8:13, 18:23], labels[3:17, 17:21, 12:16] = 1, 2, 3
    table = {
        1: Region(name="liver", kind="organ", source="label map"),
        2: Region(name="kidney left", kind="organ", side="left", source="label map"),
        3: Region(name="red marrow", kind="organ", source="label map"),
    }
    start = np.select([labels == 1, labels == 2, labels == 3], [2e5, 8e5, 1.5e4], 1e4)
    for hours in (24, 96):
        values = (start * 2 ** (-hours / 60)).astype(np.float32)
        write_nifti(Volume(grid=GRID, values=values, unit="Bq/mL"), tmp_path / f"spect_{hours}h.nii.gz")
    write_nifti(Regions(grid=GRID, labels=labels, table=table), tmp_path / "labels.nii.gz")

    def write(**more):
        document = {
            "folder": ".", "regions": ["labels.nii.gz"], "registration": "none",
            "administration": {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE", "activity_MBq": 7400},
            "scans": [
                {"label": f"{h} h", "images": [f"spect_{h}h.nii.gz"], "time_h": h, "unit": "Bq/mL"} for h in (24, 96)
            ],
            **more,
        }  # fmt: skip
        path = tmp_path / "case.yaml"
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path

    return write


def test_a_run_reports_marrow_by_all_methods(lutetia, case, tmp_path):
    out = tmp_path.parent / f"{tmp_path.name}-out"
    path = case(blood="blood.csv", haematocrit=0.4, body_mass_kg=70, dose={"method": "kernel", "sex": "male"})
    code, document, _ = lutetia("run", path, "--out", out)
    assert code == 0, document
    marrow = document["marrow"]
    assert [m["method"] for m in marrow["methods"]] == [
        "image, as the other regions", "blood, haematocrit", "blood, as blood", "image, even", "image, active marrow",
    ]  # fmt: skip
    reported = next(r for r in document["regions"] if r["region"] == "red marrow")
    assert marrow["methods"][0]["absorbed_dose_Gy"] == reported["absorbed_dose_Gy"]
    assert marrow["methods"][1]["cross_dose_Gy"] > 0
    for region in document["regions"]:
        expected = region["time_integrated_activity_MBq_h"] / 7400
        assert region["time_integrated_activity_coefficient_h"] == pytest.approx(expected)
        if region["region"] in ("liver", "kidney left"):
            coefficient = marrow["time_integrated_activity_coefficients_h"][region["region"]]["value"]
            assert coefficient == pytest.approx(expected)
    page = (out / "report.html").read_text("utf-8")
    assert "Red marrow" in page
    assert "factor of 3" in page
    assert (out / "report.pdf").stat().st_size > 10_000
    again = (
        "marrow",
        "--dose",
        out / "dose.json",
        "--image-region",
        "red marrow",
        "--blood",
        tmp_path / "blood.csv",
    )
    code, alone, _ = lutetia(*again, *GIVEN[:4], "--sex", "M", "--mass-kg", "70", "--haematocrit", "0.4")
    assert code == 0, alone
    # the command on the run's own numbers says what the run said
    for ours, theirs in zip(alone["methods"], marrow["methods"][1:], strict=True):
        assert ours["method"] == theirs["method"]
        assert ours["absorbed_dose_Gy"] == pytest.approx(theirs["absorbed_dose_Gy"], rel=1e-6)


def test_a_run_without_reference_person_has_the_image_alone_and_says_what_is_missing(lutetia, case, tmp_path):
    code, document, _ = lutetia("run", case(dose={"method": "kernel"}), "--out", f"{tmp_path}-plain")
    assert code == 0
    assert [m["method"] for m in document["marrow"]["methods"]] == ["image, as the other regions"]
    assert "dose: sex" in document["marrow"]["warnings"][0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"blood": "blood.csv"}, "blood needs dose: sex"),
        ({"blood": "none.csv", "dose": {"sex": "male"}}, "there is no file none.csv"),
        ({"haematocrit": -1}, "haematocrit is -1"),
    ],
)
def test_samples_that_nothing_can_use_are_refused_before_any_work(lutetia, case, tmp_path, more, words):
    code, document, _ = lutetia("run", case(**more), "--out", f"{tmp_path}-refused")
    assert code in (2, 3)
    assert words in document["error"]["message"]


def test_more_decays_than_the_activity_has_are_a_warning(lutetia, case, tmp_path):
    # physical decay alone, 125 MBq at administration where 100 MBq were given: 1.25 times 230 h
    start = read_nifti_volume(tmp_path / "spect_24h.nii.gz", unit="Bq/mL").values * 2 ** (24 / 60)
    for hours in (24, 96):
        values = (start * math.exp(-DECAY_PER_H * hours)).astype(np.float32)
        write_nifti(
            Volume(grid=GRID, values=values, unit="Bq/mL"), tmp_path / f"spect_{hours}h.nii.gz", overwrite=True
        )
    given = {"nuclide": "Lu-177", "agent": "177Lu-DOTATATE", "activity_MBq": 100}
    code, document, _ = lutetia(
        "run", case(administration=given, dose={"method": "kernel"}), "--out", f"{tmp_path}-o"
    )
    assert code == 0, document
    (told,) = [w for w in document["warnings"] if "coefficients of 4 region(s) sum to" in w]
    assert "all decays of the administered activity are 230." in told
