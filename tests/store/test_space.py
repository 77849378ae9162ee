"""What a store no longer needs goes, what it needs stays, and what would not fit is refused before
it is fetched.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pytest
from channels import content
from powercut import Disk, refusing
from test_generations import install, manifest_of

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import reference
from cfedge.errors import NoSpaceError, StorageError
from cfedge.store import Store
from cfedge.store.boot_attempts import MAX_STARTS
from cfedge.store.space import RESERVE_BYTES, check_room, collect


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store", "stable")


def objects(store: Store) -> set[str]:
    return {path.name for path in store.objects.iterdir()}


def files(*names: str) -> set[str]:
    """SHA-256 of all files of a generation of these tasks."""
    return set(manifest_of(*names)[1])


def begun(store: Store, data: bytes) -> Path:
    """A download that was cut."""
    path = store.folder / "partial" / reference(data).sha256
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data[: len(data) // 2])
    return path


# collect


def test_nothing_is_deleted_before_a_generation_answers(store: Store) -> None:
    (store.objects / ("a" * 64)).write_bytes(b"for the first generation")
    assert collect(store) == 0
    assert objects(store) == {"a" * 64}


def test_the_generation_that_answers_and_the_one_before_stay_with_their_files(store: Store) -> None:
    for names in (("cards",), ("cards", "music"), ("cards", "music", "news")):
        install(store, *names)
    freed = collect(store)
    assert freed == 0
    assert store.generations() == [2, 3]
    assert objects(store) == files("cards", "music", "news")


def test_files_that_no_generation_names_go_and_are_counted(store: Store) -> None:
    for names in (("cards",), ("music",), ("news",)):
        install(store, *names)
    assert collect(store) == 60  # three files of twenty bytes
    assert objects(store) == files("music", "news")
    assert [store.bundle(number).manifest.tasks[0].name for number in store.generations()] == [
        "music",
        "news",
    ]
    assert collect(store) == 0


def test_a_generation_that_a_rollback_left_is_the_newest_that_stays(store: Store) -> None:
    for names in (("cards",), ("music",), ("news",)):
        install(store, *names)
    store.rollback(1)
    collect(store)
    assert store.generations() == [1, 3]
    assert store.to_open() == 1
    install(store, "cards", "news")  # the next sync: what answered until now stays, 3 does not
    collect(store, before=1)
    assert store.generations() == [1, 4]
    assert store.before(4) == 1


def test_a_generation_that_has_yet_to_open_is_none_to_go_back_to(store: Store) -> None:
    install(store, "cards")
    install(store, "music", opened=False)
    install(store, "news", opened=False)
    collect(store)
    assert store.generations() == [1, 3]
    assert sorted(path.name for path in (store.folder / "boot_attempts").iterdir()) == ["3"]


def test_where_none_has_opened_the_one_before_stays_all_the_same(store: Store) -> None:
    """A device that synced twice before its first start has something to go back to."""
    for name in ("cards", "music", "news"):
        number = install(store, name, opened=False)
        collect(store, before=number - 1)
    assert store.generations() == [2, 3]
    assert store.before(3) == 2
    for _ in range(MAX_STARTS):
        store.boot_attempts.start(3)
    assert store.to_open() == 2
    for _ in range(MAX_STARTS):
        store.boot_attempts.start(2)
    assert store.before(3) is None
    collect(store)
    assert store.generations() == [3]


@pytest.mark.parametrize("data", [b"", b"{"])
def test_a_damaged_generation_is_none_to_go_back_to_and_takes_the_place_of_none(
    store: Store, data: bytes
) -> None:
    for names in (("cards",), ("music",), ("news",)):
        install(store, *names)
    (store.folder / "generations" / "2.json").write_bytes(data)
    collect(store)
    assert store.generations() == [1, 3]


def test_no_byte_of_an_erased_task_is_left_and_what_answers_goes_on(store: Store) -> None:
    install(store, "cards", "secret")
    install(store, "cards")
    secret = {
        ref.sha256
        for ref in manifest_of("secret")[0].tasks[0].__dict__.values()
        if isinstance(ref, FileRef)
    }
    begun(store, content("secret/1/adapter", 20))
    assert collect(store, erased=secret) > 0
    assert store.generations() == [2]
    assert store.bundle(2)
    for path in store.folder.rglob("*"):
        assert path.name not in secret
        if path.is_file():
            for part in ("adapter", "signature", "golden"):
                assert content(f"secret/1/{part}", 20)[:10] not in path.read_bytes()


def test_the_generation_that_answers_stays_even_where_it_names_what_was_erased(
    store: Store,
) -> None:
    install(store, "cards")
    collect(store, erased=files("cards"))
    assert store.to_open() == 1
    assert store.bundle(1)


def test_what_is_begun_goes_unless_it_is_about_to_be_used(store: Store) -> None:
    install(store, "cards")
    one, two = begun(store, b"wanted" * 9), begun(store, b"forgotten" * 9)
    (store.objects / one.name).write_bytes(b"whole")
    collect(store, keep=[one.name])
    assert (one.exists(), two.exists()) == (True, False)
    assert one.name in objects(store)
    collect(store)
    assert not one.exists()
    assert objects(store) == files("cards")


def test_a_download_whose_file_is_here_whole_goes(store: Store) -> None:
    install(store, "cards")
    again = begun(store, content("cards/1/adapter", 20))
    assert again.name in objects(store)
    collect(store)
    assert not again.exists()
    assert objects(store) == files("cards")


def test_generations_are_gone_for_good_before_their_files_are(store: Store) -> None:
    for names in (("cards",), ("music",), ("news",)):
        install(store, *names)
    with Disk(store.folder) as disk:
        collect(store)
    kinds = [(op.kind, op.path.partition("/")[0]) for op in disk.ops]
    assert kinds == [
        ("unlink", "generations"),
        ("sync", "generations"),
        ("unlink", "vouched"),
        ("sync", "vouched"),
        *[("unlink", "objects")] * 3,
        ("sync", "objects"),
    ]


def test_a_file_that_cannot_be_deleted_is_named(store: Store) -> None:
    install(store, "cards")
    (store.objects / ("a" * 64)).write_bytes(b"too many")

    def on_step(kind: str, path: str) -> None:
        if kind == "unlink":
            raise OSError(errno.EROFS, "Read-only file system")

    with (
        Disk(store.folder, on_step=on_step),
        pytest.raises(StorageError, match=r"could not delete .*a{64}: Read-only"),
    ):
        collect(store)


# check_room


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that the disk says are free."""
    said = [RESERVE_BYTES + 1000]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, said[0]))
    return said


def coming(*sizes: int) -> Collection[FileRef]:
    return [FileRef(f"{number:064x}", size) for number, size in enumerate(sizes)]


def test_what_fits_with_the_reserve_may_come_and_a_byte_more_may_not(
    store: Store, free: list[int]
) -> None:
    check_room(store, coming(400, 600), None)
    with pytest.raises(
        NoSpaceError,
        match=(
            rf"store: expected {RESERVE_BYTES + 1001} free bytes for what is to come, found"
            rf" {RESERVE_BYTES + 1000}; make room"
        ),
    ):
        check_room(store, coming(400, 601), None)


def test_the_budget_counts_what_is_here_and_what_comes(store: Store, free: list[int]) -> None:
    install(store, "cards")
    held = sum(path.stat().st_size for path in store.objects.iterdir())
    check_room(store, coming(100), held + 100)
    with pytest.raises(
        NoSpaceError,
        match=(
            rf"expected at most {held + 99} bytes of objects \(--budget\), found {held} here and"
            r" 100 to come"
        ),
    ):
        check_room(store, coming(100), held + 99)


def test_where_nothing_comes_nothing_is_asked(store: Store, free: list[int]) -> None:
    free[0] = 0
    check_room(store, [], 0)


def test_a_disk_that_does_not_say_what_is_free_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> Usage:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", refused)
    with pytest.raises(
        StorageError, match="expected its free space, found Input/output error; check the disk"
    ):
        check_room(store, coming(1), None)


def test_a_refused_call_while_collecting_leaves_what_answers_and_the_next_time_it_goes_through(
    store: Store,
) -> None:
    for names in (("cards",), ("music",), ("news",)):
        install(store, *names)
    for at in range(1, 12):
        with Disk(store.folder, on_step=refusing(at, errno.EIO)):
            try:
                collect(store)
            except (OSError, StorageError):
                assert store.bundle(store.to_open())
                assert store.bundle(store.before(3) or 0)
    collect(store)
    assert store.generations() == [2, 3]
    assert objects(store) == files("music", "news")
