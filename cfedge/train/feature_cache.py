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
from cfedge.device import here
from cfedge.errors import CfedgeError, DataError
from cfedge.inputs.modality import Input
from cfedge.lookup import Features
from cfedge.plain_files import read_plain
from cfedge.progress import Progress
from cfedge.runtime.encoder import Encoder
from cfedge.storage import write_file
from cfedge.train.examples import Examples

__all__ = ["cached_features", "check_room", "empty_cache", "encoded", "features_of", "free_bytes"]

Floats = NDArray[np.float32]

#: Hidden states that are kept on disk: of a task that takes hours not all are written twice.
CACHED_BYTES = 1 << 30


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
        return encoded(encoder, examples.inputs, progress)
    inputs = examples.inputs
    # The key of a string leaves out its case, which some encoders read.
    told = [
        value if isinstance(value, str) else key
        for value, key in zip(inputs, examples.keys, strict=True)
    ]
    key = hashlib.sha256(canonical_json([digest, told])).hexdigest()
    path = cache / f"{key}.safetensors"
    if path.is_file():
        with contextlib.suppress(CfedgeError, KeyError, OSError):
            arrays = load_arrays(read_plain(path), str(path))
            kept = {
                name: arrays[name].astype(np.float32, copy=False)
                for name in ("hidden", "trunk", "tail")
            }
            bounds = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
            return np.split(kept["hidden"], bounds), Features(kept["trunk"], kept["tail"])
    hidden, features = encoded(encoder, inputs, progress)
    if sum(states.nbytes for states in hidden) > CACHED_BYTES:
        return hidden, features
    lengths = np.array([len(states) for states in hidden], np.int64)
    write_file(
        path,
        dump_arrays({"hidden": np.concatenate(hidden), "lengths": lengths, **features._asdict()}),
    )
    return hidden, features


def encoded(
    encoder: Encoder, inputs: Sequence[Input], progress: Progress
) -> tuple[list[Floats], Features]:
    """Return what `features_of` does, a few inputs at a time; DataError where memory is too small."""
    hidden: list[Floats] = []
    parts: list[Features] = []
    step = 64
    room = free_bytes()
    with progress.track("features of the frozen encoder", len(inputs)) as advance:
        for start in range(0, len(inputs), step):
            states, features = features_of(encoder, inputs[start : start + step])
            hidden.extend(states)
            parts.append(features)
            if not start:
                check_room(len(inputs), _bytes_each(states, features), room)
            advance(len(states))
    return hidden, Features(*(np.concatenate(views) for views in zip(*parts, strict=True)))


def free_bytes() -> int | None:
    """Return how much memory this process may still take; None where the system does not tell."""
    board = here()
    known = [size for size in (board.available_bytes, board.memory_limit_bytes) if size is not None]
    return min(known, default=None)


def check_room(count: int, each_bytes: float, room_bytes: int | None) -> None:
    """Refuse more examples than memory holds, before they are encoded.

    Parameters
    ----------
    count, each_bytes
        Examples, and what the encoder's output for one of them takes; it is held twice at most.
    room_bytes
        Of memory; None: unknown, nothing is refused.

    Raises
    ------
    DataError
        Naming how many examples there is room for.
    """
    needed = 2 * count * each_bytes
    if room_bytes is not None and needed > room_bytes:
        most = int(room_bytes / (2 * each_bytes))
        raise DataError(
            f"examples: expected at most {most:,}, for which {room_bytes / 1e9:.1f} GB of memory are"
            f" enough, found {count:,}, which take {needed / 1e9:.1f} GB; add a part of them, and the"
            " rest in parts with cfedge update; cfedge inspect --curve says whether more of them help"
        )


def _bytes_each(hidden: Sequence[Floats], features: Features) -> float:
    parts = [*hidden, *features]
    return sum(part.nbytes for part in parts) / len(hidden)


def empty_cache(cache: Path) -> None:
    """Delete the features that runs kept: what cannot be deleted now is deleted after the next
    task.
    """
    with contextlib.suppress(OSError):
        for path in cache.iterdir():
            path.unlink()
