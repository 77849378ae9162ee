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

from cfedge.bundle.canonical import canonical_json
from cfedge.storage import read_plain, sync_folder, write_file

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
        """
        try:
            root = json.loads(read_plain(self._root, _MOST_BYTES))
        except FileNotFoundError:
            return True
        except (OSError, ValueError, RecursionError):
            return False
        try:
            role = root["signed"]["roles"]["targets"]
            noted = json.loads(read_plain(self._path(generation), _MOST_BYTES))
            return len(set(noted) & set(role["keyids"])) >= int(role["threshold"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False

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
