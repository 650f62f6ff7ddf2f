"""S coefficients of cells and the dose of a cluster by the command line, good ways first, then what goes wrong."""

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

CELL = ("--radius-um", 5, "--nucleus-radius-um", 4)


def test_chain_in_a_cell_and_its_neighbour(lutetia):
    code, document, _ = lutetia("cells", "--nuclide", "225Ac", "--chain", *CELL, "--distance-um", 10)
    assert code == 0
    assert document["nuclide"] == "Ac-225"
    assert document["members"]["Po-213"] == pytest.approx(0.979, abs=0.005)
    rows = {(row["source"], row["distance_um"]): row for row in document["s_values"]}
    assert len(rows) == 8
    surface = rows["surface", 0.0]
    # Koniar et al. 2023: between 0.1716 and 0.1829 Gy/(Bq s) by MIRDcell
    assert 0.1716 < surface["s_Gy_per_Bq_s"] < 0.1829
    assert sum(surface["by_member_Gy_per_Bq_s"].values()) == pytest.approx(surface["s_Gy_per_Bq_s"])
    assert rows["surface", 10.0]["s_Gy_per_Bq_s"] < surface["s_Gy_per_Bq_s"]
    assert document["cluster"] is None


def test_members_that_leave(lutetia):
    _, all_of_it, _ = lutetia("cells", "--nuclide", "Ac-225", "--chain", *CELL)
    _, rest, _ = lutetia("cells", "--nuclide", "Ac-225", "--chain", "--without", "Bi-213", *CELL)
    by_member = all_of_it["s_values"][0]["by_member_Gy_per_Bq_s"]
    # what is born of 213Bi is born where it went
    left = sum(by_member[name] for name in ("Ac-225", "Fr-221", "At-217"))
    assert rest["s_values"][0]["s_Gy_per_Bq_s"] == pytest.approx(left)


def test_cluster_with_survival_in_words():
    asked = ["cells", "--nuclide", "At-211", *map(str, CELL), "--cluster-radius-um", "25", "--decays", "5"]
    result = CliRunner().invoke(application, [*asked, "--labelled-percent", "20", "--alpha-per-Gy", "1.2"])
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for part in ("Research use only", "without weighting for RBE", "% untouched", "survival", "as given"):
        assert part in text


def test_cluster_without_response(lutetia):
    code, document, _ = lutetia(
        "cells", "--nuclide", "Lu-177", *CELL, "--cluster-radius-um", 20, "--decays", 100, "--packing", "cubic"
    )
    assert code == 0
    found = document["cluster"]
    assert (found["cells"], found["labelled_cells"]) == (33, 33)  # 1 + 6 + 12 + 8 + 6 points of a cubic lattice
    assert found["survival"] is found["specific_energy_per_hit_Gy"] is found["unhit_fraction"] is None


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (("--nuclide", "Ac-225", "--radius-um", 4, "--nucleus-radius-um", 5), 2, "expected 0 < nucleus < cell"),
        (("--nuclide", "Ac-225", *CELL, "--duration-h", 5), 2, "give --chain as well"),
        (("--nuclide", "Ac-225", *CELL, "--cluster-radius-um", 20), 2, "A cluster needs --decays"),
        (("--nuclide", "Ac-225", *CELL, "--cluster-radius-um", 900, "--decays", 1), 8, "at most 20000"),
        (("--nuclide", "Ac-225", *CELL, "--electrons", "katz"), 2, "expected one of transport, cole1969, csda"),
    ],
)
def test_what_cannot_be_is_told(lutetia, given, code, message):
    found, document, _ = lutetia("cells", *given)
    assert found == code
    assert message in document["error"]["message"]
