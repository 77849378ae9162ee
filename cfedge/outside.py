"""Where cfedge may write what a user names: outside of the folders whose content is cfedge's own.

A bundle with a file more is refused everywhere, and what lies in a workspace or a store may be deleted
with what nothing points to.
"""

from __future__ import annotations

import os
from pathlib import Path

from cfedge.errors import UsageError

__all__ = ["check_outside"]

#: What each kind of folder holds.
_OWN = {
    "bundle": ("manifest.json", "objects"),
    "workspace": ("workspace.json", "tasks"),
    "store": ("store.json", "objects"),
    "repository": ("metadata/timestamp.json", "targets"),
    "folder of keys": ("keys.json", "timestamp-1.pem"),
}
#: Where the console writes in a workspace.
_ROOMS = {"workspace": ("console", "exports")}


def check_outside(target: Path) -> None:
    """Refuse a place for something new that is inside of a bundle, a workspace, a store, a
    repository or a folder of keys.

    Raises
    ------
    UsageError
        Naming the folder.
    """
    place = Path(os.path.realpath(target))
    for folder in place.parents:
        for kind, held in _OWN.items():
            if not all(os.path.exists(folder / name) for name in held):  # noqa: PTH110 - Path's raises where it may not look
                continue
            if place.relative_to(folder).parts[0] not in _ROOMS.get(kind, ()):
                raise UsageError(
                    f"{target}: expected a place outside of cfedge's own folders, found the {kind}"
                    f" {folder} around it; choose another place"
                )
