"""Learn one task: the frozen encoder's features once, adapter and head on the tail, a head in closed form on the trunk, then
signature and held-out evidence.

"Quantise first, then adapt": hidden states come from the shipped int8 trunk, and the tail that is trained holds the
de-quantised int8 weights, so the adapter also learns away the quantisation error. Nothing of another task is read but
its list of labels and, where `Settings.reuse` is on, its adapter. The same seed, data, thread count and machine give the same bytes.

Letters: N examples, S sequence, D width, C classes, R rank.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError, MissingExtraError
from cfedge.progress import Progress, Quiet
from cfedge.train.composition import SitePool, pool
from cfedge.train.data import Examples
from cfedge.train.head import TRUNK_SHARE, closed_form
from cfedge.train.lesson import prepare_lesson
from cfedge.train.settings import Settings
from cfedge.train.workspace import LearnedTask, Workspace

try:
    import onnx
    import torch
    from torch import Tensor
    from torch.nn import functional

    from cfedge.train.lora import LowRankPairs
    from cfedge.train.tail import TorchTail
except ImportError as error:
    raise MissingExtraError(
        f"learning an adapter needs {error.name}: pip install 'cfedge[train]', or add the task with --head-only"
    ) from error

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
    with _threads(settings.threads):
        lesson = prepare_lesson(
            workspace, name, examples, held_out, share=settings.held_out, seed=settings.seed, threads=torch.get_num_threads(),
            progress=progress,
        )  # fmt: skip
        earlier = {other: workspace.adapter(other) for other in workspace.tasks if other != name} if settings.reuse else {}
        pools = pool(earlier, workspace.backbone.slots, settings.pool_limit)
        adapter, transfer, kept = _train(workspace, pools, lesson.hidden, lesson.targets, len(lesson.classes), settings, progress)
    weight, bias = closed_form(lesson.features.trunk, lesson.targets)
    adapter |= {"trunk.weight": TRUNK_SHARE * weight, "trunk.bias": TRUNK_SHARE * bias}
    return lesson.store(
        workspace,
        adapter,
        settings=dataclasses.asdict(settings),
        packages=("cfedge", "numpy", "onnxruntime", "torch"),
        transfer=transfer,
        kept_energy=kept,
        replace=replace,
    )


def _train(
    workspace: Workspace,
    pools: Mapping[str, SitePool],
    hidden: list[Floats],
    targets: NDArray[np.int64],
    classes: int,
    settings: Settings,
    progress: Progress,
) -> tuple[dict[str, Floats], dict[str, float], float]:
    """Train slots and head by cross entropy; return them by name, float32, what came from whom, and the energy kept in folding."""
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
    folded = pairs.folded()
    for site, one in folded.items():
        arrays |= {f"a.{site}": one.a, f"b.{site}": one.b}
    return arrays, pairs.transfer(), min(one.kept for one in folded.values())


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
