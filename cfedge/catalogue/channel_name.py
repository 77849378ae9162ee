"""What a channel may be called: files and requests carry its name. Pure."""

from __future__ import annotations

import re

from cfedge.errors import UsageError

__all__ = ["check_channel"]

_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_channel(name: str) -> None:
    """Refuse a name of a channel that is no file's name everywhere.

    Raises
    ------
    UsageError
    """
    if not _CHANNEL.fullmatch(name):
        raise UsageError(
            "channel: expected 1 to 64 letters, digits, '.', '_' and '-', the first a letter or"
            f" digit, found {name!r:.80}; choose another name"
        )
