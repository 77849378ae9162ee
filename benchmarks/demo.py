"""The whole demo, kept as a result: texts and pictures. It fails where a promise of the demo does
not hold, so that a soak notices.
"""

from __future__ import annotations

import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import record
import torch

from cfedge.demo import TASKS, run
from cfedge.demo.result import DemoResult, StreamResult

#: Least shares of right answers and of unknown inputs found, near and far, and the most bytes of a
#: task: of what the demo says about itself.
_LEAST = {"sentences": (0.75, 0.5, 0.9), "pictures": (0.85, 0.7, 0.95)}
_TASK_BYTES = 250_000


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        start, cpu = time.perf_counter(), _cpu_seconds()
        found = run(Path(scratch))
        seconds, used = time.perf_counter() - start, _cpu_seconds() - cpu
    broken = _broken(found)
    if broken:
        raise SystemExit("\n".join(["demo: a promise does not hold", *broken]))
    figures = {"seconds": seconds, "cpu_seconds": used, **dataclasses.asdict(found)}
    for stream in ("sentences", "pictures"):
        del figures[stream]["report"], figures[stream]["live"]
    record.write("demo", figures, threads=torch.get_num_threads())


def _cpu_seconds() -> float:
    """User and system time of this process and of those it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _broken(found: DemoResult) -> list[str]:
    """Say what the demo promises and does not keep."""
    said = (
        []
        if [row.task for row in found.sentences.tasks] == list(TASKS)
        else ["sentences: other tasks"]
    )
    for name, stream in (("sentences", found.sentences), ("pictures", found.pictures)):
        said += [f"{name}: {line}" for line in _broken_of(stream, *_LEAST[name])]
    return said


def _broken_of(stream: StreamResult, right: float, near: float, far: float) -> list[str]:
    shares = {row.kind: row.called_unknown / row.count for row in stream.unknown}
    least, most = stream.task_identification + stream.known - 1, stream.known
    matrix = stream.accuracy_matrix
    checks = {
        f"right answers {stream.last_accuracy:.3f}": stream.last_accuracy >= right,
        "accuracy, tasks found and labels do not fit": least - 1e-9
        <= stream.last_accuracy
        <= min(most, stream.task_identification) + 1e-9,
        f"unknown found, near: {shares['near']:.3f}": shares["near"] >= near,
        f"unknown found, far: {shares['far']:.3f}": shares["far"] >= far,
        "a task answered before it was learned": all(
            not any(row[position + 1 :]) for position, row in enumerate(matrix)
        ),
        **{
            f"{row.task}: {row.added_bytes} bytes": row.added_bytes <= _TASK_BYTES
            for row in stream.tasks
        },
        **{
            f"{row.task}: int8 {row.accuracy_int8:.3f}, float {row.accuracy_float:.3f}": abs(
                row.accuracy_int8 - row.accuracy_float
            )
            <= 0.05
            for row in stream.tasks
        },
    }
    return [said for said, holds in checks.items() if not holds]


if __name__ == "__main__":
    main()
