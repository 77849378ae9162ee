"""Learn a stream of tasks in several orders and compare ways to find the task: the shipped one,
baselines, ceilings.

Everything runs on the arithmetic that ships (int8 trunk and tail) and is scored per sample.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cfedge.progress import Progress, Quiet
from cfedge.scratch import scratch_folder
from cfedge.study.models import measure
from cfedge.study.one_head import joint, sequential
from cfedge.study.options import Options, check
from cfedge.study.order import LearnedOrder
from cfedge.study.results import Measured, Study
from cfedge.study.stream import Splits
from cfedge.train.examples.examples import LabelledData, repeated
from cfedge.train.jobs.choosing import chosen_place
from cfedge.train.jobs.learning import learn_many
from cfedge.train.jobs.place import Place
from cfedge.train.measures.open_set import OpenSet
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["compare"]


def compare(
    base: WorkspaceFolder,
    stream: Mapping[str, Splits],
    options: Options | None = None,
    *,
    open_set: Callable[[WorkspaceFolder], OpenSet] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Study:
    """Learn `stream` in several orders and measure models and ceilings.

    Parameters
    ----------
    base
        A workspace without tasks: its backbone is copied for every order.
    options
        What is measured, and how often.
    open_set
        Measures inputs of no task on an order's learned workspace.
    settings
        How tasks are learned: each gets an adapter, whatever `Settings.method` says. Order i is
        drawn with the seed + i, and its tasks are learned with it.

    Raises
    ------
    TaskError, DataError, UsageError
        Before anything is learned.
    """
    options = options or Options()
    settings, progress = settings or Settings(), progress or Quiet()
    check(base, stream, settings, options)
    seed, orders = settings.seed, options.orders
    drawn = [_drawn(stream, seed + order) for order in range(orders)]
    extras = [*[_joint] * options.joint, *[_sequential] * options.sequential]
    runs: dict[str, list[Measured]] = {}
    forward, seconds, strange = [], [], []
    for position, order in enumerate(drawn):
        method = "adapter" if base.backbone.input.adapters == "kept" else "auto"
        chosen = replace(settings, seed=seed + position, method=method)
        title = f"order {position + 1} of {orders}, "
        with (
            scratch_folder() as scratch,
            chosen_place(jobs=options.jobs, on=options.on, inputs=base.kind) as place,
        ):
            run = _Run(base, stream, order, chosen, place, title, progress, scratch)
            workspace, each = run.learned()
            seconds.append(each)
            learned = LearnedOrder(workspace, stream, order, progress)
            for measured in (
                *measure(learned, options.models),
                *(extra(run, learned) for extra in extras),
            ):
                runs.setdefault(measured.model, []).append(measured)
            if open_set is not None:
                with progress.track(f"{title}inputs of no task", 1) as advance:
                    strange.append(open_set(workspace))
                    advance(1)
            forward.append(run.forward_transfer(learned))
    return _study(stream, drawn, settings, runs, forward, seconds, strange)


@dataclass(frozen=True)
class _Run:
    """One order, about to be learned in copies of `base` under `scratch`."""

    base: WorkspaceFolder
    stream: Mapping[str, Splits]
    order: list[str]
    settings: Settings
    place: Place
    title: str
    progress: Progress
    scratch: Path

    def learned(self) -> tuple[WorkspaceFolder, float]:
        """Return a workspace with all tasks, and the seconds that one took, the mean."""
        tasks = self._tasks(self.order)
        workspace = self.copy("learned")
        start = time.perf_counter()
        self._learn(workspace, tasks, self.settings, self.title)
        seconds = time.perf_counter() - start
        return workspace, seconds * min(self.place.at_once, len(tasks)) / len(tasks)

    def forward_transfer(self, learned: LearnedOrder) -> float:
        """By how much reuse made later tasks better than learned alone; 0 without reuse."""
        if not self.settings.reuse:
            return 0.0
        alone = self.copy("alone")
        settings = replace(self.settings, reuse=False)
        self._learn(alone, self._tasks(self.order[1:]), settings, f"{self.title}alone: ")
        return learned.forward_transfer(alone)

    def copy(self, name: str) -> WorkspaceFolder:
        """Return a copy of the base, without tasks."""
        return WorkspaceFolder(Path(shutil.copytree(self.base.folder, self.scratch / name)))

    def _tasks(self, names: Sequence[str]) -> dict[str, LabelledData]:
        return {
            name: LabelledData(self.stream[name].train, self.stream[name].held_out)
            for name in names
        }

    def _learn(
        self,
        workspace: WorkspaceFolder,
        tasks: Mapping[str, LabelledData],
        settings: Settings,
        title: str,
    ) -> None:
        """Learn all tasks, or stop with the first error."""
        outcome = learn_many(
            workspace,
            tasks,
            settings=dict.fromkeys(tasks, settings),
            place=self.place,
            title=title,
            progress=self.progress,
        )
        for name, error in outcome.failed.items():
            raise type(error)(f"task {name!r}: {error}") from error


def _drawn(stream: Mapping[str, Splits], seed: int) -> list[str]:
    """An order of the tasks, by chance."""
    names = list(stream)
    return [names[index] for index in np.random.default_rng(seed).permutation(len(names))]


def _study(
    stream: Mapping[str, Splits],
    orders: list[list[str]],
    settings: Settings,
    runs: dict[str, list[Measured]],
    forward_transfer: list[float],
    learn_seconds: list[float],
    open_set: list[OpenSet],
) -> Study:
    """Put what was measured beside what it was measured on."""
    return Study(
        tasks={name: len(splits.train.classes) for name, splits in stream.items()},
        duplicates={
            name: len(repeated(splits.train, splits.test)) for name, splits in stream.items()
        },
        test_examples=sum(len(splits.test) for splits in stream.values()),
        forward_transfer=forward_transfer,
        learn_seconds=learn_seconds,
        open_set=open_set,
        orders=orders,
        settings=settings,
        runs=runs,
    )


def _joint(run: _Run, learned: LearnedOrder) -> Measured:
    """One adapter on all classes together: the ceiling that is not continual."""
    settings = replace(run.settings, min_steps=run.settings.min_steps * len(run.order))
    with run.progress.track(f"{run.title}all classes together", 1) as advance:
        measured = joint(learned, run.copy("joint"), settings)
        advance(1)
    return measured


def _sequential(run: _Run, learned: LearnedOrder) -> Measured:
    """One adapter and one head task after task: what forgets."""
    with run.progress.track(f"{run.title}one adapter task after task", 1) as advance:
        measured = sequential(learned, replace(run.settings, reuse=False))
        advance(1)
    return measured
