"""One order of a stream, learned: what every model would have answered after each task, and at what
cost.

Test examples are encoded once, by the frozen encoder and by every adapter, so that accuracy
matrices cost no second training.

Letters: B rows, T tasks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays
from cfedge.lookup import Features, Router, TaskMatches
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.early_exit import ends_early, gaps
from cfedge.study.baselines import RULES, Mixture, Rule, Statistics
from cfedge.study.results import Measured
from cfedge.study.sequential import in_sequence
from cfedge.study.stream import Splits
from cfedge.train.certificate import certify
from cfedge.train.examples import Examples
from cfedge.train.margins import route
from cfedge.train.metrics import backward_transfer, confusion, forgetting
from cfedge.train.settings import Settings
from cfedge.train.signature import learn_signature
from cfedge.train.teach import learn
from cfedge.train.workspace import WorkspaceFolder

__all__ = ["LearnedOrder"]

Floats = NDArray[np.float32]


class LearnedOrder:
    """One order's learned workspace with its test examples encoded: by the frozen encoder and by
    every adapter.
    """

    def __init__(
        self,
        workspace: WorkspaceFolder,
        stream: Mapping[str, Splits],
        order: list[str],
        progress: Progress,
    ) -> None:
        self.workspace, self.stream, self.order = workspace, stream, order
        self.names = sorted(order)
        backbone = workspace.backbone
        self.encoder = workspace.encoder()
        self.tail_share = 1 - backbone.split / backbone.blocks
        self.adapters = {name: Adapter.from_arrays(workspace.adapter(name)) for name in self.names}
        texts = [text for name in self.names for text in stream[name].test.inputs]
        self.truth = np.repeat(
            np.arange(len(self.names)), [len(stream[name].test) for name in self.names]
        )
        self.label = np.concatenate([self._classes(name, stream[name].test) for name in self.names])
        with progress.track("test examples through every adapter", len(self.names)) as advance:
            encoded = self.encoder(texts)
            self.hidden = encoded.hidden
            self.test = self.encoder.features(encoded)
            self.adapted: list[Floats] = []
            answers = []
            for name in self.names:
                adapter = self.adapters[name]
                features = np.stack(self.encoder.adapted(encoded.hidden, adapter.slots))
                self.adapted.append(features)
                answers.append(
                    adapter.scores(
                        adapter.adapted(features), adapter.trunk(self.test.trunk)
                    ).argmax(axis=1)
                )
                advance(1)
            self.answers = np.stack(answers, axis=1)
        with progress.track("training examples", len(self.names)) as advance:
            self.train: dict[str, Features] = {}
            self.own: dict[str, Floats] = {}
            for name in self.names:
                encoded = self.encoder(stream[name].train.inputs)
                self.train[name] = self.encoder.features(encoded)
                self.own[name] = np.stack(
                    self.encoder.adapted(encoded.hidden, self.adapters[name].slots)
                )
                advance(1)

    def measure(self, models: Sequence[str]) -> list[Measured]:
        """Measure the models, and the ceiling of a given task."""
        found = [self._given()]
        for model in models:
            if model == "cfedge":
                found.append(self._cfedge())
            elif model == "proteus":
                found.append(self._proteus())
            else:
                frozen = model.endswith(" frozen")
                found.append(self._rule(model, RULES[model.removesuffix(" frozen")], frozen=frozen))
        return found

    def forward_transfer(self, alone: WorkspaceFolder) -> float:
        """By how much the tasks but the first are more accurate, with the task given, than as they
        were learned in `alone`; the mean.
        """
        gains = []
        for name in self.order[1:]:
            own = np.flatnonzero(self.truth == self.names.index(name))
            adapter = Adapter.from_arrays(alone.adapter(name))
            features = np.stack(
                self.encoder.adapted([self.hidden[row] for row in own], adapter.slots)
            )
            best = adapter.scores(
                adapter.adapted(features), adapter.trunk(self.test.trunk[own])
            ).argmax(axis=1)
            here = self.answers[own, self.names.index(name)]
            gains.append(float((here == self.label[own]).mean() - (best == self.label[own]).mean()))
        return float(np.mean(gains))

    def _classes(self, name: str, examples: Examples) -> NDArray[np.int64]:
        position = {label: index for index, label in enumerate(self.workspace.record(name).classes)}
        return np.array([position[label] for label in examples.labels], np.int64)

    def _seen(self, count: int) -> list[int]:
        """Positions (by name) of the first `count` tasks learned."""
        return sorted(self.names.index(name) for name in self.order[:count])

    def _score(
        self,
        model: str,
        steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
        runner_up: NDArray[np.int64],
        *,
        passes: float,
        bytes_of: tuple[int, int, int],
        seconds: float,
    ) -> Measured:
        """Score (task, class) answers of all test examples after each task; those of tasks not yet
        learned do not count.

        One step alone is a model that learned everything at once. `runner_up` is the second best
        task after the last step; `bytes_of` are those of adapter, head and statistics.
        """
        task, label = steps[-1]
        right = (task == self.truth) & (label == self.label)
        matrix = np.full((1, 1), right.mean())
        incremental = [float(right.mean())]
        if len(steps) > 1:
            matrix = np.stack(
                [self._by_task((step[0] == self.truth) & (step[1] == self.label)) for step in steps]
            )
            matrix = np.tril(matrix)
            sizes = np.array([len(self.stream[name].test) for name in self.order])
            incremental = [
                float(np.average(matrix[step, : step + 1], weights=sizes[: step + 1]))
                for step in range(len(steps))
            ]
        return Measured(
            model=model,
            accuracy=float(right.mean()),
            task_mean=float(self._by_task(right).mean()),
            task_identification=float((task == self.truth).mean()),
            top2=float(((task == self.truth) | (runner_up == self.truth)).mean()),
            forgetting=forgetting(matrix),
            backward_transfer=backward_transfer(matrix),
            average_incremental=float(np.mean(incremental)),
            passes=passes,
            task_bytes=sum(bytes_of),
            head_bytes=bytes_of[1],
            statistics_bytes=bytes_of[2],
            seconds=seconds,
            matrix=matrix.tolist(),
            confusion=confusion(self.truth, task, len(self.names)).tolist(),
        )

    def _by_task(self, right: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Shares float64 [T], in the order of learning."""
        return np.array([right[self.truth == self.names.index(name)].mean() for name in self.order])

    def _task_bytes(self, statistics: int) -> tuple[int, int, int]:
        """Of the largest task's adapter and head, and of statistics."""
        return (
            *max((_int8_bytes(self.workspace.adapter(name)) for name in self.names), key=sum),
            statistics,
        )

    def _by_adapter(self, task: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.answers[np.arange(len(task)), task]

    def _given(self) -> Measured:
        steps = [(self.truth, self._by_adapter(self.truth))] * len(self.order)
        return self._score(
            "task given", steps, self.truth, passes=1.0, bytes_of=self._task_bytes(0), seconds=0.0
        )

    def _rule(self, model: str, rule: Rule, *, frozen: bool) -> Measured:
        """A rule on the whole frozen encoder's features answers alone; on the trunk's first view it
        finds the task of an adapter.
        """
        width = self.workspace.backbone.views[0]
        statistics: dict[str, Statistics] = {}
        seconds = []
        for name in self.names:
            classes = self._classes(name, self.stream[name].train)
            start = time.perf_counter()
            statistics[name] = rule.statistics(
                self.train[name].tail if frozen else self.train[name].trunk[:, :width], classes
            )
            seconds.append(time.perf_counter() - start)
        test = self.test.tail if frozen else self.test.trunk[:, :width]
        steps = []
        for count in range(1, len(self.order) + 1):
            seen = self._seen(count)
            scores = rule.scorer(
                {self.names[index]: statistics[self.names[index]] for index in seen}
            )(test)
            owner = np.repeat(seen, [rule.columns(statistics[self.names[index]]) for index in seen])
            column = scores.argmax(axis=1)
            task = owner[column]
            first = {index: int(np.argmax(owner == index)) for index in seen}
            own = column - np.array([first[index] for index in task])
            steps.append((task, own if frozen else self._by_adapter(task)))
            second = np.array(seen)[
                _best_two(
                    np.stack([scores[:, owner == index].max(axis=1) for index in seen], axis=1)
                )[1]
            ]
        size = max(len(dump_arrays(one)) for one in statistics.values())
        bytes_of = (0, 0, size) if frozen else self._task_bytes(size)
        return self._score(
            model, steps, second, passes=1.0, bytes_of=bytes_of, seconds=float(np.mean(seconds))
        )

    def _cfedge(self) -> Measured:
        signatures = {name: self.workspace.signature(name) for name in self.names}
        held_out = {name: self.workspace.held_out(name).features for name in self.names}
        steps = []
        stages = np.zeros(0, np.int64)
        for count in range(1, len(self.order) + 1):
            seen = self._seen(count)
            names = [self.names[index] for index in seen]
            router, answers = route(
                {name: signatures[name] for name in names}, {name: held_out[name] for name in names}
            )
            found = router(self.test)
            stages, second = found.stages, np.array(seen)[found.runner_up]
            task = np.array(seen)[found.task]
            steps.append((task, self._by_adapter(task)))
        passes = (
            1
            + (float((stages == 3).mean()) - self._early(router, answers, found)) * self.tail_share
        )
        bytes_of = self._task_bytes(
            max(len(dump_arrays(one.arrays())) for one in signatures.values())
        )
        return self._score(
            "cfedge", steps, second, passes=passes, bytes_of=bytes_of, seconds=self._time_looks()
        )

    def _early(
        self, router: Router, answers: Mapping[str, TaskMatches], found: TaskMatches
    ) -> float:
        """Share of the test examples whose answers end early, all tasks learned
        (`cfedge.runtime.engine`); `answers` are to held-out ones.
        """
        evidence = certify(
            answers,
            {name: self.workspace.held_out(name).top_scores for name in self.names},
            router.first.directions,
        )
        early = 0.0
        for index, name in enumerate(self.names):
            adapter, rows = self.adapters[name], np.flatnonzero(found.task == index)
            early += float(
                np.sum(
                    ends_early(
                        gaps(adapter.trunk(self.test.trunk[rows])),
                        found.distance[rows].astype(np.float64),
                        exit_margin=adapter.exit_margin,
                        usual=adapter.exit_best,
                        directions=router.first.directions,
                        threshold=evidence[name].threshold,
                    )
                )
            )
        return early / len(self.truth)

    def _time_looks(self) -> float:
        start = time.perf_counter()
        for name in self.names:
            learn_signature(
                self.train[name],
                self._classes(name, self.stream[name].train),
                first_width=self.workspace.backbone.views[0],
            )
        return (time.perf_counter() - start) / len(self.names)

    def joint(self, workspace: WorkspaceFolder, settings: Settings) -> Measured:
        """Learn all classes as one task in `workspace`, which holds none: the ceiling that is not
        continual.
        """

        def together(split: str) -> Examples:
            parts: list[Examples] = [getattr(self.stream[name], split) for name in self.order]
            return Examples(
                tuple(text for one in parts for text in one.inputs),
                tuple(label for one in parts for label in one.labels),
                split,
            )

        start = time.perf_counter()
        learned = learn(
            workspace, "joint", together("train"), together("held_out"), settings=settings
        )
        seconds = time.perf_counter() - start
        position = {label: index for index, label in enumerate(learned.record.classes)}
        columns = [
            [position[label] for label in self.workspace.record(name).classes]
            for name in self.order
        ]
        step, second = self._one_head(Adapter.from_arrays(learned.adapter), columns)
        bytes_of = (*_int8_bytes(learned.adapter), 0)
        return self._score("joint", [step], second, passes=1.0, bytes_of=bytes_of, seconds=seconds)

    def sequential(self, settings: Settings) -> Measured:
        """Learn the tasks one after another with one adapter and one head: what forgets."""

        def lessons() -> Iterator[tuple[list[Floats], NDArray[np.int64]]]:
            for name in self.order:
                train = self.stream[name].train
                yield (
                    [states[0] for states in self.encoder(train.inputs).hidden],
                    self._classes(name, train),
                )

        start = time.perf_counter()
        adapters = list(in_sequence(self.workspace, lessons(), settings))
        seconds = time.perf_counter() - start
        steps, columns = [], []
        known = 0
        for name, adapter in zip(self.order, adapters, strict=True):
            new = len(self.workspace.record(name).classes)
            columns.append(list(range(known, known + new)))
            known += new
            step, second = self._one_head(adapter, columns)
            steps.append(step)
        bytes_of = (
            sum(array.size for array in adapter.slots.values()),
            adapter.weight.size + adapter.bias.size,
            0,
        )
        return self._score(
            "sequential", steps, second, passes=1.0, bytes_of=bytes_of, seconds=seconds
        )

    def _one_head(
        self, adapter: Adapter, columns: list[list[int]]
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]:
        """Answer with one head over several tasks: (task, class in the task), and the second best
        task.

        `columns` are the head's of each task's classes, for the first tasks of the order.
        """
        features = np.stack(self.encoder.adapted(self.hidden, adapter.slots))
        every = adapter.scores(adapter.adapted(features), adapter.trunk(self.test.trunk))
        scores = [every[:, own] for own in columns]
        best, second = _best_two(np.stack([own.max(axis=1) for own in scores], axis=1))
        label = np.stack([own.argmax(axis=1) for own in scores], axis=1)[np.arange(len(best)), best]
        owner = np.array([self.names.index(name) for name in self.order[: len(columns)]])
        return (owner[best], label), owner[second]

    def _proteus(self) -> Measured:
        """Each task's mixture in the space of its own adapter; an input goes to the task under
        which it is likeliest.
        """
        rule = Mixture()
        statistics: dict[str, Statistics] = {}
        seconds = []
        for name in self.names:
            start = time.perf_counter()
            statistics[name] = rule.statistics(
                self.own[name], self._classes(name, self.stream[name].train)
            )
            seconds.append(time.perf_counter() - start)
        scores = np.stack(
            [
                rule.log_likelihood(statistics[name], self.adapted[index])
                for index, name in enumerate(self.names)
            ],
            axis=1,
        )
        steps = []
        for count in range(1, len(self.order) + 1):
            seen = np.array(self._seen(count))
            task, second = (seen[one] for one in _best_two(scores[:, seen]))
            steps.append((task, self._by_adapter(task)))
        shared = 1 - self.tail_share
        bytes_of = self._task_bytes(max(len(dump_arrays(one)) for one in statistics.values()))
        passes = shared + self.tail_share * len(self.names)
        return self._score(
            "proteus",
            steps,
            second,
            passes=passes,
            bytes_of=bytes_of,
            seconds=float(np.mean(seconds)),
        )


def _best_two(scores: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best and the second best column of scores [B, T]; the second is the first where
    there is one only.
    """
    ordered = np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    return ordered[:, 0], ordered[:, min(1, scores.shape[1] - 1)]


def _int8_bytes(adapter: Mapping[str, Floats]) -> tuple[int, int]:
    """Of adapter and head as they ship, but for scales and the frame of the file."""
    slots = sum(array.size for name, array in adapter.items() if name.startswith(("a.", "b.")))
    return slots, sum(array.size for array in adapter.values()) - slots
