"""Every call that changes the disk is refused once, and from then on: the old state stays and
nothing else does.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from every import cases, every
from powercut import ERRORS

from cfedge import storage
from cfedge.errors import StorageError
from cfedge.storage import new_folder, sync_folder, write_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the calls are those of POSIX")


class Disk:
    """The real disk below `root`, counting the calls that change it; the call number `at`, from 1,
    is refused.

    Deleting is never refused, as on a full disk. Nothing is really synced, to be quick.

    Parameters
    ----------
    root
        Calls about other places are neither counted nor refused.
    at
        0: nothing is refused.
    error
        An errno, or an exception to raise in the place of `OSError`.
    lasting
        Refuse all later calls too.
    exchange
        Whether two folders can take each other's name in one step.
    """

    def __init__(
        self,
        root: Path,
        at: int = 0,
        error: int | type[BaseException] = errno.ENOSPC,
        *,
        lasting: bool = False,
        exchange: bool = True,
    ) -> None:
        self.root, self.at, self.error, self.lasting, self.exchange = (
            root,
            at,
            error,
            lasting,
            exchange,
        )
        self.calls: list[str] = []
        self._deleting = False
        self._handles: set[int] = set()
        self._patch = pytest.MonkeyPatch()

    @property
    def refused(self) -> bool:
        return 0 < self.at <= len(self.calls)

    def __enter__(self) -> Disk:
        real: dict[str, Callable[..., Any]] = {
            name: getattr(os, name)
            for name in ("open", "mkdir", "replace", "chmod", "fsync", "fdopen")
        }
        rmtree, exchanged = shutil.rmtree, storage._exchanged

        def open_(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            reads = flags & os.O_ACCMODE == os.O_RDONLY and not Path(path).is_dir()
            inside = self._inside(path) and not reads  # what is only read is no step of a write
            if inside:
                self.step("create" if flags & os.O_CREAT else "open folder")
            handle: int = real["open"](path, flags, *rest, **more)
            (self._handles.add if inside else self._handles.discard)(handle)
            return handle

        def on_path(name: str) -> Callable[..., None]:
            def call(path: Any, *rest: Any, **more: Any) -> None:
                if self._inside(path):
                    self.step(name)
                real[name](path, *rest, **more)

            return call

        def fsync(handle: int) -> None:
            if handle not in self._handles:
                return real["fsync"](handle)
            self.step("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync")

        def fdopen(handle: int, *rest: Any, **more: Any) -> Any:
            return (
                _File(self, handle)
                if handle in self._handles
                else real["fdopen"](handle, *rest, **more)
            )

        def exchange(one: Path, other: Path) -> bool:
            if not self.exchange:
                return False
            if self._inside(one):
                try:
                    self.step("exchange")
                except OSError:
                    return False
            return exchanged(one, other)

        def delete(*rest: Any, **more: Any) -> None:
            self._deleting = True
            try:
                rmtree(*rest, **more)
            finally:
                self._deleting = False

        for name, fake in {
            "open": open_, "mkdir": on_path("mkdir"), "replace": on_path("replace"), "chmod": on_path("chmod"),
            "fsync": fsync, "fdopen": fdopen,
        }.items():  # fmt: skip
            self._patch.setattr(os, name, fake)
        self._patch.setattr(shutil, "rmtree", delete)
        self._patch.setattr(storage, "_exchanged", exchange)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._patch.undo()

    def step(self, call: str) -> None:
        """Count a call, and refuse it where it is due."""
        self.calls.append(call)
        if len(self.calls) == self.at or (self.lasting and self.refused):
            raise (
                OSError(self.error, os.strerror(self.error))
                if isinstance(self.error, int)
                else self.error
            )

    def _inside(self, path: Any) -> bool:
        return (
            not self._deleting
            and isinstance(path, str | Path)
            and Path(path).absolute().is_relative_to(self.root)
        )


class _File(io.BufferedWriter):
    """A file open for writing on a `Disk`; closing it flushes it once more."""

    def __init__(self, disk: Disk, handle: int) -> None:
        super().__init__(io.FileIO(handle, "wb"))
        self._disk = disk

    def write(self, data: Any) -> int:
        self._disk.step("write")
        return super().write(data)

    def flush(self) -> None:
        self._disk.step("flush")
        super().flush()


def tree(root: Path, *without: str) -> dict[str, bytes | None]:
    """All that is below `root`, by path: bytes of files, None for folders; not what is below a name
    in `without`.
    """
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if not {*path.relative_to(root).parts} & {*without}
    }


#: What `write_file` does to the disk, in order.
WRITE = (
    "create",
    "write",
    "flush",
    "chmod",
    "fsync",
    "flush",
    "replace",
    "open folder",
    "fsync folder",
)
#: What `filled` does to the disk: the parents, the temporary folder, its content, its permissions,
#: ...
FILL = ("mkdir", "mkdir", "mkdir", *WRITE, "chmod", *("open folder", "fsync folder") * 2)
#: ... and its new name, where that is free, where something is there, and where that must be moved
#: aside first.
NEW = (*FILL, "replace", "open folder", "fsync folder")
EXCHANGE = (*FILL, "exchange", "open folder", "fsync folder")
SWAP = (*FILL, "mkdir", "replace", "replace", "open folder", "fsync folder")


def filled(target: Path, *, replace: bool = False) -> None:
    with new_folder(target, replace=replace) as folder:
        (folder / "inner").mkdir()
        write_file(folder / "inner" / "one", b"new")


def every_call(calls: tuple[str, ...], check: Callable[[Path, int], None], tmp_path: Path) -> None:
    """Check what is so whichever of `calls` is refused, each in a folder of its own; positions
    count from 1.
    """

    def in_a_folder(at: int) -> None:
        folder = tmp_path / str(at)
        folder.mkdir()
        check(folder, at)

    every(((f"{at} {call}", at) for at, call in enumerate(calls, start=1)), in_a_folder)


linux = pytest.mark.skipif(sys.platform != "linux", reason="not every system has such a step")


def check_refused(
    disk: Disk, change: Callable[[], None], root: Path, new: dict[str, bytes | None]
) -> None:
    """`change` below `root` either fails and leaves all as it was, or succeeds and leaves `new`; on
    failure, say so in one line.
    """
    old = tree(root)
    try:
        with disk:
            change()
    except StorageError as error:
        assert tree(root) == old
        message = str(error)
        assert len(message.splitlines()) == 1
        assert str(root) in message
        assert isinstance(disk.error, int)
        assert os.strerror(disk.error) in message
        forbidden = disk.error in (errno.EACCES, errno.EPERM, errno.EROFS)
        assert ("get the right to write there" in message) == forbidden
    else:
        assert tree(root) == new
    assert disk.refused


# write_file


@cases("data", [b"", b"x", b"new" * 100_000])
def test_a_file_is_written_whole(tmp_path: Path, data: bytes) -> None:
    write_file(tmp_path / "file", data)
    write_file(tmp_path / "other", b"old")
    write_file(tmp_path / "other", data)
    assert tree(tmp_path) == {"file": data, "other": data}
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_the_calls_of_a_write_are_those_that_are_refused_below(tmp_path: Path) -> None:
    """Nothing else makes files beside others, but for keys, which are made once."""
    with Disk(tmp_path) as disk:
        write_file(tmp_path / "file", b"new")
    assert tuple(disk.calls) == WRITE
    assert tree(tmp_path) == {"file": b"new"}
    root = Path(__file__).parent.parent
    sources = [*(root / "cfedge").rglob("*.py"), *(root / "export").rglob("*.py")]
    making = {path.name for path in sources if "mkstemp(" in path.read_text("utf-8")}
    assert making == {"storage.py", "seal.py"}


def test_the_data_and_who_may_read_them_are_on_the_disk_before_they_get_their_name() -> None:
    assert (
        max(WRITE.index("write"), WRITE.index("chmod"))
        < WRITE.index("fsync")
        < WRITE.index("replace")
        < WRITE.index("fsync folder")
    )


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("old", [None, b"old"], ids=["new", "old"])
def test_a_refused_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, old: bytes | None, lasting: bool
) -> None:
    def check(folder: Path, at: int) -> None:
        if old is not None:
            (folder / "file").write_bytes(old)
        disk = Disk(folder, at, lasting=lasting)
        check_refused(disk, lambda: write_file(folder / "file", b"new"), folder, {"file": b"new"})

    every_call(WRITE, check, tmp_path)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_a_refused_call_is_told_in_the_systems_words_whatever_the_number(
    tmp_path: Path, number: int
) -> None:
    (tmp_path / "folder" / "old").mkdir(parents=True)
    new = {"folder": None, "folder/inner": None, "folder/inner/one": b"new", "file": b"new"}

    # storage.py branches on the number for its advice alone: the other tests refuse with the first.
    def change() -> None:
        write_file(tmp_path / "file", b"new")
        filled(tmp_path / "folder", replace=True)

    for at in range(1, 1 + WRITE.index("replace")):  # from there on the file is there already
        check_refused(Disk(tmp_path, at, number, exchange=False), change, tmp_path, new)


def test_a_file_system_that_knows_no_modes_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (errno.ENOSYS, errno.ENOTSUP):

        def chmod(path: object, mode: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(os, "chmod", chmod)
        write_file(tmp_path / "file", b"x", mode=0o600)
        with new_folder(tmp_path / f"folder {number}") as folder:
            write_file(folder / "inner", b"y")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
        assert (tmp_path / f"folder {number}" / "inner").read_bytes() == b"y"


def test_a_write_that_is_refused_up_to_its_rename_fails(tmp_path: Path) -> None:
    def check(folder: Path, at: int) -> None:
        message = r"could not write 3 bytes to .*file: No space left on device"
        with Disk(folder, at), pytest.raises(StorageError, match=message):
            write_file(folder / "file", b"new")

    every_call(WRITE[: WRITE.index("replace") + 1], check, tmp_path)


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    def check(folder: Path, at: int) -> None:
        (folder / "file").write_bytes(b"old")
        with Disk(folder, at, KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            write_file(folder / "file", b"new")
        assert tree(folder) in ({"file": b"old"}, {"file": b"new"})

    every_call(WRITE, check, tmp_path)


def test_a_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"could not write 3 bytes to .*file: No such file or directory"
    ):
        write_file(tmp_path / "missing" / "file", b"new")
    assert tree(tmp_path) == {}


def test_a_folder_in_the_place_of_the_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "file" / "kept").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"could not write 3 bytes to .*file: "):
        write_file(tmp_path / "file", b"new")
    assert tree(tmp_path) == {"file": None, "file/kept": None}


# new_folder


def test_a_folder_appears_with_its_content_and_its_parents(tmp_path: Path) -> None:
    filled(tmp_path / "a" / "b" / "folder")
    assert tree(tmp_path / "a" / "b") == {
        "folder": None,
        "folder/inner": None,
        "folder/inner/one": b"new",
    }
    assert stat.S_IMODE((tmp_path / "a" / "b" / "folder").stat().st_mode) == 0o755


def test_a_folder_has_no_name_before_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as folder:
        (folder / "half").write_bytes(b"new")
        assert not (tmp_path / "folder").exists()
    assert tree(tmp_path) == {"folder": None, "folder/half": b"new"}


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_existing_name_is_refused_without_replace(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.mkdir() if kind == "folder" else target.write_bytes(b"old")
    old = tree(tmp_path)
    with pytest.raises(
        StorageError, match=r"target: expected a name that is free, found something there"
    ):
        filled(target)
    assert tree(tmp_path) == old


def test_replace_swaps_a_folder_whole(tmp_path: Path) -> None:
    (tmp_path / "folder" / "old" / "older").mkdir(parents=True)
    filled(tmp_path / "folder", replace=True)
    assert tree(tmp_path) == {"folder": None, "folder/inner": None, "folder/inner/one": b"new"}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StorageError])
def test_an_error_while_a_folder_is_filled_comes_through_and_leaves_nothing(
    tmp_path: Path, error: type[BaseException], replace: bool
) -> None:
    if replace:
        (tmp_path / "folder" / "old").mkdir(parents=True)
    old = tree(tmp_path)

    def stopped() -> None:
        with new_folder(tmp_path / "folder", replace=replace) as folder:
            write_file(folder / "one", b"new")
            raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        stopped()
    assert tree(tmp_path) == old


def test_an_os_error_while_a_folder_is_filled_becomes_a_storage_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"could not write .*folder: No such file"),
        new_folder(tmp_path / "folder") as folder,
    ):
        (folder / "missing" / "inner").mkdir()
    assert tree(tmp_path) == {}


def test_the_calls_for_a_folder_are_those_that_are_refused_below(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        filled(tmp_path / "folder")
    assert tuple(disk.calls) == NEW
    with Disk(tmp_path, exchange=False) as disk:
        filled(tmp_path / "folder", replace=True)
    assert tuple(disk.calls) == SWAP


@linux
def test_a_folder_takes_anothers_place_in_one_step(tmp_path: Path) -> None:
    filled(tmp_path / "folder")
    (tmp_path / "folder" / "old").write_bytes(b"old")
    with Disk(tmp_path) as disk:
        filled(tmp_path / "folder", replace=True)
    assert tuple(disk.calls) == EXCHANGE
    assert tree(tmp_path) == {"folder": None, "folder/inner": None, "folder/inner/one": b"new"}


@pytest.mark.parametrize("kind", ["link", "broken link", "file"])
def test_what_is_no_folder_is_replaced_and_nothing_is_left_beside(
    tmp_path: Path, kind: str
) -> None:
    if kind == "file":
        (tmp_path / "folder").write_bytes(b"old")
    else:
        (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
    filled(tmp_path / "folder", replace=True)
    beside = {"elsewhere": None} if kind == "link" else {}
    assert tree(tmp_path) == {
        "folder": None,
        "folder/inner": None,
        "folder/inner/one": b"new",
        **beside,
    }


#: What is there once `filled` is done.
NEW_FOLDER = {"folder": None, "folder/inner": None, "folder/inner/one": b"new"}


@linux
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_refused_exchange_leaves_the_old_folder_or_is_made_good_by_two_renames(
    tmp_path: Path, lasting: bool
) -> None:
    def check(folder: Path, at: int) -> None:
        (folder / "folder" / "old").mkdir(parents=True)
        disk = Disk(folder, at, lasting=lasting)
        check_refused(disk, lambda: filled(folder / "folder", replace=True), folder, NEW_FOLDER)

    every_call(EXCHANGE, check, tmp_path)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_refused_folder_leaves_nothing(tmp_path: Path, lasting: bool) -> None:
    def check(folder: Path, at: int) -> None:
        disk = Disk(folder, at, lasting=lasting)
        check_refused(disk, lambda: filled(folder / "folder"), folder, NEW_FOLDER)

    every_call(NEW, check, tmp_path)


def test_a_refused_swap_leaves_the_old_folder(tmp_path: Path) -> None:
    def check(folder: Path, at: int) -> None:
        (folder / "folder" / "old").mkdir(parents=True)
        disk = Disk(folder, at, exchange=False)
        check_refused(disk, lambda: filled(folder / "folder", replace=True), folder, NEW_FOLDER)

    every_call(SWAP, check, tmp_path)


def test_a_disk_that_breaks_during_a_swap_does_not_lose_the_old_folder(tmp_path: Path) -> None:
    def check(folder: Path, at: int) -> None:
        (folder / "folder").mkdir()
        (folder / "folder" / "old").write_bytes(b"precious")
        message = ""
        with Disk(folder, at, errno.EIO, lasting=True, exchange=False) as disk:
            try:
                filled(folder / "folder", replace=True)
            except StorageError as error:
                message = str(error)
        assert disk.refused
        if (folder / "folder" / "inner" / "one").exists():
            return
        (kept,) = folder.rglob("old/old" if not (folder / "folder").exists() else "folder/old")
        assert kept.read_bytes() == b"precious"
        assert (folder / "folder").exists() or str(kept.parent) in message

    every_call(SWAP, check, tmp_path)


def test_an_interrupted_swap_leaves_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    def check(folder: Path, at: int) -> None:
        (folder / "folder" / "old").mkdir(parents=True)
        old = tree(folder)
        with Disk(folder, at, KeyboardInterrupt, exchange=False), pytest.raises(KeyboardInterrupt):
            filled(folder / "folder", replace=True)
        assert tree(folder) in (old, NEW_FOLDER)

    every_call(SWAP, check, tmp_path)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File name too long"):
        filled(tmp_path / ("n" * 300))


def test_a_folder_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        sync_folder(tmp_path)
    assert disk.calls == ["open folder", "fsync folder"]
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")
