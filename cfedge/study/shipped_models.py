"""What a bundle would have answered after each task of a learned order, with each lookup that can be
shipped, with adapters or with heads alone: measured as the device answers, and with what it costs.

Letters: B test examples.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays
from cfedge.lookup import Slices, TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.lookup.ood import trunk_score
from cfedge.runtime.early_exit import gaps, trunk_decides
from cfedge.study.heads_alone import Heads
from cfedge.study.order import LearnedOrder, int8_bytes
from cfedge.study.results import Measured
from cfedge.study.scoring import score
from cfedge.train.certify.answer_odds import answer_odds
from cfedge.train.certify.right_answers import right_answers
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import Shipped
from cfedge.train.features.signature import learn_signature
from cfedge.train.measures.calibrating import calibrations, held_out_terms
from cfedge.train.measures.calibration_error import calibration_error
from cfedge.train.measures.pseudo_unknown import pseudo_unknown_terms

__all__ = ["shipped_model"]


def shipped_model(order: LearnedOrder, model: str, lookup: str, heads: Heads) -> Measured:
    """Measure one lookup with the tasks' heads, as `model`."""
    workspace = order.workspace
    whole = {name: workspace.task(name) for name in order.names}
    made = Shipped.of(whole, lookup)
    steps = []
    for count in range(1, len(order.order) + 1):
        seen = np.array(order.positions(count))
        some = Shipped.of({order.names[index]: whole[order.names[index]] for index in seen}, lookup)
        router, answers = routed(some, workspace.background())
        matches = router(order.test)
        task = seen[matches.task]
        steps.append((task, heads.answers[np.arange(len(task)), task]))
    size = max(len(dump_arrays(one.arrays())) for one in made.signatures.values())
    both = max((int8_bytes(_arrays(heads, name)) for name in order.names), key=sum)
    slots = 0 if heads.frozen else both[0]
    measured = score(
        order,
        model,
        steps,
        seen[matches.runner_up],
        passes=_passes(order, made, router, answers, matches, heads),
        bytes_of=(slots, both[1], size),
        seconds=_seconds(order),
    )
    if lookup != workspace.lookup or heads.frozen:
        return measured  # the workspace's heads answered its held-out inputs
    error = _calibration_error(order, made, router, answers, matches)
    return replace(measured, calibration_error=error)


def _calibration_error(
    order: LearnedOrder,
    made: Shipped,
    router: Finder,
    answers: dict[str, TaskMatches],
    matches: TaskMatches,
) -> float:
    """Of the probabilities that ship, on the test examples, all tasks learned."""
    right = right_answers(order.workspace, answers, router)
    odds = answer_odds(order.workspace, made, router, answers, right)
    found = zip(
        matches.task.tolist(),
        matches.stages.tolist(),
        matches.margin.tolist(),
        order.sure,
        strict=True,
    )
    stated = [
        odds[router.tasks[task]].of_task(stages, margin) * sure[task]
        for task, stages, margin, sure in found
    ]
    labels = order.by_adapter(matches.task)
    return calibration_error(stated, (matches.task == order.truth) & (labels == order.label))


def _arrays(heads: Heads, name: str) -> dict[str, NDArray[np.float32]]:
    one = heads.adapters[name]
    return {
        **one.slots, "head.weight": one.weight, "head.bias": one.bias,
        "trunk.weight": one.trunk_weight, "trunk.bias": one.trunk_bias,
        "shape.weight": one.shape_weight, "shape.bias": one.shape_bias,
        "exit.margin": np.array([one.exit_margin], np.float32),
    }  # fmt: skip


def _passes(
    order: LearnedOrder,
    made: Shipped,
    router: Finder,
    answers: dict[str, TaskMatches],
    matches: TaskMatches,
    heads: Heads,
) -> float:
    """Passes of the encoder an input, all tasks learned: the frozen tail is run where lookup or
    unknown inputs need it, the adapted one where the trunk's part of the head is not sure; one for
    both where there is no adapter. A trunk that shows the frozen tail's features is a whole pass.
    """
    late = np.ones(len(order.truth), np.bool_)
    for index, name in enumerate(router.tasks):
        adapter, rows = heads.adapters[name], np.flatnonzero(matches.task == index)
        apart = gaps(adapter.trunk(order.test.trunk[rows]))
        late[rows] = ~np.asarray(trunk_decides(apart, adapter.exit_margin))
    if order.workspace.backbone.frozen_views:
        return 1 + order.tail_share * (0.0 if heads.frozen else float(late.mean()))
    frozen = _frozen(order, made, router, answers, matches)
    runs = frozen | late if heads.frozen else frozen.astype(np.int64) + late
    return 1 + order.tail_share * (float(runs.mean()) - 1)


def _frozen(
    order: LearnedOrder,
    made: Shipped,
    router: Finder,
    answers: dict[str, TaskMatches],
    matches: TaskMatches,
) -> NDArray[np.bool_]:
    """Which test examples need the frozen tail, bool [B]: for a third stage, or since the trunk does
    not say that they are known; `answers` are to held-out ones.
    """
    if router.reads_all:
        return np.ones(len(order.truth), np.bool_)
    terms = held_out_terms(
        made.signatures, answers, made.held_out, made.folds, order.workspace.background(),
        rule=made.rule,
    )  # fmt: skip
    rules = calibrations(terms, pseudo_unknown_terms(router, answers, made.held_out))
    needed = matches.stages == 3
    for row, (trunk, task) in enumerate(zip(order.test.trunk, matches.task.tolist(), strict=True)):
        rule = rules[router.tasks[task]]
        open_yet = trunk_score(rule, router.behind_trunk(trunk, task)) > rule.accepted
        needed[row] = needed[row] or open_yet
    return np.asarray(needed, np.bool_)


def _seconds(order: LearnedOrder) -> float:
    """To make a task's statistics, the mean."""
    start, backbone = time.perf_counter(), order.workspace.backbone
    for name in order.names:
        learn_signature(
            order.train[name],
            order.classes_of(name, order.counted(name)),
            lookup_width=backbone.lookup_width,
            slices=Slices.of(backbone.views, backbone.frozen_views),
        )
    return (time.perf_counter() - start) / len(order.names)
