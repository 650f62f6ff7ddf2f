"""The page of protocols is what the tool makes of the files."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date():
    page = runpy.run_path(str(ROOT / "tools" / "docs" / "protocols.py"))["page"]()
    text = (ROOT / "docs" / "reference" / "protocols.md").read_text("utf-8")
    assert text == page, "run: python tools/docs/protocols.py docs/reference/protocols.md"
    assert "`us-label`" in page
