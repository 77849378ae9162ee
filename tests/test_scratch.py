"""Places for temporary files that are not there, or are full: told in a line, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels import NOW, Site, no_probe
from command_line import run
from every import every
from test_storage import tree

import cfedge.cli
from cfedge.cli.streams import guarded
from cfedge.errors import StorageError
from cfedge.scratch import scratch_folder
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No place for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))


@contextlib.contextmanager
def small_files(size_bytes: int) -> Iterator[None]:
    """The system takes that many bytes of a file, of a write that goes on beyond them only a part."""
    resource = pytest.importorskip("resource", reason="limits of files are POSIX's")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_goes_with_all_that_is_in_it() -> None:
    with scratch_folder() as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_bytes(b"c")
    assert not folder.exists()


def test_what_the_disk_refuses_in_it_is_told_with_the_way_out() -> None:
    with (
        small_files(100),
        pytest.raises(StorageError, match=r"temporary folder .*: File too large; make room, or"),
        scratch_folder() as folder,
    ):
        (folder / "a").write_bytes(bytes(200))
    assert not folder.exists()


def test_what_is_refused_elsewhere_is_none_of_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="elsewhere"), scratch_folder():
        raise OSError(errno.ENOSPC, "no space", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError), scratch_folder() as folder:
        (folder / "a").read_bytes()


def test_no_command_fails_without_a_word_where_no_temporary_file_can_be(
    tiny_site: Path, tiny_bundle: Path, tmp_path: Path, nowhere: None
) -> None:
    repo, keys = tiny_site / "repo", ("--keys", tiny_site / "keys")
    packed = tmp_path / "asked.csv.gz"
    packed.write_bytes(gzip.compress(b"text\nlion\n"))
    commands = {
        "withdraw": ("withdraw", repo, "animals", *keys),
        "publish": ("publish", tiny_bundle, tmp_path / "new", *keys),
        "merge": ("merge", repo, repo, "--root", repo / "metadata" / "1.root.json", *keys),
        "bench": ("bench", tiny_bundle),
        "predict": ("predict", tiny_bundle, "--data", packed, "--out", tmp_path / "out.csv"),
    }
    before = tree(tiny_site, "lock")

    def refused(words: tuple[object, ...]) -> None:
        done = run(*words)
        said = done.stderr.decode().splitlines()
        assert (done.returncode, done.stdout) == (StorageError.exit_code, b""), said
        assert "could not make a temporary folder: " in said[-1]
        assert said[-1].endswith("name a folder of another disk in TMPDIR")

    every(commands.items(), refused)
    assert tree(tiny_site, "lock") == before
    assert not (tmp_path / "out.csv").exists()


def test_a_sync_needs_no_place_for_temporary_files(tmp_path: Path, nowhere: None) -> None:
    site = Site(tmp_path / "site")
    site.teach("lights")
    done = sync(
        site.store(tmp_path / "store"), Folder(site.repo), now=lambda: NOW, probing=no_probe
    )
    assert done.generation == 1


def test_a_packed_table_is_never_read_in_part_where_the_disk_takes_no_more(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """The last write of a nearly full disk takes a part and is no error."""
    packed = tmp_path / "asked.csv.gz"
    packed.write_bytes(gzip.compress(b"text\n" + b"lion\n" * 2000))
    with small_files(8000):
        done = run("predict", tiny_bundle, "--data", packed)
    assert done.returncode == StorageError.exit_code, done.stdout[-200:]
    assert b"could not write in the temporary folder" in done.stderr


def test_what_a_pipe_cannot_have_refused_is_not_laid_to_standard_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading):
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(OSError, match="No space"), guarded():
            raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_disk_refuses_to_another_package_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for error, said in {
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found"): "in TMPDIR",
        OSError(errno.ENOSPC, "No space left on device"): "could not use a file: No space",
        OSError(errno.EROFS, "Read-only file system", "/x/y"): "could not use '/x/y': Read-only",
        OSError(errno.EIO, "Input/output error", "/x"): "check the disk",
    }.items():

        def fails(*_: object, error: OSError = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(cfedge.cli, "_asked_for", lambda words, fails=fails: fails)
        done = run("list", tmp_path)
        assert done.returncode == StorageError.exit_code
        assert said in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
