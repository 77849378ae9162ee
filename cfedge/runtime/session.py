"""ONNX Runtime sessions, made in one way for the engine, the exporter's checks and the bench.

Measured reasons for each setting are in docs/decisions/0006-sessions.md. Telemetry is switched off
before ONNX Runtime is imported; nothing here opens a network connection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.inputs.modality import Tensor
from cfedge.runtime.fork import opened

__all__ = [
    "MOST_THREADS",
    "RUNTIME_VERSION",
    "check_interface",
    "constants",
    "not_run",
    "not_taken",
    "open_session",
    "reason_of",
]

#: Of ONNX Runtime.
RUNTIME_VERSION: str = onnxruntime.__version__

#: Far more than any machine's cores: each thread takes memory as soon as a graph is opened.
MOST_THREADS = 256
#: What ONNX Runtime raises it writes on standard error too, in colours: an error is one line.
_FATAL_ONLY = 4
_PROVIDERS = ["CPUExecutionProvider"]
_NONE: Mapping[str, NDArray[np.generic]] = {}
#: Its CPU kernel is several times slower than the Add + LayerNormalization that it replaces.
_DISABLED = ["SkipLayerNormFusion"]


def open_session(
    model: bytes,
    what: str,
    *,
    threads: int = 1,
    weights: Mapping[str, NDArray[np.generic]] = _NONE,
) -> onnxruntime.InferenceSession:
    """Open a graph for repeated runs.

    Parameters
    ----------
    model
        ONNX bytes without external data but for `weights`.
    what
        Its name in errors.
    threads
        Intra-op threads, 1 to `MOST_THREADS`.
    weights
        By name, what `cfedge.bundle.large_weights` took out of the graph. The session reads them
        where they are, and keeps them.

    Raises
    ------
    IncompatibleError
        ONNX Runtime cannot load it.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise UsageError(
            f"threads: expected 1 to {MOST_THREADS}, found {threads}; one is the best default on a"
            " shared CPU"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # inputs differ in length: a plan kept for every shape seen
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    lent = {name: onnxruntime.OrtValue.ortvalue_from_numpy(one) for name, one in weights.items()}
    if lent:
        # the first says what the graph has of them, the second that they are not to be copied
        options.add_external_initializers(list(lent), list(lent.values()))
        for name, value in lent.items():
            options.add_initializer(name, value)
    session = _open(model, what, options, _DISABLED)
    session.cfedge_lent = lent  # ONNX Runtime has their addresses alone
    opened(session)
    return session


def constants(model: bytes, what: str) -> tuple[dict[str, object], dict[str, str]]:
    """Run a graph without inputs once and return its outputs by name, and its metadata.

    Raises
    ------
    IncompatibleError
        It cannot be loaded or run, or it has inputs.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    session = _open(model, what, options, [])
    if session.get_inputs():
        raise IncompatibleError(
            f"{what}: expected a graph without inputs, found {session.get_inputs()[0].name!r};"
            " export it again"
        )
    names = [output.name for output in session.get_outputs()]
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    try:
        return dict(zip(names, session.run(names, {}), strict=True)), metadata
    except Exception as error:  # as in _open
        raise not_run(what, error) from error


def check_interface(
    session: onnxruntime.InferenceSession,
    what: str,
    *,
    inputs: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
) -> None:
    """Refuse a graph whose inputs or outputs are not those that are fed and read.

    Raises
    ------
    IncompatibleError
        Naming the first that differs.
    """
    for kind, expected, found in (
        ("input", inputs, session.get_inputs()),
        ("output", outputs, session.get_outputs()),
    ):
        stated = {one.name: one for one in found}
        odd = sorted(expected.keys() ^ stated.keys())
        if odd:
            raise IncompatibleError(
                f"{what}: expected {len(expected)} {kind}s, found a difference at {odd[0]!r};"
                " export the bundle again, or prepare its backbone anew with init"
            )
        for name, (element, shape) in expected.items():
            one = stated[name]
            fits = len(one.shape) == len(shape) and all(
                size is None or isinstance(other, str) or size == other
                for size, other in zip(shape, one.shape, strict=True)
            )
            if one.type != f"tensor({element})" or not fits:
                raise IncompatibleError(
                    f"{what}: expected {kind} {name} {element} {_shape(shape)}, found {one.type}"
                    f" {_shape(one.shape)}; export the bundle again, or prepare its backbone anew"
                    " with init"
                )


def not_run(what: str, error: Exception) -> IncompatibleError:
    """Say that ONNX Runtime gave up in the middle of a graph."""
    return IncompatibleError(f"could not run {what}: {reason_of(error)}; export the bundle again")


def not_taken(noun: str, position: int, error: Exception) -> InputError:
    """Say that a user's own graph gave up on the input at a position."""
    return InputError(
        f"input {position}: expected an {noun} that the encoder takes, found one that it fails on:"
        f" {reason_of(error)}; give other values, or leave it out"
    )


def _shape(sizes: Sequence[int | str | None]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in sizes)}]"


#: What ONNX Runtime writes for its own programmers: a code, a line of its source, a signature.
_INTERNAL = r"\[ONNXRuntimeError\] : \d+ : \w+ : |(?:/\S*/)?\w+\.(?:h|cc|cpp):\d+ (?:[\w:]+ [\w:]+\(.*?\) )?"


def reason_of(error: Exception) -> str:
    """Return what ONNX Runtime says of a graph, in one line and without its own source."""
    lines = re.sub(_INTERNAL, "", str(error)).splitlines()
    return (lines or ["no message"])[0][:200]


def _open(
    model: bytes, what: str, options: onnxruntime.SessionOptions, disabled: list[str]
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=_PROVIDERS, disabled_optimizers=disabled
        )
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise IncompatibleError(
            f"{what}: expected a graph that ONNX Runtime {onnxruntime.__version__} loads, found:"
            f" {reason_of(error)}; export it again or install another onnxruntime"
        ) from error
