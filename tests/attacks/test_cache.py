"""The note that a bundle was verified here, written by somebody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from bounded import bounded

from cfedge.bundle.files import read_manifest
from cfedge.bundle.manifest import Manifest
from cfedge.runtime.verified import is_verified, note_verified

OTHER = 12345
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CFEDGE_CACHE", str(folder))
    return folder


@pytest.fixture
def manifest(tiny_bundle: Path) -> Manifest:
    return read_manifest(tiny_bundle)


@pytest.fixture
def note(cache: Path, manifest: Manifest) -> Path:
    note_verified(manifest, 1)
    assert is_verified(manifest, 1)
    (found,) = (cache / "verified").iterdir()
    return found


def test_a_note_is_for_nobody_else_to_write_whatever_the_umask(
    cache: Path, manifest: Manifest
) -> None:
    before = os.umask(0)
    try:
        note_verified(manifest, 1)
    finally:
        os.umask(before)
    assert is_verified(manifest, 1)
    (note,) = (cache / "verified").iterdir()
    for path in (cache, cache / "verified", note):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o022


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def other(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def for_all(path: Path) -> None:
    path.chmod(0o777)


def for_the_group(path: Path) -> None:
    path.chmod(0o770)


def given_away(path: Path) -> None:
    os.chown(path, OTHER, OTHER)


FORGED: dict[str, tuple[Callable[[Path], None], int]] = {
    "a link for the note": (linked, 0),
    "a link for the folder": (linked, 1),
    "a link for the cache": (linked, 2),
    "an empty note": (empty, 0),
    "a longer note": (longer, 0),
    "another note": (other, 0),
    "a pipe for the note": (pipe, 0),
    "a folder for the note": (folder, 0),
    "a note that all may write": (for_all, 0),
    "a note that the group may write": (for_the_group, 0),
    "a folder that all may write": (for_all, 1),
    "a folder that the group may write": (for_the_group, 1),
    "a cache that all may write": (for_all, 2),
    "a cache that the group may write": (for_the_group, 2),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_note_that_others_could_have_written_does_not_count(
    name: str, note: Path, manifest: Manifest
) -> None:
    change, up = FORGED[name]
    change([note, note.parent, note.parent.parent][up])
    with bounded():
        assert not is_verified(manifest, 1)


@as_root
@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_note_of_somebody_else_does_not_count(up: int, note: Path, manifest: Manifest) -> None:
    given_away([note, note.parent, note.parent.parent][up])
    with bounded():
        assert not is_verified(manifest, 1)


@pytest.mark.parametrize("variable", ["CFEDGE_CACHE", "XDG_CACHE_HOME"])
def test_a_relative_path_holds_no_notes(
    variable: str, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CFEDGE_CACHE")
    monkeypatch.setenv(variable, "cache")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with bounded():
        note_verified(manifest, 1)
    assert not is_verified(manifest, 1)
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_home_there_are_no_notes(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CFEDGE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    note_verified(manifest, 1)
    assert not is_verified(manifest, 1)
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_written_through_a_link(cache: Path, manifest: Manifest, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    cache.mkdir(mode=0o700)
    (cache / "verified").symlink_to(victim)
    note_verified(manifest, 1)
    assert list(victim.iterdir()) == []


def test_a_link_in_the_place_of_a_note_is_replaced_and_not_followed(
    note: Path, manifest: Manifest, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    note.unlink()
    note.symlink_to(victim)
    note_verified(manifest, 1)
    assert victim.read_bytes() == b"mine"
    assert not note.is_symlink()
    assert is_verified(manifest, 1)
