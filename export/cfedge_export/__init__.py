"""The exporter: a workspace -> a quantised ONNX bundle. Needs the extra ``export``."""

from __future__ import annotations

import cfedge.train  # noqa: F401 - before torch: how its threads wait
from cfedge.errors import MissingExtraError

try:
    import onnx  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"cfedge_export needs {error.name}: pip install 'cfedge[export]'"
    ) from error
