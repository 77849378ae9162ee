"""What the tasks of a learned order would be without adapters: each a head in closed form behind the
frozen encoder (``cfedge add --head-only``), made of the statistics that the workspace keeps.

Letters: B test examples, T tasks.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import Adapter
from cfedge.study.order import LearnedOrder
from cfedge.train.learn.finished_head import finished
from cfedge.train.learn.head import closed_form_head, no_slots

__all__ = ["Heads", "heads_alone"]


class Heads(NamedTuple):
    """The heads that answer, and what they say of the test examples.

    Attributes
    ----------
    adapters
        By task.
    answers
        int64 [B, T], the class that each task's head answers.
    frozen
        The tail is run without adapters, once an input.
    """

    adapters: dict[str, Adapter]
    answers: NDArray[np.int64]
    frozen: bool

    @classmethod
    def learned(cls, order: LearnedOrder) -> Heads:
        """Return those that were learned, with their adapters."""
        return cls(order.adapters, order.answers, frozen=False)


def heads_alone(order: LearnedOrder) -> Heads:
    """Return heads in closed form of the same examples."""
    adapters, answers = {}, []
    for name in order.names:
        statistics = order.workspace.statistics(name)
        evidence, record = order.workspace.held_out(name), order.workspace.record(name)
        behind = evidence.features.tail
        frozen = dataclasses.replace(statistics, adapted=statistics.tail)
        head = closed_form_head(frozen, evidence, behind)
        arrays = {**no_slots(order.adapters[name].slots), **head}
        adapter = Adapter.from_arrays(
            finished(arrays, frozen, evidence, behind, record.settings.exit_share)[0]
        )
        adapters[name] = adapter
        scores = adapter.scores(adapter.adapted(order.test.tail), adapter.trunk(order.test.trunk))
        answers.append(scores.argmax(axis=1))
    return Heads(adapters, np.stack(answers, axis=1).astype(np.int64), frozen=True)
