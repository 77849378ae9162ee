"""Features of a task's examples from the frozen encoder, kept on disk while the task is learned: a
run that was interrupted does not encode them again.

Letters: N examples, D width.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.canonical import canonical_json
from cfedge.device import this_board
from cfedge.errors import CfedgeError, DataError, InputError
from cfedge.inputs import reader
from cfedge.inputs.modality import Input
from cfedge.lookup import Features
from cfedge.lookup.finite import finite_rows
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder
from cfedge.storage import write_file
from cfedge.train.examples.examples import Examples
from cfedge.train.features.at_once import at_once
from cfedge.train.features.mirrored import MirroredInputs
from cfedge.train.features.of_example import of_example

__all__ = [
    "adapted_features",
    "cached_features",
    "check_room",
    "empty_cache",
    "encoded",
    "encoded_with",
    "features_of",
    "free_bytes",
]

Floats = NDArray[np.float32]

#: Hidden states that are kept on disk: of a task that takes hours not all are written twice.
CACHED_BYTES = 1 << 30
_VIEWS = ("trunk", "tail")
#: Inputs that are encoded at once.
_STEP = 64


def features_of(encoder: Encoder, inputs: Sequence[Input]) -> tuple[Encoded, Features]:
    """What the trunk makes of inputs, and the features behind trunk and tail."""
    encoded = encoder(inputs)
    return encoded, encoder.features(encoded)


def cached_features(
    encoder: Encoder,
    digest: str,
    cache: Path | None,
    examples: Examples,
    progress: Progress,
    *,
    threads: int,
    hidden: bool = True,
    mirrored: bool = False,
) -> tuple[list[Floats], Features]:
    """Hidden states [...] of each example and features [N, D]: from the cache, if there is one,
    where an interrupted run left them.

    Parameters
    ----------
    threads
        See `encoded`.
    mirrored
        Of each example in a mirror (`cfedge.inputs.modality.Modality.mirrored`).
    hidden
        The hidden states are needed, as an adapter is to be trained; they take four times as much
        as features, and more of long inputs. Otherwise none are returned.
    """
    inputs = MirroredInputs(encoder.modality, examples.inputs) if mirrored else examples.inputs
    if cache is None:
        return encoded(encoder, inputs, progress, threads=threads, hidden=hidden)
    told = list(map(reader(examples.kind).exact, examples.inputs))
    key = hashlib.sha256(canonical_json([digest, told, hidden, mirrored])).hexdigest()
    path = cache / f"{key}.safetensors"
    if path.is_file():
        with contextlib.suppress(CfedgeError, KeyError, OSError):
            arrays = load_arrays(read_plain(path, whole_bytes=LARGEST_BYTES), str(path))
            found = Features(*(arrays[name].astype(np.float32, copy=False) for name in _VIEWS))
            if not hidden:
                return [], found
            bounds = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
            return np.split(arrays["hidden"].astype(np.float32, copy=False), bounds), found
    states, features = encoded(encoder, inputs, progress, threads=threads, hidden=hidden)
    if sum(one.nbytes for one in (*states, *features)) > CACHED_BYTES:
        return states, features
    kept: dict[str, NDArray[np.generic]] = {**features._asdict()}
    if hidden:
        lengths = np.array([len(one) for one in states], np.int64)
        kept |= {"hidden": np.concatenate(states), "lengths": lengths}
    write_file(path, dump_arrays(kept))
    return states, features


def encoded(
    encoder: Encoder,
    inputs: Sequence[Input],
    progress: Progress,
    *,
    threads: int,
    hidden: bool = True,
) -> tuple[list[Floats], Features]:
    """Return hidden states [...] of each input, and the features of `features_of`, a few inputs at a
    time on each of the threads; DataError where memory is too small. Hidden states that are not
    needed are not kept.
    """
    kept: list[Floats] = []
    features = None
    for start, seen, some in _batches(encoder, inputs, progress, threads, hidden):
        if features is None:
            features = Features(
                *(np.empty((len(inputs), *view.shape[1:]), np.float32) for view in some)
            )
        for whole, view in zip(features, some, strict=True):
            whole[start : start + len(view)] = view
        kept += [states[0] for states in seen.hidden] if hidden else []
    return kept, features_of(encoder, inputs)[1] if features is None else features


def encoded_with(
    encoder: Encoder,
    inputs: Sequence[Input],
    adapter: Adapter,
    progress: Progress,
    *,
    threads: int,
) -> tuple[Features, Floats]:
    """Return the features of `encoded`, and those behind the tail with an adapter, float32 [N, D];
    no hidden state is kept.
    """
    parts: list[Features] = []
    adapted: list[Floats] = []
    for _, seen, some in _batches(encoder, inputs, progress, threads, hidden=False):
        parts.append(some)
        adapted += encoder.adapted(seen, adapter)
    return Features(*(np.concatenate(views) for views in zip(*parts, strict=True))), np.stack(
        adapted
    )


def adapted_features(
    encoder: Encoder, encoded: Encoded, adapter: Adapter, *, threads: int
) -> Floats:
    """Return the features behind the tail with an adapter, float32 [N, D], of inputs that were
    encoded.
    """

    def work(start: int) -> list[Floats]:
        rows = range(start, min(start + _STEP, len(encoded.hidden)))
        return encoder.adapted(encoded.of(rows), adapter)

    parts = at_once(work, range(0, len(encoded.hidden), _STEP), threads)
    return np.stack([features for part in parts for features in part])


def _batches(
    encoder: Encoder, inputs: Sequence[Input], progress: Progress, threads: int, hidden: bool
) -> Iterator[tuple[int, Encoded, Features]]:
    """Encode a few inputs at a time; where the first begin there must be room for all."""
    room = free_bytes()

    def work(start: int) -> tuple[int, Encoded, Features]:
        some = inputs[start : start + _STEP]
        try:
            seen, features = features_of(encoder, some)
            for view in features:
                finite_rows(view)
        except InputError as error:
            raise of_example(encoder.modality, some, start, error) from error
        return start, seen, features

    starts = range(0, len(inputs), _STEP)
    with progress.track("running the frozen encoder", len(inputs)) as advance:
        for start, seen, features in chain(
            map(work, starts[:1]), at_once(work, starts[1:], threads)
        ):
            if not start:
                states = seen.hidden if hidden else []
                check_room(len(inputs), _bytes_each(states, features), room)
            yield start, seen, features
            advance(len(seen.hidden))


def free_bytes() -> int | None:
    """Return how much memory this process may still take; None where the system does not tell."""
    board = this_board()
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
            f" enough, found {count:,}, which take {needed / 1e9:.1f} GB; take fewer with"
            " --most-examples, or --head-only, which needs less for each; cfedge inspect --curve says"
            " whether more of them help"
        )


def _bytes_each(hidden: Sequence[Floats], features: Features) -> float:
    parts = [*hidden, *features]
    return sum(part.nbytes for part in parts) / len(features.tail)


def empty_cache(cache: Path) -> None:
    """Delete the features that runs kept: what cannot be deleted now is deleted after the next
    task.
    """
    with contextlib.suppress(OSError):
        for path in cache.iterdir():
            path.unlink()
