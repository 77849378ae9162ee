"""Up to three stages: where the two best tasks are close behind the trunk, look closer; where they
still are, look deeper.

- first: class means behind the trunk, with one covariance for all: linear, and cheap at a thousand
  tasks;
- second: each class's own shape behind the trunk (`cfedge.lookup.class_gaussians`), in place of the
  first stage's scores;
- third: the same classes' own shapes behind the frozen tail, added class by class, with the more
  weight the fewer the examples. It alone costs a run: one of the tail, for the inputs that need it
  (docs/decisions/0036-class-gaussians.md). Where the first two read all of a trunk that runs the
  whole network, there is none.

How unlike a task an input is, is another question than which task is nearest, and has its own
answer behind the trunk and behind the tail (`cfedge.lookup.familiarity`).

Letters: B batch, D width, V views, T tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.background import Background
from cfedge.lookup.class_gaussians import tail_weight, task_evidence, temperature
from cfedge.lookup.class_table import KEPT_BYTES, ClassTable
from cfedge.lookup.cluster_table import MakeCoarse
from cfedge.lookup.evidence import Closer, Evidence, decide
from cfedge.lookup.familiarity import Familiarity, Terms
from cfedge.lookup.kept import KeepPart
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.parts import Made, Signatures
from cfedge.lookup.scored import distances_of
from cfedge.lookup.signature import Features
from cfedge.margins import Margins

__all__ = ["CANDIDATES", "Router"]

Floats = NDArray[np.float32]

#: Classes at which a further stage is taken, those that the first likes best: to read the shapes of
#: all of ten tasks takes three times as long, and the answers are as good
#: (docs/decisions/0040-cost-of-an-answer.md).
CANDIDATES = 24


class Router:
    """All stages; the further ones are at the `CANDIDATES` classes that the first one likes best.

    Parameters
    ----------
    signatures
        By task name; at least one. They may be read when they are asked for: each stage asks for
        all of them once, and for a task's again when its classes are needed and not in memory.
    margins
        Below which an input gets a further stage; None: never.
    coarse
        Of the first stage, for many clusters; see `Lookup`.
    background
        What inputs of no task look like; None: the tasks are their own background.
    class_bytes
        Of the further stages' classes in memory, a stage.
    keep
        Gives what was computed of a part's statistics before, or has it computed; None: anew.

    Attributes
    ----------
    tasks
        Names, sorted.
    first
        The first stage.
    margins
        As given.
    """

    reads_all = False

    def __init__(
        self,
        signatures: Signatures,
        margins: Margins | None = None,
        *,
        coarse: MakeCoarse | None = None,
        background: Background | None = None,
        keep: KeepPart | None = None,
        class_bytes: int = KEPT_BYTES,
    ) -> None:
        self._made = Made(signatures, background, keep, coarse, class_bytes)
        self.first = self._made.lookup("trunk")
        self.tasks, self.spans = self.first.tasks, self.first.spans
        self._width = self.first.width
        self.margins = margins or Margins()

    @property
    def near(self) -> ClassTable:
        """Of the second stage: made when the first input needs it, so that an engine opens
        sooner.
        """
        return self._made.table("trunk")

    @property
    def tail(self) -> Lookup:
        """Of the tail's statistics, made likewise."""
        return self._made.lookup("tail")

    @property
    def deep(self) -> ClassTable:
        """Of the tail's statistics, for the third stage, made likewise."""
        return self._made.table("tail")

    @property
    def reads_whole(self) -> bool:
        """Whether tasks left one part of all that the trunk says: there is no third stage."""
        return self._made.slices is not None

    def warm_up(self) -> None:
        """Make now what would be made when an input first needs it."""
        for part in (self._near_part, "trunk", "tail"):
            self._made.table(part).warm_up()
        self._made.familiar(self._near_part)
        self._made.familiar("tail")

    @property
    def _near_part(self) -> str:
        """What an input is compared with its task by: the first view, which is quick."""
        return "first" if self.reads_whole else "trunk"

    @cached_property
    def _near_familiar(self) -> Familiarity:
        return self._made.familiar(self._near_part)  # asked for every input

    def behind_trunk(self, trunk: Floats, task: int) -> Terms:
        """Compare features float32 [V D] behind the trunk with the task at position `task`."""
        familiar = self._near_familiar
        return familiar(trunk[: familiar.width], task)

    def behind_tail(self, tail: Floats, task: int) -> Terms:
        """Compare features float32 [D] behind the frozen tail likewise."""
        return self._made.familiar("tail")(tail, task)

    def behind(self, features: Features, task: int) -> list[tuple[Terms, Terms]]:
        """Compare N inputs likewise, behind the trunk and the tail."""
        familiar = self._near_familiar
        trunk = familiar.several(features.trunk[:, : familiar.width], task)
        tail = self._made.familiar("tail").several(features.tail, task)
        return list(zip(trunk, tail, strict=True))

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
        """Add the second stage to the first; for errors see `begin`."""
        scored, first = evidence.scored, evidence.first
        kept, best = self.first.best_clusters(scored, CANDIDATES, first.runner_up)
        owners: list[int] = self.first.task_of.take(kept).tolist()
        classes = self.near.scores(evidence.trunk[: self._width], kept, evidence.position)
        distances = distances_of(scored.square, best, owners)
        scores = task_evidence(classes.tolist(), owners, temperature(self._width))
        return evidence._replace(stages=2, closer=Closer(kept, owners, classes, scores, distances))

    def deepen(self, evidence: Evidence, tail: Floats) -> Evidence:
        """Add the third stage, with features [D] behind the frozen tail; for errors see `begin`."""
        assert evidence.closer is not None
        kept, owners, classes, _, distances = evidence.closer
        weight = tail_weight(self.tail.shrinkage)
        classes = (2 - weight) * classes + weight * self.deep.scores(tail, kept, evidence.position)
        scores = task_evidence(classes.tolist(), owners, temperature(len(tail)))
        return evidence._replace(stages=3, closer=Closer(kept, owners, classes, scores, distances))

    def given(self, evidence: Evidence, task: int) -> TaskMatch:
        """Return what the first stage says with the task given."""
        return self.first.match_given(evidence.scored, task)

    def task_scores(self, evidence: Evidence) -> Floats:
        """Return each task's score, float32 [T], on the scale of one stage: two are averaged.

        Tasks that a further stage was not at stay behind all that it was at.
        """
        first = self.first.task_scores(evidence.scored)
        if evidence.closer is None:
            return first
        tasks, scores = zip(*evidence.closer.scores.items(), strict=True)
        closer = np.array(scores, np.float32) / np.float32(evidence.stages - 1)
        behind: Floats = np.minimum(first, closer.min())
        behind[list(tasks)] = closer
        return behind

    def class_scores(self, trunk: Floats, tail: Callable[[], Floats]) -> Floats:
        """Return the first stage's scores of all classes, float32 [C]; the tail is not asked."""
        scores: Floats = self.first.cluster_scores(trunk[None, : self._width])[0]
        return scores

    def confusions(self, name: str, among: Collection[str] | None = None) -> dict[str, float]:
        """Return `cfedge.lookup.bounds.confusions` of the first stage."""
        from cfedge.lookup.bounds import confusions  # which answers do without

        return confusions(self.first, name, among)

    def __call__(self, features: Features) -> TaskMatches:
        """Look B inputs up, with as many stages as each needs."""
        matches = []
        for position, (trunk, tail) in enumerate(zip(features.trunk, features.tail, strict=True)):
            evidence = self.identify(trunk, position)
            needed = self.needs_tail(evidence)
            matches.append(decide(self.deepen(evidence, tail) if needed else evidence))
        return TaskMatches.stacked(matches)
