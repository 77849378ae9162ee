"""Is an input of its task at all? Of one call's inputs, with as few runs of the tail as it takes.

Where the trunk leaves it open the frozen tail is asked, once a row, whatever else needed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Task
from cfedge.lookup.familiarity import Terms
from cfedge.lookup.ood import accepted_score, tail_score, trunk_score
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder

if TYPE_CHECKING:
    from cfedge.lookup.finder import Finder

__all__ = ["Judge"]

Floats = NDArray[np.float32]


class Judge:
    """What is known of the rows of one call; nothing is computed twice.

    Parameters
    ----------
    encoder, router, tasks
        Of one bundle; `tasks` in the order of `router.tasks`.
    encoded
        The rows.
    """

    def __init__(
        self, encoder: Encoder, router: Finder, tasks: Sequence[Task], encoded: Encoded
    ) -> None:
        self._encoder, self._router, self._tasks, self._encoded = encoder, router, tasks, encoded
        self._tails: dict[int, Floats] = {}
        self._trunks: dict[tuple[int, int], tuple[Terms, float]] = {}
        #: Behind the tail with an adapter, of a row that was run beside the frozen one: by row and
        #: the adapter's task.
        self.adapted: dict[tuple[int, str], Floats] = {}

    def is_open(self, row: int, task: int) -> bool:
        """Whether the trunk alone does not say that a row is of the task at position `task`."""
        return self._behind_trunk(row, task)[1] > self._tasks[task].calibration.accepted

    def has_tail(self, row: int) -> bool:
        """Whether the frozen tail was run for a row."""
        return row in self._tails

    def run_both(self, row: int, name: str, adapter: Adapter) -> None:
        """Run the frozen tail and the one with the adapter of the task `name` for a row at once."""
        hidden = self._encoded.hidden[row]
        self._tails[row], self.adapted[row, name] = self._encoder.both(hidden, adapter)

    def tails(self, rows: Iterable[int]) -> list[Floats]:
        """Return the frozen tail's features [D] of some rows."""
        rows = list(rows)
        missing = [row for row in rows if row not in self._tails]
        if missing:
            found = self._encoder.frozen(self._encoded.of(missing))
            self._tails.update(zip(missing, found, strict=True))
        return [self._tails[row] for row in rows]

    def scores(self, tasks: Sequence[int]) -> list[float]:
        """Return each row's out-of-distribution score for its task (`cfedge.lookup.ood`)."""
        pairs = list(enumerate(tasks))
        left = [row for row, task in pairs if self.is_open(row, task)]
        behind = dict(zip(left, self.tails(left), strict=True))
        scores = []
        for row, task in pairs:
            rule, (trunk, score) = self._tasks[task].calibration, self._behind_trunk(row, task)
            if row in behind:
                tail = self._router.behind_tail(behind[row], task)
                scores.append(tail_score(rule, trunk, tail))
            else:
                scores.append(accepted_score(rule, score))
        return scores

    def _behind_trunk(self, row: int, task: int) -> tuple[Terms, float]:
        """The terms, and the score that they make."""
        if (row, task) not in self._trunks:
            terms = self._router.behind_trunk(self._encoded.features[row], task)
            self._trunks[row, task] = terms, trunk_score(self._tasks[task].calibration, terms)
        return self._trunks[row, task]
