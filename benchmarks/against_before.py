"""What users wait for, and what a bundle weighs, against an earlier commit of cfedge: interleaved,
pair by pair, on one thread.

Each side teaches the demo's tasks, exports and publishes with its own code, from a working tree of
its own, through the commands that both have. Then they take turns, each going first every other
time:

- answer: `Engine.predict` of one utterance, in a process of each side. Where memory lies moves a
  process by some per cent, so there are several pairs of processes;
- cold: from the start of a process to its first answer, once the machine has verified the bundle,
  and the most memory that such a process has resident (Linux);
- first sync: ``cfedge sync`` into a new store;
- poll: the same where nothing is new;
- bytes: of a bundle, and of a task's files in it.

A ratio is the median over pairs of now / before, with a 95 % interval of it by the bootstrap over
pairs (for answers, over pairs of processes: the least and the largest of them are given).

    python benchmarks/against_before.py --before 8f08101

``--now COMMIT`` takes that commit in the place of this tree, so that what one change costs can be
told from what others do; ``--name X`` writes against_before_X.json. ``--quick`` tries the script. ``--made FOLDER`` keeps what both sides have made and takes it up
again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import record

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "cfedge" / "demo" / "building"
TASKS = ("access", "climate", "lighting", "maintenance", "rooms")
#: How often each measure is taken: pairs, and for answers also processes.
COUNTS = {"processes": 5, "answer": 600, "cold": 61, "first_sync": 9, "poll": 15}
QUICK = {"processes": 2, "answer": 40, "cold": 2, "first_sync": 1, "poll": 2}

_ANSWER = """
import json, sys, time
from cfedge import Engine
engine = Engine.open(sys.argv[1])
engine.warm_up()
for line in sys.stdin:
    text = json.loads(line)
    start = time.perf_counter()
    engine.predict([text])
    print(time.perf_counter() - start, flush=True)
"""
_COLD = """
import sys
from cfedge import Engine
print(Engine.open(sys.argv[1]).predict([sys.argv[2]])[0].task)
"""
#: What it had resident at most, in kB: of its own, where `ru_maxrss` counts who started it too.
_PEAK = """
with open("/proc/self/status") as lines:
    print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""
_COMMAND = "from cfedge.cli import main; main()"


@dataclass(frozen=True)
class Side:
    """One of the two: its code, and what it made."""

    name: str
    code: Path
    made: Path

    @property
    def environment(self) -> dict[str, str]:
        """Bytecode is there for both, as installers leave it (`benchmarks/runtime.py`)."""
        return {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.made / "bytecode"),
            "PYTHONPATH": f"{self.code}{os.pathsep}{self.code / 'export'}",
            "CFEDGE_CACHE": str(self.made / "cache"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(self, program: str, *words: object) -> str:
        """Run a program of Python to its end, in a folder where no other cfedge lies."""
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, words)],
            env=self.environment, cwd=self.made, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{self.name}: {words}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def command(self, *words: object) -> None:
        self.run(_COMMAND, *words)

    def make(self) -> None:
        """Teach, export and publish; nothing where that was done before."""
        if (self.made / "repo").is_dir():
            return
        self.made.mkdir(parents=True, exist_ok=True)
        self.command("init", "ws")
        for task in TASKS:
            self.command("add", "ws", task, "--data", DATA / task, "--head-only")
        self.command("export", "ws", "bundle")
        self.command("keys", "init", "keys", "--site", "workshop")
        self.command("publish", "bundle", "repo", "--keys", "keys")
        self.sync("followed", new=True)
        for _ in range(2):  # verified here from now on, and what is computed is kept
            self.run(_COLD, "bundle", "lights please")

    def sync(self, store: str, *, new: bool = False) -> None:
        root = ("--root", "repo/metadata/1.root.json") if new else ()
        self.command("sync", store, "--from", "repo", *root)

    def first_sync(self) -> float:
        shutil.rmtree(self.made / "new", ignore_errors=True)
        return _timed(lambda: self.sync("new", new=True))

    def bytes(self) -> dict[str, float]:
        manifest = json.loads((self.made / "bundle" / "manifest.json").read_bytes())
        files = [
            sum(task[part]["size"] for part in ("adapter", "signature", "golden"))
            for task in manifest["tasks"]
        ]
        whole = [path for path in (self.made / "bundle").rglob("*") if path.is_file()]
        return {
            "bundle": float(sum(path.stat().st_size for path in whole)),
            "task": float(np.mean(files)),
        }


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def taken_in_turn(works: list[Callable[[int], float]], count: int) -> np.ndarray:
    """Seconds float64 [count, 2] of the two, each first every other time."""
    times = np.zeros((count, 2))
    for pair in range(count):
        for at in (0, 1) if pair % 2 == 0 else (1, 0):
            times[pair, at] = works[at](pair)
    return times


def answer_times(sides: list[Side], texts: list[str], count: int) -> np.ndarray:
    """One pair of processes; the first tenth of the answers warms up and is left out."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _ANSWER, "bundle"], env=side.environment, cwd=side.made,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for side in sides
    ]  # fmt: skip

    def ask(process: subprocess.Popen[str], pair: int) -> float:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(texts[pair % len(texts)]) + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        works = [lambda pair, one=one: ask(one, pair) for one in processes]
        warm = count // 10
        return taken_in_turn(works, count + warm)[warm:]
    finally:
        for process in processes:
            if process.stdin:
                process.stdin.close()
            process.wait()


def compared(times: np.ndarray) -> dict[str, object]:
    """Medians, and the median ratio of pairs with its interval."""
    ratios = times[:, 1] / times[:, 0]
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    return {
        "pairs": len(times),
        "before_seconds": float(np.median(times[:, 0])),
        "now_seconds": float(np.median(times[:, 1])),
        "ratio": float(np.median(ratios)),
        "interval": np.quantile(drawn, [0.025, 0.975]).tolist(),
    }


def measured(sides: list[Side], counts: dict[str, int]) -> dict[str, object]:
    lines = [(DATA / task / "test.csv").read_text("utf-8").splitlines()[1:] for task in TASKS]
    texts = [line.rpartition(",")[0].strip('"') for one in lines for line in one]
    texts = [texts[at] for at in np.random.default_rng(0).permutation(len(texts))]
    found: dict[str, object] = {}

    def keep(name: str, row: dict[str, object]) -> None:
        found[name] = row
        print(name, json.dumps(row), flush=True)

    runs = [answer_times(sides, texts, counts["answer"]) for _ in range(counts["processes"])]
    each = [float(np.median(run[:, 1] / run[:, 0])) for run in runs]
    whole = np.concatenate(runs)
    keep(
        "answer",
        {
            **compared(whole),
            "ratio": float(np.median(each)),
            "interval": [min(each), max(each)],
            "processes": len(runs),
            "p90_ratio": float(np.divide(*np.quantile(whole, 0.9, axis=0)[::-1])),
        },
    )
    works: dict[str, Callable[[Side, int], float]] = {
        "cold": lambda side, pair: _timed(lambda: side.run(_COLD, "bundle", texts[pair])),
        "first_sync": lambda side, pair: side.first_sync(),
        "poll": lambda side, pair: _timed(lambda: side.sync("followed")),
    }
    for name, work in works.items():
        taken = [lambda pair, side=side, work=work: work(side, pair) for side in sides]
        keep(name, compared(taken_in_turn(taken, counts[name])))
    peaks = [int(side.run(_COLD + _PEAK, "bundle", texts[0]).split()[-1]) << 10 for side in sides]
    keep("peak_bytes", {"before": peaks[0], "now": peaks[1]})
    before, now = (side.bytes() for side in sides)
    keep("bytes", {name: [before[name], now[name]] for name in before})
    return found


def _git(*words: object) -> str:
    done = subprocess.run(
        ["git", *map(str, words)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit(name: str) -> str:
    return _git("rev-parse", f"{name}^{{commit}}")


@contextlib.contextmanager
def trees(commits: dict[str, str], scratch: Path) -> Iterator[dict[str, Path]]:
    """A working tree of each commit, gone afterwards."""
    try:
        for name, commit in commits.items():
            _git("worktree", "add", "--detach", scratch / name, commit)
        yield {name: scratch / name for name in commits}
    finally:
        for name in commits:
            _git("worktree", "remove", "--force", scratch / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="8f08101", help="commit")
    parser.add_argument("--now", help="commit; else this tree")
    parser.add_argument("--name", help="write against_before_NAME.json")
    parser.add_argument("--made", type=Path, help="keep what both sides make in this folder")
    parser.add_argument("--quick", action="store_true", help="try the script; write nothing")
    chosen = parser.parse_args()
    commits = {"before": _commit(chosen.before)}
    if chosen.now:
        commits["now"] = _commit(chosen.now)
    with (
        tempfile.TemporaryDirectory() as scratch,
        trees(commits, Path(scratch) / "code") as code,
    ):
        made = (chosen.made or Path(scratch)).resolve()
        sides = [Side(name, code.get(name, ROOT), made / name) for name in ("before", "now")]
        for side in sides:
            start = time.perf_counter()
            side.make()
            print(f"{side.name}: made in {time.perf_counter() - start:.0f} s", flush=True)
        found = measured(sides, QUICK if chosen.quick else COUNTS)
    if not chosen.quick:
        name = f"against_before_{chosen.name}" if chosen.name else "against_before"
        record.write(name, {**commits, **found}, threads=1)


if __name__ == "__main__":
    main()
