"""Up to three stages: where the two best tasks are close behind the trunk, look closer; where they
still are, look deeper.

- first: class clusters behind the trunk, in the first view (the mean) alone;
- second: several clusters a class behind the trunk, in all views of the tokens, averaged with the
  first stage's scores;
- third: class clusters behind the frozen tail, added. It alone costs a run: one of the tail, for
  the few inputs that need it
  (docs/decisions/0003-lookup.md).

The third stage also has a word in how distant an input is, the second has not
(docs/decisions/0024-views.md).

Letters: B batch, D width, V views, T tasks.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.clusters import Lookup, Table, TaskMatch, TaskMatches
from cfedge.lookup.signature import ClusterStatistics, Features, TaskSignature
from cfedge.margins import Margins

__all__ = ["CANDIDATES", "Router", "SECOND_STAGE_SHARE", "THIRD_STAGE_SHARE"]

Floats = NDArray[np.float32]

#: Tasks at which a further stage is taken: close clusters of thousands of tasks would cost more than
#: a run of the encoder.
CANDIDATES = 16
#: Of held-out inputs, the third at least: the second stage costs them some products, the third one
#: more run of the tail (docs/decisions/0003-lookup.md). The second's is the format's (docs/format.md):
#: `cfedge.runtime.drift` and `stream` suppose it of every bundle.
SECOND_STAGE_SHARE, THIRD_STAGE_SHARE = 0.3, 0.1


class _Parts(Mapping[str, ClusterStatistics]):
    """One look's signature of each task, made when it is asked for."""

    def __init__(
        self,
        stages: Mapping[str, TaskSignature],
        part: Callable[[TaskSignature], ClusterStatistics],
    ) -> None:
        self._stages, self._part = stages, part

    def __getitem__(self, name: str) -> ClusterStatistics:
        return self._part(self._stages[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)


class Router:
    """All stages; the further ones are at the `CANDIDATES` tasks that the first one likes best.

    Parameters
    ----------
    tasks
        By name; at least one. Each is asked for once a look, so they may be read when they are
        asked for.
    margins
        Below which an input gets a further stage; None: never.
    table
        Of the first stage, for many clusters; see `Lookup`.
    """

    def __init__(
        self,
        tasks: Mapping[str, TaskSignature],
        margins: Margins | None = None,
        *,
        table: Table | None = None,
    ) -> None:
        self._stages = tasks
        self._made: dict[str, Lookup] = {}
        self._making = threading.Lock()
        self.first = Lookup(_Parts(tasks, attrgetter("trunk")), table=table)
        self.tasks, self.margins, self._width = (
            self.first.tasks,
            margins or Margins(),
            self.first.width,
        )

    @property
    def fine(self) -> Lookup:
        """Of the second stage: made when the first input needs it, so that an engine opens sooner."""
        return self._further("fine")

    @property
    def tail(self) -> Lookup:
        """Of the third stage, made likewise."""
        return self._further("tail")

    def _further(self, look: str) -> Lookup:
        """Make a look once, however many threads ask first: of a thousand tasks it takes seconds
        and hundreds of megabytes.
        """
        if look not in self._made:
            with self._making:
                if look not in self._made:
                    self._made[look] = Lookup(_Parts(self._stages, attrgetter(look)))
        return self._made[look]

    def look(self, trunk: Floats, position: int = 0) -> TaskMatch:
        """Look one input up behind the trunk, float32 [V D], once or twice; for errors see
        `Lookup.one`.
        """
        one = self.first.one(trunk[: self._width], position)
        return self.look_again(trunk, None, position) if one.margin < self.margins.second else one

    def given(self, trunk: Floats, task: int, position: int = 0) -> TaskMatch:
        """Look one input up behind the trunk with its task given, once; see `Lookup.given`."""
        return self.first.given(trunk[: self._width], task, position)

    def is_open(self, found: TaskMatch) -> bool:
        """Whether what `look` found needs a third stage: `look_again` with the tail's features."""
        return found.stages == 2 and found.margin < self.margins.third

    def __call__(self, features: Features) -> TaskMatches:
        """Look B inputs up."""
        found = []
        for position, (trunk, tail) in enumerate(zip(features.trunk, features.tail, strict=True)):
            one = self.look(trunk, position)
            found.append(self.look_again(trunk, tail, position) if self.is_open(one) else one)
        return TaskMatches.stacked(found)

    def look_again(self, trunk: Floats, tail: Floats | None, position: int = 0) -> TaskMatch:
        """Look one input up closer behind the trunk, float32 [V D], and behind the tail too where
        those features, [D], are given.
        """
        scores, among, distances = self._closer(trunk, tail, position)
        best = int(scores.argmax())
        score = float(scores[best])
        scores[best] = -math.inf
        second = int(scores.argmax())
        margin = score - float(scores[second])
        task, runner_up = (best, second) if among is None else (among[best], among[second])
        return TaskMatch(
            task, runner_up, score, margin, float(distances[best]), stages=2 if tail is None else 3
        )

    def scores(self, trunk: Floats, tail: Floats | None, stages: int, position: int = 0) -> Floats:
        """Return each task's score after so many stages, float32 [T], on the scale of one look: what
        was added is averaged.

        Tasks that a further stage was not at stay behind all that it was at.
        """
        scores = self.first.of_tasks(trunk[: self._width], position=position)[0]
        if stages == 1:
            return scores
        closer, among, _ = self._closer(trunk, tail, position)
        if tail is not None:
            closer *= np.float32(0.5)
        if among is None:
            return closer
        behind: Floats = np.minimum(scores, closer.min())
        behind[among] = closer
        return behind

    def _closer(
        self, trunk: Floats, tail: Floats | None, position: int = 0
    ) -> tuple[Floats, list[int] | None, Floats]:
        """The scores of the second stage, or of the third; the tasks it is at, None for all; and the
        distances to these.

        After a third stage a distance is the mean of its and the first's, as if summed over as many
        directions as that.
        """
        among, near, square = self.first.best_tasks(trunk[: self._width], CANDIDATES, position)
        scores: Floats = near + self.fine.of_tasks(trunk, among, position)[0]
        scores /= 2
        distances: Floats = square - 2 * near
        if tail is not None:
            behind, behind_square = self.tail.of_tasks(tail, among, position)
            scores += behind
            distances += (behind_square - 2 * behind) * (
                self.first.directions / self.tail.directions
            )
            distances /= 2
        return scores, among, distances
