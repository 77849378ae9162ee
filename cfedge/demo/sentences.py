"""The stream of sentences: what people say to a building's assistant.

The data (``building/``, CC0) were written for this demo: 216 utterances a task to learn from, 120
held out, 84 to test, and 120 that no task covers. They are varied on purpose.
"""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

from cfedge.demo.stream import Stream, Unknown

__all__ = ["TASKS", "data_folder", "out_of_domain", "stream"]

#: In the order in which they are learned.
TASKS = ("lighting", "climate", "access", "rooms", "maintenance")
_STRANGE = "out_of_scope.csv"


def data_folder() -> Path:
    """Where the embedded data are."""
    return Path(str(resources.files("cfedge.demo"))) / "building"


def out_of_domain() -> list[tuple[str, str]]:
    """The utterances of no task: each with ``near`` or ``far``."""
    with (data_folder() / _STRANGE).open(encoding="utf-8", newline="") as file:
        return [(said, kind) for said, kind in list(csv.reader(file))[1:]]


def stream(*, quick: bool = False) -> Stream:
    """Return the stream: five tasks with adapters, or where it must be `quick` two without."""
    data = data_folder()
    return Stream(
        title="Sentences: what people say to a building's assistant",
        backbone="minilm-l6",
        data={name: data / name for name in (TASKS[:2] if quick else TASKS)},
        method="closed-form" if quick else "auto",
        unknown=Unknown(
            inputs=tuple(out_of_domain()),
            file=data / _STRANGE,
            words={
                "near": "of a building, but of no task taught",
                "far": "of anything else",
            },
        ),
        live=(
            "can I have some light here",
            "my fingers are cold, could somebody turn the heat up",
            *(() if quick else ("book a room for six at noon",)),
            "who won the match last night?",
        ),
    )
