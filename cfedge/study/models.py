"""What each model would have answered after each task of a learned order, and at what cost: the
lookups that ship, rules on frozen features, PROTEUS' rule, and the ceiling of a given task.

Letters: B rows, T tasks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from cfedge.bundle.arrays import dump_arrays
from cfedge.study.baselines import RULES, Mixture
from cfedge.study.heads_alone import Heads, heads_alone
from cfedge.study.order import LearnedOrder
from cfedge.study.results import SHIPPED, Measured
from cfedge.study.rule import Rule, Statistics
from cfedge.study.scoring import best_two, score
from cfedge.study.shipped_models import shipped_model

__all__ = ["measure"]


def measure(learned: LearnedOrder, models: Sequence[str]) -> list[Measured]:
    """Measure the models, and the ceiling of a given task."""
    runs, alone = [_given(learned)], None
    for model in models:
        if model in SHIPPED:
            lookup, with_adapters = SHIPPED[model]
            if not with_adapters:
                alone = alone or heads_alone(learned)
            heads = Heads.learned(learned) if with_adapters or alone is None else alone
            runs.append(shipped_model(learned, model, lookup, heads))
        elif model == "proteus":
            runs.append(_proteus(learned))
        else:
            frozen = model.endswith(" frozen")
            runs.append(_rule(learned, model, RULES[model.removesuffix(" frozen")], frozen=frozen))
    return runs


def _given(learned: LearnedOrder) -> Measured:
    steps = [(learned.truth, learned.by_adapter(learned.truth))] * len(learned.order)
    return score(
        learned,
        "task given",
        steps,
        learned.truth,
        passes=1.0,
        bytes_of=learned.task_bytes(0),
        seconds=0.0,
    )


def _rule(learned: LearnedOrder, model: str, rule: Rule, *, frozen: bool) -> Measured:
    """A rule on the whole frozen encoder's features answers alone; on what the lookup reads behind
    the trunk it finds the task of an adapter.
    """
    width = learned.workspace.backbone.lookup_width
    statistics: dict[str, Statistics] = {}
    seconds = []
    for name in learned.names:
        classes = learned.classes_of(name, learned.counted(name))
        start = time.perf_counter()
        statistics[name] = rule.statistics(
            learned.train[name].tail if frozen else learned.train[name].trunk[:, :width], classes
        )
        seconds.append(time.perf_counter() - start)
    test = learned.test.tail if frozen else learned.test.trunk[:, :width]
    steps = []
    for count in range(1, len(learned.order) + 1):
        seen = learned.positions(count)
        scores = rule.scorer(
            {learned.names[index]: statistics[learned.names[index]] for index in seen}
        )(test)
        owner = np.repeat(seen, [rule.columns(statistics[learned.names[index]]) for index in seen])
        column = scores.argmax(axis=1)
        task = owner[column]
        first = {index: int(np.argmax(owner == index)) for index in seen}
        label = column - np.array([first[index] for index in task])
        steps.append((task, label if frozen else learned.by_adapter(task)))
        second = np.array(seen)[
            best_two(np.stack([scores[:, owner == index].max(axis=1) for index in seen], axis=1))[1]
        ]
    size = max(len(dump_arrays(arrays)) for arrays in statistics.values())
    bytes_of = (0, 0, size) if frozen else learned.task_bytes(size)
    return score(
        learned,
        model,
        steps,
        second,
        passes=1.0,
        bytes_of=bytes_of,
        seconds=float(np.mean(seconds)),
    )


def _proteus(learned: LearnedOrder) -> Measured:
    """Each task's mixture in the space of its own adapter; an input goes to the task under
    which it is likeliest.
    """
    rule = Mixture()
    statistics: dict[str, Statistics] = {}
    seconds = []
    for name in learned.names:
        start = time.perf_counter()
        statistics[name] = rule.statistics(
            learned.train_adapted[name], learned.classes_of(name, learned.counted(name))
        )
        seconds.append(time.perf_counter() - start)
    scores = np.stack(
        [
            rule.log_likelihood(statistics[name], learned.adapted[index])
            for index, name in enumerate(learned.names)
        ],
        axis=1,
    )
    steps = []
    for count in range(1, len(learned.order) + 1):
        seen = np.array(learned.positions(count))
        task, second = (seen[column] for column in best_two(scores[:, seen]))
        steps.append((task, learned.by_adapter(task)))
    shared = 1 - learned.tail_share
    bytes_of = learned.task_bytes(max(len(dump_arrays(arrays)) for arrays in statistics.values()))
    passes = shared + learned.tail_share * len(learned.names)
    return score(
        learned,
        "proteus",
        steps,
        second,
        passes=passes,
        bytes_of=bytes_of,
        seconds=float(np.mean(seconds)),
    )
