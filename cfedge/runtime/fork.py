"""Forks: a child has its parent's memory, but none of its threads.

A session that had threads of its own can then not be closed (that waits for them), and one that
another thread was in at that moment may never answer (docs/decisions/0018-threads-and-forks.md). So
a child neither uses nor closes a session of its parent's: who holds some compares `depth` with what
it was when they were opened.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["depth", "opened", "reopening"]

#: Forks between the process that imported this module and this one.
depth = 0
#: Held while a child opens anew.
reopening = threading.Lock()

_sessions: weakref.WeakSet[onnxruntime.InferenceSession] = weakref.WeakSet()


def opened(session: onnxruntime.InferenceSession) -> None:
    """Remember a session, so that no child closes it."""
    _sessions.add(session)


def _in_child() -> None:
    global depth, reopening
    depth += 1
    reopening = threading.Lock()  # whoever held the other one is not here
    for session in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
