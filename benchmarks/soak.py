"""The tests that are marked ``soak``: the same promises as in ``make test``, over far more cases.

Which passed, and how long each took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import record

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable, "-m", "pytest", "-m", "soak", "--junitxml", str(report),
            *("-n", "auto", "--dist", "load"),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        # A file that is skipped whole, for want of a package, has no class: it holds no soak.
        cases = [one for one in ET.parse(report).iter("testcase") if one.get("classname")]
    seconds = {
        f"{case.get('classname', '').replace('.', '/')}::{case.get('name')}": float(
            case.get("time", 0)
        )
        for case in cases
    }
    wrong = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
    ]
    record.write("soak", {"passed": len(cases) - len(wrong), "wrong": wrong, "seconds": seconds},
                 threads=1)  # fmt: skip
    if done.returncode or wrong:
        raise SystemExit(f"{len(wrong)} of {len(cases)} soaks did not pass")


if __name__ == "__main__":
    main()
