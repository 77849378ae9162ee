"""Power cuts, kills and refused calls at every point of a device's life: how many states were
looked at, and how many are bad.

What is replayed and what must hold is in tests/crashes.py; tests/powercut.py says what a power cut
may leave. Every fsync is left out in turn: either some state is bad then, or it is listed as
redundant in these histories.
"""

from __future__ import annotations

import argparse
import errno
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import record

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from crashes import (
    HISTORIES,
    Change,
    fault_of,
    left_out,
    memory,
    recorded,
    states,
    sync_labels,
)

from cfedge.device import probe

ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}
CHANGES = ("first", "update", "refused")


def power_cuts(name: str, at: int, most: int) -> dict[str, object]:
    history = recorded(name, at)
    bad: Counter[str] = Counter()
    count = 0
    for state in states(history, random.Random(0), most=most):
        count += 1
        wrong = fault_of(state)
        if wrong:
            bad[wrong] += 1
    return {
        "changes": len(history.ops),
        "states": count,
        "bad": sum(bad.values()),
        "faults": dict(bad.most_common(5)),
    }


def left_out_of(label: str, most: int) -> dict[str, object]:
    """Leave the fsyncs of a label out of one history after another, until something breaks."""
    tried = 0
    for name in sorted(HISTORIES, key=lambda one: len(recorded(one).ops)):
        if label in sync_labels(recorded(name)).values():
            for state in left_out(recorded(name), label, random.Random(0), most):
                tried += 1
                if fault_of(state):
                    return {"caught_in": name, "states": tried}
    return {"redundant": True, "states": tried}


def faults(name: str) -> dict[str, object]:
    change = Change(Path(tempfile.mkdtemp(dir=memory())), name)
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
    return {
        "steps": len(change.steps),
        "runs": dict(runs),
        "bad": sum(bad.values()),
        "faults": dict(bad.most_common(5)),
    }


def gathered(futures: dict[str, Future[dict[str, object]]]) -> dict[str, dict[str, object]]:
    found = {}
    for name, future in futures.items():
        found[name] = future.result()
        print(name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--most", type=int, default=24, help="combinations after each change before they are drawn"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=6,
        help="distance of the steps at which the sync before is killed",
    )
    options = parser.parse_args()
    start = time.perf_counter()
    labels = sorted({label for name in HISTORIES for label in sync_labels(recorded(name)).values()})
    with ProcessPoolExecutor(probe().cores) as pool:
        without = {label: pool.submit(left_out_of, label, options.most // 6) for label in labels}
        cut = {name: pool.submit(power_cuts, name, 0, options.most) for name in HISTORIES}
        cut |= {
            f"killed at {at}": pool.submit(power_cuts, "killed", at, 4)
            for at in range(1, 130, options.every)
        }
        refusals = {name: pool.submit(faults, name) for name in CHANGES}
        synced = gathered(without)
        cuts = gathered(cut)
        refused = gathered(refusals)
    figures: dict[str, Any] = {
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
    record.write("crash", figures, threads=probe().cores)
    if figures["power_cuts"]["bad"] or figures["kills_and_refusals"]["bad"]:
        raise SystemExit("some state that a power cut, a kill or a refusal leaves does not work")


if __name__ == "__main__":
    main()
