"""Hold the lists of what is installed against lists that were built just now: ``make sbom-check``.

A package that is there and not listed, or listed and not there, is told and refused; so is another
version or licence of one that constraints.txt pins. What is not pinned may be newer than when the
list was made: that is told alone.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent


def components(path: Path) -> dict[str, tuple[str, str]]:
    """Return of each package its version and its licences."""
    listed = json.loads(path.read_text("utf-8"))["components"]
    return {
        one["name"].lower().replace("_", "-"): (
            one.get("version", ""),
            json.dumps(one.get("licenses", []), sort_keys=True),
        )
        for one in listed
    }


def pinned(constraints: str) -> set[str]:
    """Return the names that constraints pin."""
    return {name.lower().replace("_", "-") for name in re.findall(r"(?m)^([\w.-]+)==", constraints)}


def main(built: Path) -> int:
    """Compare both lists; return the exit status."""
    pins, wrong = pinned((HERE.parent / "constraints.txt").read_text("utf-8")), 0
    for name in ("device.json", "workshop.json"):
        listed, found = components(HERE / name), components(built / name)
        for package in sorted(listed.keys() | found.keys()):
            before, now = listed.get(package), found.get(package)
            if before == now:
                continue
            fault = before is None or now is None or package in pins
            wrong += fault
            stated = "nothing" if before is None else before[0]
            seen = "nothing" if now is None else now[0]
            word = "expected" if fault else "note: listed"
            print(f"sbom/{name}: {package}: {word} {stated}, found {seen}; run make sbom")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
