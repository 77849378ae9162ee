"""Features of a task's examples from the frozen encoder, kept on disk while the task is learned: a
run that was interrupted does not encode them again.

Letters: N examples, D width.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.canonical import canonical_json
from cfedge.errors import CfedgeError
from cfedge.inputs.modality import Input
from cfedge.lookup import Features
from cfedge.progress import Progress
from cfedge.runtime.encoder import Encoder
from cfedge.storage import write_file
from cfedge.train.examples import Examples

__all__ = ["cached_features", "empty_cache", "features_of"]

Floats = NDArray[np.float32]


def features_of(encoder: Encoder, inputs: Sequence[Input]) -> tuple[list[Floats], Features]:
    """Hidden states [...] of each input, and the features behind trunk and tail."""
    encoded = encoder(inputs)
    return [states[0] for states in encoded.hidden], encoder.features(encoded)


def cached_features(
    encoder: Encoder, digest: str, cache: Path | None, examples: Examples, progress: Progress
) -> tuple[list[Floats], Features]:
    """Hidden states [...] of each example and features [N, D]: from the cache, if there is one,
    where an interrupted run left them.
    """
    if cache is None:
        return _encoded(encoder, examples.inputs, progress)
    inputs = examples.inputs
    # A text's key leaves out its case, which some encoders read.
    told = [
        value if isinstance(value, str) else key
        for value, key in zip(inputs, examples.keys, strict=True)
    ]
    key = hashlib.sha256(canonical_json([digest, told])).hexdigest()
    path = cache / f"{key}.safetensors"
    if path.is_file():
        with contextlib.suppress(CfedgeError, KeyError, OSError):
            arrays = load_arrays(path.read_bytes(), str(path))
            kept = {
                name: arrays[name].astype(np.float32, copy=False)
                for name in ("hidden", "trunk", "tail")
            }
            bounds = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
            return np.split(kept["hidden"], bounds), Features(kept["trunk"], kept["tail"])
    hidden, features = _encoded(encoder, inputs, progress)
    lengths = np.array([len(states) for states in hidden], np.int64)
    write_file(
        path,
        dump_arrays({"hidden": np.concatenate(hidden), "lengths": lengths, **features._asdict()}),
    )
    return hidden, features


def _encoded(
    encoder: Encoder, inputs: Sequence[Input], progress: Progress
) -> tuple[list[Floats], Features]:
    hidden: list[Floats] = []
    parts: list[Features] = []
    step = 64
    with progress.track("features of the frozen encoder", len(inputs)) as advance:
        for start in range(0, len(inputs), step):
            states, features = features_of(encoder, inputs[start : start + step])
            hidden.extend(states)
            parts.append(features)
            advance(len(states))
    return hidden, Features(*(np.concatenate(views) for views in zip(*parts, strict=True)))


def empty_cache(cache: Path) -> None:
    """Delete the features that runs kept: what cannot be deleted now is deleted after the next
    task.
    """
    with contextlib.suppress(OSError):
        for path in cache.iterdir():
            path.unlink()
