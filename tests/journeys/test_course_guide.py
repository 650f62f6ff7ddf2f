"""The guide to a course works as it is written."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "course.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the table of the guide, and a small dose.json in place of the demonstration's."""
    text = GUIDE.read_text("utf-8")
    (table,) = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    (tmp_path / "labs.csv").write_text(table, "utf-8")
    (tmp_path / "my-demo").mkdir()
    region = {"region": "kidney left", "kind": "organ", "absorbed_dose_Gy": 5.0, "u_absorbed_dose_Gy": None}
    dose = {
        "schema": "lutetia dose 1",
        "subject": "virtual patient 1 (male)",
        "administration": {"nuclide": "Lu-177", "activity_MBq": 7400.0, "time": "2026-03-02T10:15:00"},
        "regions": [region],
    }
    (tmp_path / "my-demo" / "dose.json").write_text(json.dumps(dose), "utf-8")
    (tmp_path / "my-demo" / "provenance.json").write_text('{"started": "2026-03-09T10:00:00"}', "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "A. Physicist")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)
    return tmp_path


def test_guide(folder):
    text = GUIDE.read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True)[2:] for line in lines if line.startswith("./run lutetia course ")]
    assert len(commands) == 31
    printed = {}
    for words in commands:
        result = CliRunner().invoke(application, words)
        assert result.exit_code == 0, (words, result.stderr)
        printed[" ".join(words[1:])] = result.stdout
    assert "7408" in printed["show NET-017"]
    assert "7408" not in printed["show NET-017 --as-of 2026-03-01"]
    assert "187" in printed["show NET-017 --as-of 2026-03-01"]
    assert "digits exchanged" in printed["audit NET-017"]
    assert "Eligible" in printed["eligibility NET-017 --as-of 2026-03-02 --before first"]
    assert "FULL" in printed["modification NET-017 --as-of 2026-03-31"]
    assert (folder / "net-017.ics").exists()
    assert (folder / "discharge.png").exists()
    exported = json.loads((folder / "net-017.json").read_text("utf-8"))
    assert [lab["value"] for lab in exported["course"]["labs"] if lab["test"] == "platelets"] == [187.0, 123.0]
    assert (folder / "net-017.fhir.json").exists()
