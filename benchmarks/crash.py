"""Power cuts, kills and refused calls at every point of a device's life: how many states were looked at, and how many are bad.

What is replayed and what must hold is in tests/crashes.py; tests/powercut.py says what a power cut may leave. Every fsync is
left out in turn: either some state is bad then, or it is listed as redundant in these histories.
"""

from __future__ import annotations

import argparse
import errno
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import record

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from crashes import HISTORIES, Change, History, fault_of, killed, left_out, states, sync_labels

ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}
CHANGES = ("first", "update", "refused")


def recorded(scratch: Path, name: str, at: int = 0) -> History:
    folder = scratch / f"{name} {at}"
    folder.mkdir()
    history = History(folder)
    (killed(at) if at else HISTORIES[name])(history)
    assert history.now().tree() == {
        path.relative_to(history.root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in history.root.rglob("*")
    }, "the recording misses something"
    return history


def power_cuts(history: History, scratch: Path, most: int) -> dict[str, object]:
    bad: Counter[str] = Counter()
    count = 0
    for state in states(history, random.Random(0), most=most):
        count += 1
        wrong = fault_of(state, scratch)
        if wrong:
            bad[wrong] += 1
    return {"changes": len(history.ops), "states": count, "bad": sum(bad.values()), "faults": dict(bad.most_common(5))}


def fsyncs(histories: dict[str, History], scratch: Path, most: int) -> dict[str, dict[str, object]]:
    """Leave each kind of fsync out of every history, until something breaks."""
    found: dict[str, dict[str, object]] = {}
    labels = {name: set(sync_labels(history.ops).values()) for name, history in histories.items()}
    for label in sorted(set().union(*labels.values())):
        tried = 0
        caught = ""
        for name, history in sorted(histories.items(), key=lambda one: len(one[1].ops)):
            if label in labels[name] and not caught:
                for state in left_out(history, label, random.Random(0), most):
                    tried += 1
                    if fault_of(state, scratch):
                        caught = name
                        break
        found[label] = {"caught_in": caught, "states": tried} if caught else {"redundant": True, "states": tried}
        print(label, found[label], flush=True)
    return found


def faults(change: Change) -> dict[str, object]:
    bad: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for at in range(1, len(change.steps) + 1):
        wrong = {"kill -9": change.killed(at)}
        for name, number in ERRORS.items():
            wrong[f"{name} once"] = change.refused(at, number)
            wrong[f"{name} from then on"] = change.refused(at, number, lasting=True)
        for how, what in wrong.items():
            runs[how] += 1
            if what:
                bad[f"{how} at {change.steps[at - 1].partition(' ')[0]}: {what}"] += 1
    return {"steps": len(change.steps), "runs": dict(runs), "bad": sum(bad.values()), "faults": dict(bad.most_common(5))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=24, help="combinations after each change before they are drawn")
    parser.add_argument("--every", type=int, default=8, help="distance of the steps at which the sync before is killed")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        cut = scratch / "cut"
        histories = {name: recorded(scratch, name) for name in HISTORIES}
        cuts = {name: power_cuts(history, cut, options.most) for name, history in histories.items()}
        for at in range(1, 130, options.every):
            cuts[f"killed at {at}"] = power_cuts(recorded(scratch, "killed", at), cut, 4)
        print({name: (one["states"], one["bad"]) for name, one in cuts.items()}, flush=True)
        refused = {}
        for name in CHANGES:
            (scratch / name).mkdir()
            refused[name] = faults(Change(scratch / name, name))
            print(name, refused[name], flush=True)
        synced = fsyncs(histories, cut, 4)
    figures = {
        "settings": {"most": options.most, "every": options.every},
        "power_cuts": {
            "states": sum(int(str(one["states"])) for one in cuts.values()),
            "bad": sum(int(str(one["bad"])) for one in cuts.values()),
            "histories": cuts,
        },
        "kills_and_refusals": {
            "runs": sum(sum(one["runs"].values()) for one in refused.values()),  # type: ignore[attr-defined]
            "bad": sum(int(str(one["bad"])) for one in refused.values()),
            "changes": refused,
        },
        "fsyncs_left_out": {
            "caught": sorted(label for label, one in synced.items() if "caught_in" in one),
            "redundant": sorted(label for label, one in synced.items() if "redundant" in one),
            "labels": synced,
        },
        "seconds": round(time.perf_counter() - start, 1),
    }
    record.write("crash", figures, threads=1)


if __name__ == "__main__":
    main()
