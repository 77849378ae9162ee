"""A small report's contents, all parts of it there, with any words in the places of names and texts."""

from __future__ import annotations

from cfedge.bundle.manifest import Certificate
from cfedge.report import contents as c
from cfedge.report import evidence as e

PIXEL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAP//"


def made_contents(
    words: str = "word", *, tasks: int = 2, classes: int = 3, picture: bool = False
) -> c.Contents:
    names = [f"{words} {number}" for number in range(tasks)]
    labels = tuple(f"{words} label {number}" for number in range(classes))
    rates = (0.01, 0.05, 0.2)
    example = e.Example(f"{words} text", PIXEL if picture else None, names[0], labels[0], names[-1], labels[-1], unknown=True)  # fmt: skip
    counts = tuple(
        tuple(40 if row == column else int(row == 0) for column in range(tasks))
        for row in range(tasks)
    )
    inner = tuple(
        tuple(9 if row == column else int(row == 0) for column in range(classes))
        for row in range(classes)
    )
    return c.Contents(
        of="workspace",
        digest=None,
        backbone=c.Backbone(words, words, "text", 6, 4, 384, "ab" * 32, 23_000_000),
        versions={words: words},
        machine=words,
        tasks=tuple(_task(name, labels, words) for name in names),
        clusters=e.ClusterMap(
            "t-SNE",
            tuple(
                e.MapPoint(name, label, 10 + place, (place - 1) / 3 + number, number - 0.5)
                for number, name in enumerate(names)
                for place, label in enumerate(labels)
            ),
            e.Faithfulness(5, 0.5, 0.6, 0.4),
        ),
        confusion=e.Confusion(
            tuple(names), counts, 0,
            tuple(e.ClassConfusion(name, labels, labels, inner, 0) for name in names),
            (example,), (e.CellInputs(f"t:0:{tasks - 1}", (0,), 1), e.CellInputs("c:0:0:0", (0,), 0)),
        ),
        thresholds=e.Thresholds(
            "held back", rates, 200, 50, (0.01, 0.05, 0.2), (0.5, 0.8, 0.96), (0.03, 0.02, 0.01), 0.95,
            tuple(
                e.TaskThresholds(name, 100, 25, (9.0, 7.0, 3.0), (1, 5, 20), (12, 20, 24))
                for name in names
            ),
            (0.5, 1.0), (0.0, 0.05), (0.1, 0.3),
        ),
        sureness=e.Sureness(
            50, 0.03, (e.SurenessBin(10, 0.45, 0.4), e.SurenessBin(40, 0.96, 0.975))
        ),
        golden=(c.Golden(names[0], f"{words} golden", None, labels[0], names[-1]),),
        bench=c.Bench("x86", words, 2, 1, 1.1, 1.5, 2.0, 150.0, 90_000_000, (1.0, 1.1, 1.2, 2.0)),
        parity=tuple(c.Parity(name, 40, 0.95, 0.94, 1.0, -0.5, 2.5, 0.99) for name in names),
        drift=c.Drift(0.01, False, tuple(c.Counted(name, 100, 9, 0.05, 80, (50, 100), (0.2, 1.3)) for name in names)),
    )  # fmt: skip


def _task(name: str, labels: tuple[str, ...], words: str) -> c.Task:
    certificate = Certificate(40, 2, 0.18, 0.05, 2, words, 2, 3, 0.21, own=38)
    return c.Task(name, labels, "adapter", 120, 50_000, 7.0, 0.05, certificate)
