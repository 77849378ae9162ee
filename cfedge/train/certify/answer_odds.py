"""What became of a workspace's held-out inputs, and the odds that follow
(`cfedge.train.measures.odds`): by the lookup and the heads that ship, each input by a lookup that
it is not in.

Where an input went to another task, that task's head is asked, so the input is encoded again.

Letters: N held-out inputs of a task, T tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.calibration import Odds
from cfedge.lookup import TaskMatch, TaskMatches, decide
from cfedge.lookup.finder import Finder
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.certify.right_answers import asked_scores
from cfedge.train.certify.shipped import Shipped
from cfedge.train.measures.folds import Folds, Without
from cfedge.train.measures.odds import Outcomes, odds_of
from cfedge.train.measures.temperature import log_softmax
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut

__all__ = ["answer_odds", "outcomes"]


@dataclass(frozen=True)
class _Task:
    """One task: its held-out inputs, their parts, and what was found of them."""

    position: int
    held_out: HeldOut
    folds: Folds
    matches: TaskMatches

    @property
    def lost(self) -> NDArray[np.intp]:
        """Inputs that another task was found of."""
        return np.flatnonzero(self.matches.task != self.position)


def answer_odds(
    workspace: WorkspaceFolder,
    made: Shipped,
    router: Finder,
    matches: Mapping[str, TaskMatches],
    right: Mapping[str, NDArray[np.bool_]],
) -> dict[str, Odds]:
    """Return each task's odds, with all tasks of the workspace together.

    Parameters
    ----------
    made
        What ships of the tasks.
    router, matches, right
        As `cfedge.train.certify.judged` judged them.
    """
    odds = odds_of(outcomes(workspace, made, router, matches, right), len(router.tasks))
    return dict(zip(router.tasks, odds, strict=True))


def outcomes(
    workspace: WorkspaceFolder,
    made: Shipped,
    router: Finder,
    matches: Mapping[str, TaskMatches],
    right: Mapping[str, NDArray[np.bool_]],
) -> Outcomes:
    """Gather what became of all held-out inputs of a workspace, one task after another; see
    `answer_odds`.
    """
    tasks = [
        _Task(position, workspace.held_out(name), workspace.folds(name), matches[name])
        for position, name in enumerate(router.tasks)
    ]
    encoder = workspace.encoder() if any(len(one.lost) for one in tasks) else None
    heads = [_heads(workspace, encoder, router.tasks, one) for one in tasks]
    rows = [list(_rows(one.matches)) for one in tasks]
    scores = _scores(made, router, tasks, rows)
    starts = np.cumsum([0, *(len(one.folds.of) for one in tasks)]).tolist()
    return Outcomes(
        task=np.repeat(np.arange(len(tasks)), np.diff(starts)),
        part=np.concatenate([one.folds.of for one in tasks]),
        matches=[match for own in rows for match in own],
        label=np.concatenate([label for _, label in heads]),
        right=np.concatenate([right[name] for name in router.tasks]),
        either=_either(workspace, router.tasks, tasks, [answer for answer, _ in heads]),
        truth=np.concatenate([one.held_out.likelihoods for one in tasks]).astype(np.float64),
        scores={starts[task] + row: own for (task, row), own in scores.items()},
    )


def _heads(
    workspace: WorkspaceFolder, encoder: Encoder | None, names: tuple[str, ...], task: _Task
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What the head of the task found answers to each input, and the probability that it gives to
    that: int64 [N] and float64 [N].
    """
    answer = task.held_out.answers.copy()
    label = task.held_out.confidences.astype(np.float64)
    for rival in sorted(set(task.matches.task[task.lost].tolist())):
        assert encoder is not None
        rows = np.flatnonzero(task.matches.task == rival)
        adapter = Adapter.from_arrays(workspace.adapter(names[rival]))
        scores = asked_scores(encoder, adapter, [task.held_out.inputs[row] for row in rows])
        answer[rows] = scores.argmax(axis=1)
        label[rows] = np.exp(log_softmax(scores.astype(np.float64)).max(axis=1))
    return answer, label


def _either(
    workspace: WorkspaceFolder,
    names: tuple[str, ...],
    tasks: list[_Task],
    answers: list[NDArray[np.int64]],
) -> NDArray[np.bool_]:
    """Whether the runner-up has a label that means the same as the answer, of all inputs."""
    meanings = workspace.meanings()
    either = [np.zeros(len(answer), np.bool_) for answer in answers]
    if not meanings.any:
        return np.concatenate(either)
    classes = [workspace.record(name).classes for name in names]
    for one, answer, own in zip(tasks, answers, either, strict=True):
        for row, match in enumerate(_rows(one.matches)):
            own[row] = match.runner_up >= 0 and meanings.has(
                names[match.task],
                classes[match.task][answer[row]],
                names[match.runner_up],
                classes[match.runner_up],
            )
    return np.concatenate(either)


def _rows(matches: TaskMatches) -> Iterable[TaskMatch]:
    columns = (
        matches.task, matches.runner_up, matches.score, matches.margin, matches.distance,
        matches.stages,
    )  # fmt: skip
    return (TaskMatch(*row) for row in zip(*(one.tolist() for one in columns), strict=True))


def _scores(
    made: Shipped, router: Finder, tasks: list[_Task], matches: list[list[TaskMatch]]
) -> dict[tuple[int, int], NDArray[np.float32]]:
    """The scores of all tasks, float32 [T], for inputs that another task was found of, by their
    task and their place; their `matches` become what these scores say.
    """
    if not any(len(one.lost) for one in tasks):
        return {}
    scores = {}
    for part in range(max(len(one.folds.without) for one in tasks)):
        judge = made.rule.router(Without(made.signatures, made.folds, part), router.margins)
        for one in tasks:
            features = one.held_out.features
            for row in one.lost[one.folds.of[one.lost] == part].tolist():
                evidence = judge.identify(features.trunk[row], row)
                if judge.needs_tail(evidence):
                    evidence = judge.deepen(evidence, features.tail[row])
                matches[one.position][row] = decide(evidence)
                scores[one.position, row] = judge.task_scores(evidence)
    return scores
