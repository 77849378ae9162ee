"""What do inputs of no task look like? Held-out inputs of the other tasks, each compared with the
task that would get it if its own were not there.

Letters: N held-out inputs of a task.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfedge.lookup import Features, TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.train.measures.calibrating import Terms, terms_of

__all__ = ["MOST", "pseudo_unknown_terms"]

#: Inputs of all tasks together that are compared: they bound a share of one in a hundred well.
MOST = 4_000


def pseudo_unknown_terms(
    router: Finder, matches: Mapping[str, TaskMatches], held_out: Mapping[str, Features]
) -> Terms:
    """Return the terms of other tasks' held-out inputs by the task that they are compared with: the
    second best, where the lookup gives an input to its own task, else the best. Of many inputs some
    are taken, evenly spread over each task's. Without a second task there are none.

    Parameters
    ----------
    router, matches, held_out
        See `cfedge.train.measures.calibrating.held_out_terms`; all tasks of the router.
    """
    every = sum(len(one.task) for one in matches.values())
    step = max(1, -(-every // MOST))
    found: dict[str, list[np.ndarray]] = {name: [] for name in router.tasks}
    for position, name in enumerate(router.tasks):
        own, features = matches[name], held_out[name]
        rival = np.where(own.task == position, own.runner_up, own.task)[::step]
        for task in np.unique(rival[rival >= 0]).tolist():
            rows = np.flatnonzero(rival == task) * step
            some = Features(features.trunk[rows], features.tail[rows])
            found[router.tasks[task]].append(terms_of(router, some, task))
    return {name: np.concatenate(parts) for name, parts in found.items() if parts}
