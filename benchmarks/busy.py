"""Training beside other work: an adapter of 30 rows on two cores, quiet and while two other processes
keep both cores busy, in turn.

    python benchmarks/busy.py      # minutes; the machine must be quiet otherwise
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import record

#: Verbs and objects of three classes, ten rows each.
CLASSES = {
    "open": ("open", "start", "set up", "create", "begin"),
    "close": ("close", "end", "shut down", "cancel", "stop"),
    "pay": ("pay", "settle", "transfer money to", "send money to", "clear"),
}
OBJECTS = ("my savings account", "the account of my daughter")
CORES = 2


def rows() -> str:
    lines = [
        f"please {verb} {thing},{label}"
        for label, verbs in CLASSES.items()
        for verb in verbs
        for thing in OBJECTS
    ]
    return "\n".join(["text,label", *lines]) + "\n"


@contextmanager
def busy(cores: list[int]) -> Iterator[None]:
    """Keep cores busy, each by a process of its own, at the same priority."""
    spin = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin, str(core)]) for core in cores]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def train(base: Path, data: Path, cores: list[int]) -> float:
    """Add a task with the command line, on these cores alone; return the seconds that it took."""
    with tempfile.TemporaryDirectory() as scratch:
        workspace = shutil.copytree(base, Path(scratch) / "ws")
        run = "import os, sys; os.sched_setaffinity(0, map(int, sys.argv.pop(1).split(',')))\nfrom cfedge.cli import main; main()"  # fmt: skip
        command = [sys.executable, "-c", run, ",".join(map(str, cores)), "add", str(workspace), "bank", "--data", str(data), "--train"]  # fmt: skip
        plain = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=plain)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    quiet, beside = [], []
    with tempfile.TemporaryDirectory() as scratch:
        base = record.backbone(Path(scratch) / "base", "minilm-l6").folder
        data = Path(scratch) / "bank.csv"
        data.write_text(rows(), encoding="utf-8")
        for _ in range(chosen.times):
            quiet.append(train(base, data, cores))
            with busy(cores):
                beside.append(train(base, data, cores))
            print(f"quiet {quiet[-1]:.1f} s, beside two others {beside[-1]:.1f} s", flush=True)
    figures = {
        "rows": len(CLASSES) * len(OBJECTS) * 5,
        "quiet_s": quiet,
        "busy_s": beside,
        "times_as_long": float(np.median(beside) / np.median(quiet)),
    }
    print(figures)
    if not chosen.no_write:
        record.write("busy", figures, threads=CORES)


if __name__ == "__main__":
    main()
