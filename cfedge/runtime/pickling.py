"""An engine in a pickle: the path and the digest of its bundle, which another process opens
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cfedge.errors import IncompatibleError, UsageError

if TYPE_CHECKING:
    from cfedge.runtime.engine import Engine

__all__ = ["open_same", "reduced"]


def reduced(
    opener: Callable[..., Engine],
    path: Path | None,
    digest: str,
    settings: Mapping[str, object],
) -> tuple[object, ...]:
    """Return what a pickle holds of an engine: `open_same`, and its arguments; `settings` are
    those of `opener`.

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
    return open_same, (opener, str(path.absolute()), digest, settings)


def open_same(
    opener: Callable[..., Engine], path: str, digest: str, settings: Mapping[str, object]
) -> Engine:
    """Open what a pickled engine was opened from.

    Raises
    ------
    IncompatibleError
        Another bundle is there now.
    """
    engine = opener(path, **settings)
    if engine.manifest.digest != digest:
        raise IncompatibleError(
            f"{path}: expected bundle {digest[:12]}, as when the engine was pickled, found"
            f" {engine.manifest.digest[:12]}; pickle the engine again"
        )
    return engine
