"""What became of a workspace's held-out inputs: each with the task and the label that it got, with
all tasks together, by the heads that ship and a lookup that it is not in
(`cfedge.train.measures.folds`).

Where an input went to another task, that task's head is asked, so the input is encoded again. The
same is done for inputs that are held back from their own task (`HeldOut.without_own`): what the
others make of them is what they would make of inputs of no task.

Letters: N held-out inputs of a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.inputs.modality import Input
from cfedge.lookup import Features, TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.lookup.ood import ood_score
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.certify.answer_odds import outcomes
from cfedge.train.certify.judged import judged
from cfedge.train.certify.shipped import shipped
from cfedge.train.measures.calibrating import Terms, terms_of
from cfedge.train.measures.certificate import Certified
from cfedge.train.measures.odds import stated
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut

__all__ = ["Answered", "HeldOutAnswers"]

#: Inputs that are encoded at once.
_BATCH = 32


@dataclass(frozen=True)
class Answered:
    """Inputs with their answers.

    Attributes
    ----------
    task
        Position of the task found, int64 [N].
    label
        Class of that task, int64 [N].
    score
        Out-of-distribution score, float64 [N].
    """

    task: NDArray[np.int64]
    label: NDArray[np.int64]
    score: NDArray[np.float64]


class HeldOutAnswers:
    """The held-out inputs of all tasks, answered.

    Attributes
    ----------
    tasks
        Names, sorted: positions elsewhere are in this order.
    evidence
        By task, what the workspace keeps.
    matches, right, terms, certified
        By task, see `cfedge.train.certify.judged.Judged`.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._adapters: dict[str, Adapter] = {}
        self._encoder: Encoder | None = None
        self.tasks = workspace.tasks
        self.evidence: dict[str, HeldOut] = {name: workspace.held_out(name) for name in self.tasks}
        found = judged(workspace)
        self.router: Finder = found.router
        self.matches: Mapping[str, TaskMatches] = found.matches
        self.terms: Terms = found.terms
        self.right: Mapping[str, NDArray[np.bool_]] = found.right
        self.certified: Mapping[str, Certified] = found.certified

    def answered(self, name: str) -> Answered:
        """Return the answers to one task's held-out inputs."""
        seen, found = self.evidence[name], self.matches[name]
        label, score = seen.answers.copy(), np.zeros(len(seen.answers))
        routed = found.task == self.tasks.index(name)
        if routed.any():
            score[routed] = ood_score(self.certified[name].calibration, self.terms[name])
        elsewhere = np.flatnonzero(~routed)
        if len(elsewhere):
            inputs = [seen.inputs[row] for row in elsewhere]
            label[elsewhere] = self._asked(inputs, found.task[elsewhere])
            score[elsewhere] = self._scores(_rows(seen.features, elsewhere), found.task[elsewhere])
        return Answered(found.task, label, score)

    def sureness(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the probability of the answer to each held-out input of all tasks, by odds that it
        had no share in, and whether task and label are right.
        """
        found = outcomes(
            self._workspace, shipped(self._workspace), self.router, self.matches, self.right
        )
        return stated(found), found.right

    def without_own(self, name: str, most: int) -> Answered:
        """Return what the other tasks make of at most `most` held-out inputs of one task.

        The lookup's covariance still knows the task; nothing else does.
        """
        seen, own = self.evidence[name], self.tasks.index(name)
        step = max(1, -(-len(seen.inputs) // most))
        rows = np.arange(0, len(seen.inputs), step)
        tasks = np.array([self._next_best(seen, row, own) for row in rows.tolist()], np.int64)
        label = self._asked([seen.inputs[row] for row in rows], tasks)
        return Answered(tasks, label, self._scores(_rows(seen.features, rows), tasks))

    def of(self, inputs: Sequence[Input]) -> Answered:
        """Answer other inputs."""
        task, label, score = [], [], []
        for start in range(0, len(inputs), _BATCH):
            some = list(inputs[start : start + _BATCH])
            encoded = self.encoder(some)
            features = self.encoder.features(encoded)
            found = self.router(features)
            task.append(found.task)
            label.append(self._asked(some, found.task))
            score.append(self._scores(features, found.task))
        return Answered(np.concatenate(task), np.concatenate(label), np.concatenate(score))

    @property
    def encoder(self) -> Encoder:
        """The backbone as it ships, opened when it is first needed."""
        if self._encoder is None:
            self._encoder = self._workspace.encoder()
        return self._encoder

    def _scores(self, features: Features, tasks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the out-of-distribution score of each input for the task at this position."""
        scores = np.zeros(len(tasks))
        for position in np.unique(tasks).tolist():
            rows = np.flatnonzero(tasks == position)
            terms = terms_of(self.router, _rows(features, rows), position)
            scores[rows] = ood_score(self.certified[self.tasks[position]].calibration, terms)
        return scores

    def _next_best(self, seen: HeldOut, row: int, own: int) -> int:
        """Return the best task but one, in as many stages as the input gets."""
        evidence = self.router.identify(seen.features.trunk[row])
        if self.router.needs_tail(evidence):
            evidence = self.router.deepen(evidence, seen.features.tail[row])
        scores = self.router.task_scores(evidence).astype(np.float64)
        scores[own] = -np.inf
        return int(scores.argmax())

    def _asked(self, inputs: Sequence[Input], tasks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ask for each input the head of the task at this position: the class that it answers."""
        labels = np.zeros(len(inputs), np.int64)
        for position in np.unique(tasks):
            adapter = self._adapter(self.tasks[position])
            rows = np.flatnonzero(tasks == position)
            for start in range(0, len(rows), _BATCH):
                some = rows[start : start + _BATCH]
                encoded = self.encoder([inputs[row] for row in some])
                behind = np.stack(self.encoder.adapted(encoded, adapter))
                adapted = adapter.adapted(behind)
                scores = adapter.scores(adapted, adapter.trunk(np.stack(encoded.features)))
                labels[some] = scores.argmax(axis=1)
        return labels

    def _adapter(self, name: str) -> Adapter:
        if name not in self._adapters:
            self._adapters[name] = Adapter.from_arrays(self._workspace.adapter(name))
        return self._adapters[name]


def _rows(features: Features, rows: NDArray[np.intp]) -> Features:
    return Features(features.trunk[rows], features.tail[rows])
