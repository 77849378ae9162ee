"""What ``make soak`` found is good, and is about the code that is here: otherwise it is said, and
``make release-check`` fails.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import record

#: What a result must say for its promise to hold.
GOOD: dict[str, dict[str, Any]] = {
    "crash": {"power_cuts.bad": 0, "kills_and_refusals.bad": 0},
    "fuzz": {"mutations": 100_000, "wrong_count": 0},
    "fleet": {"wrong_or_missing": 0, "complaints": []},
    "soak": {"wrong": []},
}


def stale(name: str, files: list[str], commit: str) -> str:
    """Say that a result is older than the code it covers."""
    shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    return f"{name}.json (commit {commit[:12]}) is older than {shown}; run: make soak"


@pytest.mark.parametrize("name", record.SOAKS)
def test_a_soak_found_nothing_wrong_and_is_as_new_as_the_code_it_covers(name: str) -> None:
    path = record.RESULTS / f"{name}.json"
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    for place, expected in GOOD[name].items() if found else ():
        value: Any = found
        for key in place.split("."):
            value = value[key]
        assert value == expected, f"{name}.json: {place}"
    files = record.changed(name) if found else sorted(record.covered(name))
    if files:
        message = stale(name, files, str(found.get("commit", "none")))
        (pytest.fail if os.environ.get("CFEDGE_RELEASE_CHECK") else pytest.skip)(message)


def test_a_change_of_what_a_soak_covers_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    good = record.covered("fuzz")
    assert "cfedge/bundle/manifest.py" in good
    write = (tmp_path / "fuzz.json").write_text
    write(json.dumps({"covers": good}), "utf-8")
    assert record.changed("fuzz") == []
    write(json.dumps({"covers": {**good, "tests/fuzz.py": "0", "gone.py": "0"}}), "utf-8")
    assert record.changed("fuzz") == ["gone.py", "tests/fuzz.py"]
    write("{}", "utf-8")  # a result of before the digests were written
    assert record.changed("fuzz") == sorted(good)
