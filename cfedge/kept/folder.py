"""The folder of kept inputs: one SQLite file that predict, serve and console write to at once.

::

    DIR/kept.sqlite    inputs: number, time, name (a keyed digest), bytes, state, sealed content;
                       minutes: how many answers, unknown and thin ones, of each task

Rules: the content of an input and its label are sealed before they reach the disk; the counts by
minute say nothing of any input. What is over the size goes, the oldest first. What is erased is
overwritten (``secure_delete``). A full disk keeps nothing more and says so; what is answered is
answered all the same.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.errors import DamagedError, UsageError
from cfedge.inputs.modality import Input, Stored
from cfedge.kept.database import Database
from cfedge.kept.minutes import Minutes
from cfedge.kept.records import STATES, Kept, Limits, Marked
from cfedge.kept.seal import Seal, default_key, read_key

__all__ = ["KeptInputs"]

#: Numbers in one statement.
_AT_ONCE = 500


class KeptInputs:
    """Keeps inputs in a folder, for any number of processes and threads.

    Parameters
    ----------
    folder
        Made where there is none.
    stored
        How files hold the backbone's kind of inputs.
    limits
        See there.
    key
        File of the key; None: `cfedge.kept.seal.default_key`.

    Attributes
    ----------
    minutes
        Counts of answers.

    Raises
    ------
    UsageError, StorageError
        The folder or the key cannot be used.
    """

    def __init__(
        self, folder: Path, stored: Stored, *, limits: Limits | None = None, key: Path | None = None
    ) -> None:
        self.folder, self._stored, self.limits = folder, stored, limits or Limits()
        self._seal = Seal(read_key(default_key() if key is None else key))
        self._database = Database(folder, busy_s=self.limits.busy_s)
        self.minutes = Minutes(self._database, self.limits)

    def keep(self, value: Input, answer: dict[str, Any], at: float | None = None) -> bool:
        """Keep an input with what was answered; whether it was new and small enough.

        Raises
        ------
        StorageError
            The disk refused; nothing was kept.
        """
        return self.keep_several([(value, answer)], at) == 1

    def keep_several(
        self, pairs: Sequence[tuple[Input, dict[str, Any]]], at: float | None = None
    ) -> int:
        """Keep several inputs in one step; return how many were new and small enough.

        Raises
        ------
        StorageError
            The disk refused; nothing was kept.
        """
        moment = time.time() if at is None else at
        rows = []
        for value, answer in pairs:
            dumped = self._stored.dump([value])
            content = dump_arrays(dumped.arrays, {"inputs": dumped.notes})
            name = self._seal.name(content)
            note = json.dumps(answer).encode()
            whole = len(note).to_bytes(4, "big") + note + content
            if len(whole) <= self.limits.input_bytes:
                rows.append((moment, name, len(whole), self._seal.close(whole, name)))
        with self._database.writing() as database:
            before = database.total_changes
            database.executemany(
                "INSERT OR IGNORE INTO inputs (at, name, bytes, sealed) VALUES (?, ?, ?, ?)", rows
            )
            new = database.total_changes - before
            if new:
                self._bound(database)
        return new

    def _bound(self, database: sqlite3.Connection) -> None:
        """Drop the oldest inputs until the rest keeps to the limits."""
        count, size = database.execute("SELECT COUNT(*), SUM(bytes) FROM inputs").fetchone()
        while count > self.limits.inputs or size > self.limits.size_bytes:
            some = max(1, count - self.limits.inputs) if count > self.limits.inputs else 16
            database.execute(
                "DELETE FROM inputs WHERE number IN"
                " (SELECT number FROM inputs ORDER BY number LIMIT ?)",
                (some,),
            )
            count, size = database.execute(
                "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM inputs"
            ).fetchone()

    def counts(self) -> dict[str, int]:
        """Return how many inputs are in each state."""
        with self._database.reading() as database:
            found = dict(database.execute("SELECT state, COUNT(*) FROM inputs GROUP BY state"))
        return {state: int(found.get(state, 0)) for state in STATES}

    def numbers(self, states: Sequence[str], *, limit: int, offset: int = 0) -> list[int]:
        """Return numbers of inputs in some states, the newest first."""
        marks = ",".join("?" * len(states))
        with self._database.reading() as database:
            found = database.execute(
                f"SELECT number FROM inputs WHERE state IN ({marks})"
                " ORDER BY number DESC LIMIT ? OFFSET ?",
                (*states, limit, offset),
            ).fetchall()
        return [number for (number,) in found]

    def read(self, numbers: Sequence[int]) -> list[Kept]:
        """Return inputs by number, in that order; those that are gone are left out.

        Raises
        ------
        DamagedError
            One was changed, or sealed with another key.
        """
        rows = self._rows("number, at, name, sealed, label", numbers)
        return [self._read(*rows[number]) for number in numbers if number in rows]

    def _rows(self, columns: str, numbers: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        found: dict[int, tuple[Any, ...]] = {}
        with self._database.reading() as database:
            for start in range(0, len(numbers), _AT_ONCE):
                some = numbers[start : start + _AT_ONCE]
                where = f"number IN ({','.join('?' * len(some))})"
                for row in database.execute(f"SELECT {columns} FROM inputs WHERE {where}", some):
                    found[row[0]] = row
        return found

    def _read(
        self, number: int, at: float, name: bytes, sealed: bytes, label: bytes | None
    ) -> Kept:
        whole = self._seal.open(sealed, name)
        length = int.from_bytes(whole[:4], "big")
        content, what = whole[4 + length :], f"kept input {number}"
        notes = load_note(content, what)["inputs"]
        if not isinstance(notes, list):
            raise DamagedError(f"{what}: expected its notes, found something else; erase it")
        (value,) = self._stored.load(load_arrays(content, what), notes, what)
        return Kept(number, at, value, json.loads(whole[4 : 4 + length]), self._label(name, label))

    def _label(self, name: bytes, sealed: bytes | None) -> str | None:
        return None if sealed is None else self._seal.open(sealed, name + b"label").decode()

    def mark(self, marks: Iterable[Marked]) -> list[Marked]:
        """Set states and labels in one step; return what they were, which `mark` would restore.

        Inputs that are gone meanwhile are left out.

        Raises
        ------
        UsageError
            There is no such state.
        """
        new = {one.number: one for one in marks}
        for one in new.values():
            if one.state not in STATES:
                raise UsageError(f"state: expected {', '.join(STATES)}, found {one.state!r:.40}")
        with self._database.writing() as database:
            rows = self._rows("number, state, name, label", list(new))
            for number, _, name, _ in rows.values():
                label = new[number].label
                content = None if label is None else label.encode("utf-8", "replace")
                database.execute(
                    "UPDATE inputs SET state = ?, label = ? WHERE number = ?",
                    (
                        new[number].state,
                        None if content is None else self._seal.close(content, name + b"label"),
                        number,
                    ),
                )
        return [
            Marked(number, state, self._label(name, label))
            for number, state, name, label in rows.values()
        ]

    def erase(self, numbers: Sequence[int] | None = None) -> int:
        """Erase inputs, or all of them; return how many. What they were is overwritten."""
        with self._database.writing() as database:
            before = database.total_changes
            if numbers is None:
                database.execute("DELETE FROM inputs")
            else:
                database.executemany(
                    "DELETE FROM inputs WHERE number = ?", [(number,) for number in numbers]
                )
            gone = database.total_changes - before
        self._database.shrink()
        return gone

    def close(self) -> None:
        """Write what was counted, and close the file."""
        self.minutes.write()
        self._database.close()
