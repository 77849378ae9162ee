"""Two looks: where the two best tasks are close behind the trunk, look again, closer and behind the frozen tail.

The second look adds the scores of two more lookups of the same kind: behind the trunk with several clusters a class, and
behind the frozen tail. It costs one more run of the tail for the few inputs that need it (docs/decisions/lookup.md).

Letters: B batch, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.clusters import Found, Lookup, Retrieval, finite
from cfedge.lookup.signature import Looks, Pair

__all__ = ["Router"]

Floats = NDArray[np.float32]


class Router:
    """Both looks.

    Parameters
    ----------
    tasks
        By name; at least one.
    margin
        In nats: an input whose first margin is below it is looked at again. 0: never.
    """

    def __init__(self, tasks: Mapping[str, Looks], margin: float) -> None:
        self.first = Lookup({name: one.trunk for name, one in tasks.items()})
        self.fine = Lookup({name: one.fine for name, one in tasks.items()})
        self.tail = Lookup({name: one.tail for name, one in tasks.items()})
        self.tasks, self.margin = self.first.tasks, margin

    def again(self, trunk: Floats, tail: Floats, position: int = 0) -> Found:
        """Look one input up by both its features, float32 [D] each; for errors see `Lookup.one`."""
        near, square = self.first.of_tasks(trunk)
        both = self.fine.of_tasks(trunk)[0] + self.tail.of_tasks(tail)[0]
        task = int(both.argmax())
        score, own = float(both[task]), float(near[task])
        finite(score, position)
        both[task] = -math.inf
        runner_up = int(both.argmax())
        return Found(task, runner_up, score, score - float(both[runner_up]), square - 2.0 * own, looks=2)

    def __call__(self, features: Pair) -> Retrieval:
        """Look B inputs up."""
        found = []
        for position, (trunk, tail) in enumerate(zip(features.trunk, features.tail, strict=True)):
            one = self.first.one(trunk, position)
            found.append(self.again(trunk, tail, position) if one.margin < self.margin else one)
        return Retrieval.stacked(found)
