"""What the lookup among many tasks computes when a bundle is opened, kept in the user's cache: the
same bundle opens in a third of the time again.

A file is named by everything that decides its content and begins with its own SHA-256. It counts
where nobody else could have written it (`cfedge.runtime.private_cache`); what does not is computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import IncompatibleError
from cfedge.lookup.fitted import Fitted
from cfedge.runtime.private_cache import PrivateCache
from cfedge.version import __version__

__all__ = ["KEPT_FROM", "KeptTables"]

#: Classes of a bundle from which on it pays: with fewer all is computed in some milliseconds.
KEPT_FROM = 2_000
#: Of one file: 15 MB with a thousand tasks.
_FILE_BYTES = 256 << 20
#: Those of two bundles stay: a sync leaves the one before for a rollback.
_FILES = 4
_DIGEST_BYTES = 32


class KeptTables:
    """Those of one bundle; what `cfedge.lookup.Router` takes as `keep`.

    Parameters
    ----------
    manifest
        Of the bundle, whose files were checked.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._classes = sum(len(task.classes) for task in manifest.tasks)
        self._tasks = len(manifest.tasks)

    def __call__(self, part: str, make: Callable[[], Fitted]) -> Fitted:
        """Return what is kept of ``trunk`` or ``tail``, or make it and keep it."""
        if self._classes < KEPT_FROM:
            return make()
        cache, name = PrivateCache("tables"), self._name(part)
        found = self._read(cache.read(name, _FILE_BYTES))
        if found is None:
            found = make()
            content = dump_arrays(found.arrays())
            if len(content) + _DIGEST_BYTES <= _FILE_BYTES:
                cache.write(name, hashlib.sha256(content).digest() + content)
                cache.keep_newest(_FILES)
        return found

    def _name(self, part: str) -> str:
        cpu = this_cpu()
        decisive = {
            "cfedge": __version__, "bundle": self._manifest.digest, "part": part,
            "cpu": [cpu.machine, cpu.name, *cpu.flags], "numpy": np.__version__,
        }  # fmt: skip
        return hashlib.sha256(canonical_json(decisive)).hexdigest()

    def _read(self, data: bytes | None) -> Fitted | None:
        if data is None:
            return None
        content = memoryview(data)[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != data[:_DIGEST_BYTES]:
            return None
        try:
            found = Fitted.from_arrays(load_arrays(bytes(content), "kept tables"), "kept tables")
        except IncompatibleError:
            return None
        return (
            found if (len(found.sizes), len(found.counts)) == (self._tasks, self._classes) else None
        )
