"""Mutations of a manifest, of arrays and of a graph: what came of them, and how many were no clean
error (tests/fuzz.py).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import record

FUZZ = Path(__file__).parents[1] / "tests" / "fuzz.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--count", type=int, default=100_000, help="mutations that change something"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    command = [sys.executable, "-W", "error", str(FUZZ), str(options.count), str(options.seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    record.write("fuzz", json.loads(done.stdout), threads=1)


if __name__ == "__main__":
    main()
