"""Adapters in memory: read when first needed, least recently used out first where their bytes are
limited.

What was read once may have to be read again: its length and SHA-256 are then checked again
(`cfedge.bundle.files`), so that a file that changed under a running engine gives an error and never
an answer. Safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from cfedge.bundle.manifest import Backbone, Task
from cfedge.errors import UsageError
from cfedge.records import record
from cfedge.runtime.adapter import Adapter, load_adapter

__all__ = ["AdapterStats", "Adapters"]


@record(frozen=True)
class AdapterStats:
    """What became of the adapters so far.

    Attributes
    ----------
    hits, misses
        Uses that found the adapter in memory, and uses that had to read it.
    evictions
        Adapters that had to make room.
    kept, kept_bytes
        Adapters in memory, and their arrays' bytes.
    limit_bytes
        Which these may not exceed; None: no limit.
    """

    hits: int
    misses: int
    evictions: int
    kept: int
    kept_bytes: int
    limit_bytes: int | None


class Adapters:
    """The adapters of one engine.

    Parameters
    ----------
    backbone
        That they must fit.
    limit_bytes
        Of the arrays that are kept between calls, >= 0; None: no limit. What a call under way uses
        stays until it ends.
    before
        Of an earlier engine on the same backbone: its counts go on.

    Raises
    ------
    UsageError
        The limit is negative.
    """

    def __init__(
        self, backbone: Backbone, limit_bytes: int | None = None, before: Adapters | None = None
    ) -> None:
        if limit_bytes is not None and limit_bytes < 0:
            raise UsageError(
                f"adapter memory: expected >= 0 bytes, found {limit_bytes}; leave it out for no"
                " limit"
            )
        self.backbone, self.limit_bytes = backbone, limit_bytes
        self._lock = threading.Lock()
        self._sources: dict[str, Callable[[], bytes]] = {}
        self._kept: OrderedDict[str, Adapter] = OrderedDict()
        self._bytes = self._hits = self._misses = self._evictions = 0
        if before is not None:
            self._hits, self._misses, self._evictions = (
                before._hits,
                before._misses,
                before._evictions,
            )

    def add(self, task: Task, source: Callable[[], bytes]) -> None:
        """Say where the adapter of `task` is read."""
        with self._lock:
            self._sources[task.name] = source

    def copy(self) -> Adapters:
        """Return the same, for a forked child: whoever held the lock is not there."""
        made = Adapters(self.backbone, self.limit_bytes, self)
        made._sources, made._kept, made._bytes = (
            self._sources.copy(),
            self._kept.copy(),
            self._bytes,
        )
        return made

    def take_over(self, task: Task, other: Adapters) -> None:
        """Have what `other` has of `task`: the adapter where it is in memory, and where it
        is read.
        """
        with other._lock:
            source, adapter = other._sources.get(task.name), other._kept.get(task.name)
        with self._lock:
            if source is not None:
                self._sources[task.name] = source
            if adapter is not None:
                self._keep(task.name, adapter)

    def __call__(self, task: Task) -> Adapter:
        """Return the adapter of `task`.

        Raises
        ------
        DamagedError, StorageError
            Its file cannot be read any more, or is not what it was.
        IncompatibleError
            It does not fit task and backbone.
        """
        name = task.name
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                self._hits += 1
                self._kept.move_to_end(name)
                return found
            self._misses += 1
            source = self._sources[name]
        adapter = load_adapter(source(), task, self.backbone)  # others may go on meanwhile
        with self._lock:
            if name not in self._kept:
                self._keep(name, adapter)
                if self.limit_bytes is None:
                    self._sources.pop(name, None)  # it stays: the file's bytes are not needed again
            return self._kept.get(name, adapter)

    @property
    def stats(self) -> AdapterStats:
        """Return the counts as they are now."""
        with self._lock:
            return AdapterStats(
                self._hits,
                self._misses,
                self._evictions,
                len(self._kept),
                self._bytes,
                self.limit_bytes,
            )

    def _keep(self, name: str, adapter: Adapter) -> None:
        self._kept[name] = adapter
        self._bytes += adapter.nbytes
        while self.limit_bytes is not None and self._bytes > self.limit_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes
            self._evictions += 1
