"""A repository in a folder: a disk, or a stick that somebody else has written."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from pathlib import Path

from cfedge.errors import OfflineError
from cfedge.plain_files import open_plain
from cfedge.sync.transport.source import Missing, Received

__all__ = ["Folder"]


class Folder:
    """A repository in a folder. What lies there and is no plain file is not waited for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        """See `Source.read`; a disk is not timed."""
        whole = self.folder / path
        try:
            file = open_plain(whole)
        except (
            FileNotFoundError,
            NotADirectoryError,
            ValueError,
        ) as error:  # ValueError: a name that none can be
            if not os.path.isdir(self.folder):  # noqa: PTH112 - Path's raises where a stick breaks
                raise OfflineError(
                    f"{self.folder}: expected a repository, found no folder; is the stick in?"
                ) from error
            raise Missing(path) from error
        except OSError as error:
            raise OfflineError(
                f"could not read {whole}: {error.strerror}; check the medium"
            ) from error

        def pieces() -> Generator[bytes, None, None]:
            with file:
                try:
                    file.seek(start)
                    while piece := file.read(1 << 16):
                        yield piece
                except OSError as error:
                    raise OfflineError(
                        f"could not read {whole}: {error.strerror}; check the medium"
                    ) from error

        return Received(start, pieces())
