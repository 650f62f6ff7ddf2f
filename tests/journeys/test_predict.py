"""The therapy's doses and activity by the command line, from images of its imaging partner."""

import json
import math

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.physics.emissions import emissions
from lutetia.physics.nuclides import nuclide

LN2 = math.log(2)
MEV_PER_G = 1.602176634e-10
HOURS = (1, 4, 24, 48)
MASSES = {"kidney left": 160.0, "kidney right": 150.0, "liver": 1800.0, "lesion 1": 12.0}
UPTAKE = {  # fraction of the administered activity, biological half-life [h]
    "kidney left": (0.020, 50.0), "kidney right": (0.018, 50.0), "liver": (0.05, 80.0), "lesion 1": (0.006, 90.0),
}  # fmt: skip
BUDGET = {"calibration": 0.03, "volume": 0.05, "count rate": 0.2, "extrapolation": 0.3, "decay energy": 0.005}


def activity_mbq(region, hours, half_life_h, given=180.0):
    fraction, biological_h = UPTAKE[region]
    return given * fraction * 2 ** -(hours / half_life_h + hours / biological_h)


def curves_csv(path, half_life_h, *, hours=HOURS, regions=tuple(UPTAKE), u="u_MBq", relative=0.04):
    rows = [f"region,time_h,activity_MBq,{u}"]
    for region in regions:
        for hour in hours:
            value = activity_mbq(region, hour, half_life_h)
            rows.append(f"{region},{hour},{value:.12g},{relative * value:.12g}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def run_folder(path, name, **more):
    """What ``lutetia run`` leaves, as far as a prediction reads it."""
    path.mkdir()
    curves_csv(path / "curves.csv", nuclide(name).half_life_s / 3600, u="u_activity_MBq", **more)
    document = {
        "schema": "lutetia dose 1", "subject": "A",
        "administration": {"nuclide": name, "agent": None, "activity_MBq": 180.0, "time": None},
        "regions": [
            {
                "region": region, "kind": "lesion" if "lesion" in region else "organ", "mass_g": MASSES[region],
                "uncertainty_budget": BUDGET,
            }
            for region in UPTAKE
        ],
    }  # fmt: skip
    (path / "dose.json").write_text(json.dumps(document), "utf-8")
    return path


def by_region(document):
    return {row["region"]: row for row in document["regions"]}


@pytest.fixture
def lead(tmp_path):
    return run_folder(tmp_path / "images", "Pb-203")


def asked(path, imaging="Pb-203", therapy="Pb-212", *more):
    return ("predict", "--from", path, "--imaging", imaging, "--therapy", therapy, "--sex", "male", *more)


def test_activity_of_212pb_from_images_of_203pb(lutetia, lead):
    code, document, _ = lutetia(*asked(lead), "--kidney-limit", 23)
    assert code == 0
    left = by_region(document)["kidney left"]
    # a = f T_eff / ln 2 with 10.64 h of 212Pb (ICRP 107)
    effective_h = 1 / (1 / 10.64 + 1 / 50)
    assert left["effective_half_life_h"] == pytest.approx(effective_h, rel=1e-3)
    assert left["time_integrated_activity_per_activity_h"] == pytest.approx(0.020 * effective_h / LN2, rel=1e-3)
    # equilibrium chain (spec/physics 1.3): 7.802 MeV of alphas and 0.150 of recoil per decay of 212Pb
    parts = left["by_radiation_Gy_per_MBq"]
    decays = 1e6 * 3600 * left["time_integrated_activity_per_activity_h"]
    assert parts["alpha"] == pytest.approx(decays * 7.802 * MEV_PER_G / 160, rel=1e-3)
    assert parts["recoil"] == pytest.approx(decays * 0.150 * MEV_PER_G / 160, rel=5e-3)
    # 0.901 MeV of electrons, of which a few per cent leave a kidney
    assert 0.9 < parts["electron"] / (decays * 0.901 * MEV_PER_G / 160) < 1.0
    assert left["absorbed_dose_Gy_per_MBq"] == pytest.approx(sum(parts.values()))
    heavy, light = parts["alpha"] + parts["recoil"], parts["electron"] + parts["photon"]
    assert left["rbe_weighted_Gy_per_MBq"] == pytest.approx(5 * heavy + light)
    assert left["rbe"] == {
        "value": 5.0, "endpoint": "deterministic effects", "verified": False,
        "source": "Sgouros et al. 2010 (MIRD Pamphlet 22), doi:10.2967/jnumed.108.058651",
    }  # fmt: skip
    assert left["uptake_ratio"]["value"] == 1.0
    # calibration and volume of the images come on top of the curve
    own = left["u_time_integrated_activity_per_activity_h"] / left["time_integrated_activity_per_activity_h"]
    u = left["u_absorbed_dose_Gy_per_MBq"] / left["absorbed_dose_Gy_per_MBq"]
    assert u == pytest.approx(math.hypot(own, 0.03, 0.05))
    low, high = left["interval_95_Gy_per_MBq"]
    assert low < left["absorbed_dose_Gy_per_MBq"] < high


def test_the_limit_is_kept_with_the_probability_asked_for(lutetia, lead):
    code, document, _ = lutetia(*asked(lead), "--kidney-limit", 23, "--limit", "liver-30Gy")
    assert code == 0
    rows = {row["organ"]: row for row in document["limits"]}
    assert set(rows) == {"kidney left", "kidney right", "liver"}
    left = rows["kidney left"]
    assert document["limited_by"] == "kidney-23Gy, kidney left"
    assert document["activity_MBq"] == left["allows_MBq"]
    assert document["activity_by_estimate_MBq"] == pytest.approx(
        23 / by_region(document)["kidney left"]["absorbed_dose_Gy_per_MBq"]
    )
    assert left["probability_exceeded"] == pytest.approx(0.05, abs=1e-6)
    assert all(row["probability_exceeded"] <= 0.05 + 1e-9 for row in rows.values())
    # at least the 13 % that are usual between cycles: exp(-1.645 sqrt(ln(1 + 0.13^2)))
    least = math.exp(-1.6448536 * math.sqrt(math.log1p(0.13**2)))
    assert left["allows_MBq"] == pytest.approx(least * left["allows_by_estimate_MBq"], rel=1e-6)
    low, high = document["activity_interval_95_MBq"]
    assert low < document["activity_by_estimate_MBq"] < high
    more = lutetia(*asked(lead), "--kidney-limit", 23, "--probability", "20%")[1]
    assert more["activity_MBq"] > document["activity_MBq"]


def test_weighted_doses_limit_only_when_asked(lutetia, lead):
    plain = lutetia(*asked(lead), "--kidney-limit", 23)[1]
    assert plain["limit_is"] == "absorbed"
    (told,) = (text for text in plain["warnings"] if "--limit-is rbe-weighted" in text)
    assert "Gy RBE-weighted (RBE 5 for deterministic effects)" in told
    weighted = lutetia(*asked(lead), "--kidney-limit", 23, "--limit-is", "rbe-weighted")[1]
    left = by_region(plain)["kidney left"]
    ratio = left["rbe_weighted_Gy_per_MBq"] / left["absorbed_dose_Gy_per_MBq"]
    assert plain["activity_MBq"] / weighted["activity_MBq"] == pytest.approx(ratio)
    assert by_region(weighted)["kidney left"]["absorbed_dose_Gy_per_MBq"] == left["absorbed_dose_Gy_per_MBq"]
    three = by_region(lutetia(*asked(lead), "--rbe", 3, "--rbe-endpoint", "nephropathy in mice")[1])["kidney left"]
    assert (three["rbe"]["value"], three["rbe"]["endpoint"]) == (3.0, "nephropathy in mice")
    assert three["rbe"]["source"] == "given by the user"
    # what limits the weighted dose says the absorbed one beside it
    limit = next(row for row in weighted["limits"] if f"{row['name']}, {row['organ']}" == weighted["limited_by"])
    assert limit["predicted_absorbed_Gy"] == pytest.approx(limit["predicted_Gy"] / ratio)
    assert three["absorbed_dose_Gy_per_MBq"] == left["absorbed_dose_Gy_per_MBq"]


def test_one_nuclide_for_images_and_therapy_is_dosimetry(lutetia, tmp_path):
    images = run_folder(tmp_path / "lutetium", "Lu-177", hours=(4, 24, 72, 168))
    code, document, _ = lutetia(*asked(images, "Lu-177", "Lu-177"), "--limit", "kidney-BED-28Gy")
    assert code == 0
    left = by_region(document)["kidney left"]
    fitted = lutetia("fit", images / "curves.csv", "--nuclide", "Lu-177", "--activity-MBq", 180)[1]["curves"][0]
    # the horizon of 20 half-lives keeps all but 2^-20
    assert left["time_integrated_activity_per_activity_h"] == pytest.approx(
        fitted["time_integrated_activity_coefficient_h"], rel=1e-5
    )
    low, high = fitted["interval_95_MBq_h"]
    assert left["interval_95_h"] == pytest.approx([low / 180, high / 180], rel=1e-5)
    # 147.9 keV of electrons per decay, nearly all of it in the kidney (ICRP 107)
    local = 1e6 * 3600 * left["time_integrated_activity_per_activity_h"] * 0.1479 * MEV_PER_G / 160
    assert left["by_radiation_Gy_per_MBq"]["electron"] == pytest.approx(local, rel=0.02)
    assert left["by_radiation_Gy_per_MBq"]["alpha"] == 0
    assert document["limits"][0]["quantity"] == "BED"
    assert document["limits"][0]["predicted_Gy"] < 28


def test_lesion_is_a_sphere_and_the_chain_is_listed(lutetia, lead):
    code, document, _ = lutetia(*asked(lead))
    assert code == 0
    assert document["activity_MBq"] is None
    chain = {row["nuclide"]: row["decays_per_parent_decay"] for row in document["therapy"]["chain"]}
    # spec/physics 1.3: 0.6406 and 0.3594
    assert chain == pytest.approx({"Pb-212": 1.0, "Bi-212": 1.0, "Po-212": 0.6406, "Tl-208": 0.3594}, rel=1e-3)
    lesion = by_region(document)["lesion 1"]
    assert lesion["method"].startswith("sphere")
    decays = 1e6 * 3600 * lesion["time_integrated_activity_per_activity_h"]
    alphas = sum(n * emissions(name).alpha_energy_mev for name, n in chain.items())
    # of alphas a 12 g sphere (radius 14 mm) loses 3/4 of their mean range (0.07 mm) over the radius: 0.4 %
    assert lesion["by_radiation_Gy_per_MBq"]["alpha"] == pytest.approx(decays * alphas * MEV_PER_G / 12, rel=0.006)
    assert document["assumption"] == "equilibrium: every daughter decays where its parent did"
    assert document["horizon_h"] == pytest.approx(20 * 10.64)


def test_long_lived_end_of_a_chain_counts_only_to_the_horizon(lutetia, tmp_path):
    images = run_folder(tmp_path / "iodine", "I-123", hours=(1, 4, 10, 24))
    words = (*asked(images, "I-123", "At-211"), "--uptake-ratio", "kidney=1,20%")
    code, document, _ = lutetia(*words)
    assert code == 0
    chain = {row["nuclide"]: row["decays_per_parent_decay"] for row in document["therapy"]["chain"]}
    # 207Bi, 32.9 y: 0.418 ln2/T of it within the 144 h after the atoms are there, less than 3e-4
    assert 0 < chain["Bi-207"] < 3e-4
    assert set(by_region(document)) == {"kidney left", "kidney right"}
    assert any(text.startswith("liver was left out: no uptake ratio") for text in document["warnings"])


def test_table_of_curves_with_masses(lutetia, tmp_path):
    table = curves_csv(tmp_path / "curves.csv", 51.873, regions=("kidney left",))
    words = (*asked(table), "--kidney-limit", 23)
    code, document, _ = lutetia(*words)
    assert (code, document["error"]["kind"]) == (3, "MissingDataError")
    assert "curves.csv: the administered activity of Pb-203 is not known" in document["error"]["message"]
    words = (*words, "--imaging-activity-MBq", 180)
    reference = lutetia(*words)[1]
    assert any("kidney left: no mass was given" in text for text in reference["warnings"])
    assert reference["limits"][0]["probability_exceeded"] is None
    assert reference["activity_MBq"] == reference["activity_by_estimate_MBq"]
    own = lutetia(*words, "--mass-g", "kidney left=160,8%", "--calibration-u-percent", 5)[1]
    row = by_region(own)["kidney left"]
    assert row["mass_g"] == 160
    relative = row["u_time_integrated_activity_per_activity_h"] / row["time_integrated_activity_per_activity_h"]
    u = row["u_absorbed_dose_Gy_per_MBq"] / row["absorbed_dose_Gy_per_MBq"]
    assert u == pytest.approx(math.hypot(relative, 0.08, 0.05))
    assert own["activity_MBq"] < own["activity_by_estimate_MBq"]
    assert not any("(calibration) was not said" in text for text in own["warnings"])


def test_early_68ga_scan_does_not_show_177lu(lutetia, tmp_path):
    table = curves_csv(tmp_path / "gallium.csv", 67.71 / 60, hours=(1,), regions=("kidney left",))
    words = (
        *asked(table, "Ga-68", "Lu-177"), "--imaging-activity-MBq", 180, "--mass-g", "kidney left=160,8%",
        "--agent", "177Lu-HA-DOTATATE", "--kidney-limit", 23,
    )  # fmt: skip
    code, document, _ = lutetia(*words)
    assert (code, document["error"]["kind"]) == (3, "MissingDataError")
    assert "kidney left: the only scan, at 1 h" in document["error"]["message"]
    assert "the late part is not seen" in document["error"]["message"]
    code, document, _ = lutetia(*words, "--prior", "population")
    assert code == 0
    row = by_region(document)["kidney left"]
    assert row["uptake_ratio"]["value"] == 0.49
    assert row["extrapolated_fraction"] > 0.9
    low, high = row["interval_95_h"]
    # 15 % of the ratio, 20 % of the half-life, 4 % of the scan: 1.96 sides of 25 % in the logarithm
    assert high / low == pytest.approx(math.exp(2 * 1.96 * math.hypot(0.15, 0.20, 0.04)), rel=0.1)
    assert any("not verified" in text or "uptake to be complete" in text for text in row["warnings"])


def test_table_in_words(lead):
    done = CliRunner().invoke(
        application, [*map(str, asked(lead)), "--kidney-limit", "23", "-q"], env={"COLUMNS": "140"}
    )
    assert done.exit_code == 0
    assert "Pb-212: at most" in done.stdout
    assert "kidney-23Gy, kidney left" in done.stdout
    text = " ".join(done.stdout.split())
    assert "RBE 5 for deterministic effects (Sgouros et al. 2010" in text
    assert "every daughter decays where its parent did" in text
    assert "Research use only" in done.stdout
    weighted = [*map(str, asked(lead)), "--kidney-limit", "23", "--limit-is", "rbe-weighted", "-q"]
    said = " ".join(CliRunner().invoke(application, weighted, env={"COLUMNS": "140"}).stdout.split())
    assert "kidney left, RBE-weighted (RBE 5 for deterministic effects; " in said
    assert "Gy absorbed)" in said
    bare = CliRunner().invoke(application, [*map(str, asked(lead)), "-q"], env={"COLUMNS": "140"})
    assert "no limit decides on an activity" in bare.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--therapy", "Y-90"), 2, "The pair Pb-203/Y-90 is not known; there are Pb-203/Pb-212"),
        (("--imaging", "Lu-177", "--therapy", "Ac-225"), 2, "images/dose.json is of Pb-203, but --imaging says Lu-177"),
        (("--uptake-ratio", "kidney"), 2, "--uptake-ratio 'kidney': expected a region and a number above 0"),
        (("--uptake-ratio", "kidney=1,20"), 2, "per cent with their sign"),
        (("--uptake-ratio", "kidney=1", "--uptake-ratio", "Kidney=2"), 2, "kidney is given twice"),
        (("--uptake-ratio", "spleen=1"), 2, "--uptake-ratio spleen: no such region in the images; there are kidney left"),
        (("--mass-g", "kidney=310"), 2, "--mass-g kidney: no such region in the images"),
        (("--kidney-limit", "0"), 2, "--kidney-limit 0 Gy"),
        (("--limit", "kidney-Gy"), 2, "No limit 'kidney-Gy'"),
        (("--limit", "marrow-2Gy"), 3, "marrow-2Gy: no red marrow has a predicted dose"),
        (("--limit", "kidney-BED-28Gy"), 2, "does not hold for alpha particles"),
        (("--rbe", "0.5"), 2, "--rbe 0.5; expected from 1 to 100"),
        (("--horizon-h", "0"), 2, "--horizon-h 0 h"),
        (("--imaging-activity-MBq", "200"), 2, "180 MBq were administered, but --imaging-activity-MBq says 200"),
        (("--prior", "population"), 3, "kidney left: no population is shipped for an unnamed agent"),
        (("--model", "trapezoid"), 6, "has no rates to carry on"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(lutetia, lead, words, status, message):
    code, document, _ = lutetia(*asked(lead), *words)
    assert code == status, document
    assert message in document["error"]["message"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (lambda d: d.pop("schema"), 2, "dose.json: schema None"),
        (lambda d: d.pop("regions"), 2, "dose.json: no administration with a nuclide, or regions without names"),
        (lambda d: d["regions"][0].update(mass_g="heavy"), 2, "dose.json, kidney left: mass_g is 'heavy'"),
        (lambda d: d["regions"].pop(0), 2, "curves.csv has kidney left, which dose.json has not"),
        (lambda d: d["administration"].update(activity_MBq=None), 2, "administration: activity_MBq is None"),
    ],
)
def test_wrong_files_are_named(lutetia, lead, change, status, message):
    document = json.loads((lead / "dose.json").read_text("utf-8"))
    change(document)
    (lead / "dose.json").write_text(json.dumps(document), "utf-8")
    code, answer, _ = lutetia(*asked(lead))
    assert code == status, answer
    assert message in answer["error"]["message"]


def test_missing_files_are_named(lutetia, lead, tmp_path):
    assert "no such file or folder" in lutetia(*asked(tmp_path / "nowhere"))[1]["error"]["message"]
    (lead / "curves.csv").unlink()
    assert lutetia(*asked(lead))[0] == 3
    (lead / "dose.json").write_text("{", "utf-8")
    assert "dose.json: not JSON" in lutetia(*asked(lead))[1]["error"]["message"]
    (lead / "dose.json").unlink()
    assert "no dose.json" in lutetia(*asked(lead))[1]["error"]["message"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("kidney left,-1,3.6,0.2", "bad.csv, line 2, column time_h: -1 h"),
        ("kidney left,1,-3.6,0.2", "bad.csv, line 2, column activity_MBq: -3.6 MBq"),
        ("kidney left,1,much,0.2", "bad.csv, line 2, column activity_MBq: 'much' is not a number"),
        (
            "kidneys,1,3,0.2\nkidneys,9,2,0.2\nkidney,1,3,0.2\nkidney,9,2,0.2",
            "kidneys and kidney are both the kidneys",
        ),
    ],
)
def test_wrong_rows_are_named(lutetia, tmp_path, rows, message):
    table = tmp_path / "bad.csv"
    table.write_text(f"region,time_h,activity_MBq,u_MBq\n{rows}\n", "utf-8")
    code, answer, _ = lutetia(*asked(table), "--imaging-activity-MBq", 180)
    assert code == 2
    assert message in answer["error"]["message"]


def test_unknown_budget_leaves_the_probability_unknown(lutetia, lead):
    document = json.loads((lead / "dose.json").read_text("utf-8"))
    for row in document["regions"]:
        row["uncertainty_budget"] = {}
    (lead / "dose.json").write_text(json.dumps(document), "utf-8")
    answer = lutetia(*asked(lead), "--kidney-limit", 23)[1]
    assert answer["limits"][0]["probability_exceeded"] is None
    assert any("may be one half" in text for text in answer["warnings"])


def test_daughters_that_leave_lower_the_activity_as_alpha_has_it(lutetia, tmp_path):
    """The kidneys' limit under 36 % of free 212Bi, against the doses of ``lutetia alpha`` from the same curve."""
    table = tmp_path / "pb203.csv"
    points = [(1, 20.0), (4, 18.0), (24, 12.0), (48, 7.0)]
    table.write_text("region,time_h,activity_MBq,u_MBq\n" + "".join(f"kidneys,{t},{a},0.2\n" for t, a in points))
    words = ("predict", "--from", str(table), "--imaging", "Pb-203", "--therapy", "Pb-212", "--sex", "female",
             "--imaging-activity-MBq", "200", "--mass-g", "kidneys=290,5%", "--kidney-limit", "23", "--quiet",
             "--calibration-u-percent", "3", "--model", "mono")  # fmt: skip
    (_, stay, _), (_, leave, _) = lutetia(*words), lutetia(*words, "--leaving", "published")
    assert any("a fraction may come free (--leaving published)" in text for text in stay["warnings"])
    assert not any("Daughters are taken to stay" in text for text in leave["warnings"])
    assert leave["assumption"].startswith("daughters of Pb-212 come free")
    # the same curve carried over by hand: exp of the difference of decay, per MBq
    carried = tmp_path / "pb212.csv"
    slower = math.log(2) / 51.873 - math.log(2) / 10.64
    rows = [(t, a / 200 * math.exp(slower * t), 0.001 * math.exp(slower * t)) for t, a in points]
    carried.write_text("region,time_h,activity_MBq,u_MBq\n" + "".join(f"kidneys,{t},{a},{u}\n" for t, a, u in rows))
    for document, more in ((stay, ()), (leave, ("--leaving", "published"))):
        _, alpha, _ = lutetia("alpha", str(carried), "--nuclide", "Pb-212", "--sex", "female", "--mass", "kidneys=290,5%",
                              "--model", "mono", *more)  # fmt: skip
        assert document["regions"][0]["absorbed_dose_Gy_per_MBq"] == pytest.approx(
            alpha["regions"][0]["absorbed_dose_Gy"], rel=2e-3
        )
