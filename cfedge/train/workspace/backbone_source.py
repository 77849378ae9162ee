"""What learning a task reads: a frozen backbone, wherever its files are. A workspace is one; a worker
has another, of files that were sent to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone
from cfedge.runtime.encoder import Encoder
from cfedge.train.workspace.index import file_name

__all__ = ["BackboneSource", "SentBackbone"]


class BackboneSource(Protocol):
    """A frozen backbone, and the earlier tasks whose units may be reused."""

    @property
    def backbone(self) -> Backbone:
        """Its record."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the earlier tasks."""
        ...

    @property
    def cache(self) -> Path | None:
        """Folder for features, so that a run that was interrupted does not encode again; None:
        nothing is written.
        """
        ...

    def backbone_file(self, name: str) -> bytes:
        """Read one of its files, its digest checked."""
        ...

    def encoder(self, *, threads: int = 1) -> Encoder:
        """Open it as it ships."""
        ...

    def adapter(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Read an earlier task's adapter and head."""
        ...


@dataclass(frozen=True)
class SentBackbone:
    """A backbone of files that were sent and checked: a `BackboneSource` without earlier tasks, that
    writes nothing.
    """

    backbone: Backbone
    files: Mapping[str, bytes]
    tasks: tuple[str, ...] = ()
    cache: Path | None = None

    def backbone_file(self, name: str) -> bytes:
        """Return one of its files."""
        return self.files[name]

    def encoder(self, *, threads: int = 1) -> Encoder:
        """Open it as it ships."""
        files = {role: self.files[file_name(role)] for role in self.backbone.files()}
        return Encoder.of(files, self.backbone, threads=threads)

    def adapter(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Refuse: there are none."""
        raise KeyError(name)
