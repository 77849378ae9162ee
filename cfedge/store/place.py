"""Whether there is a store in a folder: what an engine of a bundle asks too, which loads nothing else of
one.
"""

from __future__ import annotations

import os
from pathlib import Path

from cfedge.errors import DamagedError

__all__ = ["FACTS", "check_there", "is_store"]

#: What a store is, written once.
FACTS = "store.json"


def is_store(folder: Path) -> bool:
    """Whether there is a store in `folder`."""
    try:
        return (folder / FACTS).is_file()
    except OSError:
        return False


def check_there(folder: Path, kinds: str = "a bundle or a store") -> None:
    """Refuse a name that nothing has, where a folder of several kinds may stand.

    Raises
    ------
    DamagedError
        Naming the kinds.
    """
    if not os.path.lexists(folder):
        raise DamagedError(
            f"{folder}: expected {kinds}, found nothing of that name; check the path"
        )
