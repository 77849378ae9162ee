"""cfedge: continually fine-tuned models on CPUs and edge boards. The public names.

Teaching (`cfedge.train`) and exporting (`cfedge_export`) need the extras of those names; nothing
here does. `Workspace`, the front door for teaching, `Engine`, `Prediction` and `Session` are imported
when they are first asked for: `cfedge doctor` must start where ONNX Runtime cannot be imported, and
a device that answers has none of what teaching needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfedge.errors import CfedgeError
from cfedge.version import __version__

if TYPE_CHECKING:
    from cfedge.runtime.engine import Engine
    from cfedge.runtime.prediction import Prediction
    from cfedge.runtime.stream import Session
    from cfedge.teaching import Workspace

__all__ = ["CfedgeError", "Engine", "Prediction", "Session", "Workspace", "__version__"]

_HOMES = {
    "Engine": "cfedge.runtime.engine",
    "Prediction": "cfedge.runtime.prediction",
    "Session": "cfedge.runtime.stream",
    "Workspace": "cfedge.teaching",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
