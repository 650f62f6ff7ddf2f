"""The guide from eligibility to discharge works as it is written, and says what its text promises."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide" / "therapy.md"


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """What the commands print, in their order, by the words after course."""
    text = GUIDE.read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    found = []
    for line in lines:
        words = shlex.split(os.path.expandvars(line), comments=True)
        if words[0] == "export":
            for word in words[1:]:
                monkeypatch.setenv(*word.split("=", 1))
        elif words[0] == "mkdir":
            (tmp_path / words[1]).mkdir()
        else:
            assert words[:2] == ["./run", "lutetia"]
            result = CliRunner().invoke(application, words[2:])
            assert result.exit_code == 0, (line, result.stderr)
            found.append((words[3], words, result.stdout))
    return found


def test_guide(printed, tmp_path):
    said = {kind: [text for name, _, text in printed if name == kind] for kind, _, _ in printed}
    assert said["eligibility"][0].startswith("Eligible")
    # second cycle, thrombocytopenia, recovered to grade 1, the fourth: the label's row, and 23 Gy with 5 %
    actions = [text.split(".")[0] for text in said["plan"]]
    assert [action.split()[0] for action in actions] == ["Give", "Hold:", "Give", "Give"]
    assert said["modification"][0].startswith("HELD")
    assert said["modification"][1].startswith("REDUCED: next 3700 MBq")
    exported = CliRunner().invoke(application, ["course", "export", "NET-042"])
    course = json.loads(exported.stdout)["course"]
    third, fourth = course["decisions"]
    assert (third["action"], third["activity_MBq"]) == ("reduce", 3700)
    assert 4600 <= fourth["activity_MBq"] < 7400
    assert fourth["source"]
    assert len(course["administrations"]) == 4
    assert (tmp_path / "my-course" / "course.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "my-course" / "limits.png").exists()
    assert "physical" not in said["discharge"][0].splitlines()[0]
