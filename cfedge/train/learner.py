"""Learn one task: the frozen encoder's features once, then adapter and head on the tail, then signature and held-out evidence.

"Quantise first, then adapt": hidden states come from the shipped int8 trunk, and the tail that is trained holds the
de-quantised int8 weights, so the adapter also learns away the quantisation error. Nothing of another task is read but
its list of labels and, where `Settings.reuse` is on, its adapter. The same seed, data, thread count and machine give the same bytes.

Letters: N examples, S sequence, D width, C classes, R rank.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cfedge.bundle.files import dump_arrays, load_arrays
from cfedge.bundle.manifest import canonical_json
from cfedge.errors import CfedgeError, DataError
from cfedge.lookup import Looks, Pair
from cfedge.progress import Progress, Quiet
from cfedge.runtime.backbone import Tail, Trunk, no_adapter
from cfedge.storage import write_file
from cfedge.train.composition import SitePool, pool
from cfedge.train.data import Examples, split_held_out
from cfedge.train.lora import LowRankPairs
from cfedge.train.settings import Settings
from cfedge.train.signature import signature
from cfedge.train.tail import TorchTail
from cfedge.train.workspace import HeldOut, LearnedTask, TaskRecord, Workspace

__all__ = ["Settings", "learn"]

Floats = NDArray[np.float32]

#: The tail's features have length 1: the head's weight is learned as a multiple of this, a temperature for the softmax.
_HEAD_SCALE = 8.0


def learn(
    workspace: Workspace,
    name: str,
    examples: Examples,
    held_out: Examples | None = None,
    *,
    settings: Settings | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> LearnedTask:
    """Learn a task and add it to the workspace.

    Parameters
    ----------
    workspace
        Where it goes, and whose backbone is adapted.
    name
        Lower-case letters, digits, ``-`` and ``_``.
    examples
        To learn from.
    held_out
        For certificate, threshold and parity; None: `Settings.held_out` of `examples`.
    replace
        Learn a task of this name anew.

    Returns
    -------
    LearnedTask
        As stored.

    Raises
    ------
    TaskError, DataError
        Before anything is computed; the workspace is unchanged.
    """
    settings = settings or Settings()
    progress = progress or Quiet()
    workspace.check_new(name, examples.classes, replace=replace)
    if held_out is None:
        examples, held_out = split_held_out(examples, settings.held_out, np.random.default_rng(settings.seed))
    classes = examples.classes
    strangers = sorted(set(held_out.labels) - set(classes))
    if strangers:
        raise DataError(
            f"{held_out.source}: expected labels of the training data, found {strangers[0]!r}; remove it or add examples"
        )
    targets = _targets(examples, classes)
    with _threads(settings.threads):
        encoder = _Encoder(workspace)
        hidden, features = _cached_features(encoder, workspace.cache, examples.texts, progress)
        evidence = HeldOut(held_out.texts, _targets(held_out, classes), encoder(held_out.texts)[1])
        earlier = {other: workspace.adapter(other) for other in workspace.tasks if other != name} if settings.reuse else {}
        pools = pool(earlier, workspace.backbone.slots, settings.pool_limit)
        adapter, pairs = _train(workspace, pools, hidden, targets, len(classes), settings, progress)
    task = LearnedTask(
        record=TaskRecord(
            name=name,
            classes=classes,
            examples=len(examples),
            base=workspace.backbone.digest,
            settings=dataclasses.asdict(settings),
            versions={package: version(package) for package in ("cfedge", "numpy", "onnxruntime", "torch")},
            transfer=pairs.transfer(),
            kept_energy=min(folded.kept for folded in pairs.folded().values()),
        ),
        adapter=adapter,
        signature=Looks(signature(features.trunk, targets), signature(features.tail, targets)),
        held_out=evidence,
    )
    workspace.put(task, replace=replace)
    with contextlib.suppress(OSError):  # the task is stored; what cannot be deleted now is deleted after the next one
        for path in workspace.cache.iterdir():
            path.unlink()
    return task


def _targets(examples: Examples, classes: Sequence[str]) -> NDArray[np.int64]:
    position = {label: index for index, label in enumerate(classes)}
    return np.array([position[label] for label in examples.labels], np.int64)


class _Encoder:
    """The shipped trunk and the shipped tail without an adapter, with as many threads as torch."""

    def __init__(self, workspace: Workspace) -> None:
        threads = torch.get_num_threads()
        self.digest = workspace.backbone.digest
        self._trunk = Trunk(
            workspace.backbone_file("trunk.onnx"), workspace.backbone_file("tokenizer.json"), workspace.backbone, threads=threads
        )
        self._tail = Tail(workspace.backbone_file("tail.onnx"), workspace.backbone, threads=threads)
        self._frozen = no_adapter(workspace.backbone)

    def __call__(self, texts: Sequence[str]) -> tuple[list[Floats], Pair]:
        """Return the hidden states [S, D] of each text and the features of both looks."""
        encoded = self._trunk(texts)
        behind = self._tail(encoded.hidden, [self._frozen] * len(texts))
        return [states[0] for states in encoded.hidden], Pair(np.stack(encoded.features), np.stack(behind))


def _cached_features(encoder: _Encoder, cache: Path, texts: tuple[str, ...], progress: Progress) -> tuple[list[Floats], Pair]:
    """Hidden states [S, D] of each text and features [N, D]: from the cache where an interrupted run left them."""
    key = hashlib.sha256(canonical_json([encoder.digest, texts])).hexdigest()
    path = cache / f"{key}.safetensors"
    if path.is_file():
        with contextlib.suppress(CfedgeError, KeyError, OSError):
            arrays = load_arrays(path.read_bytes(), str(path))
            kept = {name: arrays[name].astype(np.float32, copy=False) for name in ("hidden", "trunk", "tail")}
            bounds = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
            return np.split(kept["hidden"], bounds), Pair(kept["trunk"], kept["tail"])
    hidden: list[Floats] = []
    parts: list[Pair] = []
    step = 64
    with progress.track("features of the frozen encoder", len(texts)) as advance:
        for start in range(0, len(texts), step):
            states, features = encoder(texts[start : start + step])
            hidden.extend(states)
            parts.append(features)
            advance(len(states))
    features = Pair(*(np.concatenate(one) for one in zip(*parts, strict=True)))
    lengths = np.array([len(states) for states in hidden], np.int64)
    write_file(path, dump_arrays({"hidden": np.concatenate(hidden), "lengths": lengths, **features._asdict()}))
    return hidden, features


def _train(
    workspace: Workspace,
    pools: Mapping[str, SitePool],
    hidden: list[Floats],
    targets: NDArray[np.int64],
    classes: int,
    settings: Settings,
    progress: Progress,
) -> tuple[dict[str, Floats], LowRankPairs]:
    """Train slots and head by cross entropy; return them by name, float32, and how the slots came about."""
    tail = TorchTail(onnx.load_from_string(workspace.backbone_file("train_tail.onnx")))
    generator = torch.Generator().manual_seed(settings.seed)
    pairs = LowRankPairs(workspace.backbone.slots, pools, settings, generator)
    weight = torch.nn.Parameter(torch.randn(workspace.backbone.width, classes, generator=generator) * 0.02)
    bias = torch.nn.Parameter(torch.zeros(classes))
    parameters = [*pairs.parameters(), weight, bias]
    batches = -(-len(hidden) // settings.batch)
    epochs = max(settings.epochs, -(-settings.min_steps // batches))
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=epochs * batches)
    labels = torch.from_numpy(targets)
    with progress.track("adapter", epochs * batches) as advance:
        for _ in range(epochs):
            for rows in _batches([len(states) for states in hidden], settings.batch, generator):
                thinned = [_thinned(hidden[row], settings.token_dropout, generator) for row in rows]
                states, mask = _padded(thinned)
                scores = tail(states, pairs.slots(), mask) * _HEAD_SCALE @ weight + bias
                loss = functional.cross_entropy(scores, labels[rows]) + pairs.penalty()
                if not torch.isfinite(loss):
                    raise DataError(
                        f"training: expected a finite loss, found {loss.item()}; lower --learning-rate (now {settings.learning_rate})"
                    )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
                optimizer.step()
                schedule.step()
                advance(1)
    arrays = {"head.weight": (weight * _HEAD_SCALE).detach().numpy(), "head.bias": bias.detach().numpy()}
    for site, folded in pairs.folded().items():
        arrays |= {f"a.{site}": folded.a, f"b.{site}": folded.b}
    return arrays, pairs


def _batches(lengths: list[int], size: int, generator: torch.Generator) -> list[list[int]]:
    """One epoch's batches of positions, in random order: alike in length within every eight batches, to spare padding."""
    batches: list[list[int]] = []
    for some in torch.split(torch.randperm(len(lengths), generator=generator), 8 * size):
        by_length = sorted(some.tolist(), key=lambda row: lengths[row])
        batches += [by_length[start : start + size] for start in range(0, len(by_length), size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def _thinned(states: Floats, share: float, generator: torch.Generator) -> Floats:
    """Leave out a share of the tokens of hidden states [S, D]; two at least stay."""
    kept = (torch.rand(len(states), generator=generator) >= share).numpy()
    return states[kept] if kept.sum() >= 2 else states


def _padded(rows: list[Floats]) -> tuple[Tensor, Tensor]:
    """Stack hidden states [S, D] of several lengths: float32 [B, S, D] and mask int64 [B, S]."""
    longest = max(len(row) for row in rows)
    states = torch.zeros(len(rows), longest, rows[0].shape[1])
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for position, row in enumerate(rows):
        states[position, : len(row)] = torch.from_numpy(row)
        mask[position, : len(row)] = 1
    return states, mask


@contextlib.contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Run with so many torch threads and deterministic kernels; put both back."""
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads or before)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
