"""Look at how the splits of data fit together: labels that nothing would be learned of, and groups of
which none could be held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cfedge.errors import DataError
from cfedge.train.examples.examples import not_learned, split_held_out
from cfedge.train.examples.rows import Table, examples_of
from cfedge.train.settings import Settings

__all__ = ["Splits", "apart"]


class Splits(NamedTuple):
    """What a task's splits hold.

    Attributes
    ----------
    names
        Of all splits that are there.
    learned
        Labels of the rows that are learned from.
    others
        Tables of the other splits.
    """

    names: set[str]
    learned: set[str]
    others: list[Table]

    def add(self, split: str, table: Table) -> None:
        """Take what was read of a split."""
        if split == "train":
            self.learned.update(table.labels)
        else:
            self.others.append(table)

    def unlearned(self) -> Iterator[tuple[Table, Sequence[int], str]]:
        """Give the rows of other splits whose label is not learned, and what to do."""
        for table in self.others if self.learned else ():
            rows: dict[str, list[int]] = {}
            for number, label in zip(table.numbers, table.labels, strict=True):
                if label not in self.learned:
                    rows.setdefault(label, []).append(number)
            for label, numbers in rows.items():
                yield table, numbers, not_learned(label, sorted(self.learned))


def apart(table: Table) -> str | None:
    """Return why no whole groups of a table can be held out; None where they can, or where there are
    no groups.
    """
    if not table.groups:
        return None
    usual = Settings()
    rng = np.random.default_rng(usual.seed)
    try:
        split_held_out(examples_of(table), usual.held_out, rng)
    except DataError as error:
        return str(error).removeprefix(f"{table.source}: ")
    return None
