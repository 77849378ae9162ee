"""A store: made whole or not at all, one writer, one pointer, and what answers when a generation
fails its starts.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from channels import backbone, task
from powercut import Disk, refusing, tree

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.errors import (
    BundleError,
    CfedgeError,
    DamagedError,
    MissingExtraError,
    SchemaError,
    StorageError,
    UsageError,
)
from cfedge.margins import Margins
from cfedge.store import Pointer, Store
from cfedge.store.boot_attempts import MAX_STARTS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store", "stable")


def manifest_of(*names: str) -> tuple[Manifest, dict[str, bytes]]:
    record, files = backbone(size=50)
    tasks = [task(name, size=20) for name in names]
    for _, more in tasks:
        files |= more
    return (
        Manifest(backbone=record, tasks=tuple(one for one, _ in tasks), margins=Margins(1.0, 0.5)),
        files,
    )


def install(store: Store, *names: str, opened: bool = True, switch: bool = True) -> int:
    """Write a generation of made-up tasks as a sync does."""
    manifest, files = manifest_of(*names)
    with store.writing():
        for name, data in files.items():
            (store.objects / name).write_bytes(data)
        number = store.add(manifest)
        if switch:
            store.switch(number)
    if opened:
        store.boot_attempts.passed(number)
    return number


# Making and opening one


def test_a_store_keeps_its_channel_and_its_name(store: Store) -> None:
    again = Store(store.folder)
    assert (again.channel, again.device) == ("stable", store.device)
    assert len(store.device) == 32
    assert Store.create(store.folder, "stable").device == store.device


def test_a_parent_that_cannot_be_read_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    with Disk(tmp_path, on_step=_unreadable("fsync folder", "parent")):
        assert Store.create(tmp_path / "parent" / "store", "stable").generations() == []


def _unreadable(kind: str, path: str) -> Callable[[str, str], None]:
    def on_step(*step: str) -> None:
        if step == (kind, path):
            raise PermissionError(errno.EACCES, "Permission denied")

    return on_step


def test_two_stores_have_two_names(store: Store, tmp_path: Path) -> None:
    assert Store.create(tmp_path / "other", "stable").device != store.device


def test_a_store_of_another_channel_is_refused_once_a_generation_is_there(store: Store) -> None:
    other = Store.create(store.folder, "beta")  # the first channel was named wrongly
    assert (other.channel, other.device) == ("beta", store.device)
    with pytest.raises(UsageError, match="channel"):
        Store.create(store.folder, "../beta")
    store = Store.create(store.folder, "stable")
    install(store, "lights")
    with pytest.raises(
        StorageError,
        match="expected a store of channel 'beta', found one of 'stable'; use another folder",
    ):
        Store.create(store.folder, "beta")


@pytest.mark.parametrize("name", ["notes.txt", "current", "trust"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(
        StorageError,
        match=f"expected an empty folder for the store, found '{name}'; choose another",
    ):
        Store.create(tmp_path, "stable")
    assert tree(tmp_path) == {name: b"precious"}


def test_a_file_in_the_place_of_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("precious")
    assert not Store.exists(tmp_path / "store")
    with pytest.raises(StorageError, match="could not make a store in "):
        Store.create(tmp_path / "store", "stable")


def test_a_store_that_was_half_made_is_made_whole(store: Store) -> None:
    (store.folder / "store.json").unlink()
    (store.folder / "boot_attempts").rmdir()
    (store.folder / ".cfedge-tmp-abc").write_text("{")
    assert not Store.exists(store.folder)
    assert Store.create(store.folder, "stable").generations() == []


def test_no_store_is_refused_naming_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "half" / "generations").mkdir(parents=True)
    for name, found in {
        "missing": "missing: expected a store, found none; make one with: cfedge sync",
        "notes": "notes: expected a store, found a folder that is none; a store is what cfedge sync",
        "half": "store.json: expected a file, found none; sync again",
    }.items():
        with pytest.raises(DamagedError, match=found):
            Store(tmp_path / name)


RECORD = {"channel": "stable", "device": "d", "schema": 1}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"channel"', id="cut"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(canonical_json({**RECORD, "more": 1}), id="a-field-too-many"),
        pytest.param(canonical_json({**RECORD, "device": 7}), id="another-type"),
        pytest.param(canonical_json({**RECORD, "schema": 2}), id="newer"),
        pytest.param(canonical_json({**RECORD, "schema": True}), id="schema-true"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(store: Store, data: bytes) -> None:
    (store.folder / "store.json").write_bytes(data)
    with pytest.raises(BundleError) as caught:
        Store(store.folder)
    assert str(store.folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# Writers


def _hold(folder: Path, started: object, done: object) -> None:
    with Store(folder).writing():
        started.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]


def test_a_second_writer_is_refused_at_once_and_the_first_goes_on(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    started, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.folder, started, done))
    other.start()
    try:
        assert started.wait(60)
        start = time.monotonic()
        with (
            pytest.raises(
                StorageError,
                match="expected no other writer, found one at work; try again when it is done",
            ),
            store.writing(),
        ):
            raise AssertionError
        assert time.monotonic() - start < 10
    finally:
        done.set()
        other.join(60)
    assert other.exitcode == 0
    with store.writing():
        pass


def test_a_writer_removes_what_killed_ones_left(store: Store) -> None:
    for part in (".", "objects", "generations", "boot_attempts", "trust/root_history", "log"):
        (store.folder / part).mkdir(parents=True, exist_ok=True)
        (store.folder / part / ".cfedge-tmp-left").write_bytes(b"half")
    with store.writing():
        assert not list(store.folder.rglob(".cfedge-tmp-*"))


def test_what_a_killed_writer_renamed_is_on_the_disk_before_it_is_relied_on(store: Store) -> None:
    with Disk(store.folder) as disk, store.writing():
        pass
    synced = [op.path for op in disk.ops if op.kind == "sync"]
    assert synced == ["", "objects", "generations", "boot_attempts", "vouched"]


def test_an_error_of_the_disk_while_writing_is_told_in_one_line(store: Store) -> None:
    with (
        pytest.raises(
            StorageError,
            match=r"could not write in .*store: No space left on device; check the disk",
        ),
        store.writing(),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_of_its_own_comes_through_a_writer(store: Store) -> None:
    with pytest.raises(SchemaError, match="mine"), store.writing():
        raise SchemaError("mine")


def test_a_device_without_the_extra_is_told_how_to_get_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(MissingExtraError, match=r"cfedge\[sync\]"), store.writing():
        raise AssertionError


# Generations and the pointer


def test_a_store_without_a_generation_says_how_to_fetch_one(store: Store) -> None:
    assert store.pointer() is None
    with pytest.raises(
        DamagedError, match="expected a generation, found none; fetch one with: cfedge sync"
    ):
        store.to_open()


def test_a_generation_does_not_answer_before_the_switch(store: Store) -> None:
    assert install(store, "cards") == 1
    assert install(store, "cards", "music", switch=False) == 2
    assert (store.to_open(), store.generations()) == (1, [1, 2])
    with store.writing():
        pointer = store.switch(2)
    assert (
        pointer
        == store.pointer()
        == Pointer(
            2, hashlib.sha256(serialize(manifest_of("cards", "music")[0])).hexdigest(), False
        )
    )
    assert [one.name for one in store.bundle(2).manifest.tasks] == ["cards", "music"]


def test_what_a_reader_has_is_not_read_again(store: Store) -> None:
    number = install(store, "cards")
    manifest, files = manifest_of("cards")
    skip = {manifest.backbone.trunk.sha256}
    (store.objects / manifest.backbone.trunk.sha256).unlink()
    assert store.bundle(number, skip).objects.keys() == files.keys() - skip
    with pytest.raises(DamagedError, match=r"\(trunk\): expected a file, found none"):
        store.bundle(number)


def test_stray_files_are_no_generations(store: Store) -> None:
    install(store, "cards")
    for name in ("x.json", "2.json.bak", "-1.json", ".cfedge-tmp-abc"):
        (store.folder / "generations" / name).write_bytes(b"")
    assert store.generations() == [1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b'{"generation":1}',
        b'{"generation":"1","manifest":"","pinned":false}',
        bytes(64),
    ],
)
def test_a_damaged_pointer_is_refused_naming_it(store: Store, data: bytes) -> None:
    install(store, "cards")
    (store.folder / "current").write_bytes(data)
    for read in (store.pointer, store.to_open):
        with pytest.raises(
            DamagedError,
            match=(
                r"current: expected what cfedge wrote, found .*; sync again; where that does not"
                r" help, sync into a new folder"
            ),
        ):
            read()


@pytest.mark.parametrize("damage", ["gone", "cut", "another"])
def test_a_damaged_generation_is_refused(store: Store, damage: str) -> None:
    number = install(store, "cards")
    path = store.folder / "generations" / f"{number}.json"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            path.read_bytes()[:-1]
            if damage == "cut"
            else path.read_bytes().replace(b"cards", b"cords")
        )
    with pytest.raises((DamagedError, SchemaError)):
        store.bundle(number)


def test_a_generation_that_does_not_answer_can_be_dropped_once(store: Store) -> None:
    install(store, "cards")
    number = install(store, "music", opened=False, switch=False)
    with store.writing():
        store.drop(number)
        with pytest.raises(StorageError, match=r"could not delete .*2.json: No such file"):
            store.drop(number)
    assert store.generations() == [1]
    assert not store.boot_attempts.pending(number)


def test_a_dropped_generation_is_gone_for_good_before_its_counter_is(store: Store) -> None:
    install(store, "cards")
    number = install(store, "music", opened=False, switch=False)
    with Disk(store.folder) as disk:
        store.drop(number)
    assert [(op.kind, op.path) for op in disk.ops] == [
        ("unlink", "generations/2.json"),
        ("sync", "generations"),
        ("unlink", "boot_attempts/2"),
    ]


def test_a_generation_is_on_the_disk_before_the_pointer_names_it_and_is_on_trial_before_that(
    store: Store,
) -> None:
    manifest, files = manifest_of("cards")
    for name, data in files.items():
        (store.objects / name).write_bytes(data)
    with Disk(store.folder) as disk:
        store.switch(store.add(manifest))
    names = [op.name or op.path for op in disk.ops if op.kind in ("rename", "sync")]
    plain = [name for name in names if "tmp" not in name]
    assert plain == [
        "boot_attempts/1",
        "boot_attempts",
        "vouched/1",
        "vouched",
        "generations/1.json",
        "generations",
        "current",
        "",
    ]


# What answers when a generation fails


def test_a_generation_that_failed_its_starts_gives_way_to_the_newest_that_opened(
    store: Store,
) -> None:
    install(store, "cards")
    install(store, "cards", "music")
    install(store, "news", opened=False)
    number = install(store, "cards", "news", opened=False)
    for _ in range(MAX_STARTS):
        assert store.to_open() == number
        store.boot_attempts.start(number)
    assert store.to_open() == 2
    assert store.before(2) == 1
    assert store.before(1) is None


def test_a_first_generation_that_failed_its_starts_is_told(store: Store) -> None:
    number = install(store, "cards", opened=False)
    for _ in range(MAX_STARTS):
        store.boot_attempts.start(number)
    with pytest.raises(
        DamagedError,
        match=(
            f"expected generation 1 to open, found that it failed {MAX_STARTS} starts and that none"
            " is before it"
        ),
    ):
        store.to_open()


# Rollback


def test_a_rollback_goes_to_the_one_before_and_stays_until_it_is_undone(store: Store) -> None:
    install(store, "cards")
    install(store, "cards", "music")
    assert store.rollback() == Pointer(1, store.pointer().manifest, True)  # type: ignore[union-attr]
    assert store.to_open() == 1
    store.unpin()
    assert store.pointer() == Pointer(1, store.pointer().manifest, False)  # type: ignore[union-attr]
    assert store.rollback(2).generation == 2


REFUSED: list[tuple[str, Callable[[Store], object], str]] = [
    ("the first", lambda store: store.rollback(), "expected an earlier generation, found only 1; see: cfedge generations"),
    ("one that is not there", lambda store: store.rollback(7), "expected generation 7, found only 1; see: cfedge generations"),
    ("number nought", lambda store: store.rollback(0), "expected generation 0, found only 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attempt", "found"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED]
)
def test_a_rollback_to_nothing_is_refused_and_changes_nothing(
    store: Store, attempt: Callable[[Store], object], found: str
) -> None:
    install(store, "cards")
    before = tree(store.folder)
    with pytest.raises(DamagedError, match=found):
        attempt(store)
    assert tree(store.folder) == before


def test_a_rollback_of_an_empty_store_is_refused(store: Store) -> None:
    with pytest.raises(DamagedError, match="expected an earlier generation, found none"):
        store.rollback()
    store.unpin()
    assert store.pointer() is None


def test_a_rollback_to_a_damaged_generation_is_refused_and_what_answers_goes_on(
    store: Store,
) -> None:
    install(store, "cards")
    install(store, "music")
    adapter = store.manifest(1).tasks[0].adapter.sha256
    (store.objects / adapter).write_bytes(b"?" * 20)
    with pytest.raises(DamagedError, match="expected SHA-256"):
        store.rollback()
    assert store.to_open() == 2


def test_a_refused_call_during_a_rollback_leaves_what_answers(store: Store) -> None:
    install(store, "cards")
    install(store, "music")
    with Disk(store.folder) as disk:
        store.rollback()
    store.unpin(), store.rollback(2), store.unpin()
    for at in range(1, len(disk.steps) + 1):
        with (
            Disk(store.folder, on_step=refusing(at, errno.ENOSPC, lasting=True)),
            contextlib.suppress(CfedgeError),
        ):
            store.rollback()
        assert store.to_open() in (1, 2)
        assert store.bundle(store.to_open())
        if store.to_open() == 1:
            store.rollback(2)
    assert json.loads((store.folder / "current").read_bytes())["generation"] == 2
