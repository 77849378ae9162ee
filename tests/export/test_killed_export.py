"""An export that is killed at any step leaves the old bundle or the new one, and the workspace as
it was.
"""

from __future__ import annotations

import os
import shutil
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from test_storage import Disk, tree

from cfedge.bundle.files import Bundle, read, write
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build
from cfedge_export.pack import export
from cfedge_export.parity_gate import Gate

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the calls are those of POSIX")


class Watched(Disk):
    """A disk that tells before each step."""

    def __init__(self, root: Path, on_step: Callable[[int], None]) -> None:
        super().__init__(root)
        self._on_step = on_step

    def step(self, call: str) -> None:
        super().step(call)
        self._on_step(len(self.calls))


def digest(target: Path) -> str | None:
    """Of the bundle in `target`, which is whole; None where there is nothing."""
    return read(target).manifest.digest if os.path.lexists(target) else None


def at_step(number: int) -> Callable[[int], None]:
    def on_step(seen: int) -> None:
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def killed(folder: Path, bundle: Bundle, number: int, *, replace: bool) -> int:
    """Write `bundle` in a child that is killed at step `number`; return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # other tests' threads: the child uses none of theirs
        child = os.fork()
    if child == 0:
        try:
            with Watched(folder, at_step(number)):
                write(bundle, folder / "bundle", replace=replace)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("replace", [False, True])
def test_at_every_step_of_an_export_there_is_the_old_bundle_or_the_new_one(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path, replace: bool
) -> None:
    WorkspaceFolder(tiny_workspace).remove("colors")
    out = tmp_path / "out"
    if replace:
        shutil.copytree(tiny_bundle, out / "bundle")
    out.mkdir(exist_ok=True)
    before, workspace, seen = digest(out / "bundle"), tree(tiny_workspace), []

    def look(number: int) -> None:
        seen.append(digest(out / "bundle"))
        assert tree(tiny_workspace) == workspace

    with Watched(out, look):
        export(
            WorkspaceFolder(tiny_workspace),
            out / "bundle",
            gate=Gate(max_drop=100.0, max_error_ratio=1e9),
            replace=replace,
        )
    look(0)
    assert set(seen) == {before, digest(out / "bundle")}
    assert seen == sorted(
        seen, key=lambda one: one != before
    )  # first the old one, then the new one
    assert len(seen) > 50


@pytest.mark.parametrize("apart", [3, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("replace", [False, True])
def test_a_kill_at_any_step_leaves_the_old_bundle_or_the_new_one_and_the_next_export_succeeds(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path, replace: bool, apart: int
) -> None:
    WorkspaceFolder(tiny_workspace).remove("colors")
    bundle = build(WorkspaceFolder(tiny_workspace))
    old = read(tiny_bundle).manifest.digest if replace else None
    found: list[str | None] = []
    for number in range(1, 1000, apart):
        folder = tmp_path / "out"
        folder.mkdir()
        if replace:
            shutil.copytree(tiny_bundle, folder / "bundle")
        status = killed(folder, bundle, number, replace=replace)
        found.append(digest(folder / "bundle"))
        if found[-1] is None or replace:
            write(bundle, folder / "bundle", replace=replace)
        assert digest(folder / "bundle") == bundle.manifest.digest
        shutil.rmtree(folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert len(found) > 50 / apart
    assert set(found) == {old, bundle.manifest.digest}
