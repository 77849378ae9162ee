"""An engine in a pickle: the path and the digest of its bundle, which another process opens
anew.
"""

from __future__ import annotations

from pathlib import Path

from cfedge.errors import IncompatibleError, UsageError

__all__ = ["check_same", "place_of"]


def place_of(path: Path | None) -> str:
    """Return where another process finds an engine's bundle.

    Raises
    ------
    UsageError
        It has no path: it was made from a bundle in memory.
    """
    if path is None:
        raise UsageError(
            "engine: expected one of Engine.open to pickle, found one of a bundle in memory;"
            " write the bundle to a folder and open that"
        )
    return str(path.absolute())


def check_same(path: str, digest: str, found: str) -> None:
    """Refuse another bundle than the one whose digest was pickled.

    Raises
    ------
    IncompatibleError
        Another bundle is there now.
    """
    if found != digest:
        raise IncompatibleError(
            f"{path}: expected bundle {digest[:12]}, as when the engine was pickled, found"
            f" {found[:12]}; pickle the engine again"
        )
