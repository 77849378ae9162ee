from __future__ import annotations

import os
from pathlib import Path

import pytest

from cfedge.console.copies import copy_folder
from cfedge.errors import StorageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    (folder / "deep" / "two").write_bytes(b"2")
    (folder / "cache").mkdir()
    return folder


def test_a_copy_takes_no_room_and_keeps_what_was_there(source: Path, tmp_path: Path) -> None:
    copy_folder(source, tmp_path / "copy", without=("cache",))
    assert sorted(path.name for path in (tmp_path / "copy").rglob("*")) == ["deep", "one", "two"]
    assert (source / "one").samefile(tmp_path / "copy" / "one")
    (source / "new").write_bytes(b"changed")
    os.replace(source / "new", source / "one")
    assert (tmp_path / "copy" / "one").read_bytes() == b"1"


def test_where_the_disk_has_no_links_it_is_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", none)
    copy_folder(source, tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "two").read_bytes() == b"2"
    assert not (source / "one").samefile(tmp_path / "copy" / "one")


def test_links_and_pipes_are_not_followed(source: Path, tmp_path: Path) -> None:
    for make in (lambda path: os.mkfifo(path), lambda path: path.symlink_to("/etc/passwd")):
        make(source / "odd")
        with pytest.raises(StorageError, match="could not copy"):
            copy_folder(source, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        (source / "odd").unlink()


def test_a_folder_that_is_there_is_replaced_only_where_that_is_asked(
    source: Path, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(StorageError):
        copy_folder(source, tmp_path / "copy")
    copy_folder(source, tmp_path / "copy", replace=True)
    assert (tmp_path / "copy" / "one").read_bytes() == b"1"
