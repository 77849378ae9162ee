"""Calls from Python whose arguments are of a wrong type, and what their errors name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfedge
from cfedge import CfedgeError, Engine, Session, Workspace
from cfedge.arguments import checked
from cfedge.errors import TaskError, UsageError
from cfedge.train.change.joining import join
from cfedge_export.make_backbone import make_backbone
from cfedge_export.pack import export

#: Of examples, tasks and bundles others say what is wrong; the rest is handed on.
LEFT = {
    "self",
    "cls",
    "inputs",
    "labels",
    "groups",
    "held_out",
    "tests",
    "tasks",
    "unknown",
    "progress",
}
LEFT |= {
    "options",
    "choices",
    "sample",
    "background",
    "source",
    "value",
    "values",
    "bundle",
    "name",
    "same_labels",
    "task",
}


def calls() -> list[Any]:
    found = [join, make_backbone, export]
    for name in cfedge.__all__:
        front = getattr(cfedge, name)
        if front in (Workspace, Engine, Session):
            for method, of in vars(front).items():
                if inspect.isroutine(getattr(front, method)) and (
                    method == "__init__" or not method.startswith("_")
                ):
                    found.append(of.__func__ if isinstance(of, classmethod) else of)
    return found


def test_every_argument_of_a_wrong_type_is_named_by_every_public_call() -> None:
    tried, missed = 0, []
    for call in calls():
        for name, parameter in inspect.signature(call).parameters.items():
            if name in LEFT:
                continue
            paths = ("a\0b", "\ud800", "x" * 300) if "Path" in str(parameter.annotation) else ()
            for odd in (object(), b"x", *paths):
                tried += 1
                try:
                    call(**{name: odd})
                except (UsageError, TypeError) as error:
                    step = "shorten it" if odd == "x" * 300 else "see help"
                    if not re.match(rf"{name}: expected .*, found .*; {step}", str(error)):
                        missed.append((call.__qualname__, name, odd, error))
    assert missed == []
    assert tried > 90


@checked
def asked(
    whole: int = 0,
    number: float | None = None,
    yes: bool = False,
) -> None:
    """A call."""


def test_numpys_numbers_are_numbers_and_yes_and_no_are_none() -> None:
    asked(np.int64(3), np.float32(1.5), yes=bool(np.True_))
    asked(3, 2, yes=False)
    for odd in (
        {"whole": True},
        {"whole": 2.5},
        {"whole": None},
        {"number": "1"},
        {"number": True},
        {"yes": "no"},
        {"yes": 1},
    ):
        with pytest.raises(UsageError, match=f"^{next(iter(odd))}: expected "):
            asked(**odd)  # type: ignore[arg-type]


def test_errors_in_python_speak_of_arguments(tiny_workspace: Path) -> None:
    workspace = Workspace(tiny_workspace)
    said = {}
    for name, call in {
        "replace": lambda: workspace.add("colors", ["a", "b"] * 3, ["x", "y"] * 3),
        "jobs": lambda: workspace.add_tasks({}, jobs=-1),
        "on": lambda: workspace.evaluate({}, on="nowhere"),
    }.items():
        with pytest.raises(CfedgeError) as told:
            call()
        said[name] = str(told.value)
        assert "--" not in said[name]
    assert "use replace to learn it anew" in said["replace"]
    assert said["jobs"].startswith("jobs: expected 1 to 1024")
    for odd in (["colors"], {}, None):
        with pytest.raises(TaskError, match="expected one of animals, colors, found"):
            workspace.record(odd)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"labels: expected a list of strings, found 'red'"):
        workspace.split("colors", "reds", "red")
