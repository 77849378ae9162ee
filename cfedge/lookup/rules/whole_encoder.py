"""Finds the task of an input in one stage, behind the frozen tail: for lookups that have no cheap
first stage.

Every input is run through the frozen tail before its task is known. Answers may still end without
the adapted tail, where the trunk's part of the task's head is sure.

Letters: B batch, C classes of all tasks, D width, T tasks, V views.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.evidence import Evidence
from cfedge.lookup.familiarity import Terms
from cfedge.lookup.finite import finite
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.scored import Scored, best_outside
from cfedge.lookup.signature import Features
from cfedge.lookup.tail_familiarity import NOTHING, TailFamiliarity
from cfedge.margins import Margins

__all__ = ["Score", "Scorer", "WholeEncoder"]

Floats = NDArray[np.float32]

#: Of an input of which nothing is known yet.
_UNSEEN = Scored(np.zeros(0, np.float32), 0.0, np.zeros(0, np.float32))


class Score(NamedTuple):
    """One input: how much speaks for each class, float32 [C], and what a distance is counted from:
    to a class it is `square` less twice the class's score.
    """

    classes: Floats
    square: float


Scorer = Callable[[Floats], Score]


class WholeEncoder:
    """All tasks, ready to run; see `cfedge.lookup.finder.Finder`.

    Parameters
    ----------
    tasks
        Names, sorted.
    statistics
        Of each task, behind the frozen tail.
    scorer
        Scores one input under the classes of all tasks, in their order.
    margins
        Below whose `second` a margin is thin; None: never.
    centres
        Of a broad corpus, float32 [G, D], or None (`cfedge.lookup.background`).
    unit
        Of a score that is worth one nat.
    """

    reads_all = True

    def __init__(
        self,
        tasks: Sequence[str],
        statistics: Sequence[ClusterStatistics],
        scorer: Scorer,
        margins: Margins | None,
        centres: Floats | None,
        *,
        unit: float,
    ) -> None:
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.margins = margins or Margins()
        self._statistics, self._scorer, self._centres, self._unit = (
            statistics, scorer, centres, unit,
        )  # fmt: skip
        bounds = np.cumsum([0, *(len(one.counts) for one in statistics)]).tolist()
        self.spans = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        self._starts = np.array(bounds[:-1])
        self._task_of = np.repeat(np.arange(len(tasks)), np.diff(bounds))
        self._familiarity: TailFamiliarity | None = None
        self._making = threading.Lock()

    def warm_up(self) -> None:
        """Make what tells unknown inputs."""
        self._familiar()

    def begin(self, trunk: Floats, position: int = 0) -> Evidence:
        """Know nothing yet: the trunk is not read."""
        return Evidence(0, trunk, position, _UNSEEN, TaskMatch(0, -1, 0.0, math.inf, 0.0, 0))

    def identify(self, trunk: Floats, position: int = 0) -> Evidence:
        """As `begin`."""
        return self.begin(trunk, position)

    def needs_tail(self, evidence: Evidence) -> bool:
        """Whether the tail has not been read."""
        return evidence.stages == 0

    def deepen(self, evidence: Evidence, tail: Floats) -> Evidence:
        """Score the classes behind the frozen tail, features float32 [D].

        Raises
        ------
        InputError
            They hold NaN or infinity.
        """
        finite(float(tail.dot(tail)), evidence.position)
        classes, square = self._scorer(tail)
        scored = Scored(tail, square, classes)
        match = self._match(scored)
        return evidence._replace(stages=match.stages, scored=scored, first=match)

    def given(self, evidence: Evidence, task: int) -> TaskMatch:
        """Return the match with the task given: its margin is negative where another fits
        better.
        """
        scores = self.task_scores(evidence)
        score = float(scores[task])
        distance = evidence.scored.square - 2.0 * score
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, score, math.inf, distance)
        scores[task] = -math.inf
        rival = int(scores.argmax())
        return TaskMatch(task, rival, score, score - float(scores[rival]), distance)

    def task_scores(self, evidence: Evidence) -> Floats:
        """Return the best class's score of each task, float32 [T]."""
        scores: Floats = np.maximum.reduceat(evidence.scored.clusters, self._starts)
        return scores

    def class_scores(self, trunk: Floats, tail: Callable[[], Floats]) -> Floats:
        """Return how much speaks for each class, float32 [C] in nats."""
        return self._scorer(tail()).classes / np.float32(self._unit)

    def confusions(self, name: str, among: Collection[str] | None = None) -> dict[str, float]:
        """Return 0 for every rival: there is no model of how often it takes inputs."""
        return {
            rival: 0.0
            for rival in self.tasks
            if rival != name and (among is None or rival in among)
        }

    def behind_trunk(self, trunk: Floats, task: int) -> Terms:
        """Say nothing: the trunk is not read."""
        return NOTHING

    def behind_tail(self, tail: Floats, task: int) -> Terms:
        """Compare features [D] behind the frozen tail with the task at position `task`."""
        return self._familiar()(tail, task)

    def behind(self, features: Features, task: int) -> list[tuple[Terms, Terms]]:
        """Compare N inputs likewise."""
        return [(NOTHING, self._familiar()(tail, task)) for tail in features.tail]

    def __call__(self, features: Features) -> TaskMatches:
        """Look B inputs up, behind the tail alone."""
        begun = map(self.begin, features.trunk, itertools.count())
        pairs = zip(begun, features.tail, strict=True)
        return TaskMatches.stacked([self.deepen(evidence, tail).first for evidence, tail in pairs])

    def _match(self, scored: Scored) -> TaskMatch:
        scores = scored.clusters
        nearest = int(scores.argmax())
        task, best = int(self._task_of[nearest]), float(scores[nearest])
        distance = scored.square - 2.0 * best
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, best, math.inf, distance)
        rival = best_outside(scores, self.spans[task])
        margin = best - float(scores[rival])
        stages = 2 if margin < self.margins.second else 1
        return TaskMatch(task, int(self._task_of[rival]), best, margin, distance, stages)

    def _familiar(self) -> TailFamiliarity:
        if self._familiarity is None:
            with self._making:
                if self._familiarity is None:
                    self._familiarity = TailFamiliarity(
                        [one.means for one in self._statistics],
                        [one.counts for one in self._statistics],
                        _within(self._statistics),
                        self._centres,
                    )
        return self._familiarity


def _within(statistics: Sequence[ClusterStatistics]) -> NDArray[np.float64]:
    """The spread within classes of all tasks, float64 [D, D]."""
    width = statistics[0].means.shape[1]
    scatter, examples = np.zeros((width, width)), 0.0
    for one in statistics:
        rows = one.factor.astype(np.float64)
        scatter += rows.T @ rows
        scatter[np.diag_indices(width)] += one.diagonal
        examples += float(one.counts.sum())
    return scatter / examples
