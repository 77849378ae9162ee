"""The workspace holds tasks one by one: each change is one step, touches no other task, and damage
is named.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every import cases
from test_storage import tree

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Slot
from cfedge.errors import (
    CfedgeError,
    StorageError,
    TaskError,
    WorkspaceError,
)
from cfedge.inputs.text.spec import Text
from cfedge.lookup import ClusterStatistics, Features, TaskSignature
from cfedge.lookup.packing import from_first, on_grid
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.measures.folds import Folds
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import TASK_FILES, HeldOut, LearnedTask, TaskRecord

FILES = {
    name: f"bytes of {name}".encode()
    for name in (
        "trunk.onnx",
        "tail.onnx",
        "tokenizer.json",
        "train_tail.onnx",
        "float_trunk.onnx",
        "float_tail.onnx",
    )
}
BACKBONE = Backbone(
    name="tiny", source_sha256="0" * 64, scheme="int8", blocks=3, split=2, width=4, hidden=(None, 4), views=(4, 4, 4),
    slots=(Slot("l2.qkv", 4, 12), Slot("l2.o", 4, 4)), trunk=reference(FILES["trunk.onnx"]),
    tail=reference(FILES["tail.onnx"]), input=Text("text", 16, reference(FILES["tokenizer.json"])),
)  # fmt: skip


def made(name: str, classes: tuple[str, ...], seed: int = 0) -> LearnedTask:
    rng = np.random.default_rng(seed)
    settings = Settings(method="adapter", rank=2)
    record = TaskRecord(name, classes, 12, BACKBONE.digest, settings, {"numpy": "2.0.0"})
    adapter = {
        "a.l2.o": rng.normal(size=(1, 4, 2)).astype(np.float32), "b.l2.o": rng.normal(size=(1, 2, 4)).astype(np.float32),
        "head.weight": rng.normal(size=(4, len(classes))).astype(np.float32), "head.bias": np.zeros(len(classes), np.float32),
        "trunk.weight": rng.normal(size=(12, len(classes))).astype(np.float32), "trunk.bias": np.zeros(len(classes), np.float32),
        "base.weight": rng.normal(size=(4, len(classes))).astype(np.float32), "base.bias": np.zeros(len(classes), np.float32),
        "base.share": np.zeros(3, np.float32),
        "exit.margin": np.array([1.5], np.float32),
    }  # fmt: skip

    def signature(width: int = 4) -> ClusterStatistics:
        return ClusterStatistics(
            counts=np.full(len(classes), 6, np.int64), means=from_first(rng.normal(size=(len(classes), width))),
            factor=on_grid(rng.normal(size=(2, width))), diagonal=np.ones(width, np.float32), quartic=1.25,
            factor_classes=np.array([0, 1]),
        )  # fmt: skip

    stages = TaskSignature(signature(), signature())
    features = Features(*(rng.normal(size=(2, width)).astype(np.float32) for width in (12, 4)))
    best = np.array([1.5, -2], np.float32)
    return LearnedTask(
        record,
        adapter,
        stages,
        TaskStatistics(
            signature(12),
            stages.trunk,
            stages.tail,
            dataclasses.replace(stages.tail, quartic=2.5),
        ),
        HeldOut(
            ("gr\u00fcn", "a\nb"),
            np.array([0, 1], np.int64),
            features,
            np.array([0, 0], np.int64),
            best,
            best,
        ),
        Folds(np.array([0, 0]), (TaskSignature(signature(), signature()),)),
    )


LIGHTS = made("lights", ("on", "off"), seed=1)
DOORS = made("doors", ("open", "zu\u00df"), seed=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with the task lights."""
    WorkspaceFolder.written(tmp_path / "ws", BACKBONE, FILES).put(LIGHTS)
    return tmp_path / "ws"


def check_equal(found: LearnedTask, expected: LearnedTask) -> None:
    assert found.record == expected.record
    assert set(found.adapter) == set(expected.adapter)
    pairs = [(found.adapter[name], array) for name, array in expected.adapter.items()]
    pairs += [
        (found.signature.arrays()[name], array)
        for name, array in expected.signature.arrays().items()
    ]
    pairs += [(found.held_out.classes, expected.held_out.classes)]
    pairs += [(found.folds.of, expected.folds.of)]
    for one, other in zip(found.folds.without, expected.folds.without, strict=True):
        pairs += [(one.arrays()[name], array) for name, array in other.arrays().items()]
    pairs += [(found.held_out.answers, expected.held_out.answers)]
    pairs += list(zip(found.held_out.features, expected.held_out.features, strict=True))
    for one, other in pairs:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert found.held_out.inputs == expected.held_out.inputs
    assert found.statistics.dumped() == expected.statistics.dumped()


def task_folder(folder: Path, name: str) -> Path:
    inner: str = json.loads((folder / "workspace.json").read_bytes())["tasks"][name]
    return folder / "tasks" / inner


def refusal(call: Callable[[], object], kind: type[CfedgeError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    return message


# Create and open


def test_a_new_workspace_holds_its_backbone_and_no_task(tmp_path: Path) -> None:
    made_one = WorkspaceFolder.written(tmp_path / "ws", BACKBONE, FILES)
    for workspace in (made_one, WorkspaceFolder(tmp_path / "ws")):
        assert workspace.backbone == BACKBONE
        assert workspace.tasks == ()
        assert {name: workspace.backbone_file(name) for name in FILES} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["ws"]
    assert {path.name for path in (tmp_path / "ws").iterdir()} == {
        "workspace.json",
        "backbone",
        "tasks",
    }


def test_a_workspace_is_not_made_where_something_is(folder: Path) -> None:
    old = tree(folder)
    assert f"{folder}: expected a name that is free" in refusal(
        lambda: WorkspaceFolder.written(folder, BACKBONE, FILES), StorageError
    )
    assert tree(folder) == old


@cases(
    ("kind", "found"),
    [
        ("missing", "none; make one with: cfedge init {}"),
        ("empty folder", "a folder that is none; make one under a new name: cfedge init WS"),
        ("file", "a file that is none; make one under a new name: cfedge init WS"),
        ("folder in its place", "a folder that is none; make one under a new name: cfedge init WS"),
    ],
)
def test_what_has_no_index_is_not_a_workspace(tmp_path: Path, kind: str, found: str) -> None:
    target = tmp_path / "ws"
    if kind == "file":
        target.write_bytes(b"")
    elif kind != "missing":
        target.mkdir()
    if kind == "folder in its place":
        (target / "workspace.json").mkdir()
    message = refusal(lambda: WorkspaceFolder(target), WorkspaceError)
    assert f"{target}: expected a workspace, found {found.format(target)}" in message


def test_a_name_that_is_too_long_is_no_workspace(tmp_path: Path) -> None:
    refusal(lambda: WorkspaceFolder(tmp_path / ("n" * 300)), WorkspaceError)


# Put, remove, replace


def test_a_task_is_read_as_it_was_put(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.put(DOORS)
    for one in (workspace, WorkspaceFolder(folder)):
        assert one.tasks == ("doors", "lights")
        check_equal(one.task("doors"), DOORS)
        check_equal(one.task("lights"), LIGHTS)
        assert one.record("doors") == DOORS.record
        assert one.held_out("doors").inputs == DOORS.held_out.inputs
    assert {path.name for path in task_folder(folder, "doors").iterdir()} == set(TASK_FILES)


def test_putting_and_removing_a_task_changes_no_byte_of_another(folder: Path) -> None:
    before = tree(folder, ".lock")
    workspace = WorkspaceFolder(folder)
    workspace.put(DOORS)
    during = tree(folder, ".lock")
    assert {
        path: data
        for path, data in during.items()
        if "doors" not in path and path != "workspace.json"
    } == {path: data for path, data in before.items() if path != "workspace.json"}
    workspace.remove("doors")
    assert tree(folder, ".lock") == before


def test_the_order_in_which_tasks_come_leaves_no_trace(folder: Path, tmp_path: Path) -> None:
    WorkspaceFolder(folder).put(DOORS)
    other = WorkspaceFolder.written(tmp_path / "other", BACKBONE, FILES)
    other.put(DOORS)
    other.put(LIGHTS)
    assert tree(other.folder, ".lock") == tree(folder, ".lock")


def test_the_last_task_can_be_removed(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.remove("lights")
    assert workspace.tasks == WorkspaceFolder(folder).tasks == ()
    assert list((folder / "tasks").iterdir()) == []


def test_a_task_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    old = tree(folder)
    for call in (
        workspace.remove,
        workspace.task,
        workspace.record,
        workspace.adapter,
        workspace.signature,
        workspace.held_out,
    ):
        message = refusal(lambda call=call: call("door\ns"), TaskError)  # type: ignore[misc]
        assert "expected one of lights, found 'door\\ns'" in message
    assert tree(folder) == old


def test_a_name_that_is_taken_is_refused_without_replace(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    old = tree(folder)
    message = refusal(lambda: workspace.put(made("lights", ("a", "b"))), TaskError)
    assert "task 'lights': expected a new name" in message
    assert "--replace" in message
    assert tree(folder) == old


def test_replace_puts_a_task_in_the_place_of_the_old_one(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.put(DOORS)
    old, new = task_folder(folder, "lights"), made("lights", ("off", "on", "dim"), seed=3)
    workspace.put(new, replace=True)
    check_equal(WorkspaceFolder(folder).task("lights"), new)
    check_equal(WorkspaceFolder(folder).task("doors"), DOORS)
    assert not old.exists()
    assert len(list((folder / "tasks").iterdir())) == 2


def test_a_task_that_another_command_replaced_meanwhile_is_told_of(folder: Path) -> None:
    reading = WorkspaceFolder(folder)
    WorkspaceFolder(folder).put(made("lights", ("off", "on"), seed=4), replace=True)
    message = refusal(lambda: reading.task("lights"), WorkspaceError)
    assert message.endswith("has replaced or removed it meanwhile; run it again")


def test_replace_adds_a_task_where_there_was_none(folder: Path) -> None:
    WorkspaceFolder(folder).put(DOORS, replace=True)
    assert WorkspaceFolder(folder).tasks == ("doors", "lights")


def test_the_same_task_put_again_is_the_same_workspace(folder: Path) -> None:
    before = tree(folder, ".lock")
    WorkspaceFolder(folder).put(LIGHTS, replace=True)
    assert tree(folder, ".lock") == before


def test_two_handles_see_each_others_tasks_when_they_write(folder: Path) -> None:
    one, other = WorkspaceFolder(folder), WorkspaceFolder(folder)
    one.put(DOORS)
    assert other.tasks == ("lights",)
    other.put(made("heat", ("warm", "cold")))
    assert other.tasks == WorkspaceFolder(folder).tasks == ("doors", "heat", "lights")
    assert "found a task of that name" in refusal(
        lambda: one.put(made("heat", ("x", "y"))), TaskError
    )


def test_a_task_folder_that_nothing_points_to_is_deleted_by_the_next_write(folder: Path) -> None:
    orphans = [folder / "tasks" / name for name in ("heat-0123456789abcdef", ".cfedge-tmp-abc")]
    for orphan in orphans:
        shutil.copytree(task_folder(folder, "lights"), orphan)
    workspace = WorkspaceFolder(folder)
    assert workspace.tasks == ("lights",)
    assert all(orphan.exists() for orphan in orphans)
    workspace.put(DOORS)
    assert {path.name.split("-")[0] for path in (folder / "tasks").iterdir()} == {"lights", "doors"}
    shutil.copytree(task_folder(folder, "lights"), orphans[0])
    workspace.remove("doors")
    assert list((folder / "tasks").iterdir()) == [task_folder(folder, "lights")]


# What cannot be added


@cases(
    "name",
    ["", "Lights", "-a", "_a", "a b", "a/b", "../a", ".", "..", "a.b", "a\n", "\u00e4", "\u0661", "n" * 65, ".cfedge-tmp-a", "a\0"],
)  # fmt: skip
def test_a_malformed_name_is_refused(folder: Path, name: str) -> None:
    old = tree(folder, ".lock")
    workspace = WorkspaceFolder(folder)
    for call in (
        lambda: workspace.put(made(name, ("a", "b"))),
        lambda: workspace.check_new(name, ("a", "b"), replace=True),
    ):
        assert (
            "task name: expected lower-case letters, digits, - and _ (at most 64), found"
            in refusal(call, TaskError)
        )
    assert tree(folder, ".lock") == old


@pytest.mark.parametrize("name", ["a", "0", "n" * 64, "a-b_c-9"])
def test_a_good_name_is_accepted(folder: Path, name: str) -> None:
    WorkspaceFolder(folder).put(made(name, ("a", "b")))
    assert name in WorkspaceFolder(folder).tasks


def test_one_class_is_enough_and_none_is_refused(folder: Path) -> None:
    WorkspaceFolder(folder).check_new("doors", ("one",), replace=False)
    message = refusal(
        lambda: WorkspaceFolder(folder).check_new("doors", (), replace=False), TaskError
    )
    assert "task 'doors': expected at least 1 class, found none" in message


def test_a_label_of_more_than_200_characters_is_refused(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.check_new("doors", ("x" * 200, "b"), replace=False)
    message = refusal(
        lambda: workspace.check_new("doors", ("x" * 201, "b"), replace=False), TaskError
    )
    assert "task 'doors': expected labels of at most 200 characters, found 201" in message
    assert len(message) < 200


def test_a_label_that_is_not_unicode_is_refused(folder: Path) -> None:
    refusal(
        lambda: WorkspaceFolder(folder).check_new("doors", ("\ud800", "b"), replace=False),
        TaskError,
    )


def test_a_label_of_another_task_is_taken(folder: Path) -> None:
    WorkspaceFolder(folder).put(made("doors", ("open", "off")))
    assert WorkspaceFolder(folder).record("doors").classes == ("open", "off")
    WorkspaceFolder(folder).check_several({"a": ("x", "y"), "b": ("x", "y")}, replace=False)


@pytest.mark.parametrize("alike", ["ON", " on", "o\uff4e"])
def test_labels_of_a_task_that_differ_only_by_case_or_spaces_are_refused(
    folder: Path, alike: str
) -> None:
    workspace = WorkspaceFolder(folder)
    message = refusal(
        lambda: workspace.check_new("lights", ("on", "off", alike), replace=True), TaskError
    )
    assert (
        f"expected labels that differ by more than case and spaces, found 'on' and {alike!a}; make"
        " them one" in message
    )
    workspace.check_new("doors", ("switch on", "switch_on"), replace=False)


def test_a_replaced_task_may_keep_its_own_labels(folder: Path) -> None:
    WorkspaceFolder(folder).put(made("lights", ("on", "off", "dim")), replace=True)
    assert WorkspaceFolder(folder).record("lights").classes == ("on", "off", "dim")


# Busy


def test_a_workspace_held_by_another_process_is_refused_for_writing_and_can_be_read(
    folder: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path; from cfedge.train.workspace.folder import WorkspaceFolder\n"
        "with WorkspaceFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    old = tree(folder, ".lock")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        workspace = WorkspaceFolder(folder)
        for call in (
            lambda: workspace.put(DOORS, wait_s=0),
            lambda: workspace.exchange((), {"lights"}, wait_s=0),
        ):
            message = refusal(call, WorkspaceError)
            assert (
                f"{folder}: expected it free for writing, found another cfedge at work" in message
            )
        check_equal(workspace.task("lights"), LIGHTS)
        assert tree(folder, ".lock") == old
        process.communicate("")
    workspace.put(DOORS)
    assert WorkspaceFolder(folder).tasks == ("doors", "lights")


def test_a_process_that_was_killed_holds_nothing(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cfedge.train.workspace.folder import WorkspaceFolder\n"
        "with WorkspaceFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
        process.wait()
    WorkspaceFolder(folder).put(DOORS)
    assert WorkspaceFolder(folder).tasks == ("doors", "lights")


def test_the_workspace_is_free_again_after_an_error(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)

    def stopped() -> None:
        with workspace.locked():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    refusal(lambda: workspace.put(LIGHTS), TaskError)
    workspace.put(DOORS)


# Damage

#: Of bytes and lengths every 29th is tried, with each bit in turn; `make soak` tries all.
some_bytes = pytest.mark.parametrize("apart", [29, pytest.param(1, marks=pytest.mark.soak)])


def flipped(data: bytes, at: int) -> bytes:
    """Return the bytes with one bit of one of them flipped."""
    return bytes([*data[:at], data[at] ^ 1 << at % 8, *data[at + 1 :]])


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the index with a change; each change begins with the index as it was."""
    path, before = folder / "workspace.json", folder.parent / "as-it-was.json"
    if not before.exists():
        before.write_bytes(path.read_bytes())
    content = json.loads(before.read_bytes())
    del content["sha256"]
    change(content)
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    path.write_text(
        json.dumps({**content, "sha256": hashlib.sha256(body).hexdigest()})
    )  # so that the check behind it is reached
    return path


@cases("schema", [0, 1, 4, 99, "5", None, 1.5, [], "a\nb"])
def test_another_schema_is_refused(folder: Path, schema: Any) -> None:
    path = rewritten(folder, lambda content: content.update(schema=schema))
    message = refusal(lambda: WorkspaceFolder(folder), WorkspaceError)
    assert f"{path}: expected schema 6, found {schema!r}: made by another cfedge" in message
    assert "make the workspace again with: cfedge init" in message


@some_bytes
def test_every_flipped_byte_of_the_index_is_noticed(folder: Path, apart: int) -> None:
    path = folder / "workspace.json"
    data = path.read_bytes()
    for at in range(0, len(data), apart):
        path.write_bytes(flipped(data, at))
        assert str(path) in refusal(lambda: WorkspaceFolder(folder), WorkspaceError)
    path.write_bytes(data)
    assert WorkspaceFolder(folder).tasks == ("lights",)


def test_what_a_killed_writer_left_is_deleted_by_the_next_write(folder: Path) -> None:
    (folder / ".cfedge-tmp-1").write_bytes(b"half")
    (folder / ".cfedge-tmp-2").mkdir()
    (folder / ".cfedge-tmp-2" / "file").write_bytes(b"half")
    WorkspaceFolder(folder).put(DOORS)
    assert not list(folder.glob(".cfedge-tmp-*"))


@some_bytes
def test_an_index_cut_at_any_length_is_named(folder: Path, apart: int) -> None:
    path = folder / "workspace.json"
    data = path.read_bytes()
    for size in range(0, len(data), apart):
        path.write_bytes(data[:size])
        assert f"{path}: expected a workspace's index" in refusal(
            lambda: WorkspaceFolder(folder), WorkspaceError
        )


@pytest.mark.parametrize(
    "data", [b"[]", b"1", b"null", b'"x"', b"{}", b"\xff", b"{}{}", b"\0" * 100]
)
def test_an_index_that_is_something_else_is_named(folder: Path, data: bytes) -> None:
    (folder / "workspace.json").write_bytes(data)
    assert f"{folder / 'workspace.json'}: expected" in refusal(
        lambda: WorkspaceFolder(folder), WorkspaceError
    )


def test_a_deeply_nested_index_is_named(folder: Path) -> None:
    (folder / "workspace.json").write_bytes(b"[" * 100_000)
    refusal(lambda: WorkspaceFolder(folder), WorkspaceError)


def test_an_index_that_the_disk_does_not_give_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises((WorkspaceError, StorageError), match=r"workspace\.json"):
        WorkspaceFolder(folder)


def without(*path: str) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        place = content
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


@cases(
    "path",
    [
        ("schema",),
        ("backbone",),
        ("files",),
        ("tasks",),
        *[("backbone", field.name) for field in dataclasses.fields(Backbone)],
        ("backbone", "trunk", "size"),
    ],
)
def test_an_index_without_one_of_its_fields_is_named(folder: Path, path: tuple[str, ...]) -> None:
    index = rewritten(folder, without(*path))
    assert f"{index}: expected a workspace's index" in refusal(
        lambda: WorkspaceFolder(folder), WorkspaceError
    )


@cases(
    ("path", "value"),
    [
        (("backbone",), []), (("backbone", "more"), 1), (("backbone", "trunk"), "x"), (("backbone", "slots"), [1]),
        (("backbone", "slots"), None), (("files",), 1), (("tasks",), 1), (("tasks",), "x"),
        *[
            pytest.param(path, value)
            for path, value in [
                (("backbone", "width"), "4"), (("backbone", "split"), None), (("backbone", "trunk", "sha256"), 1),
                (("files", "trunk.onnx"), 1), (("tasks", "lights"), 1), (("tasks", "lights"), None), (("tasks", "lights"), "../.."),
            ]
        ],
    ],
)  # fmt: skip
def test_an_index_with_a_value_of_another_type_is_named(
    folder: Path, path: tuple[str, ...], value: Any
) -> None:
    def change(content: dict[str, Any]) -> None:
        place = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    index = rewritten(folder, change)
    assert f"{index}: expected a workspace's index" in refusal(
        lambda: WorkspaceFolder(folder), WorkspaceError
    )


def test_an_index_without_a_files_digest_is_named(folder: Path) -> None:
    rewritten(folder, without("files", "tail.onnx"))
    assert "workspace.json" in refusal(
        lambda: WorkspaceFolder(folder).backbone_file("tail.onnx"), WorkspaceError
    )


@pytest.mark.parametrize("name", FILES)
def test_a_changed_backbone_file_is_named_with_both_digests(folder: Path, name: str) -> None:
    path = folder / "backbone" / name
    expected = reference(FILES[name]).sha256
    for data in (FILES[name][:-1], FILES[name] + b"\0", b"", FILES[name].swapcase()):
        path.write_bytes(data)
        message = refusal(lambda: WorkspaceFolder(folder).backbone_file(name), WorkspaceError)
        assert f"{path}: expected SHA-256 {expected}, found {reference(data).sha256}" in message
    path.write_bytes(FILES[name])
    assert WorkspaceFolder(folder).backbone_file(name) == FILES[name]


def test_every_flipped_byte_of_a_backbone_file_is_noticed(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    for name, data in FILES.items():
        for at in range(len(data)):
            (folder / "backbone" / name).write_bytes(flipped(data, at))
            with pytest.raises(WorkspaceError, match=name):
                workspace.backbone_file(name)
        (folder / "backbone" / name).write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_backbone_file_is_named(folder: Path, name: str) -> None:
    path = folder / "backbone" / name
    path.unlink()
    message = refusal(lambda: WorkspaceFolder(folder).backbone_file(name), WorkspaceError)
    assert f"{path}: expected the backbone's file, found No such file" in message
    path.mkdir()
    assert str(path) in refusal(lambda: WorkspaceFolder(folder).backbone_file(name), WorkspaceError)


def test_a_changed_digest_of_a_backbone_file_is_noticed(folder: Path) -> None:
    rewritten(folder, lambda content: content["files"].update({"tail.onnx": "0" * 64}))
    workspace = WorkspaceFolder(folder)
    message = refusal(lambda: workspace.backbone_file("tail.onnx"), WorkspaceError)
    assert str(folder / "backbone" / "tail.onnx") in message
    assert f"expected SHA-256 {'0' * 64}, found {reference(FILES['tail.onnx']).sha256}" in message
    assert workspace.backbone_file("trunk.onnx") == FILES["trunk.onnx"]


@pytest.mark.parametrize("name", TASK_FILES)
def test_a_missing_task_file_is_named_with_the_remedy(folder: Path, name: str) -> None:
    path = task_folder(folder, "lights") / name
    path.unlink()
    message = refusal(lambda: WorkspaceFolder(folder).task("lights"), WorkspaceError)
    assert f"{path}: expected the task's file, found No such file" in message
    assert "learn the task again with --replace" in message
    if name == "statistics.safetensors":  # as one that an earlier version wrote
        path.write_bytes(dump_arrays({"near.means": np.zeros((1, 2), np.float32)}))
        message = refusal(lambda: WorkspaceFolder(folder).task("lights"), WorkspaceError)
        assert f"{path}: expected trunk.means in it, found none; learn the task again" in message


def test_a_missing_task_folder_is_named(folder: Path) -> None:
    gone = task_folder(folder, "lights")
    shutil.rmtree(gone)
    assert str(gone) in refusal(lambda: WorkspaceFolder(folder).task("lights"), WorkspaceError)
    workspace = WorkspaceFolder(folder)
    workspace.put(LIGHTS, replace=True)
    check_equal(workspace.task("lights"), LIGHTS)


def check_damage(
    folder: Path, apart: int, damaged: Callable[[bytes, int], bytes], *, named: int
) -> None:
    """Every task file that is damaged at a byte is refused, and its folder named so often."""
    workspace = WorkspaceFolder(folder)
    for name in TASK_FILES:
        path = task_folder(folder, "lights") / name
        data = path.read_bytes()
        for at in range(0, len(data), apart):
            path.write_bytes(damaged(data, at))
            with pytest.raises(WorkspaceError) as caught:
                workspace.task("lights")
            assert 1 <= str(caught.value).count(str(path.parent)) <= named, (name, at)
        path.write_bytes(data)


@some_bytes
def test_a_task_file_cut_at_any_length_is_named(folder: Path, apart: int) -> None:
    check_damage(folder, apart, lambda data, at: data[:at], named=1)


@pytest.mark.parametrize("name", TASK_FILES)
def test_a_task_file_of_another_kind_is_named(folder: Path, name: str) -> None:
    inner = task_folder(folder, "lights")
    workspace = WorkspaceFolder(folder)
    contents = {
        "nothing": b"", "list": b"[]", "null": b"null", "object": b"{}", "bytes": b"\xff" * 64,
        "another": (inner / TASK_FILES[TASK_FILES.index(name) - 1]).read_bytes(),
    }  # fmt: skip
    if name == "adapter.safetensors":
        del contents[
            "another"
        ]  # any finite arrays are read: what they must be is for those who use them
    for content in contents.values():
        (inner / name).write_bytes(content)
        with pytest.raises(WorkspaceError) as caught:
            workspace.task("lights")
        assert str(inner) in str(caught.value)


@pytest.mark.parametrize("texts", [{"a": "b"}, "ab", 3, None, [1, 2]])
def test_held_out_texts_that_are_no_list_of_texts_are_named(folder: Path, texts: object) -> None:
    path = task_folder(folder, "lights") / "held_out.safetensors"
    path.write_bytes(dump_arrays(load_arrays(path.read_bytes(), "x"), {"inputs": texts}))
    with pytest.raises(WorkspaceError, match="held_out"):
        WorkspaceFolder(folder).held_out("lights")


@some_bytes
def test_every_flipped_byte_of_a_task_file_is_noticed(folder: Path, apart: int) -> None:
    check_damage(folder, apart, flipped, named=2)


def test_a_damaged_task_does_not_hinder_the_others(folder: Path) -> None:
    workspace = WorkspaceFolder(folder)
    workspace.put(DOORS)
    for name in TASK_FILES[1:]:
        (task_folder(folder, "lights") / name).write_bytes(b"")
    check_equal(WorkspaceFolder(folder).task("doors"), DOORS)
    workspace.remove("doors")
    workspace.remove("lights")
    assert WorkspaceFolder(folder).tasks == ()
