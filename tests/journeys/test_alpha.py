"""Doses of an alpha emitter by the command line, good ways first, then what goes wrong."""

import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application
from lutetia.app.report.chains import chain_figure
from lutetia.dose.chains import ChainAbsorbedDose, RadiationDose, rbe_weighted
from lutetia.physics.chains import chain
from lutetia.physics.nuclides import nuclide

MEV_PER_G = 1.602176634e-10
HOURS = (2, 8, 24, 72)
UPTAKE = {"kidneys": (0.03, 60.0), "liver": (0.05, 90.0), "lesion 1": (0.006, 200.0), "remainder": (0.4, 5.0)}
MASSES = ("--mass", "kidneys=290,5%", "--mass-g", "Liver=1500,5%", "--mass-g", "lesion 1=12,8%")


@pytest.fixture
def curves(tmp_path):
    def write(name, given_mbq=8.0, uptake=UPTAKE):
        physical_h = nuclide(name).half_life_s / 3600
        rows = ["region,time_h,activity_MBq,u_MBq"]
        for region, (fraction, biological_h) in uptake.items():
            for hour in HOURS:
                value = given_mbq * fraction * 2 ** -(hour / physical_h + hour / biological_h)
                rows.append(f"{region},{hour},{value:.12g},{0.04 * value:.12g}")
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(rows) + "\n", "utf-8")
        return path

    return write


def asked(path, name="Ac-225", *more):
    return ("alpha", path, "--nuclide", name, "--sex", "female", "--activity-MBq", 8, *MASSES, *more)


def by_region(document):
    return {row["region"]: row for row in document["regions"]}


def test_doses_by_radiation_and_member(lutetia, curves):
    code, document, _ = lutetia(*asked(curves("Ac-225")))
    assert code == 0
    rows = by_region(document)
    assert set(rows) == {"kidneys", "liver", "lesion 1"}
    kidneys = rows["kidneys"]
    # A = 8 MBq x 0.03 x T_eff / ln 2 with 240 h and 60 h; 27.481 MeV of alphas (spec/physics.md 1.3)
    decays = 8e6 * 0.03 * 3600 / (math.log(2) * (1 / 240 + 1 / 60))
    assert kidneys["by_radiation_Gy"]["alpha"] == pytest.approx(decays * 27.481 * MEV_PER_G / 290, rel=2e-3)
    for row in rows.values():
        total = row["absorbed_dose_Gy"]
        assert sum(row["by_radiation_Gy"].values()) == pytest.approx(total, rel=1e-12)
        assert sum(row["by_member_Gy"].values()) == pytest.approx(total, rel=1e-12)
        assert row["absorbed_dose_Gy_per_MBq"] == pytest.approx(total / 8, rel=1e-12)
        parts = row["by_radiation_Gy"]
        high, low = parts["alpha"] + parts["recoil"], parts["electron"] + parts["photon"]
        assert row["rbe_weighted_dose_Gy"] == pytest.approx(5 * high + low, rel=1e-12)
        assert row["rbe"]["value"] == 5.0
        assert row["rbe"]["endpoint"] == "deterministic effects"
        assert "Sgouros" in row["rbe"]["source"]
        assert row["u_absorbed_dose_Gy"] > 0.05 * total
    bed = kidneys["bed"]
    parts = kidneys["by_radiation_Gy"]
    low = parts["electron"] + parts["photon"]
    expected = kidneys["rbe_weighted_dose_Gy"] + bed["g"] * low**2 / bed["alpha_beta_Gy"]
    assert kidneys["bed_Gy"] == pytest.approx(expected, rel=1e-12)
    # one exponential: G = T_repair / (T_repair + T_eff)
    repair_h = bed["repair_half_life_h"]
    assert bed["g"] == pytest.approx(repair_h / (repair_h + 48.0), rel=1e-3)
    assert document["horizon_h"] == pytest.approx(20 * 240)
    assert document["assumption"].startswith("equilibrium")
    assert [row["nuclide"] for row in document["half_lives"]] == [m.name for m in chain("Ac-225").members]
    assert document["unseen"][0].startswith("Alphas of Ac-225")
    assert "Research use only" in document["note"]


@pytest.mark.parametrize("name", ["At-211", "Bi-213", "Pb-212", "Ra-223", "Th-227", "Lu-177"])
def test_other_nuclides(lutetia, curves, name):
    code, document, _ = lutetia(*asked(curves(name), name))
    assert code == 0
    row = by_region(document)["lesion 1"]
    assert set(row["by_member_Gy"]) == {member.name for member in chain(name).members}
    assert (row["by_radiation_Gy"]["alpha"] > 0) == (name != "Lu-177")
    assert bool(document["unseen"]) == (name != "Lu-177")


def test_daughters_that_leave_as_published(lutetia, curves):
    path = curves("Pb-212")
    _, stay, _ = lutetia(*asked(path, "Pb-212"))
    code, free, _ = lutetia(*asked(path, "Pb-212", "--leaving", "published", "--target", "salivary glands"))
    assert code == 0
    assert "DOTA" in free["assumption"]
    rows, before = by_region(free), by_region(stay)
    assert {"red marrow", "salivary glands"} <= set(rows)
    # 36 % of 212Bi leaves the lesion (Mirzadeh 1993), and with it what follows
    for member in ("Bi-212", "Po-212"):
        assert rows["lesion 1"]["by_member_Gy"][member] == pytest.approx(
            0.64 * before["lesion 1"]["by_member_Gy"][member], rel=1e-6
        )
    assert rows["lesion 1"]["by_member_Gy"]["Pb-212"] == pytest.approx(
        before["lesion 1"]["by_member_Gy"]["Pb-212"], rel=1e-9
    )
    assert free["redistribution"]["leaving"][0]["fraction"] == 0.36
    assert free["redistribution"]["leaving"][0]["verified"] is False
    assert free["time_integrated_activity_MBq_h"]["blood"]["Bi-212"] > 0
    assert any("not checked" in warning for warning in free["warnings"])


def test_daughters_of_a_file(lutetia, curves, tmp_path):
    file = tmp_path / "daughters.yaml"
    file.write_text(
        "name: half of francium leaves the lesion\nmodels: ICRP 137\nleaving:\n"
        "  - {member: Fr-221, region: lesion 1, fraction: 0.5, target: plasma, source: assumed here}\n", "utf-8",
    )  # fmt: skip
    path = curves("Ac-225")
    _, stay, _ = lutetia(*asked(path))
    code, half, _ = lutetia(*asked(path, "Ac-225", "--redistribution", file, "--horizon-h", 2000))
    assert code == 0
    assert half["assumption"] == "half of francium leaves the lesion"
    assert half["horizon_h"] == pytest.approx(2000)
    own = [by_region(document)["lesion 1"]["by_member_Gy"]["Po-213"] for document in (stay, half)]
    assert own[1] == pytest.approx(0.5 * own[0], rel=1e-4)


def test_free_daughters_reach_each_kidney_by_its_mass(lutetia, curves):
    sides = {"kidney left": (0.015, 60.0), "kidney right": (0.015, 60.0), "lesion 1": (0.02, 400.0)}
    path = curves("Ac-225", uptake=sides)

    def rows(left_g, right_g):
        code, document, _ = lutetia(
            "alpha", path, "--nuclide", "Ac-225", "--sex", "male", "--leaving", "published",
            "--mass-g", f"kidney left={left_g}", "--mass-g", f"kidney right={right_g}", "--mass-g", "lesion 1=12",
        )  # fmt: skip
        assert code == 0
        return by_region(document)

    whole, half = rows(150, 160), rows(75, 80)
    assert set(whole) == {"kidney left", "kidney right", "lesion 1", "red marrow", "liver"}
    for side in ("kidney left", "kidney right"):
        # of 213Po, born of 213Bi that comes free in the lesion; the other kidney's alphas do not reach
        assert half[side]["by_member_Gy"]["Po-213"] == pytest.approx(
            2 * whole[side]["by_member_Gy"]["Po-213"], rel=1e-3
        )
    # the dose has what its own molecule and what free daughters bring
    assert whole["kidney left"]["absorbed_dose_Gy"] > 1.5 * whole["kidney left"]["by_member_Gy"]["Ac-225"]


def test_newer_half_lives_and_another_rbe(lutetia, curves):
    code, document, _ = lutetia(
        *asked(curves("Ac-225"), "Ac-225", "--half-lives", "newer", "--rbe", 3, "--endpoint", "cell survival")
    )
    assert code == 0
    assert document["half_lives"][0]["half_life_h"] == pytest.approx(9.92 * 24, rel=1e-3)
    row = by_region(document)["liver"]
    assert (row["rbe"]["value"], row["rbe"]["endpoint"]) == (3.0, "cell survival")
    assert row["rbe"]["source"] == "given by the user"


def test_in_words_with_a_picture(curves, tmp_path):
    plot = tmp_path / "doses.png"
    arguments = [*map(str, asked(curves("Ac-225"))), "--leaving", "published", "--plot", str(plot)]
    result = CliRunner().invoke(application, arguments, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for part in ("Research use only", "RBE 5 for deterministic effects", "by chain member", "Alphas of Ac-225"):
        assert part in text
    assert "red marrow: red marrow" not in text
    assert plot.read_bytes()[1:4] == b"PNG"


def test_the_picture_names_the_effect_that_its_rbe_is_for():
    dose = ChainAbsorbedDose(
        target="kidneys", by_member={"Po-213": RadiationDose(alpha_gy=1.0)}, mass_g=300.0, horizon_s=1e6, sources=(),
        assumption="by hand", method="by hand", standard_uncertainty_gy=None, warnings=(),
    )  # fmt: skip
    figure = chain_figure([("one", [("kidneys", rbe_weighted(dose, rbe=3.0, endpoint="cell survival"))])])
    (legend,) = figure.legends
    assert "weighted, RBE 3 for cell survival" in [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--mass-g", "pancreas=100"), 2, "no such region"),
        # the marrow has a dose only where daughters leave: its mass would change nothing, and nobody would see that
        (
            ("--mass-g", "red marrow=900"),
            2,
            "red marrow: no such region has a dose; there are kidneys, liver, lesion 1",
        ),
        (("--rbe", 0.2), 2, "RBE of 0.2"),
        (("--endpoint", " "), 2, "endpoint"),
        (("--redistribution", "x.yaml", "--leaving", "published"), 2, "one of them"),
        (("--target", "third kidney"), 2, "no target of the ICRP 110"),
        (("--activity-MBq", 0.01), 6, "kidneys"),
    ],
)
def test_what_cannot_be(lutetia, curves, more, code, message):
    found, document, said = lutetia(*asked(curves("Ac-225"), "Ac-225", *more))
    assert (found, message in document["error"]["message"]) == (code, True), said


def test_no_published_fraction(lutetia, curves):
    code, document, _ = lutetia(*asked(curves("At-211"), "At-211", "--leaving", "published"))
    assert code != 0
    assert "No fraction of daughters" in document["error"]["message"]


def test_the_worked_example_is_what_the_page_says(lutetia):
    folder = Path(__file__).resolve().parents[2] / "docs" / "examples"
    words = (
        "alpha", folder / "curves_ac225.csv", "--nuclide", "Ac-225", "--activity-MBq", 8, "--sex", "female",
        "--mass", "kidneys=290,5%", "--mass", "red marrow=900,20%", "--mass", "lesion=12,8%",
    )  # fmt: skip
    # docs/methods/alpha.md: with 10 Gy to the lesion; kidneys, kidneys weighted, MBq
    for more, kidneys, weighted, given in (
        ((), 0.982, 4.82, 7.78),
        (("--redistribution", folder / "ac225_daughters.yaml"), 1.56, 7.58, 9.70),
    ):
        code, document, _ = lutetia(*words, *more)
        assert code == 0
        rows = by_region(document)
        scale = 10 / rows["lesion"]["absorbed_dose_Gy"]
        assert rows["kidneys"]["absorbed_dose_Gy"] * scale == pytest.approx(kidneys, rel=0.005)
        assert rows["kidneys"]["rbe_weighted_dose_Gy"] * scale == pytest.approx(weighted, rel=0.005)
        assert 8 * scale == pytest.approx(given, rel=0.005)
