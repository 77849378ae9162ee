"""The main job on a small embedded data set: learn five tasks in turn, export, answer without
torch, and show the figures.

The data (`building/`, CC0) were written for this demo: what people say to a building's assistant,
and 120 utterances that it does not cover. Showing the result is for the command line.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from cfedge.errors import CfedgeError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.prediction import Prediction

__all__ = ["DemoResult", "LIVE", "TASKS", "data_folder", "out_of_domain", "run"]

#: In the order in which they are learned.
TASKS = ("lighting", "climate", "access", "rooms", "maintenance")
#: Answered live at the end; the last one is of no task.
LIVE = (
    "could somebody turn the heat up, my fingers are blue",
    "the tap in the second floor kitchen keeps dripping",
    "who won the match last night?",
)


@dataclass(frozen=True)
class TaskRow:
    """One line of the demo's table; shares in [0, 1], accuracies per sample on test data."""

    task: str
    accuracy_float: float
    accuracy_int8: float
    task_identification: float
    held_out_errors: int
    held_out: int
    upper_bound: float
    added_bytes: int


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured. `accuracy_matrix[j][i]`: accuracy on task i after learning task j
    (lower triangle).
    """

    tasks: list[TaskRow]
    last_accuracy: float
    task_identification: float
    known: float
    forgetting: float
    unknown_auroc: float
    unknown_detected: float
    false_rejects: float
    ms_per_input: float
    backbone_bytes: int
    task_bytes: float
    accuracy_matrix: list[list[float]]
    live: list[dict[str, object]]


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
    from cfedge.runtime.engine import Engine
    from cfedge.train.data import load
    from cfedge.train.examples import Examples
    from cfedge.train.metrics import evaluate, forgetting, score, unknown_detection
    from cfedge.train.teach import learn
    from cfedge_export.make_backbone import make_backbone
    from cfedge_export.pack import build, export
    from cfedge_export.reference import float_accuracy

    progress = progress or Quiet()
    workspace = make_backbone(out / "workspace", "minilm-l6", folder=folder, progress=progress)
    tests: dict[str, Examples] = {}
    matrix = np.zeros((len(TASKS), len(TASKS)))
    for position, name in enumerate(TASKS):
        data = load(data_folder() / name)
        assert data.test is not None
        learn(
            workspace,
            name,
            data.train,
            progress=_Named(progress, f"{name} ({position + 1} of {len(TASKS)}): "),
        )
        tests[name] = data.test
        scores = evaluate(Engine(build(workspace)), tests)
        for row in scores.tasks:
            matrix[position, TASKS.index(row.task)] = row.accuracy
    exported = export(workspace, out / "bundle", progress=progress)
    with progress.track("answers without torch", 1) as advance:
        asked = [{"text": text} for name in TASKS for text in tests[name].inputs]
        asked += [{"text": text, "task": name} for name in TASKS for text in tests[name].inputs]
        asked += [{"text": text} for text, _ in out_of_domain()] + [{"text": text} for text in LIVE]
        answers = iter(_answer_without_torch(out / "bundle", asked))
        advance(1)
    free = {name: _take(answers, len(tests[name])) for name in TASKS}
    known = {name: _take(answers, len(tests[name])) for name in TASKS}
    outside, live = _take(answers, len(out_of_domain())), _take(answers, len(LIVE))
    scores = score({name: tests[name].labels for name in TASKS}, free, known)
    detection = unknown_detection([one for name in TASKS for one in free[name]], outside)
    manifest = exported.bundle.manifest
    entries = {task.name: task for task in manifest.tasks}
    reference = float_accuracy(workspace, tests, manifest, progress)
    rows = [
        TaskRow(
            task=row.task,
            accuracy_float=reference[row.task],
            accuracy_int8=row.accuracy,
            task_identification=row.task_identification,
            held_out_errors=entries[row.task].certificate.errors,
            held_out=entries[row.task].certificate.held_out,
            upper_bound=entries[row.task].certificate.upper_bound,
            added_bytes=sum(
                getattr(entries[row.task], part).size for part in ("adapter", "signature", "golden")
            ),
        )
        for row in scores.tasks
    ]
    return DemoResult(
        tasks=rows,
        last_accuracy=scores.accuracy,
        task_identification=scores.task_identification,
        known=scores.known,
        forgetting=forgetting(matrix),
        unknown_auroc=detection.auroc,
        unknown_detected=detection.detected,
        false_rejects=detection.false_rejects,
        ms_per_input=float(np.median([one.ms for name in TASKS for one in free[name]])),
        backbone_bytes=sum(ref.size for ref in manifest.backbone.files().values()),
        task_bytes=float(np.mean([row.added_bytes for row in rows])),
        accuracy_matrix=matrix.tolist(),
        live=[{"text": text, **one.as_dict()} for text, one in zip(LIVE, live, strict=True)],
    )


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
            f"demo: expected the device process to answer, found exit {done.returncode}: {last}"
        )
    return [Prediction(**json.loads(line)) for line in done.stdout.splitlines()]


def _take(answers: Iterator[Prediction], count: int) -> list[Prediction]:
    return [next(answers) for _ in range(count)]
