"""How many answers there were, by minute and task, and how many of them were unknown or thin. The
counts say nothing of any input.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from cfedge.kept.database import Database
from cfedge.kept.records import Counted, Limits

__all__ = ["Minutes"]

#: Seconds after which counts are written.
_WRITTEN_S = 5.0


class Minutes:
    """Counts in one database.

    Parameters
    ----------
    database
        Of the kept inputs.
    limits
        Of which `Limits.minutes` is kept to.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database, self._limits = database, limits
        self._waiting: Counter[tuple[int, str, int]] = Counter()
        self._written = 0.0

    def add(self, answers: Iterable[tuple[str, bool, bool]], at: float | None = None) -> None:
        """Count answers, (task, unknown, thin margin) of each; they are written every few seconds.

        Raises
        ------
        StorageError
            The disk refused; they are written with the next ones.
        """
        moment = time.time() if at is None else at
        minute = int(moment // 60)
        for task, unknown, thin in answers:
            for part, hit in enumerate((True, unknown, thin)):
                self._waiting[minute, task, part] += hit
        if moment - self._written >= _WRITTEN_S:
            self._written = moment
            self.write()

    def write(self) -> None:
        """Write what was counted.

        Raises
        ------
        StorageError
            See `add`.
        """
        waiting, self._waiting = self._waiting, Counter()
        if not waiting:
            return
        keys = sorted({(minute, task) for minute, task, _ in waiting})
        rows = [(*key, *(waiting[(*key, part)] for part in range(3))) for key in keys]
        try:
            with self._database.writing() as database:
                database.executemany(
                    "INSERT INTO minutes VALUES (?, ?, ?, ?, ?) ON CONFLICT (minute, task) DO"
                    " UPDATE SET answers = answers + excluded.answers,"
                    " unknown = unknown + excluded.unknown, thin = thin + excluded.thin",
                    rows,
                )
                database.execute(
                    "DELETE FROM minutes WHERE minute < ?", (keys[-1][0] - self._limits.minutes,)
                )
        except BaseException:
            self._waiting += waiting
            raise

    def since(self, minute: int) -> list[Counted]:
        """Return the counts of a minute and later ones, in their order."""
        with self._database.reading() as database:
            rows = database.execute(
                "SELECT minute, task, answers, unknown, thin FROM minutes WHERE minute >= ?"
                " ORDER BY minute, task",
                (minute,),
            ).fetchall()
        return [Counted(*row) for row in rows]
