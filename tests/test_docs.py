"""The documents name what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DECISIONS = ROOT / "docs" / "decisions"
SOURCES = ("cfedge", "export", "tests", "benchmarks", "devices", "docs")


def test_every_decision_page_that_is_mentioned_is_there() -> None:
    pages = {path.name for path in DECISIONS.glob("*.md")}
    for path in _texts():
        text = path.read_text("utf-8")
        named = re.findall(r"decisions/([\w-]+\.md)", text)
        if path.parent == DECISIONS:
            named += re.findall(r"\b(\d{4}-[\w-]+\.md)", text)
        for name in named:
            assert name in pages, f"{path.relative_to(ROOT)} names decisions/{name}"


def _texts() -> list[Path]:
    found = list(ROOT.glob("*.md"))
    for folder in SOURCES:
        for suffix in ("*.py", "*.md", "*.toml"):
            found += sorted((ROOT / folder).rglob(suffix))
    return found
