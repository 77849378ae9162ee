"""Do probabilities and sets of answers come true? The expected calibration error of task and label,
the coverage and the size of sets, and how often the right answer is among the best two.

    python benchmarks/sureness.py                 # some minutes on a quiet core
    python benchmarks/sureness.py --sets clinc150 --no-write

CLINC150's ten domains, and BANKING77 in seven tasks of eleven labels. Heads are in closed form; the
bundle is built by the code that ships and answers the public test inputs, none of which anything was
chosen by.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import record
from study import banking77, clinc150

from cfedge import Engine, Prediction
from cfedge.study.stream import Splits
from cfedge.train.certify.answer_odds import outcomes
from cfedge.train.certify.judged import judged
from cfedge.train.certify.shipped import shipped
from cfedge.train.measures.calibration_error import calibration_error
from cfedge.train.measures.odds import stated
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

COVERAGES = (0.9, 0.95)
#: One test input: its task, its label, and the answer.
Row = tuple[str, str, Prediction]


def answered(engine: Engine, stream: dict[str, Splits], *, known: bool = False, **asked: Any) -> list[Row]:  # fmt: skip
    return [
        (task, label, one)
        for task, splits in stream.items()
        for one, label in zip(
            engine.predict(splits.test.inputs, task=task if known else None, **asked),
            splits.test.labels,
            strict=True,
        )
    ]


def among(rows: list[Row], field: str) -> list[bool]:
    """Whether the right pair is among those that a field of the answer names."""
    return [
        (task, label) in [(choice.task, choice.label) for choice in getattr(one, field)]
        for task, label, one in rows
    ]


def measured(workspace: WorkspaceFolder, stream: dict[str, Splits]) -> dict[str, Any]:
    engine = Engine(build(workspace))
    by_coverage = {one: answered(engine, stream, top=2, coverage=one) for one in COVERAGES}
    rows, given = by_coverage[COVERAGES[0]], answered(engine, stream, known=True)
    right = [(one.task, one.label) == (task, label) for task, label, one in rows]
    probability = [one.probability for *_, one in rows]
    odds = engine.manifest.tasks[0].calibration.odds
    label_alone = [one.probability / odds.of_task(one.stages, one.margin) for *_, one in rows]
    known_right = [one.label == label for _, label, one in given]
    return {
        "test inputs": len(rows),
        "right": float(np.mean(right)),
        "mean probability": float(np.mean(probability)),
        "calibration error": calibration_error(probability, right),
        "calibration error of the label's probability alone": calibration_error(label_alone, right),
        "calibration error, task given": calibration_error([one.probability for *_, one in given], known_right),
        "among the best two": float(np.mean(among(rows, "top"))),
        "odds": {"slopes": odds.slopes, "offsets": odds.offsets},
        "bytes a task": max(_odds_bytes(engine)),
        "held out": _held_out(workspace),
        "sets": {f"{one:g}": _sets(some) for one, some in by_coverage.items()},
    }  # fmt: skip


def _odds_bytes(engine: Engine) -> list[int]:
    from dataclasses import asdict

    from cfedge.bundle.canonical import canonical_json

    return [len(canonical_json(asdict(task.calibration.odds))) for task in engine.manifest.tasks]


def _held_out(workspace: WorkspaceFolder) -> dict[str, Any]:
    """The same of held-out answers, by odds that their part had no share in."""
    made = shipped(workspace)
    found = judged(workspace, made)
    became = outcomes(workspace, made, found.router, found.matches, found.right)
    error = calibration_error(stated(became), became.right)
    return {"inputs": len(became.right), "calibration error": error}


def _sets(rows: list[Row]) -> dict[str, float]:
    held, sizes = among(rows, "label_set"), [len(one.label_set) for *_, one in rows]
    tasks = np.array([task for task, *_ in rows])
    return {
        "held the right one": float(np.mean(held)),
        "least task": min(float(np.mean(np.array(held)[tasks == one])) for one in set(tasks)),
        "answers in a set": float(np.mean(sizes)),
        "sets of one": float(np.mean(np.array(sizes) == 1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="banking77,clinc150")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument(
        "--workspaces",
        type=Path,
        help="folder with a workspace by the name of each set, made before",
    )
    chosen = parser.parse_args()
    results = {}
    for name in chosen.sets.split(","):
        stream = clinc150() if name == "clinc150" else banking77(0)
        with tempfile.TemporaryDirectory() as scratch:
            if chosen.workspaces is not None:
                workspace = WorkspaceFolder(chosen.workspaces / name)
            else:
                workspace = record.backbone(Path(scratch) / "base", "minilm-l6")
                for task, splits in stream.items():
                    settings = Settings(method="closed-form", threads=1)
                    learn(workspace, task, splits.train, splits.held_out, settings=settings)
            results[name] = measured(workspace, stream)
        print(name, results[name], flush=True)
    if not chosen.no_write:
        record.write("sureness", {"sets": results, "heads": "closed-form"}, threads=1)


if __name__ == "__main__":
    main()
