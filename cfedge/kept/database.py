"""The SQLite file of what is kept: opened for any number of processes and threads, written in whole
steps, its refusals in one line.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from cfedge.errors import StorageError, UsageError
from cfedge.outside import check_outside

__all__ = ["Database"]

_FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS inputs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, name BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL DEFAULT 'waiting', bytes INTEGER NOT NULL, sealed BLOB NOT NULL,
    label BLOB);
CREATE INDEX IF NOT EXISTS by_state ON inputs (state, number);
CREATE TABLE IF NOT EXISTS minutes (
    minute INTEGER NOT NULL, task TEXT NOT NULL, answers INTEGER NOT NULL,
    unknown INTEGER NOT NULL, thin INTEGER NOT NULL, PRIMARY KEY (minute, task));
"""


class Database:
    """One connection, which its threads take turns at.

    Parameters
    ----------
    folder
        Made where there is none; its owner alone may read it.
    busy_s
        How long a writer waits for another.

    Raises
    ------
    UsageError, StorageError
        The folder cannot be used.
    """

    def __init__(self, folder: Path, *, busy_s: float) -> None:
        self.folder, self._busy_s, self._lock = folder, busy_s, threading.RLock()
        check_outside(folder / "kept.sqlite")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(folder / "kept.sqlite", os.O_CREAT | os.O_EXCL, 0o600))
            if not stat.S_ISREG(os.lstat(folder / "kept.sqlite").st_mode):
                raise UsageError(
                    f"{folder / 'kept.sqlite'}: expected a file of kept inputs, found a link or no"
                    " file; keep in another folder"
                )
        except OSError as error:
            raise StorageError(
                f"could not make {folder}: {error.strerror}; keep in another folder"
            ) from error
        with self._refusals("open"):
            self._made = self._opened()
        with self.writing() as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _FORMAT):
                raise UsageError(
                    f"{folder}: expected kept inputs of format {_FORMAT}, found {version}; keep in"
                    " a new folder, or install a newer cfedge"
                )
            odd = database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
            ).fetchone()
            if odd:  # it could run anything, for ever
                raise UsageError(
                    f"{folder}: expected tables of kept inputs, found {odd[0]!a:.80}, which is none;"
                    " keep in a new folder"
                )
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_FORMAT}")

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.folder / "kept.sqlite",
            timeout=self._busy_s,
            check_same_thread=False,
            isolation_level=None,
        )
        # A power cut may take the last inputs and never damages the file: an answer must not wait
        # for a card's fsync.
        for pragma in (
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "secure_delete = ON",
        ):
            database.execute(f"PRAGMA {pragma}").fetchall()
        return database

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection.

        Raises
        ------
        StorageError
            The disk refused.
        """
        with self._refusals("read"), self._lock:
            yield self._made

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one step, which is done whole or not at all.

        Raises
        ------
        StorageError
            The disk refused; nothing was changed.
        """
        with self._refusals("write"), self._lock:
            self._made.execute("BEGIN IMMEDIATE")
            try:
                yield self._made
                self._made.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._made.execute("ROLLBACK")
                raise

    def shrink(self) -> None:
        """Give freed pages back to the disk, and leave no copy of them in the journal."""
        with self._refusals("erase"), self._lock:
            self._made.execute("PRAGMA incremental_vacuum").fetchall()
            self._made.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._made.close()

    @contextlib.contextmanager
    def _refusals(self, verb: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(
                f"could not {verb} the kept inputs in {self.folder}: {error}; nothing was changed:"
                " make room, or keep in another folder"
            ) from error
