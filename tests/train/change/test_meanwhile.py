"""Two commands that change one task at once: the second to end is told, and what the first did stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made import make_texts

from cfedge.errors import WorkspaceError
from cfedge.train.change.edit import remove_class, rename, rename_label
from cfedge.train.change.joining import join
from cfedge.train.change.parts import split
from cfedge.train.change.update import update
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.folder import WorkspaceFolder

Change = Callable[[WorkspaceFolder], object]


class Overtaken(WorkspaceFolder):
    """A workspace that another process changes when a command is about to write."""

    def __init__(self, folder: Path, meanwhile: Change) -> None:
        super().__init__(folder)
        self._meanwhile = meanwhile

    def exchange(self, *tasks: Any, **options: Any) -> None:
        self._meanwhile(WorkspaceFolder(self.folder))
        self._meanwhile = lambda workspace: None
        super().exchange(*tasks, **options)


def grown(workspace: WorkspaceFolder) -> None:
    rows = make_texts("colors", 6, 5)
    update(workspace, "colors", Examples(*zip(*rows, strict=True), "more"), max_drop=100)


CHANGES: dict[str, Change] = {
    "update": grown,
    "rename": lambda workspace: rename(workspace, "colors", "paints"),
    "rename a label": lambda workspace: rename_label(workspace, "colors", "red", "crimson"),
    "remove a class": lambda workspace: remove_class(workspace, "colors", "red"),
    "split": lambda workspace: split(workspace, "colors", "reds", ["red"]),
    "join": lambda workspace: join(workspace, "animals", "colors", "both", max_drop=100),
}


def kept(folder: Path) -> dict[str, bytes]:
    found = [path for path in (folder / "tasks").rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in (*found, folder / "workspace.json")}


def test_a_change_of_a_task_that_was_changed_meanwhile_is_told_and_loses_nothing(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    def relabel(workspace: WorkspaceFolder) -> None:
        rename_label(workspace, "colors", "green", "lime")

    def remove(workspace: WorkspaceFolder) -> None:
        workspace.remove("colors")

    for name, change in CHANGES.items():
        folder = Path(shutil.copytree(tiny_workspace, tmp_path / name))
        for meanwhile, done in ((relabel, "changed"), (remove, "removed or renamed")):
            left: dict[str, bytes] = {}

            def overtaking(workspace: WorkspaceFolder, first: Change = meanwhile) -> None:
                first(workspace)
                left.update(kept(workspace.folder))  # noqa: B023 - it is called in this turn

            with pytest.raises(WorkspaceError, match=f"another one has {done} it meanwhile; noth"):
                change(Overtaken(folder, overtaking))
            assert kept(folder) == left
        assert WorkspaceFolder(folder).tasks == ("animals",)
