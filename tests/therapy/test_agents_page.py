"""The page of agents is what the tool makes of the files."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date():
    page = runpy.run_path(str(ROOT / "tools" / "docs" / "agents.py"))["page"]()
    text = (ROOT / "docs" / "reference" / "agents.md").read_text("utf-8")
    assert text == page, "run: python tools/docs/agents.py docs/reference/agents.md"
    assert "`ac225-dotatate`" in page
