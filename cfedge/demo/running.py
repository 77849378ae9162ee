"""One stream of tasks, whole: learn them in turn, export, answer without torch, score, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfedge.demo.asking import Question, answers_without_torch
from cfedge.demo.result import StreamResult, TaskRow, UnknownRow
from cfedge.demo.stream import Stream
from cfedge.progress import Progress
from cfedge.runtime.prediction import Prediction

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Manifest, Task
    from cfedge.runtime.engine import Engine
    from cfedge.train.examples.examples import Examples
    from cfedge.train.measures.metrics import Scores, TaskScores
    from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["run_stream"]


@dataclass(frozen=True)
class _Answers:
    """What the device answered: test examples by task, without and with the task given; inputs of
    no task; the live ones.
    """

    free: dict[str, list[Prediction]]
    known: dict[str, list[Prediction]]
    outside: list[Prediction]
    live: list[Prediction]


def run_stream(
    stream: Stream,
    out: Path,
    *,
    folder: Path | None = None,
    progress: Progress,
) -> StreamResult:
    """Run a stream; ``workspace``, ``bundle`` and ``report.html`` are left in `out`.

    Parameters
    ----------
    folder
        Where the encoder's weights are; None: found.

    Raises
    ------
    CfedgeError
        The weights or a package is not there, or a step failed.
    """
    from cfedge.report.files import write_report
    from cfedge.runtime.engine import Engine
    from cfedge.train.measures.metrics import score
    from cfedge.train.workspace.folder import WorkspaceFolder
    from cfedge_export.make_backbone import make_backbone
    from cfedge_export.pack import export
    from cfedge_export.reference import float_accuracy

    out.mkdir(parents=True, exist_ok=True)
    make_backbone(out / "workspace", stream.backbone, folder=folder, progress=progress)
    workspace = WorkspaceFolder(out / "workspace")
    tests, matrix = _learn_in_turn(stream, workspace, progress)
    bundle = export(workspace, out / "bundle", progress=progress).bundle
    matrix[-1], manifest = _shares_right(Engine(bundle), tests), bundle.manifest
    answers = _ask_the_device(stream, out / "bundle", tests, progress)
    labels = {name: examples.labels for name, examples in tests.items()}
    scores = score(labels, answers.free, answers.known)
    float32 = float_accuracy(workspace, tests, manifest, progress)
    entries = {task.name: task for task in manifest.tasks}
    rows = [
        _row(
            found,
            entries[found.task],
            workspace.record(found.task).examples,
            float32[found.task],
            float(matrix[position, position]),
        )
        for position, found in enumerate(scores.tasks)
    ]
    report = out / "report.html"
    write_report(out / "workspace", report, unknown=stream.unknown.file, progress=progress)
    return _result(stream, rows, scores, answers, matrix, manifest, report)


def _learn_in_turn(
    stream: Stream, workspace: WorkspaceFolder, progress: Progress
) -> tuple[dict[str, Examples], NDArray[np.float64]]:
    """Learn one task after another; return their test examples, and the accuracy on each after
    each but the last.
    """
    from cfedge.runtime.engine import Engine
    from cfedge.train.examples.data import load
    from cfedge.train.settings import Settings
    from cfedge.train.teach import learn
    from cfedge_export.build_bundle import build

    settings = Settings(method=stream.method)
    count = len(stream.data)
    tests: dict[str, Examples] = {}
    matrix = np.zeros((count, count))
    for position, (name, place) in enumerate(stream.data.items()):
        data = load(place, kind=workspace.kind)
        assert data.test is not None
        shown = _Named(progress, f"{name} ({position + 1} of {count}): ")
        learn(workspace, name, data.train, data.held_out, settings=settings, progress=shown)
        tests[name] = data.test
        if position < count - 1:
            shares = _shares_right(Engine(build(workspace)), tests)
            matrix[position, : len(shares)] = shares
    return tests, matrix


def _shares_right(engine: Engine, tests: Mapping[str, Examples]) -> list[float]:
    """Of each task's test examples, those whose task and label are found."""
    return [
        float(
            np.mean(
                [
                    (one.task, one.label) == (task, label)
                    for one, label in zip(
                        engine.predict(examples.inputs), examples.labels, strict=True
                    )
                ]
            )
        )
        for task, examples in tests.items()
    ]


def _ask_the_device(
    stream: Stream, bundle: Path, tests: Mapping[str, Examples], progress: Progress
) -> _Answers:
    """Answer everything in a process without torch."""
    examples = [(name, str(one)) for name, data in tests.items() for one in data.inputs]
    asked = [Question(one) for _, one in examples]
    asked += [Question(one, name) for name, one in examples]
    asked += [Question(one) for one, _ in stream.unknown.inputs]
    asked += [Question(one) for one in stream.live]
    with progress.track("answering without torch", 1) as advance:
        answers = iter(answers_without_torch(bundle, asked))
        advance(1)

    def take(count: int) -> list[Prediction]:
        return [next(answers) for _ in range(count)]

    free = {name: take(len(data)) for name, data in tests.items()}
    known = {name: take(len(data)) for name, data in tests.items()}
    return _Answers(free, known, take(len(stream.unknown.inputs)), take(len(stream.live)))


def _row(
    found: TaskScores, entry: Task, examples: int, float32: float, when_learned: float
) -> TaskRow:
    certificate = entry.certificate
    return TaskRow(
        task=found.task,
        classes=len(entry.classes),
        examples=examples,
        tested=found.examples,
        accuracy_float=float32,
        accuracy_int8=found.accuracy,
        accuracy_when_learned=when_learned,
        task_identification=found.task_identification,
        held_out=certificate.held_out,
        held_out_errors=certificate.errors,
        wrong_task_at_most=certificate.wrong_task_at_most,
        held_out_wrong=certificate.wrong,
        wrong_answer_at_most=certificate.wrong_answer_at_most,
        added_bytes=entry.adapter.size + entry.signature.size + entry.golden.size,
    )


def _result(
    stream: Stream,
    rows: list[TaskRow],
    scores: Scores,
    answers: _Answers,
    matrix: NDArray[np.float64],
    manifest: Manifest,
    report: Path,
) -> StreamResult:
    from cfedge.train.measures.metrics import forgetting
    from cfedge.train.measures.open_set import unknown_detection

    every = [answer for name in answers.free for answer in answers.free[name]]
    detection = unknown_detection(every, answers.outside)
    kinds = [kind for _, kind in stream.unknown.inputs]
    return StreamResult(
        title=stream.title,
        tasks=rows,
        last_accuracy=scores.accuracy,
        task_identification=scores.task_identification,
        known=scores.known,
        forgetting=forgetting(matrix),
        unknown_auroc=detection.auroc,
        unknown=[
            UnknownRow(
                kind,
                what,
                sum(
                    one.unknown
                    for one, of in zip(answers.outside, kinds, strict=True)
                    if of == kind
                ),
                kinds.count(kind),
            )
            for kind, what in stream.unknown.words.items()
        ],
        false_rejects=detection.false_rejects,
        ms_per_input=float(np.median([answer.ms for answer in every])),
        backbone_bytes=sum(ref.size for ref in manifest.backbone.files().values()),
        task_bytes=float(np.mean([row.added_bytes for row in rows])),
        accuracy_matrix=matrix.tolist(),
        live=[
            {"input": one, **answer.as_dict()}
            for one, answer in zip(stream.live, answers.live, strict=True)
        ],
        report=str(report),
    )


class _Named:
    """A `Progress` that puts a prefix before every title."""

    def __init__(self, inner: Progress, prefix: str) -> None:
        self._inner, self._prefix = inner, prefix

    def track(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Pass the stage on."""
        return self._inner.track(self._prefix + title, total)
