"""Learn a stream of tasks in several orders and compare ways to find the task: the shipped one,
baselines, ceilings.

Everything runs on the arithmetic that ships (int8 trunk and tail) and is scored per sample.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cfedge.errors import UsageError
from cfedge.progress import Progress, Quiet
from cfedge.study.order import LearnedOrder
from cfedge.study.results import MODELS, Measured, Study
from cfedge.study.stream import Splits
from cfedge.train.examples import LabelledData, check_labels, repeated
from cfedge.train.jobs import learn_many
from cfedge.train.metrics import OpenSet
from cfedge.train.settings import Settings
from cfedge.train.workspace import Workspace

__all__ = ["compare"]


def compare(
    base: Workspace,
    stream: Mapping[str, Splits],
    *,
    models: Sequence[str] = tuple(MODELS),
    orders: int = 3,
    joint: bool = False,
    sequential: bool = False,
    jobs: int = 1,
    seed: int = 0,
    open_set: Callable[[Workspace], OpenSet] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Study:
    """Learn `stream` in `orders` orders and measure `models`, and the ceilings.

    Parameters
    ----------
    base
        A workspace without tasks: its backbone is copied for every order.
    orders, seed
        Order i is drawn with seed `seed` + i, and tasks are learned with it.
    joint
        Also train one adapter on all classes together, with as many steps as all tasks have.
    sequential
        Also train one adapter and one head task after task.
    jobs
        Tasks of an order that are learned at once, each in a process of its own.
    open_set
        Measures inputs of no task on an order's learned workspace.

    Raises
    ------
    TaskError, DataError, UsageError
        Before anything is learned.
    """
    settings, progress = settings or Settings(), progress or Quiet()
    unheard = sorted(set(models) - set(MODELS))
    if unheard or not models:
        raise UsageError(
            f"--models: expected some of {', '.join(MODELS)}, found"
            f" {repr(unheard[0]) if unheard else 'none'}"
        )
    if len(set(models)) < len(models):
        raise UsageError(f"--models: expected each once, found {', '.join(models)}")
    if base.tasks:
        raise UsageError(
            f"{base.folder}: expected a workspace without tasks, found {len(base.tasks)}; make a"
            " new one"
        )
    if orders < 1:
        raise UsageError(f"--orders: expected >= 1, found {orders}")
    if jobs > 1 and settings.reuse:
        raise UsageError(
            f"--jobs: expected 1 with --reuse, found {jobs}; a task that reuses others' units waits"
            " for them"
        )
    _check(base, stream, settings)
    names = list(stream)
    drawn = [
        [names[one] for one in np.random.default_rng(seed + order).permutation(len(names))]
        for order in range(orders)
    ]
    runs: dict[str, list[Measured]] = {}
    forward: list[float] = []
    seconds: list[float] = []
    strange: list[OpenSet] = []
    with tempfile.TemporaryDirectory(prefix="cfedge-study-") as scratch:
        for position, order in enumerate(drawn):
            workspace = Workspace(
                Path(shutil.copytree(base.folder, Path(scratch) / f"order-{position}"))
            )
            one = replace(settings, seed=seed + position)
            label = f"order {position + 1} of {orders}, "
            tasks = {
                name: LabelledData(stream[name].train, stream[name].held_out) for name in order
            }
            start = time.perf_counter()
            _learn(workspace, tasks, one, jobs, label, progress)
            seconds.append((time.perf_counter() - start) * min(jobs, len(tasks)) / len(tasks))
            learned = LearnedOrder(workspace, stream, order, progress)
            found = learned.measure(models)
            if joint:
                together = Workspace(
                    Path(shutil.copytree(base.folder, Path(scratch) / f"joint-{position}"))
                )
                with progress.track(f"{label}all classes together", 1) as advance:
                    found.append(
                        learned.joint(together, replace(one, min_steps=one.min_steps * len(order)))
                    )
                    advance(1)
            if sequential:
                with progress.track(f"{label}one adapter task after task", 1) as advance:
                    found.append(learned.sequential(replace(one, reuse=False)))
                    advance(1)
            for measured in found:
                runs.setdefault(measured.model, []).append(measured)
            if open_set is not None:
                with progress.track(f"{label}inputs of no task", 1) as advance:
                    strange.append(open_set(workspace))
                    advance(1)
            forward.append(0.0)
            if settings.reuse:
                alone = Workspace(
                    Path(shutil.copytree(base.folder, Path(scratch) / f"alone-{position}"))
                )
                later = {name: tasks[name] for name in order[1:]}
                _learn(alone, later, replace(one, reuse=False), jobs, f"{label}alone: ", progress)
                forward[-1] = learned.forward_transfer(alone)
                shutil.rmtree(alone.folder)
            shutil.rmtree(workspace.folder)
    tests = sum(len(splits.test) for splits in stream.values())
    classes = {name: len(splits.train.classes) for name, splits in stream.items()}
    duplicates = {name: len(repeated(splits.train, splits.test)) for name, splits in stream.items()}
    return Study(
        classes,
        duplicates,
        tests,
        forward,
        seconds,
        strange,
        drawn,
        replace(settings, seed=seed),
        runs,
    )


def _learn(
    workspace: Workspace,
    tasks: Mapping[str, LabelledData],
    settings: Settings,
    jobs: int,
    label: str,
    progress: Progress,
) -> None:
    """Learn all tasks, or stop with the first error."""
    failed = learn_many(
        workspace, tasks, settings=settings, jobs=jobs, title=label, progress=progress
    )
    for name, error in failed.items():
        raise type(error)(f"task {name!r}: {error}") from error


def _check(base: Workspace, stream: Mapping[str, Splits], settings: Settings) -> None:
    """Refuse what would stop the study after hours of learning."""
    least = min(min(slot.rows, slot.columns) for slot in base.backbone.slots)
    if (
        settings.reuse
        and settings.orthogonality == "projection"
        and settings.pool_limit + settings.rank > least
    ):
        raise UsageError(
            f"--pool-limit: expected at most {least - settings.rank} with rank {settings.rank},"
            f" found {settings.pool_limit}; lower it or use --orthogonality penalty"
        )
    base.check_several(
        {name: splits.train.classes for name, splits in stream.items()}, replace=False
    )
    for splits in stream.values():
        for part in (splits.held_out, splits.test):
            check_labels(part, splits.train.classes)
