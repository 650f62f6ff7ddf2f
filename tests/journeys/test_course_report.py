"""A report on a course, as it is asked for on the command line."""

import json

import pytest
from typer.testing import CliRunner

from lutetia.app.cli import application


@pytest.fixture
def said(tmp_path, monkeypatch):
    """``lutetia course ...`` in a fresh folder with a course of one lab and one cycle: (exit code, printed, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTETIA_BY", "nurse")
    monkeypatch.delenv("LUTETIA_STORE", raising=False)

    def call(*words):
        result = CliRunner().invoke(application, ["course", *words])
        return result.exit_code, result.stdout, result.stderr

    assert call("new", "NET-017", "--sex", "female", "--born", "1961-05-02")[0] == 0
    lab = ("lab", "test=platelets", "unit=10^9/L", "lower_limit=150", "value=187", "time=2026-02-27T08:10")
    given = ("administration", "cycle=1", "agent=177Lu-DOTATATE", "nuclide=Lu-177", "start=2026-03-02T10:15")
    for words in (lab, given):
        assert call("add", "NET-017", *words)[0] == 0
    return call


def test_report_of_a_course_with_and_without_protocol(said, tmp_path):
    code, printed, _ = said("report", "NET-017", "--out", "course.pdf")
    assert (code, printed) == (0, "Written to course.pdf. Research use only.\n")
    assert (tmp_path / "course.pdf").read_bytes().startswith(b"%PDF")
    html = ("report", "NET-017", "--out", "course.html", "--protocol", "us-label", "--as-of", "2026-03-20")
    code, printed, _ = said(*html, "--json")
    document = json.loads(printed)
    assert (code, document["file"], document["as_of"]) == (0, "course.html", "2026-03-20")
    assert "Cycle 1: no activity was measured, so what was given is not known." in document["warnings"]
    text = (tmp_path / "course.html").read_text("utf-8")
    assert "us-label" in text
    assert "1961" not in text
    assert sorted(one.name for one in tmp_path.iterdir()) == ["course.html", "course.pdf", "courses.sqlite"]


def test_report_never_replaces_a_file_unless_told(said, tmp_path):
    (tmp_path / "course.html").write_text("mine", "utf-8")
    code, _, messages = said("report", "NET-017", "--out", "course.html")
    assert (code, messages) == (10, "OutputError: course.html exists; give another name or --force.\n")
    assert (tmp_path / "course.html").read_text("utf-8") == "mine"
    assert said("report", "NET-017", "--out", "course.html", "--force")[0] == 0
    assert (tmp_path / "course.html").read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (
            ("NET-017", "--out", "course.docx"),
            "InputError",
            "--out course.docx: expected a name that ends in .pdf or .html.",
        ),
        (("NET-018", "--out", "course.pdf"), "MissingDataError", "course"),
        (("NET-017", "--out", "course.pdf", "--as-of", "soon"), "InputError", "--as-of"),
        (("NET-017", "--out", "course.pdf", "--protocol", "none-such"), "ProtocolError", "none-such"),
        (("NET-017", "--out", "nowhere/course.html"), "OutputError", "course.html cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(said, tmp_path, words, kind, message):
    code, printed, _ = said("report", *words, "--json")
    error = json.loads(printed)["error"]
    assert (code, error["kind"]) == (error["exit_code"], kind)
    assert message in error["message"]
    assert [one.name for one in tmp_path.iterdir()] == ["courses.sqlite"]
