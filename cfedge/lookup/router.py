"""Up to three stages: where the two best tasks are close behind the trunk, look closer; where they
still are, look deeper.

- first: class means behind the trunk, with one covariance for all: linear, and cheap at a thousand
  tasks;
- second: each class's own shape behind the trunk (`cfedge.lookup.class_gaussians`), in place of the
  first stage's scores;
- third: the classes' own shapes behind the frozen tail, added class by class. It alone costs a run:
  one of the tail, for the inputs that need it (docs/decisions/0036-class-gaussians.md).

The third stage also has a word in how distant an input is, the second has not
(docs/decisions/0024-views.md).

Letters: B batch, D width, V views, T tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.class_gaussians import ClassGaussians, task_evidence
from cfedge.lookup.cluster_table import RoughTable
from cfedge.lookup.evidence import Evidence, decide
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.signature import ClusterStatistics, Features, TaskSignature
from cfedge.margins import Margins

__all__ = ["CANDIDATES", "Router", "SECOND_STAGE_SHARE", "THIRD_STAGE_SHARE"]

Floats = NDArray[np.float32]

#: Tasks at which a further stage is taken: the classes of thousands of tasks would cost more than
#: a run of the encoder.
CANDIDATES = 16
#: Of held-out inputs, the third at least: the second stage costs them some products, the third one
#: more run of the tail (docs/decisions/0003-lookup.md). The second's is the format's
#: (docs/format.md): `cfedge.runtime.drift` and `stream` suppose it of every bundle.
SECOND_STAGE_SHARE, THIRD_STAGE_SHARE = 0.3, 0.1


class _Parts(Mapping[str, ClusterStatistics]):
    """One stage's signature of each task, made when it is asked for."""

    def __init__(
        self,
        signatures: Mapping[str, TaskSignature],
        part: Callable[[TaskSignature], ClusterStatistics],
    ) -> None:
        self._signatures, self._part = signatures, part

    def __getitem__(self, name: str) -> ClusterStatistics:
        return self._part(self._signatures[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)


class Router:
    """All stages; the further ones are at the `CANDIDATES` tasks that the first one likes best.

    Parameters
    ----------
    signatures
        By task name; at least one. Each is asked for once a stage, so they may be read when they
        are asked for.
    margins
        Below which an input gets a further stage; None: never.
    table
        Of the first stage, for many clusters; see `Lookup`.

    Attributes
    ----------
    tasks
        Names, sorted.
    first
        The first stage.
    margins
        As given.
    """

    def __init__(
        self,
        signatures: Mapping[str, TaskSignature],
        margins: Margins | None = None,
        *,
        table: RoughTable | None = None,
    ) -> None:
        self._signatures = signatures
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()
        self.first = Lookup(_Parts(signatures, attrgetter("trunk")), table=table)
        self.tasks, self._width = self.first.tasks, self.first.width
        self.margins = margins or Margins()

    @property
    def near(self) -> ClassGaussians:
        """Of the second stage: made when the first input needs it, so that an engine opens
        sooner.
        """
        made: ClassGaussians = self._further("near", ClassGaussians, "trunk")
        return made

    @property
    def deep(self) -> ClassGaussians:
        """Of the third stage, made likewise."""
        made: ClassGaussians = self._further("deep", ClassGaussians, "tail")
        return made

    @property
    def tail(self) -> Lookup:
        """Of the third stage's distances, made likewise."""
        made: Lookup = self._further("tail", Lookup, "tail")
        return made

    def _further(
        self, name: str, kind: Callable[[Mapping[str, ClusterStatistics]], Any], part: str
    ) -> Any:
        """Make a part of a stage once, however many threads ask first: of a thousand tasks it takes
        seconds and hundreds of megabytes.
        """
        if name not in self._made:
            with self._making:
                if name not in self._made:
                    self._made[name] = kind(_Parts(self._signatures, attrgetter(part)))
        return self._made[name]

    def begin(self, trunk: Floats, position: int = 0) -> Evidence:
        """Take the first stage of one input, features float32 [V D] behind the trunk.

        Raises
        ------
        InputError
            They hold NaN or infinity; `position` names the input.
        """
        scored = self.first.scored(trunk[: self._width], position)
        return Evidence(1, trunk, position, scored, self.first.match(scored))

    def identify(self, trunk: Floats, position: int = 0) -> Evidence:
        """Take the first stage, and the second where the margin is thin; for errors see `begin`."""
        evidence = self.begin(trunk, position)
        thin = evidence.first.margin < self.margins.second
        return self.refine(evidence) if thin else evidence

    def needs_tail(self, evidence: Evidence) -> bool:
        """Whether an identified input needs a third stage: `deepen` with the tail's features."""
        return evidence.stages == 2 and decide(evidence).margin < self.margins.third

    def refine(self, evidence: Evidence) -> Evidence:
        """Add the second stage to the first."""
        scored = evidence.scored
        tasks, near = self.first.best_tasks(scored, CANDIDATES)
        trunk = evidence.trunk[: self._width]
        classes = self.near.scores(trunk, tasks, evidence.position)
        return evidence._replace(
            stages=2,
            tasks=tasks,
            classes=classes,
            scores=task_evidence(classes, self.near.classes_of(tasks)),
            distances=scored.square - 2 * near,
        )

    def deepen(self, evidence: Evidence, tail: Floats) -> Evidence:
        """Add the third stage to the first two, with features [D] behind the frozen tail.

        A distance is then the mean of this and the first stage's, as if summed over as many
        directions as that; for errors see `begin`.
        """
        assert evidence.classes is not None
        assert evidence.distances is not None
        tasks, position = evidence.tasks, evidence.position
        classes = evidence.classes + self.deep.scores(tail, tasks, position)
        behind, square = self.tail.of_tasks(tail, tasks, position)
        distances = evidence.distances + (square - 2 * behind) * (
            self.first.directions / self.tail.directions
        )
        distances /= 2
        return evidence._replace(
            stages=3,
            classes=classes,
            scores=task_evidence(classes, self.deep.classes_of(tasks)),
            distances=distances,
        )

    def given(self, evidence: Evidence, task: int) -> TaskMatch:
        """Return what the first stage says with the task given."""
        return self.first.match_given(evidence.scored, task)

    def task_scores(self, evidence: Evidence) -> Floats:
        """Return each task's score, float32 [T], on the scale of one stage: two are averaged.

        Tasks that a further stage was not at stay behind all that it was at.
        """
        first = self.first.task_scores(evidence.scored)
        if evidence.scores is None:
            return first
        closer = evidence.scores
        if evidence.stages == 3:
            closer = closer * np.float32(0.5)
        if evidence.tasks is None:
            return closer
        behind: Floats = np.minimum(first, closer.min())
        behind[evidence.tasks] = closer
        return behind

    def __call__(self, features: Features) -> TaskMatches:
        """Look B inputs up, with as many stages as each needs."""
        matches = []
        for position, (trunk, tail) in enumerate(zip(features.trunk, features.tail, strict=True)):
            evidence = self.identify(trunk, position)
            if self.needs_tail(evidence):
                evidence = self.deepen(evidence, tail)
            matches.append(decide(evidence))
        return TaskMatches.stacked(matches)
