"""The training loop: slots and head of the tail by cross entropy, on the CPU or on a GPU, in
float32 or in bfloat16.

What is random is drawn on the CPU whatever the device: the same seed gives the same initial values,
batches and left-out positions everywhere. Where hidden states come from, and what becomes of the
result, is for the callers.

Letters: N examples, S sequence, D width, C classes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter, functional

from cfedge.device import usable_cores
from cfedge.errors import DataError, UsageError
from cfedge.progress import Progress
from cfedge.train.learn.adam import Adam
from cfedge.train.learn.lora import LowRankPairs
from cfedge.train.learn.tail import TorchTail
from cfedge.train.settings import Settings

__all__ = ["Head", "States", "device_of", "fit", "pinned"]

Floats = NDArray[np.float32]

#: The tail's features have length 1: the head's weight is learned as a multiple of this, a
#: temperature for the softmax.
_HEAD_SCALE = 8.0


@dataclass
class Head:
    """Linear classifier over the tail's features: `weight` [D, C], in units of the head's scale,
    and `bias` [C].
    """

    weight: Parameter
    bias: Parameter

    @classmethod
    def drawn(
        cls, width: int, classes: int, generator: torch.Generator, device: torch.device
    ) -> Head:
        """Return a new one."""
        weight = torch.randn(width, classes, generator=generator) * 0.02
        return cls(Parameter(weight.to(device)), Parameter(torch.zeros(classes, device=device)))

    def grown(self, classes: int, generator: torch.Generator) -> Head:
        """Return it with so many classes more, new ones behind those it knows."""
        more = Head.drawn(self.weight.shape[0], classes, generator, self.weight.device)
        return Head(
            Parameter(torch.cat([self.weight.detach(), more.weight.detach()], dim=1)),
            Parameter(torch.cat([self.bias.detach(), more.bias.detach()])),
        )

    def __call__(self, features: Tensor) -> Tensor:
        """Return scores [B, C] of features [B, D]."""
        return features * _HEAD_SCALE @ self.weight + self.bias

    def arrays(self, part: str) -> dict[str, Floats]:
        """``<part>.weight`` float32 [D, C] and ``<part>.bias`` [C]."""
        weight, bias = (self.weight * _HEAD_SCALE).detach(), self.bias.detach()
        return {f"{part}.weight": weight.cpu().numpy(), f"{part}.bias": bias.cpu().numpy()}


@dataclass(frozen=True)
class States:
    """What a tail is trained on.

    Attributes
    ----------
    own
        float32 of each of N examples, from the shipped trunk: [S, D] of several lengths S where the
        tail reads a mask, else of one shape.
    mirrored
        The same of the examples in a mirror; empty: there are none.
    """

    own: list[Floats]
    mirrored: list[Floats]

    def of(self, rows: list[int], generator: torch.Generator) -> list[Floats]:
        """Return a batch: each example as it is or in the mirror, as likely as not."""
        if not self.mirrored:
            return [self.own[row] for row in rows]
        turned = (torch.rand(len(rows), generator=generator) < 0.5).tolist()
        return [
            (self.mirrored if turn else self.own)[row]
            for row, turn in zip(rows, turned, strict=True)
        ]


def fit(
    tail: TorchTail,
    pairs: LowRankPairs,
    head: Head,
    hidden: States,
    targets: NDArray[np.int64],
    settings: Settings,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Train pairs and head in place.

    Parameters
    ----------
    hidden
        Of N examples.
    targets
        int64 [N], columns of the head.

    Raises
    ------
    DataError
        The loss, or what was learned, is not finite.
    """
    parameters = [*pairs.parameters(), head.weight, head.bias]
    lengths = [len(states) for states in hidden.own]
    batches = -(-len(lengths) // settings.batch)
    epochs = max(settings.epochs, -(-settings.min_steps // batches))
    optimizer = Adam(parameters, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=epochs * batches
    )
    labels = torch.from_numpy(targets).to(tail.device)
    half = torch.autocast(tail.device.type, torch.bfloat16, enabled=settings.precision == "bf16")
    with progress.track("training the adapter", epochs * batches) as advance:
        for _ in range(epochs):
            for rows in _batches(lengths, settings.batch, generator):
                states, mask = _batch(tail, hidden.of(rows, generator), settings, generator)
                with half:
                    scores = head(tail(states, pairs.slots(), mask))
                loss = functional.cross_entropy(scores.float(), labels[rows]) + pairs.penalty()
                if not torch.isfinite(loss):
                    raise _not_finite(f"loss, found {loss.item()}", settings)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
                optimizer.step()
                schedule.step()
                advance(1)
    if not all(bool(torch.isfinite(one).all()) for one in parameters):
        raise _not_finite("adapter, found NaN or infinity after the last step", settings)


def _not_finite(what: str, settings: Settings) -> DataError:
    return DataError(
        f"training: expected a finite {what}; lower --learning-rate (now {settings.learning_rate})"
    )


def device_of(name: str) -> torch.device:
    """Return torch's device of that name: ``cpu``, ``cuda``, ``cuda:1``...

    Raises
    ------
    UsageError
        It cannot be used here.
    """
    if name.startswith("cuda"):
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # or cuBLAS refuses deterministic kernels
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("neither cpu nor cuda")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device: expected one that torch {torch.__version__} can use here, found {name!r}; use"
            " --device cpu"
        ) from error
    return device


@contextlib.contextmanager
def pinned(threads: int | None) -> Iterator[None]:
    """Run with so many torch threads and deterministic kernels; put both back."""
    before, deterministic = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(threads or min(before, usable_cores()))
    # as torch.use_deterministic_algorithms(True), which imports the compiler as well
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_deterministic_debug_mode(deterministic)


def _batches(lengths: list[int], size: int, generator: torch.Generator) -> list[list[int]]:
    """One epoch's batches of positions, in random order: alike in length within every eight
    batches, to spare padding.
    """
    batches: list[list[int]] = []
    for some in torch.split(torch.randperm(len(lengths), generator=generator), 8 * size):
        by_length = sorted(some.tolist(), key=lambda row: lengths[row])
        batches += [by_length[start : start + size] for start in range(0, len(by_length), size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def _batch(
    tail: TorchTail, rows: list[Floats], settings: Settings, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Hidden states of a batch without the positions that are left out, and the mask where the tail
    reads one.
    """
    if tail.is_masked:
        thinned = [_thinned(states, settings.position_dropout, generator) for states in rows]
        states, mask = _padded(thinned)
        return states.to(tail.device), mask.to(tail.device)
    if tail.keep_positions is not None:
        rows = [
            _sampled(row, settings.position_dropout, tail.keep_positions, generator) for row in rows
        ]
    return torch.from_numpy(np.stack(rows)).to(tail.device), None


def _thinned(states: Floats, share: float, generator: torch.Generator) -> Floats:
    """Leave out a share of the positions of hidden states [S, D]; two at least stay."""
    kept = (torch.rand(len(states), generator=generator) >= share).numpy()
    return states[kept] if kept.sum() >= 2 else states


def _sampled(states: Floats, share: float, first: int, generator: torch.Generator) -> Floats:
    """The `first` positions and as many of the others of hidden states [S, D] in every example."""
    others = len(states) - first
    kept = torch.randperm(others, generator=generator)[: max(1, round((1 - share) * others))]
    return np.concatenate([states[:first], states[first + np.sort(kept.numpy())]])


def _padded(rows: list[Floats]) -> tuple[Tensor, Tensor]:
    """Stack hidden states [S, D] of several lengths: float32 [B, S, D] and mask int64 [B, S]."""
    longest = max(len(row) for row in rows)
    states = torch.zeros(len(rows), longest, rows[0].shape[1])
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for position, row in enumerate(rows):
        states[position, : len(row)] = torch.from_numpy(row)
        mask[position, : len(row)] = 1
    return states, mask
