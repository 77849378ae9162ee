"""ONNX Runtime sessions, made in one way for the engine, the exporter's checks and the bench.

Measured reasons for each setting are in docs/decisions/sessions.md. Telemetry is switched off before ONNX Runtime is
imported; nothing here opens a network connection.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from cfedge.errors import IncompatibleError, UsageError
from cfedge.runtime.fork import opened

__all__ = ["RUNTIME_VERSION", "constants", "open_session"]

#: Of ONNX Runtime.
RUNTIME_VERSION: str = onnxruntime.__version__

_PROVIDERS = ["CPUExecutionProvider"]
#: Its CPU kernel is several times slower than the Add + LayerNormalization that it replaces.
_DISABLED = ["SkipLayerNormFusion"]


def open_session(model: bytes, what: str, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a graph for repeated runs.

    Parameters
    ----------
    model
        ONNX bytes without external data.
    what
        Its name in errors.
    threads
        Intra-op threads, >= 1.

    Raises
    ------
    IncompatibleError
        ONNX Runtime cannot load it.
    """
    if threads < 1:
        raise UsageError(f"threads: expected >= 1, found {threads}; one is the best default on a shared CPU")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # texts differ in length: a plan kept for every shape seen
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = _open(model, what, options, _DISABLED)
    opened(session)
    return session


def constants(model: bytes, what: str) -> tuple[dict[str, object], dict[str, str]]:
    """Run a graph without inputs once and return its outputs by name, and its metadata.

    Raises
    ------
    IncompatibleError
        It cannot be loaded, or it has inputs.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = _open(model, what, options, [])
    if session.get_inputs():
        raise IncompatibleError(
            f"{what}: expected a graph without inputs, found {session.get_inputs()[0].name!r}; export it again"
        )
    names = [output.name for output in session.get_outputs()]
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return dict(zip(names, session.run(names, {}), strict=True)), metadata


def _open(model: bytes, what: str, options: onnxruntime.SessionOptions, disabled: list[str]) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(model, options, providers=_PROVIDERS, disabled_optimizers=disabled)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        reason = str(error).splitlines()[0][:200]
        raise IncompatibleError(
            f"{what}: expected a graph that ONNX Runtime {onnxruntime.__version__} loads, found: {reason}; "
            f"export it again or install another onnxruntime"
        ) from error
