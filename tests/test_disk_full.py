"""A disk that is full, or breaks, loses nothing: the workspace keeps its tasks, the bundle is whole
or absent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made import make_texts
from test_storage import Disk, tree

from cfedge.bundle.files import read
from cfedge.errors import CfedgeError, StorageError, WorkspaceError
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask
from cfedge_export.pack import export
from cfedge_export.parity_gate import Gate

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the calls are those of POSIX")


# What is done while the disk is full


def renamed(task: LearnedTask, name: str) -> LearnedTask:
    classes = tuple(f"{name} {label}" for label in task.record.classes)
    return dataclasses.replace(
        task, record=dataclasses.replace(task.record, name=name, classes=classes)
    )


def put_new(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.put(renamed(workspace.task("colors"), "paint"))


def put_other(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    task = workspace.task("colors")
    workspace.put(
        dataclasses.replace(task, adapter={name: -array for name, array in task.adapter.items()}),
        replace=True,
    )


def put_same(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.put(workspace.task("colors"), replace=True)


def remove(folder: Path) -> None:
    WorkspaceFolder(folder).remove("colors")


def learn_food(folder: Path) -> None:
    texts, labels = zip(*make_texts("food", 6, seed=1), strict=True)
    settings = Settings(rank=1, epochs=1, min_steps=1, threads=1)
    learn(WorkspaceFolder(folder), "food", Examples(texts, labels, "food"), settings=settings)


CHANGES = {"put new": put_new, "put other": put_other, "put same": put_same, "remove": remove}

#: Parity is no matter here, and random weights need not have it.
NO_GATE = Gate(max_drop=100.0, max_error_ratio=1e9)


# What must hold afterwards


def temporary(root: Path) -> list[Path]:
    return list(root.rglob(".cfedge-tmp-*"))


def kept(folder: Path) -> dict[str, bytes | None]:
    """The bytes of all that the workspace's index names, and of the index. The workspace opens."""
    workspace = WorkspaceFolder(folder)
    assert [workspace.task(name).record.name for name in workspace.tasks] == [*workspace.tasks]
    tasks = json.loads((folder / "workspace.json").read_bytes())["tasks"]
    return {
        "workspace.json": (folder / "workspace.json").read_bytes(),
        **tree(folder / "backbone"),
        **{
            f"{name}/{path}": data
            for name, inner in tasks.items()
            for path, data in tree(folder / "tasks" / inner).items()
        },
    }


def after(
    source: Path, copy: Path, change: Callable[[Path], None]
) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """What `change` makes of a copy of the workspace `source` where nothing is refused, and its
    calls.
    """
    shutil.copytree(source, copy)
    with Disk(copy) as disk:
        change(copy)
    return tree(copy, ".lock"), tuple(disk.calls)


def last_rename(calls: tuple[str, ...]) -> int:
    """Position, from 1, of the call that makes the change visible."""
    return max(
        position for position, call in enumerate(calls, start=1) if call in ("replace", "exchange")
    )


def check_change(
    source: Path,
    copy: Path,
    change: Callable[[Path], None],
    wanted: dict[str, bytes | None],
    disk: Disk,
) -> None:
    """`change` a copy of `source` on a full disk: nothing is lost, and it works when there is room."""
    shutil.copytree(source, copy)
    old = kept(copy)
    try:
        with disk:
            change(copy)
    except (StorageError, WorkspaceError) as error:
        message = str(error)
        assert kept(copy) == old, disk.calls[disk.at - 1]
        assert not temporary(copy)
        assert message.count("\n") == 0
        change(copy)
    assert disk.refused
    assert tree(copy, ".lock") == wanted, disk.calls[disk.at - 1]


once_and_lasting = pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
#: What is refused, and what is broken from then on: which error it is, no line asks.
once_full_or_broken = pytest.mark.parametrize(
    ("error", "lasting"), [(errno.ENOSPC, False), (errno.EIO, True)], ids=["full once", "broken"]
)


#: Writing a task has many steps, the same whatever it takes the place of: of a new one every ninth
#: is refused once, and others for good; of the others fewer; in `make soak` all of all.
STEPS_APART = {"put new": 9, "put other": 19, "put same": 9, "remove": 3}


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.soak)])
@once_full_or_broken
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_refused_up_to_its_last_rename_keeps_every_task(
    tiny_workspace: Path, tmp_path: Path, name: str, error: int, lasting: bool, whole: bool
) -> None:
    wanted, calls = after(tiny_workspace, tmp_path / "clean", CHANGES[name])
    last, apart = last_rename(calls), 1 if whole else STEPS_APART[name]
    for at in sorted({last, *range(last - lasting, 0, -apart)}):
        copy = tmp_path / f"{at}"
        check_change(
            tiny_workspace, copy, CHANGES[name], wanted, Disk(copy, at, error, lasting=lasting)
        )
        shutil.rmtree(copy)


@once_and_lasting
def test_a_task_whose_index_is_refused_leaves_no_folder(
    tiny_workspace: Path, tmp_path: Path, lasting: bool
) -> None:
    _, calls = after(tiny_workspace, tmp_path / "clean", put_new)
    old = tree(tiny_workspace, ".lock")
    for at in range(last_rename(calls) - 6, last_rename(calls) + 1):
        with (
            Disk(tiny_workspace, at, lasting=lasting),
            pytest.raises(StorageError, match=r"workspace\.json"),
        ):
            put_new(tiny_workspace)
        assert tree(tiny_workspace, ".lock") == old


@once_and_lasting
@pytest.mark.parametrize("name", ["put new", "put other", "remove"])
def test_a_change_whose_rename_cannot_be_synced_keeps_every_task(
    tiny_workspace: Path, tmp_path: Path, name: str, lasting: bool
) -> None:
    wanted, calls = after(tiny_workspace, tmp_path / "clean", CHANGES[name])
    for at in range(last_rename(calls) + 1, len(calls) + 1):
        copy = tmp_path / f"{at}"
        check_change(
            tiny_workspace, copy, CHANGES[name], wanted, Disk(copy, at, errno.EIO, lasting=lasting)
        )


@once_and_lasting
def test_learning_on_a_full_disk_keeps_every_task_and_can_be_repeated(
    tiny_workspace: Path, tmp_path: Path, lasting: bool
) -> None:
    wanted, calls = after(tiny_workspace, tmp_path / "clean", learn_food)
    last = last_rename(calls)
    for at in sorted({1, 4, last - 1, last, *range(10, last, 40)}):
        copy = tmp_path / f"{at}"
        check_change(tiny_workspace, copy, learn_food, wanted, Disk(copy, at, lasting=lasting))


def test_a_disk_too_full_for_the_cache_folder_is_named(tiny_workspace: Path) -> None:
    shutil.rmtree(tiny_workspace / "cache")
    old = kept(tiny_workspace)
    with Disk(tiny_workspace, 1, lasting=True), pytest.raises(StorageError, match="cache"):
        learn_food(tiny_workspace)
    assert kept(tiny_workspace) == old


def test_the_lock_file_that_cannot_be_made_is_named(tiny_workspace: Path) -> None:
    (tiny_workspace / ".lock").unlink(missing_ok=True)
    old = kept(tiny_workspace)
    with (
        Disk(tiny_workspace, 1, lasting=True),
        pytest.raises(StorageError, match=r"could not write in .*: No space left"),
    ):
        remove(tiny_workspace)
    assert kept(tiny_workspace) == old


# Export


def export_to(target: Path, source: Path, *, replace: bool = False) -> None:
    export(WorkspaceFolder(source), target, gate=NO_GATE, replace=replace)


def check_export(source: Path, target: Path, disk: Disk, *, replace: bool) -> None:
    """Export a workspace of one task to `target` on a full disk: the target is as it was, and it
    works when there is room.
    """
    old = tree(target.parent)
    try:
        with disk:
            export_to(target, source, replace=replace)
    except StorageError as error:
        message = str(error)
        assert str(target.parent) in message
        assert tree(target.parent) == old, disk.calls[disk.at - 1]
        export_to(target, source, replace=replace)
    assert disk.refused
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert [task.name for task in read(target).manifest.tasks] == ["animals"]


def test_an_export_to_a_full_disk_leaves_nothing(tiny_workspace: Path, tmp_path: Path) -> None:
    remove(tiny_workspace)
    out = tmp_path / "out"
    out.mkdir()
    before = tree(tiny_workspace)
    with Disk(out) as disk:
        export_to(out / "bundle", tiny_workspace)
    last = last_rename(tuple(disk.calls))
    shutil.rmtree(out / "bundle")
    for at in (2, 5, 2 * last // 3, last - 1):
        with (
            Disk(out, at, lasting=at % 2 == 0),
            pytest.raises(StorageError, match="No space left on device"),
        ):
            export_to(out / "bundle", tiny_workspace)
        assert tree(out) == {}
    check_export(tiny_workspace, out / "bundle", Disk(out, last), replace=False)
    assert tree(tiny_workspace) == before


@pytest.mark.parametrize(
    "back",
    [
        30,
        2,
        pytest.param(1),
        0,
        pytest.param(-1),
        pytest.param(-2),
    ],
)
def test_a_refused_replacing_export_leaves_the_old_bundle(
    tiny_workspace: Path, tiny_bundle: Path, back: int
) -> None:
    remove(tiny_workspace)
    out = tiny_bundle.parent / "out"
    target = out / "bundle"
    shutil.copytree(tiny_bundle, target)
    with Disk(out) as disk:
        export_to(target, tiny_workspace, replace=True)
    shutil.rmtree(target)
    shutil.copytree(tiny_bundle, target)
    check_export(
        tiny_workspace, target, Disk(out, last_rename(tuple(disk.calls)) - back), replace=True
    )


# A real one


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB and 120 names; skips where it cannot be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip(
            "mounting a small disk needs Linux and root; the refused calls above stand in for it"
        )
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m,nr_inodes=120", "cfedge-test"]
    try:
        mounted = subprocess.run(
            ["mount", *options, str(folder)], capture_output=True, text=True, check=False
        )
    except OSError as error:
        pytest.skip(f"mount: {error}; the refused calls above stand in for it")
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.strip()}; the refused calls above stand in for it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, free: int, kind: str) -> None:
    """Leave `free` pages or names of the disk."""
    filler = disk / "filler"
    filler.mkdir()
    if kind == "pages":
        with (filler / "0").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(filler / "0", (filler / "0").stat().st_size // 4096 * 4096 - free * 4096)
        assert os.statvfs(disk).f_bavail == free
    else:
        for number in range(max(0, os.statvfs(disk).f_favail - free)):
            (filler / f"{number}").touch()
        assert os.statvfs(disk).f_favail == free


def until_it_fits(
    disk: Path, kind: str, step: int, attempt: Callable[[], None], check: Callable[[], None]
) -> int:
    """`attempt` with more and more room, from none; `check` after each failure. Returns how many
    attempts failed.
    """
    for failures in range(200):
        fill(disk, failures * step, kind)
        try:
            attempt()
        except CfedgeError:
            check()
        else:
            return failures
        finally:
            shutil.rmtree(disk / "filler")
    raise AssertionError


@pytest.mark.parametrize("kind", ["pages", "names"])
@pytest.mark.parametrize("change", [put_new, put_other, put_same, learn_food])
def test_a_real_full_disk_keeps_every_task(
    tiny_workspace: Path,
    small_disk: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    kind: str,
) -> None:
    wanted, _ = after(tiny_workspace, tmp_path / "clean", change)
    folder = small_disk / "ws"
    shutil.copytree(tiny_workspace, folder)
    old = kept(folder)

    def check() -> None:
        assert kept(folder) == old
        assert not temporary(small_disk)

    failures = until_it_fits(
        small_disk, kind, 2 if change is not learn_food else 6, lambda: change(folder), check
    )
    assert failures >= 1
    assert tree(folder, ".lock") == wanted


def test_removing_a_task_makes_room_on_a_real_full_disk(
    tiny_workspace: Path, small_disk: Path
) -> None:
    folder = small_disk / "ws"
    shutil.copytree(tiny_workspace, folder)
    old = kept(folder)

    def check() -> None:
        assert kept(folder) == old
        assert not temporary(small_disk)

    assert until_it_fits(small_disk, "pages", 1, lambda: remove(folder), check) >= 1
    assert WorkspaceFolder(folder).tasks == ("animals",)


@pytest.mark.slow
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("kind", ["pages", "names"])
def test_an_export_to_a_real_full_disk_leaves_what_was_there(
    tiny_workspace: Path, tiny_bundle: Path, small_disk: Path, kind: str, replace: bool
) -> None:
    remove(tiny_workspace)
    target = small_disk / "out" / "bundle"
    target.parent.mkdir()
    if replace:
        shutil.copytree(tiny_bundle, target)
    old = tree(target.parent)

    def check() -> None:
        assert tree(target.parent) == old

    step = 20 if kind == "pages" else 5
    assert (
        until_it_fits(
            small_disk,
            kind,
            step,
            lambda: export_to(target, tiny_workspace, replace=replace),
            check,
        )
        >= 2
    )
    assert [task.name for task in read(target).manifest.tasks] == ["animals"]
    assert not temporary(small_disk)
