"""More examples and new classes for a task whose old data are gone, on CLINC150, the task known.

A domain is learned of half of each class's examples and updated with the other half; of ten of its
classes and updated with the other five; and of all at once, which is what an update is held against.
The test set is looked at once, here. Nothing is written unless --write is given.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import record

from cfedge import Engine
from cfedge.train.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.update import update
from cfedge.train.workspace import WorkspaceFolder
from cfedge_export.make_backbone import make_backbone
from cfedge_export.pack import build


def examples(split: str, labels: set[str]) -> Examples:
    data, _ = record.clinc150()
    return Examples(*zip(*[row for row in data[split] if row[1] in labels], strict=True), split)


def halves(whole: Examples) -> tuple[Examples, Examples]:
    """Each class's examples in two halves, at random."""
    rng, one = np.random.default_rng(0), []
    for label in whole.classes:
        rows = [row for row, own in enumerate(whole.labels) if own == label]
        one += rng.permutation(rows)[: len(rows) // 2].tolist()
    rest = sorted(set(range(len(whole))) - set(one))
    return whole.take(sorted(one)), whole.take(rest)


def accuracy(workspace: WorkspaceFolder, test: Examples) -> float:
    answers = Engine(build(workspace)).predict(test.inputs, task="domain")
    pairs = zip(answers, test.labels, strict=True)
    return float(np.mean([answer.label == label for answer, label in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=10)
    parser.add_argument("--methods", default="closed-form,adapter")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    _, domains = record.clinc150()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        base = make_backbone(Path(scratch) / "base", "minilm-l6")
        for domain in sorted(domains)[: chosen.domains]:
            labels = sorted(domains[domain])
            train, val, test = (examples(split, set(labels)) for split in ("train", "val", "test"))
            old = set(labels[:10])
            for method in chosen.methods.split(","):
                settings = Settings(method=method, threads=1)
                row: dict[str, object] = {"domain": domain, "method": method}

                def fresh(name: str) -> WorkspaceFolder:
                    return WorkspaceFolder(Path(shutil.copytree(base.folder, Path(scratch) / name)))

                one, rest = halves(train)
                for name, first, more in (
                    ("examples", one, rest),
                    (
                        "classes",
                        train.take([at for at, own in enumerate(train.labels) if own in old]),
                        train.take([at for at, own in enumerate(train.labels) if own not in old]),
                    ),
                ):
                    workspace = fresh(name)
                    held = val.take(
                        [at for at, own in enumerate(val.labels) if own in first.classes]
                    )
                    later = (
                        val.take(
                            [at for at, own in enumerate(val.labels) if own not in first.classes]
                        )
                        if name == "classes"
                        else val.take([])
                    )
                    learn(workspace, "domain", first, held, settings=settings)
                    row[f"{name}, before"] = accuracy(
                        workspace,
                        test.take(
                            [at for at, own in enumerate(test.labels) if own in first.classes]
                        ),
                    )
                    task = update(workspace, "domain", more, later, max_drop=100).task
                    row[f"{name}, updated"] = accuracy(workspace, test)
                    row[f"{name}, method"] = task.record.settings.method
                    shutil.rmtree(workspace.folder)
                workspace = fresh("whole")
                learn(workspace, "domain", train, val, settings=settings)
                row["at once"] = accuracy(workspace, test)
                shutil.rmtree(workspace.folder)
                rows.append(row)
                print({key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}, flush=True)  # fmt: skip
    if chosen.write:
        record.write("update", {"rows": rows}, threads=1)


if __name__ == "__main__":
    main()
