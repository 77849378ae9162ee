"""What changed between two reports, the things that matter first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cfedge.charts import milliseconds, percent
from cfedge.counted import counted
from cfedge.report.contents import Contents, Task

__all__ = ["Change", "changes", "record"]

#: What bounds and shares must move by to be told, and times and sizes in relation to before.
_SHARE, _RATIO = 0.0005, 0.02
_DEFAULT_RATE = 0.05


@dataclass(frozen=True)
class Change:
    """One thing that is not as before.

    Attributes
    ----------
    what
        The thing.
    before, after
        As they are shown; ``none`` where there was, or is, none.
    verdict
        ``better``, ``worse`` or ``other``.
    """

    what: str
    before: str
    after: str
    verdict: str


def changes(old: Contents, new: Contents) -> tuple[Change, ...]:
    """Return what changed from `old` to `new`: what became worse, then better, then the rest."""
    found = [*_tasks(old, new), *_whole(old, new)]
    order = ("worse", "better", "other")
    return tuple(sorted(found, key=lambda change: order.index(change.verdict)))


def record(found: tuple[Change, ...]) -> list[dict[str, Any]]:
    """Return changes as JSON values."""
    return [asdict(change) for change in found]


def _tasks(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = ({task.name: task for task in one.tasks} for one in (old, new))
    # What a workspace keeps of a task is another thing than what travels.
    kept = (old.of == "workspace") == (new.of == "workspace")
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            count = len(after[name].classes)
            yield Change(f"task {name}", "none", f"new, {counted(count, 'class')}", "other")
        elif name not in after:
            yield Change(
                f"task {name}", counted(len(before[name].classes), "class"), "removed", "other"
            )
        else:
            yield from _task(before[name], after[name])
            if kept:
                was, now = before[name].size_bytes, after[name].size_bytes
                yield from _size(f"task {name}: size", was, now)


def _task(old: Task, new: Task) -> Iterator[Change]:
    where = f"task {new.name}"
    gone = [label for label in old.classes if label not in new.classes]
    came = [label for label in new.classes if label not in old.classes]
    if gone or came:
        said = ", ".join([*(f"+ {label}" for label in came), *(f"- {label}" for label in gone)])
        yield Change(
            f"{where}: classes", str(len(old.classes)), f"{len(new.classes)} ({said})", "other"
        )
    was, now = old.certificate, new.certificate
    yield from _share(
        f"{where}: wrong task, at most", was.wrong_task_at_most, now.wrong_task_at_most
    )
    yield from _share(
        f"{where}: wrong answers, at most", was.wrong_answer_at_most, now.wrong_answer_at_most
    )
    yield from _share(
        f"{where}: held-out answers that are wrong", was.wrong / max(1, was.held_out), now.wrong / max(1, now.held_out)
    )  # fmt: skip
    if abs(new.threshold - old.threshold) > _RATIO * max(1.0, abs(old.threshold)):
        yield Change(
            f"{where}: called unknown above",
            f"{old.threshold:.1f}",
            f"{new.threshold:.1f}",
            "other",
        )


def _whole(old: Contents, new: Contents) -> Iterator[Change]:
    was, now = old.backbone, new.backbone
    for what, before, after in (
        ("encoder", was.name, now.name),
        ("scheme", was.scheme, now.scheme),
        ("lookup", old.lookup, new.lookup),
        ("backbone's digest", was.digest[:16], now.digest[:16]),
    ):
        if before != after:
            yield Change(what, before, after, "other")
    yield from _size("backbone's size", was.size_bytes, now.size_bytes)
    for package in sorted(old.versions.keys() & new.versions.keys()):
        before, after = (one.versions[package] for one in (old, new))
        if before != after:
            yield Change(f"version of {package}", before, after, "other")
    if old.bench and new.bench:
        first, second = old.bench.p50, new.bench.p50
        if abs(second - first) > _RATIO * first:
            verdict = "worse" if second > first else "better"
            yield Change(
                "time of an answer, median", milliseconds(first), milliseconds(second), verdict
            )
    if old.thresholds and new.thresholds:
        caught = [
            one.caught[one.rates.index(_DEFAULT_RATE)] if _DEFAULT_RATE in one.rates else 0.0
            for one in (old.thresholds, new.thresholds)
        ]
        if abs(caught[1] - caught[0]) > _SHARE:
            verdict = "worse" if caught[1] < caught[0] else "better"
            yield Change(
                "unknown inputs that are caught", percent(caught[0]), percent(caught[1]), verdict
            )


def _share(what: str, before: float, after: float) -> Iterator[Change]:
    """Tell of a share that should be small."""
    if abs(after - before) > _SHARE:
        yield Change(what, percent(before), percent(after), "worse" if after > before else "better")


def _size(what: str, before: int, after: int) -> Iterator[Change]:
    if abs(after - before) > _RATIO * before:
        yield Change(
            what, f"{before:,} bytes", f"{after:,} bytes", "worse" if after > before else "better"
        )
