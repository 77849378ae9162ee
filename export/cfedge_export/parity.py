"""Do the quantised answers agree with the float ones, on every task's held-out set?

Three paths answer the same inputs with the task known: torch float, ONNX float (both on the float
backbone with the float adapter) and ONNX int8 (everything as shipped). Compared are the tail's
features (cosine), decisions (agreement) and accuracy. What may ship is
`cfedge_export.parity_gate`'s to say.

Letters: N held-out examples, D width, C classes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray

from cfedge.inputs.modality import Input
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.engine import Engine
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import file_name
from cfedge.train.workspace.learned_task import HeldOut
from cfedge_export.paired import drop_limits, sign_test

if TYPE_CHECKING:
    from cfedge.train.learn.tail import TorchTail

__all__ = ["Candidates", "TaskParity", "compare"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TaskParity:
    """One task's comparison on its N held-out examples.

    `cosine_*` are the smallest cosines between features of the two paths named; `agreement` the
    share of equal decisions, ONNX int8 against ONNX float; `drop` in points, between the limits
    `drop_interval`, each 95 % certain (`cfedge_export.paired.drop_limits`); `error_ratio` is int8 /
    float errors (None: float made none), between the same limits, for as many float errors as there
    were; `lost` and `won` count the examples that only float and only int8 got right, and `p_value`
    is the one-sided sign test of "int8 loses no more than it wins". Where torch is not installed,
    what it would have said is None.
    """

    task: str
    examples: int
    cosine_torch_onnx: float | None
    cosine_float_int8: float
    agreement: float
    accuracy_torch: float | None
    accuracy_float: float
    accuracy_int8: float
    drop: float
    drop_interval: tuple[float, float]
    error_ratio: float | None
    error_ratio_interval: tuple[float, float] | None
    lost: int
    won: int
    p_value: float


class _FloatPaths:
    """The workspace's float backbone in ONNX Runtime, and in torch where that is asked for; loaded
    once.
    """

    def __init__(self, workspace: WorkspaceFolder, *, by_torch: bool = True) -> None:
        self.encoder = workspace.encoder(float32=True)
        self.torch_tail: TorchTail | None = None
        if not by_torch:
            return
        with contextlib.suppress(ModuleNotFoundError):
            from cfedge.train.learn.tail import TorchTail

            tail = workspace.backbone_file("float_tail.onnx")
            self.torch_tail = TorchTail(onnx.load_from_string(tail))

    def features(
        self, inputs: tuple[Input, ...], adapter: Adapter
    ) -> tuple[Floats | None, Floats, Floats]:
        """float32 [N, D] from torch (None: it is not asked) and from ONNX Runtime, and the
        trunk's [N, 3 D].
        """
        encoded = self.encoder(inputs)
        by_onnx = np.stack(self.encoder.adapted(encoded, adapter))
        by_torch = None if self.torch_tail is None else self._by_torch(encoded.hidden, adapter)
        return by_torch, by_onnx, np.stack(encoded.features)

    def _by_torch(self, hidden: list[Floats], adapter: Adapter) -> Floats:
        import torch

        assert self.torch_tail is not None
        slots = {name: torch.from_numpy(array) for name, array in adapter.slots.items()}
        with torch.inference_mode():
            return np.stack(
                [self.torch_tail(torch.from_numpy(one), slots)[0].numpy() for one in hidden]
            )


def compare(
    workspace: WorkspaceFolder,
    engine: Engine,
    progress: Progress | None = None,
    *,
    only: str | None = None,
    by_torch: bool = True,
) -> list[TaskParity]:
    """Compare the three paths on every task of `engine`, or `only` one: the shipped int8 path of
    `workspace`.

    Parameters
    ----------
    by_torch
        Also answer by torch, where it is installed. No gate looks at that; it takes seconds and
        hundreds of megabytes to load.
    """
    paths = _FloatPaths(workspace, by_torch=by_torch)
    results = []
    names = engine.tasks if only is None else (only,)
    with (progress or Quiet()).track("comparing int8 with float", len(names)) as advance:
        for name in names:
            held_out, adapter = (
                workspace.held_out(name),
                Adapter.from_arrays(workspace.adapter(name)),
            )
            features = paths.features(held_out.inputs, adapter)
            embeddings, scores = engine.opened.embeddings_and_scores(held_out.inputs, name)
            shipped = embeddings, scores.argmax(axis=1)
            results.append(_task_parity(name, held_out, adapter, features, shipped))
            advance(1)
    return results


class Candidates:
    """The same comparison for backbones that do not ship yet: other quantised forms of
    `workspace`'s float graphs, under its tasks' adapters in float32. Its float paths are run once.
    """  # fmt: skip

    def __init__(self, workspace: WorkspaceFolder, progress: Progress | None = None) -> None:
        paths = _FloatPaths(workspace)
        self._backbone = workspace.backbone
        self._files = {
            role: workspace.backbone_file(file_name(role)) for role in self._backbone.input.files()
        }
        self._tasks = {
            name: (workspace.held_out(name), Adapter.from_arrays(workspace.adapter(name)))
            for name in workspace.tasks
        }
        self._features = {}
        with (progress or Quiet()).track("float answers", len(self._tasks)) as advance:
            for name, (held_out, adapter) in self._tasks.items():
                self._features[name] = paths.features(held_out.inputs, adapter)
                advance(1)

    def compare(self, trunk: bytes, tail: bytes) -> list[TaskParity]:
        """Compare the paths on every task with these graphs in the place of what ships."""
        files = {"trunk": trunk, "tail": tail, **self._files}
        encoder = Encoder.of(files, self._backbone)
        results = []
        for name, (held_out, adapter) in self._tasks.items():
            encoded = encoder(held_out.inputs)
            shipped = np.stack(encoder.adapted(encoded, adapter))
            decisions = _decide(shipped, np.stack(encoded.features), adapter)
            results.append(
                _task_parity(name, held_out, adapter, self._features[name], (shipped, decisions))
            )
        return results


def _task_parity(
    name: str,
    held_out: HeldOut,
    adapter: Adapter,
    features: tuple[Floats | None, Floats, Floats],
    shipped: tuple[Floats, NDArray[np.int64]],
) -> TaskParity:
    """Compare torch's and ONNX Runtime's float features, given with the trunk's, with the features
    and decisions of what ships.
    """
    by_torch, by_onnx, trunk = features
    decisions = [_decide(by_onnx, trunk, adapter), shipped[1]]
    float_right, int8_right = (found == held_out.classes for found in decisions)
    accuracy_torch = None
    if by_torch is not None:
        accuracy_torch = float((_decide(by_torch, trunk, adapter) == held_out.classes).mean())
    errors = int((~float_right).sum()), int((~int8_right).sum())
    lost, won = int((float_right & ~int8_right).sum()), int((~float_right & int8_right).sum())
    low, high = drop_limits(lost, won, len(held_out.inputs))
    return TaskParity(
        task=name,
        examples=len(held_out.inputs),
        cosine_torch_onnx=None if by_torch is None else _cosine(by_torch, by_onnx),
        cosine_float_int8=_cosine(by_onnx, shipped[0]),
        agreement=float((decisions[0] == decisions[1]).mean()),
        accuracy_torch=accuracy_torch,
        accuracy_float=float(float_right.mean()),
        accuracy_int8=float(int8_right.mean()),
        drop=100 * float(float_right.mean() - int8_right.mean()),
        drop_interval=(100 * low, 100 * high),
        error_ratio=errors[1] / errors[0] if errors[0] else None,
        error_ratio_interval=_ratio_limits(low, high, errors[0], len(held_out.inputs)),
        lost=lost,
        won=won,
        p_value=sign_test(lost, won),
    )


def _ratio_limits(
    low: float, high: float, errors: int, examples: int
) -> tuple[float, float] | None:
    """Limits of int8 / float errors: a drop in shares makes so many of the N examples errors more."""
    if not errors:
        return None
    least, most = (max(0.0, 1 + drop * examples / errors) for drop in (low, high))
    return least, most


def _decide(features: Floats, trunk: Floats, adapter: Adapter) -> NDArray[np.int64]:
    decisions: NDArray[np.int64] = adapter.scores(
        adapter.adapted(features), adapter.trunk(trunk)
    ).argmax(axis=1)
    return decisions


def _cosine(one: Floats, other: Floats) -> float:
    return float((one * other).sum(axis=1).min())
