"""Answer encoded inputs: lookup -> tail with the task's adapter -> head -> `Prediction`.

Where the answer ends early the tail is not run. Where the lookup's margin stays thin there is one
more run of the tail, frozen. Inputs of one length and task share a run of the tail.

Letters: B batch, C classes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import NamedTuple

from cfedge.bundle.manifest import Task
from cfedge.lookup import Evidence, Router, TaskMatch
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.early_exit import ends_early, gap, trunk_decides
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.prediction import Head, Prediction, predicted

__all__ = ["Answering"]


class Answering(NamedTuple):
    """What answers: the parts of an opened bundle.

    Attributes
    ----------
    encoder, router, adapters
        Of one bundle.
    tasks
        In the order of `router.tasks`.
    """

    encoder: Encoder
    router: Router
    adapters: Adapters
    tasks: list[Task]

    def identify(self, encoded: Encoded) -> list[Evidence]:
        """Return what the lookup finds out about each row, in as many stages as it needs.

        Raises
        ------
        InputError
            Features of a row are not finite.
        """
        identified = list(map(self.router.identify, encoded.features, itertools.count()))
        thin = [row for row, evidence in enumerate(identified) if self.router.needs_tail(evidence)]
        if thin:
            tails = self.encoder.frozen([encoded.hidden[row] for row in thin])
            for row, tail in zip(thin, tails, strict=True):
                identified[row] = self.router.deepen(identified[row], tail)
        return identified

    def given(self, encoded: Encoded, task: int) -> list[TaskMatch]:
        """Return the match of each row with the task given: its first stage alone; for errors see
        `identify`.
        """
        begun = map(self.router.begin, encoded.features, itertools.count())
        return [self.router.given(evidence, task) for evidence in begun]

    def answers(self, encoded: Encoded, matches: list[TaskMatch], start: float) -> list[Prediction]:
        """Return the answers to B rows for the tasks that they match; the call began at `start`,
        of `time.perf_counter`.

        Raises
        ------
        InputError
            A score of a row is not finite.
        """
        chosen = [self.tasks[match.task] for match in matches]
        heads = self._heads(encoded, matches, chosen)
        ms = (time.perf_counter() - start) * 1e3 / len(matches)
        return [
            predicted(
                row,
                chosen[row],
                matches[row],
                heads[row],
                self.router,
                truncated=encoded.truncated[row],
                ms=ms,
            )
            for row in range(len(matches))
        ]

    def _heads(
        self, encoded: Encoded, matches: Sequence[TaskMatch], chosen: Sequence[Task]
    ) -> list[Head]:
        """Each row's head: of the trunk's part alone where the answer ends early, else with the
        tail's.
        """
        adapters = self._adapters(chosen)
        directions = self.router.first.directions
        heads, late = [], {}
        for row, adapter in enumerate(adapters):
            trunk = adapter.trunk(encoded.features[row])
            scores: list[float] = trunk.tolist()
            heads.append(Head(scores, adapter.exit_best, early=True))
            apart = gap(scores)
            if not ends_early(
                apart,
                matches[row].distance,
                exit_margin=adapter.exit_margin,
                usual=adapter.exit_best,
                directions=directions,
                threshold=chosen[row].threshold,
            ):
                late[row] = trunk, trunk_decides(apart, adapter.exit_margin)
        if late:
            behind = self.encoder.tail(
                [encoded.hidden[row] for row in late], [adapters[row].slots for row in late]
            )
            for row, features in zip(late, behind, strict=True):
                adapted = adapters[row].adapted(features)
                trunk, alone = late[row]
                both = trunk if alone else trunk + adapted
                heads[row] = Head(both.tolist(), float(adapted.max()), early=False)
        return heads

    def _adapters(self, chosen: Sequence[Task]) -> list[Adapter]:
        """Return the adapter of each row's task; rows of one task get one and the same, whatever
        must make room meanwhile.
        """
        if len(chosen) == 1:
            return [self.adapters(chosen[0])]
        named = {task.name: task for task in chosen}
        adapters = {name: self.adapters(task) for name, task in named.items()}
        return [adapters[task.name] for task in chosen]
