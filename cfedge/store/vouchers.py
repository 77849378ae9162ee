"""Whose word a generation is: the keys that signed the channel when it came. Keys that were stolen
are replaced, and what only they signed is nothing to go back to.

::

    STORE/vouched/<n>        identifiers of the keys, of those that the root named then
    STORE/trust/root.json    the root that is trusted now (`cfedge.sync`), and names those that count

A sync that finds a generation signed by today's keys notes these. Nothing here verifies a
signature: `cfedge.sync` did, before it noted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import canonical_json
from cfedge.errors import StorageError
from cfedge.plain_files import NotPlainError, read_plain
from cfedge.storage import sync_folder, write_file

__all__ = ["Vouchers"]

#: Longest file that is read here: a root names some tens of keys.
_MOST_BYTES = 512 << 10


class Vouchers:
    """The keys of a store's generations.

    Parameters
    ----------
    store
        The store's folder.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / "vouched"
        self._root = store / "trust" / "root.json"

    def note(self, generation: int, keys: Collection[str]) -> None:
        """Note that these keys signed it."""
        data = canonical_json(sorted(keys))
        with contextlib.suppress(OSError):
            if read_plain(self._path(generation), _MOST_BYTES) == data:
                return
        write_file(self._path(generation), data)

    def count(self, generation: int) -> bool:
        """Whether enough of the keys that signed it count now; in a store that trusts no root, no
        key ever stopped to.

        Raises
        ------
        StorageError
            The disk does not say.
        """
        try:
            root = self._read(self._root)
            if root is None:
                return True
            role = root["signed"]["roles"]["targets"]
            noted = self._read(self._path(generation))
            return len(set(noted) & set(role["keyids"])) >= int(role["threshold"])
        except (NotPlainError, ValueError, KeyError, TypeError, RecursionError):
            return False
        except OSError as error:
            raise StorageError(
                f"could not read whose word generation {generation} is: {error.strerror or error};"
                " check the disk"
            ) from error

    def _read(self, path: Path) -> Any:
        """The JSON in a file, None where there is none."""
        try:
            return json.loads(read_plain(path, _MOST_BYTES))
        except FileNotFoundError:
            return None

    def keep(self, generations: Collection[int]) -> None:
        """Delete the notes about all others."""
        names = set(map(str, generations))
        with contextlib.suppress(OSError):
            others = [path for path in self._folder.iterdir() if path.name not in names]
            for path in others:
                path.unlink()
            if others:
                sync_folder(self._folder)

    def _path(self, generation: int) -> Path:
        return self._folder / str(generation)
