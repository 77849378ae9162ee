"""cfedge: continually fine-tuned models on CPUs and edge boards. The device side's public names.

Teaching (`cfedge.train`) and exporting (`cfedge_export`) need the extras of those names; nothing here does.
"""

from __future__ import annotations

from importlib.metadata import version

from cfedge.errors import CfedgeError
from cfedge.runtime.engine import Engine, Prediction

__all__ = ["CfedgeError", "Engine", "Prediction", "__version__"]

__version__ = version("cfedge")
