"""The main job on a small embedded data set: learn five tasks in turn, export, answer without
torch, and show the figures.

The data (`building/`, CC0) were written for this demo: what people say to a building's assistant
(216 utterances a task to learn from, 120 held out, 84 to test), and 120 that it does not cover. Showing the result is for the command line.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfedge.demo.result import DemoResult, TaskRow
from cfedge.errors import CfedgeError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.prediction import Prediction

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Task
    from cfedge.train.examples import Examples
    from cfedge.train.metrics import TaskScores
    from cfedge.train.workspace import WorkspaceFolder

__all__ = ["DemoResult", "LIVE", "TASKS", "data_folder", "out_of_domain", "run"]

#: In the order in which they are learned.
TASKS = ("lighting", "climate", "access", "rooms", "maintenance")
#: Answered live at the end; the last one is of no task.
LIVE = (
    "my fingers are cold, could somebody turn the heat up",
    "the tap in the second floor kitchen keeps dripping",
    "book a room for six at noon",
    "who won the match last night?",
)


@dataclass(frozen=True)
class _Answers:
    """What the device answered: test examples by task, without and with the task given; utterances
    of no task; the live ones.
    """

    free: dict[str, list[Prediction]]
    known: dict[str, list[Prediction]]
    outside: list[Prediction]
    live: list[Prediction]


def data_folder() -> Path:
    """Where the embedded data are."""
    return Path(str(resources.files("cfedge.demo"))) / "building"


def out_of_domain() -> list[tuple[str, str]]:
    """The utterances of no task: (text, ``near`` or ``far``)."""
    with (data_folder() / "out_of_scope.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["kind"]) for row in csv.DictReader(file)]


def run(out: Path, *, folder: Path | None = None, progress: Progress | None = None) -> DemoResult:
    """Run the main job; workspace and bundle are left in `out`.

    Parameters
    ----------
    out
        A folder that does not exist yet.
    folder
        Where the backbone's weights are; None: found.
    """
    from cfedge.train.metrics import forgetting, score
    from cfedge.train.open_set import unknown_detection
    from cfedge_export.make_backbone import make_backbone
    from cfedge_export.pack import export
    from cfedge_export.reference import float_accuracy

    progress = progress or Quiet()
    workspace = make_backbone(out / "workspace", "minilm-l6", folder=folder, progress=progress)
    tests, matrix = _learn_in_turn(workspace, progress)
    manifest = export(workspace, out / "bundle", progress=progress).bundle.manifest
    answers = _ask_the_device(out / "bundle", tests, progress)
    scores = score({name: tests[name].labels for name in TASKS}, answers.free, answers.known)
    every = [answer for name in TASKS for answer in answers.free[name]]
    detection = unknown_detection(every, answers.outside)
    float32 = float_accuracy(workspace, tests, manifest, progress)
    entries = {task.name: task for task in manifest.tasks}
    rows = [
        _row(found, entries[found.task], workspace.record(found.task).examples, float32, matrix)
        for found in scores.tasks
    ]
    return DemoResult(
        tasks=rows,
        last_accuracy=scores.accuracy,
        task_identification=scores.task_identification,
        known=scores.known,
        forgetting=forgetting(matrix),
        unknown_auroc=detection.auroc,
        unknown_detected=detection.detected,
        unknown_by_kind=_by_kind(answers.outside),
        false_rejects=detection.false_rejects,
        ms_per_input=float(np.median([answer.ms for answer in every])),
        backbone_bytes=sum(ref.size for ref in manifest.backbone.files().values()),
        task_bytes=float(np.mean([row.added_bytes for row in rows])),
        accuracy_matrix=matrix.tolist(),
        live=[
            {"text": text, **answer.as_dict()}
            for text, answer in zip(LIVE, answers.live, strict=True)
        ],
    )


def _learn_in_turn(
    workspace: WorkspaceFolder, progress: Progress
) -> tuple[dict[str, Examples], NDArray[np.float64]]:
    """Learn one task after another; return their test examples, and the accuracy on each after
    each.
    """
    from cfedge.runtime.engine import Engine
    from cfedge.train.data import load
    from cfedge.train.metrics import evaluate
    from cfedge.train.teach import learn
    from cfedge_export.pack import build

    tests: dict[str, Examples] = {}
    matrix = np.zeros((len(TASKS), len(TASKS)))
    for position, name in enumerate(TASKS):
        data = load(data_folder() / name)
        assert data.test is not None
        shown = _Named(progress, f"{name} ({position + 1} of {len(TASKS)}): ")
        learn(workspace, name, data.train, data.held_out, progress=shown)
        tests[name] = data.test
        for row in evaluate(Engine(build(workspace)), tests).tasks:
            matrix[position, TASKS.index(row.task)] = row.accuracy
    return tests, matrix


def _ask_the_device(bundle: Path, tests: dict[str, Examples], progress: Progress) -> _Answers:
    """Answer everything in a process without torch."""
    with progress.track("answers without torch", 1) as advance:
        asked = [{"text": text} for name in TASKS for text in tests[name].inputs]
        asked += [{"text": text, "task": name} for name in TASKS for text in tests[name].inputs]
        asked += [{"text": text} for text, _ in out_of_domain()] + [{"text": text} for text in LIVE]
        answers = iter(_answer_without_torch(bundle, asked))
        advance(1)
    free = {name: _take(answers, len(tests[name])) for name in TASKS}
    known = {name: _take(answers, len(tests[name])) for name in TASKS}
    outside = _take(answers, len(out_of_domain()))
    return _Answers(free, known, outside, _take(answers, len(LIVE)))


def _row(
    found: TaskScores,
    entry: Task,
    examples: int,
    float32: Mapping[str, float],
    matrix: NDArray[np.float64],
) -> TaskRow:
    position = TASKS.index(found.task)
    return TaskRow(
        task=found.task,
        examples=examples,
        accuracy_float=float32[found.task],
        accuracy_int8=found.accuracy,
        accuracy_when_learned=float(matrix[position, position]),
        task_identification=found.task_identification,
        held_out_errors=entry.certificate.errors,
        held_out=entry.certificate.held_out,
        upper_bound=entry.certificate.upper_bound,
        added_bytes=entry.adapter.size + entry.signature.size + entry.golden.size,
    )


def _by_kind(outside: list[Prediction]) -> dict[str, float]:
    """The share of each kind of utterances of no task that was called unknown."""
    kinds = [kind for _, kind in out_of_domain()]
    return {
        kind: float(np.mean([a.unknown for a, k in zip(outside, kinds, strict=True) if k == kind]))
        for kind in sorted(set(kinds))
    }


class _Named:
    """A `Progress` that puts a prefix before every title."""

    def __init__(self, inner: Progress, prefix: str) -> None:
        self._inner, self._prefix = inner, prefix

    def track(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Pass the stage on."""
        return self._inner.track(self._prefix + title, total)


def _answer_without_torch(bundle: Path, asked: list[dict[str, str]]) -> list[Prediction]:
    """Answer in a new process in which torch and its kin cannot be imported."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as questions:
        questions.writelines(json.dumps(one) + "\n" for one in asked)
        questions.seek(0)
        done = subprocess.run(
            [sys.executable, "-m", "cfedge.demo.device", str(bundle)],
            stdin=questions,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CfedgeError(
            f"could not answer {bundle} in a process without torch: {last}; run cfedge doctor"
        )
    return [Prediction(**json.loads(line)) for line in done.stdout.splitlines()]


def _take(answers: Iterator[Prediction], count: int) -> list[Prediction]:
    return [next(answers) for _ in range(count)]
