"""Do the quantised answers agree with the float ones, on every task's held-out set?

Three paths answer the same texts with the task known: torch float, ONNX float (both on the float
backbone with the float adapter) and ONNX int8 (everything as shipped). Compared are the tail's
features (cosine), decisions (agreement) and accuracy. The gate looks at ONNX int8 against ONNX
float: a task fails where accuracy drops by more than `max_drop` points or the error ratio is above
`max_error_ratio`, beyond what chance explains: a paired sign test on the decisions that differ must
find int8 worse at the 5 % level (docs/decisions/0001-parity-gate.md). `Gate.strict` judges the figures
alone.

Letters: N held-out examples, D width, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from cfedge.errors import ParityError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.engine import Engine
from cfedge.train.learned_task import HeldOut
from cfedge.train.tail import TorchTail
from cfedge.train.workspace import Workspace

__all__ = ["Candidates", "Gate", "TaskParity", "check", "compare"]

Floats = NDArray[np.float32]

#: torch and ONNX Runtime compute the same float32 graph: features differ by rounding only.
TORCH_COSINE = 0.9999


@dataclass(frozen=True)
class Gate:
    """Largest accepted accuracy drop, in points (1 point = 0.01), and int8 / float error ratio;
    `strict`: also by chance.

    Raises
    ------
    UsageError
        A limit is negative, not a number or beyond any use.
    """

    max_drop: float = 1.0
    max_error_ratio: float = 1.25
    strict: bool = False

    def __post_init__(self) -> None:
        for what, value, most in (
            ("drop", self.max_drop, 100.0),
            ("error ratio", self.max_error_ratio, 1e9),
        ):
            if (
                not 0 <= value <= most
            ):  # also where it is NaN, with which nothing would ever be refused
                raise UsageError(
                    f"{what}: expected a number from 0 to {most:g}, found {value}; 1 point and 1.25"
                    " are the defaults"
                )


#: Level of the sign test.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class TaskParity:
    """One task's comparison on its N held-out examples.

    `cosine_*` are the smallest cosines between features of the two paths named; `agreement` the
    share of equal decisions, ONNX int8 against ONNX float; `drop` in points with the 95 % interval
    `drop_interval` (paired bootstrap, seeded); `error_ratio` is int8 / float errors (None: float
    made none) with its interval; `lost` and `won` count the examples that only float and only int8
    got right, and `p_value` is the one-sided sign test of "int8 loses no more than it wins".
    """

    task: str
    examples: int
    cosine_torch_onnx: float
    cosine_float_int8: float
    agreement: float
    accuracy_torch: float
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
    """The workspace's float backbone in torch and in ONNX Runtime; loaded once."""

    def __init__(self, workspace: Workspace) -> None:
        self.encoder = workspace.encoder(float32=True)
        tail = workspace.backbone_file("float_tail.onnx")
        self.torch_tail = TorchTail(onnx.load_from_string(tail))

    def features(self, texts: tuple[str, ...], adapter: Adapter) -> tuple[Floats, Floats, Floats]:
        """float32 [N, D] from torch and from ONNX Runtime, and the trunk's [N, 3 D]."""
        encoded = self.encoder(texts)
        hidden = encoded.hidden
        by_onnx = np.stack(self.encoder.adapted(hidden, adapter.slots))
        slots = {name: torch.from_numpy(array) for name, array in adapter.slots.items()}
        with torch.inference_mode():
            by_torch = [self.torch_tail(torch.from_numpy(one), slots)[0].numpy() for one in hidden]
        return np.stack(by_torch), by_onnx, np.stack(encoded.features)


def compare(
    workspace: Workspace,
    engine: Engine,
    progress: Progress | None = None,
    *,
    only: str | None = None,
) -> list[TaskParity]:
    """Compare the three paths on every task of `engine`, or `only` one: the shipped int8 path of
    `workspace`.
    """
    paths = _FloatPaths(workspace)
    results = []
    names = engine.tasks if only is None else (only,)
    with (progress or Quiet()).track("parity", len(names)) as advance:
        for name in names:
            held_out, adapter = (
                workspace.held_out(name),
                Adapter.from_arrays(workspace.adapter(name)),
            )
            features = paths.features(held_out.inputs, adapter)
            shipped = (
                engine.embeddings(held_out.inputs, name),
                engine.class_scores(held_out.inputs, name).argmax(axis=1),
            )
            results.append(_task_parity(name, held_out, adapter, features, shipped))
            advance(1)
    return results


class Candidates:
    """The same comparison for backbones that do not ship yet: other quantised forms of
    `workspace`'s float graphs, under its tasks' adapters in float32. Its float paths are run once.
    """  # fmt: skip

    def __init__(self, workspace: Workspace, progress: Progress | None = None) -> None:
        paths = _FloatPaths(workspace)
        self._backbone, self._tokenizer = (
            workspace.backbone,
            workspace.backbone_file("tokenizer.json"),
        )
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
        files = {"trunk": trunk, "tail": tail, "tokenizer": self._tokenizer}
        encoder = Encoder.of(files, self._backbone)
        results = []
        for name, (held_out, adapter) in self._tasks.items():
            encoded = encoder(held_out.inputs)
            shipped = np.stack(encoder.adapted(encoded.hidden, adapter.slots))
            decisions = _decide(shipped, np.stack(encoded.features), adapter)
            results.append(
                _task_parity(name, held_out, adapter, self._features[name], (shipped, decisions))
            )
        return results


def _task_parity(
    name: str,
    held_out: HeldOut,
    adapter: Adapter,
    features: tuple[Floats, Floats, Floats],
    shipped: tuple[Floats, NDArray[np.int64]],
) -> TaskParity:
    """Compare torch's and ONNX Runtime's float features, given with the trunk's, with the features
    and decisions of what ships.
    """
    by_torch, by_onnx, trunk = features
    decisions = [_decide(by_torch, trunk, adapter), _decide(by_onnx, trunk, adapter), shipped[1]]
    torch_right, float_right, int8_right = (found == held_out.classes for found in decisions)
    drop, ratio = _bootstrap(float_right, int8_right, np.random.default_rng(0))
    errors = int((~float_right).sum()), int((~int8_right).sum())
    lost, won = int((float_right & ~int8_right).sum()), int((~float_right & int8_right).sum())
    return TaskParity(
        task=name,
        examples=len(held_out.inputs),
        cosine_torch_onnx=_cosine(by_torch, by_onnx),
        cosine_float_int8=_cosine(by_onnx, shipped[0]),
        agreement=float((decisions[1] == decisions[2]).mean()),
        accuracy_torch=float(torch_right.mean()),
        accuracy_float=float(float_right.mean()),
        accuracy_int8=float(int8_right.mean()),
        drop=100 * float(float_right.mean() - int8_right.mean()),
        drop_interval=drop,
        error_ratio=errors[1] / errors[0] if errors[0] else None,
        error_ratio_interval=ratio,
        lost=lost,
        won=won,
        p_value=_sign_test(lost, won),
    )


def check(results: list[TaskParity], gate: Gate | None = None) -> None:
    """Pass or refuse.

    Raises
    ------
    ParityError
        Naming the first task that misses the gate and by how much.
    """
    gate = gate or Gate()
    for one in results:
        if one.cosine_torch_onnx < TORCH_COSINE:
            raise ParityError(
                f"task {one.task!r}: expected torch and ONNX float features to agree (cosine >="
                f" {TORCH_COSINE}), found {one.cosine_torch_onnx:.5f}; nothing was exported: report"
                " this with your versions of torch and onnxruntime"
            )
        if one.lost <= one.won or (one.p_value > SIGNIFICANT and not gate.strict):
            continue
        advice = (
            "nothing was exported: relax the gate (--drop, --max-error-ratio), or make a workspace"
            " anew with the layers that hurt left in float32 (cfedge init NEW --repair WS) and add"
            " the tasks to it"
        )
        counted = (
            f"on {one.examples} held-out examples ({one.lost} lost, {one.won} won, p ="
            f" {one.p_value:.3f})"
        )
        if one.drop > gate.max_drop + 1e-9:
            low, high = one.drop_interval
            raise ParityError(
                f"task {one.task!r}: expected an accuracy drop of at most {gate.max_drop:g} points,"
                f" found {one.drop:.2f} [{low:.2f}, {high:.2f}] {counted}; {advice}"
            )
        if one.error_ratio is None or one.error_ratio > gate.max_error_ratio + 1e-9:
            found = (
                "errors where float made none"
                if one.error_ratio is None
                else f"{one.error_ratio:.2f}"
            )
            raise ParityError(
                f"task {one.task!r}: expected an error ratio of at most {gate.max_error_ratio:g},"
                f" found {found} {counted}; {advice}"
            )


def _decide(features: Floats, trunk: Floats, adapter: Adapter) -> NDArray[np.int64]:
    decisions: NDArray[np.int64] = adapter.scores(
        adapter.adapted(features), adapter.trunk(trunk)
    ).argmax(axis=1)
    return decisions


def _sign_test(lost: int, won: int) -> float:
    """P(at least `lost` of lost + won | each equally likely), exactly."""
    trials = lost + won
    return float(sum(math.comb(trials, count) for count in range(lost, trials + 1)) / 2**trials)


def _cosine(one: Floats, other: Floats) -> float:
    return float((one * other).sum(axis=1).min())


def _bootstrap(
    float_right: NDArray[np.bool_],
    int8_right: NDArray[np.bool_],
    rng: np.random.Generator,
    draws: int = 2000,
) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """95 % intervals of the drop in points and of the error ratio, resampling examples in pairs."""
    rows = rng.integers(0, len(float_right), (draws, len(float_right)))
    float_errors, int8_errors = (~float_right[rows]).sum(axis=1), (~int8_right[rows]).sum(axis=1)
    drops = 100 * (int8_errors - float_errors) / len(float_right)
    low, high = np.quantile(drops, [0.025, 0.975])
    some = float_errors > 0
    if not some.any():
        return (float(low), float(high)), None
    ratios = np.quantile(int8_errors[some] / float_errors[some], [0.025, 0.975])
    return (float(low), float(high)), (float(ratios[0]), float(ratios[1]))
