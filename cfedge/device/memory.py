"""The peak memory of this process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

__all__ = ["peak_rss_bytes"]


def peak_rss_bytes() -> int | None:
    """Return the largest resident memory so far; None where the system does not tell.

    Linux's ``ru_maxrss`` also counts what the parent held when it started this process (it outlives
    ``exec``): a child of a process that has imported torch would report torch. ``VmHWM`` is of this
    program alone.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text("ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    return None
