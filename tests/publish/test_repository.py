from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from channels import NOW, Site, content, no_probe
from test_storage import Disk, tree
from tuf.api.metadata import Metadata, Root

import cfedge.publish.keys
import cfedge.publish.repository
import cfedge.publish.signing
from cfedge.catalogue.view import view
from cfedge.errors import (
    CfedgeError,
    DamagedError,
    SchemaError,
    StorageError,
    SyncError,
    TamperedError,
    TaskError,
    UsageError,
)
from cfedge.publish.channel import publish, roll_out, withdraw
from cfedge.publish.keys import ROLES, Keys
from cfedge.publish.merge import merge
from cfedge.publish.repository import Repository
from cfedge.publish.rotation import rotate
from cfedge.publish.signing import Lifetimes
from cfedge.storage import write_file
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder

ONLINE = ("snapshot", "targets", "timestamp")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.teach("red")
    return made


class Cut(Exception):  # noqa: N818 - no error: an end
    """The process dies here."""


class Dying:
    """Every write from number `at` on, from 1, is not done; the first of them ends the process or
    is refused by the disk.
    """

    def __init__(
        self, patch: pytest.MonkeyPatch, at: int = 0, error: type[Exception] = Cut
    ) -> None:
        self.writes: list[str] = []
        self._at, self._error = at, error
        for module in (cfedge.publish.repository, cfedge.publish.signing, cfedge.publish.keys):
            patch.setattr(module, "write_file", self._write)

    def _write(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        self.writes.append(path.name)
        if 0 < self._at <= len(self.writes):
            raise StorageError("full") if self._error is StorageError else self._error()
        write_file(path, data, mode=mode)


def synced(site: Site, store: Store, days: float = 0) -> Synced:
    return sync(
        store,
        Folder(site.repo),
        now=lambda: NOW + timedelta(days=days),
        probing=no_probe,
        wait=lambda seconds: None,
    )


def tasks_of(store: Store) -> set[str]:
    pointer = store.pointer()
    return {task.name for task in store.manifest(pointer.generation).tasks} if pointer else set()


def signed(site: Site, role: str) -> dict[str, object]:
    names = sorted(
        (site.repo / "metadata").glob(f"*{role}.json"),
        key=lambda path: int(path.name.split(".")[0] or 0) if path.name[0].isdigit() else 0,
    )
    return dict(json.loads(names[-1].read_bytes())["signed"])


def test_a_new_repository_expires_as_its_lifetimes_say(site: Site) -> None:
    for role in ROLES:
        expires = NOW + timedelta(days=getattr(Lifetimes(), role))
        assert signed(site, role)["expires"] == expires.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_repository_is_not_made_where_something_else_is(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("x")
    with pytest.raises(
        StorageError, match=r"home: expected an empty folder for the repository, found 'letter.txt'"
    ):
        Repository.create(tmp_path / "home", keys, NOW)
    assert (tmp_path / "home" / "letter.txt").read_text() == "x"
    with pytest.raises(
        DamagedError, match="expected a repository, found none; make one by publishing"
    ):
        Repository(tmp_path / "home")


def test_making_a_repository_can_be_cut_short_anywhere_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys.create(tmp_path / "keys", root_keys=1, root_threshold=1)
    with monkeypatch.context() as patch:
        counted = Dying(patch)
        Repository.create(tmp_path / "whole", keys, NOW)
    assert counted.writes == ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"]
    for at in range(1, 5):
        folder = tmp_path / str(at)
        with monkeypatch.context() as patch:
            Dying(patch, at)
            with pytest.raises(Cut):
                Repository.create(folder, keys, NOW)
        assert not Repository.exists(folder)
        assert Repository.create(folder, keys, NOW).index("stable") is None


def test_a_timestamp_that_was_lost_is_no_reason_to_begin_anew(site: Site) -> None:
    (site.repo / "metadata" / "timestamp.json").unlink()
    with pytest.raises(StorageError, match="expected an empty folder for the repository, found"):
        Repository.create(site.repo, site.keys, NOW)


@pytest.mark.parametrize("error", [Cut, StorageError])
def test_a_commit_that_is_cut_between_any_two_writes_can_be_synced_from_and_done_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    store = site.store(tmp_path / "store")
    synced(site, store)
    with monkeypatch.context() as patch:
        counted = Dying(patch)
        site.teach("count")
    writes = len(counted.writes)
    assert counted.writes[-1] == "timestamp.json"
    assert writes == 3 + 1 + 1 + 3  # files, block, index, metadata
    for at in range(1, writes + 1):
        before = set(view(site.entries()).tasks)
        with monkeypatch.context() as patch:
            Dying(patch, at, error)
            with pytest.raises(error):
                site.teach(f"task {at}")
        synced(site, store)
        assert tasks_of(store) == before
        synced(site, site.store(tmp_path / f"store {at}"))
        site.teach(f"task {at}")
        synced(site, store)
        assert tasks_of(store) == before | {f"task {at}"}


def test_keys_of_another_repository_sign_nothing_and_write_nothing(
    site: Site, tmp_path: Path
) -> None:
    before = _tree(site.repo)
    site.keys = Keys.create(tmp_path / "other", site="other")
    with pytest.raises(
        SyncError,
        match=(
            r"expected the keys that the root names for targets, found 1 of other"
            r" repositories.*--keys"
        ),
    ):
        site.teach("blue")
    with (
        pytest.raises(SyncError, match=r"expected the keys that the root names for snapshot"),
        site.repository.writing(),
    ):
        site.repository.renew(site.keys, NOW)
    with (
        pytest.raises(SyncError, match=r"expected 1 of this repository's root keys"),
        site.repository.writing(),
    ):
        rotate(site.repository, site.keys, ["targets"], NOW)
    assert _tree(site.repo) == before


@pytest.mark.parametrize("role", ONLINE)
def test_a_lost_key_is_named_and_replaced_by_rotating_any_role(
    site: Site, tmp_path: Path, role: str
) -> None:
    store = site.store(tmp_path / "store")
    (site.folder / "keys" / f"{role}-1.pem").unlink()
    with pytest.raises(SyncError, match=rf"for {role}, found no {role}-\*\.pem in .*keys rotate"):
        site.teach("blue")
    _rotated(site, "timestamp")
    site.teach("blue")
    synced(site, store)
    assert tasks_of(store) == {"blue", "red"}


def test_all_online_keys_can_be_lost_where_the_root_keys_are_not(
    site: Site, tmp_path: Path
) -> None:
    store = site.store(tmp_path / "store")
    synced(site, store)
    for role in ONLINE:
        (site.folder / "keys" / f"{role}-1.pem").unlink()
    _rotated(site, "targets")
    site.teach("blue")
    synced(site, store)
    assert tasks_of(store) == {"blue", "red"}


def test_publishing_needs_no_root_keys_and_rotating_says_that_they_are_missing(
    tmp_path: Path,
) -> None:
    keys = Keys.create(tmp_path / "keys", root_keys=2, root_threshold=2)
    repository = Repository.create(tmp_path / "repo", keys, NOW)
    away = tmp_path / "safe"
    away.mkdir()
    (tmp_path / "keys" / "root-2.pem").rename(away / "root-2.pem")
    with repository.writing():
        repository.renew(keys, NOW)
    before = _tree(tmp_path / "keys"), _tree(tmp_path / "repo")
    with (
        pytest.raises(
            SyncError,
            match=(
                r"keys: expected 2 of this repository's root keys \(root-\*\.pem\).*, found 1; put"
                r" them back"
            ),
        ),
        repository.writing(),
    ):
        rotate(repository, keys, ["timestamp"], NOW)
    assert (_tree(tmp_path / "keys"), _tree(tmp_path / "repo")) == before
    (away / "root-2.pem").rename(tmp_path / "keys" / "root-2.pem")
    with repository.writing():
        assert rotate(repository, keys, ["timestamp"], NOW) == 3


@pytest.mark.parametrize("role", ROLES)
def test_devices_follow_rotated_keys_and_old_keys_sign_nothing_any_more(
    site: Site, tmp_path: Path, role: str
) -> None:
    store = site.store(tmp_path / "store")
    synced(site, store)
    shutil.copytree(site.folder / "keys", tmp_path / "stolen")
    _rotated(site, role)
    assert len(list((site.folder / "keys").glob(f"{role}-*.pem"))) == 1
    site.teach("blue")
    synced(site, store)
    assert tasks_of(store) == {"blue", "red"}
    thief = Keys(tmp_path / "stolen")
    index = site.repository.index("stable")
    assert index is not None
    change = {"root": lambda: rotate(site.repository, thief, ["timestamp"], NOW)}.get(
        role, lambda: site.repository.commit(thief, index, {}, NOW)
    )
    with site.repository.writing(), pytest.raises(SyncError):
        change()
    synced(site, site.store(tmp_path / "new store"))  # from the first root on


@pytest.mark.parametrize("role", ROLES)
def test_a_rotation_that_is_cut_anywhere_leaves_what_devices_sync_from_and_what_can_be_signed_and_rotated(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(site.folder, whole)
    with monkeypatch.context() as patch:
        counted = Dying(patch)
        _rotated(_at(whole, site), role)
    writes = len(counted.writes)
    assert writes == (5 if role == "root" else 6)
    for at in range(1, writes + 2):
        copy = _at(Path(shutil.copytree(site.folder, tmp_path / f"cut {at}")), site)
        old = copy.store(tmp_path / f"old {at}")
        synced(copy, old)
        with monkeypatch.context() as patch:
            Dying(patch, at)
            if at > writes:  # all is written, and the old keys are not forgotten yet
                patch.setattr(Keys, "forget", _die)
            with pytest.raises(Cut):
                _rotated(copy, role)
        unnamed = {one.public_key.keyid for one in copy.keys.signers(role)} - set(
            Metadata[Root].from_bytes(copy.repository.root()).signed.roles[role].keyids
        )
        assert len(unnamed) == (at > writes)  # the old one, to be forgotten
        synced(copy, old)
        synced(copy, copy.store(tmp_path / f"new {at}"))
        copy.teach("blue")
        synced(copy, old)
        assert tasks_of(old) == {"blue", "red"}
        _rotated(copy, role)
        assert len(list((copy.folder / "keys").glob(f"{role}-*.pem"))) == 1
        copy.teach("green")
        synced(copy, old)
        assert tasks_of(old) == {"blue", "green", "red"}


def test_a_rotation_on_a_full_disk_leaves_no_new_key_or_says_that_it_counts(
    site: Site, tmp_path: Path
) -> None:
    """Calls that write are refused, each of a write somewhere, once or from then on."""
    with Disk(tmp_path / "whole") as disk:
        _rotated(_at(Path(shutil.copytree(site.folder, tmp_path / "whole")), site), "timestamp")
    told = set()
    for at in range(1, len(disk.calls) + 1, 5):
        copy = _at(Path(shutil.copytree(site.folder, tmp_path / f"full {at}")), site)
        there, said = tree(copy.folder / "keys"), ""
        try:
            with Disk(copy.folder, at, lasting=at % 2 == 0):
                _rotated(copy, "timestamp")
        except StorageError as error:
            said = str(error)
            count = "the new ones count beside them: rotate again" in said
            told.add(count)
        if said:
            assert "; nothing was changed: " not in said
            assert (tree(copy.folder / "keys") == there) is not count
        synced(copy, copy.store(tmp_path / f"new {at}"))
        _rotated(copy, "timestamp")
        assert len(list((copy.folder / "keys").glob("*.pem"))) == 4
    assert told == {True, False}


def test_keys_that_would_be_served_sign_nothing(site: Site, tmp_path: Path) -> None:
    before = tree(site.repo)
    shutil.copytree(site.keys.folder, site.repo / "objects" / "keys")
    (tmp_path / "link").symlink_to(site.repo / "objects")
    for place in (site.repo / "objects" / "keys", tmp_path / "link" / "keys"):
        site.keys = Keys(place)
        for change in _changes(site)[1:]:
            with pytest.raises(UsageError, match="keys: expected keys outside of the repository"):
                change()
    Keys.create(tmp_path / "new" / "keys")
    with pytest.raises(UsageError, match="expected keys outside of the repository"):
        Repository.create(tmp_path / "new", Keys(tmp_path / "new" / "keys"), NOW)
    shutil.rmtree(site.repo / "objects" / "keys")
    assert tree(site.repo) == before


def test_a_threshold_of_root_keys_is_kept_through_a_rotation(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys", root_keys=3, root_threshold=2)
    repository = Repository.create(tmp_path / "repo", keys, NOW)
    (tmp_path / "keys" / "root-1.pem").unlink()  # two of three are enough
    with repository.writing():
        version = rotate(repository, keys, ["root"], NOW)
    root = Metadata.from_bytes(repository.root()).signed
    assert (root.version, root.roles["root"].threshold, len(root.roles["root"].keyids)) == (
        version,
        2,
        3,
    )


def test_nothing_is_signed_by_a_clock_that_was_never_set_or_is_beyond_any_time(
    site: Site, tmp_path: Path
) -> None:
    """What is signed in 1970 has expired for every device; nothing expires after 9999."""
    folder, keys, before = site.repo, site.keys, tree(site.repo)
    root = (folder / "metadata" / "1.root.json").read_bytes()
    for now in (
        datetime.fromtimestamp(0, timezone.utc),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
    ):
        for sign in (
            lambda now: publish(tmp_path / "bundle", folder, keys, now=now),
            lambda now: withdraw(folder, keys, "red", now=now),
            lambda now: roll_out(folder, keys, 1, now=now),
            lambda now: merge(folder, keys, Folder(folder), root, now=now),
            lambda now: site.repository.renew(keys, now),
            lambda now: rotate(site.repository, keys, ONLINE, now),
            lambda now: Repository.create(tmp_path / "new", keys, now),
        ):
            with pytest.raises(SyncError, match=r"could not sign: expected .* clock between 2026"):
                sign(now)
    assert tree(folder) == before
    assert not (tmp_path / "new").exists()


def test_renewing_signs_snapshot_and_timestamp_and_what_is_half_over(site: Site) -> None:
    def renewed(days: float) -> dict[str, int]:
        with site.repository.writing():
            site.repository.renew(site.keys, NOW + timedelta(days=days))
        return {role: int(str(signed(site, role)["version"])) for role in ROLES}

    first = {role: int(str(signed(site, role)["version"])) for role in ROLES}
    more = {role: version + (role in ("snapshot", "timestamp")) for role, version in first.items()}
    assert renewed(6) == more
    last = {
        role: version + (1 if role in ("snapshot", "timestamp") else 0)
        for role, version in more.items()
    }
    assert renewed(200) == {**last, "targets": first["targets"] + 1, "root": first["root"] + 1}
    assert site.repository.root_expires() > NOW + timedelta(days=500)


def test_renewing_goes_on_without_the_root_keys(site: Site, tmp_path: Path) -> None:
    (site.folder / "keys" / "root-1.pem").rename(tmp_path / "root-1.pem")
    with site.repository.writing():
        site.repository.renew(site.keys, NOW + timedelta(days=300))
    assert signed(site, "root")["version"] == 1


def test_devices_take_a_repository_that_was_renewed_for_years(site: Site, tmp_path: Path) -> None:
    store = site.store(tmp_path / "store")
    for days in range(0, 1500, 100):
        with site.repository.writing():
            site.repository.renew(site.keys, NOW + timedelta(days=days))
    assert synced(site, store, days=1401).freshness == "fresh"


def test_two_publishers_at_once_are_told_apart(site: Site) -> None:
    with (
        site.repository.writing(),
        pytest.raises(StorageError, match="expected no other writer, found one at work"),
        Repository(site.repo).writing(),
    ):
        pass
    with site.repository.writing():
        pass


def test_leftovers_of_a_writer_that_was_killed_are_cleared(site: Site) -> None:
    for part in ("metadata", "targets", "objects"):
        (site.repo / part / ".cfedge-tmp-x").write_bytes(b"half")
    with site.repository.writing():
        assert not list(site.repo.rglob(".cfedge-tmp-*"))


@pytest.mark.parametrize("role", ONLINE)
def test_metadata_that_somebody_else_wrote_into_the_folder_are_never_signed(
    site: Site, role: str
) -> None:
    path = sorted((site.repo / "metadata").glob(f"*{role}.json"))[-1]
    changed = json.loads(path.read_bytes())
    changed["signed"]["expires"] = "2099-01-01T00:00:00Z"
    for written in (json.dumps(changed), "{"):
        path.write_text(written)
        for change in _changes(site):
            with (
                pytest.raises(TamperedError, match=f"{path.name}: expected what its keys sign"),
                site.repository.writing(),
            ):
                change()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_missing_metadata_are_reported_and_never_made_anew(site: Site, role: str) -> None:
    for path in (site.repo / "metadata").glob(f"*{role}.json"):
        path.unlink()
    for change in _changes(site):
        with (
            pytest.raises(
                DamagedError, match=rf"{role}\.json: expected a file, found none; restore"
            ),
            site.repository.writing(),
        ):
            change()


def test_a_changed_index_block_or_file_is_refused_and_a_changed_object_is_written_again(
    site: Site,
) -> None:
    index = site.repository.index("stable")
    assert index is not None
    entry = site.entries()[-1]
    block = site.repo / "objects" / index.blocks[-1].sha256
    file = site.repo / "objects" / entry.files()["adapter of task 'red'"].sha256
    with pytest.raises(TamperedError, match=r"expected SHA-256 .*found"), _changed(file):
        site.repository.object(entry.files()["adapter of task 'red'"])
    with pytest.raises(TamperedError, match="expected SHA-256"), _changed(block):
        site.entries()
    with (
        pytest.raises(TamperedError, match="expected SHA-256"),
        _changed(next((site.repo / "targets").glob(f"{_digest(index.bytes())}*"))),
    ):
        site.repository.index("stable")
    file.write_bytes(b"broken")
    assert not site.repository.holds(file.name)
    site.teach("red")
    assert site.repository.holds(file.name)


def test_a_folder_that_cannot_be_written_is_reported(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import filelock

    def refuse(self: object, *arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with (
        pytest.raises(StorageError, match=r"could not write in .*: Read-only file system"),
        site.repository.writing(),
    ):
        pass


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_repository_that_cannot_be_read_is_told_in_a_line(site: Site, number: int) -> None:
    """At whichever of its calls the disk refuses: none ends with a traceback."""
    names, at, refused = ("open", "stat", "scandir"), 0, True
    real = {name: getattr(os, name) for name in names}

    def refusing(name: str, left: list[int]) -> Callable[..., object]:
        def call(path: object = ".", *rest: object, **more: object) -> object:
            if str(path).startswith(str(site.folder)):
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(number, os.strerror(number), str(path))
            return real[name](path, *rest, **more)

        return call

    while refused:
        at += 2
        left = [at]
        with pytest.MonkeyPatch.context() as patch:
            for name in names:
                patch.setattr(os, name, refusing(name, left))
            with contextlib.suppress(CfedgeError):
                repository = Repository(site.repo)
                with repository.writing():
                    repository.renew(site.keys, NOW)
            refused = left[0] <= 0
    assert at > 20


def test_what_devices_would_refuse_for_its_size_is_not_signed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(site.repo)
    with pytest.raises(TaskError, match=r"found 24.*; make several tasks of it"):
        site.teach("wide", classes=[f"{number:0200}" for number in range(12_000)])
    monkeypatch.setattr("cfedge.catalogue.index.MOST_ENTRIES", 2)
    with pytest.raises(SchemaError, match=r"at most 2 entries .*; publish to a new channel"):
        site.teach("blue")
    assert tree(site.repo) == before


def test_channels_of_one_repository_do_not_touch_each_other(site: Site, tmp_path: Path) -> None:
    site.channel = "beta"
    site.append("backbone", "tiny", site.entries()[0].body if site.entries() else _backbone(), {})
    site.teach("beta task")
    assert [one.name for one in site.entries()] == ["tiny", "beta task"]
    site.channel = "stable"
    assert [one.name for one in site.entries()] == ["tiny", "red"]


def _backbone() -> object:
    from channels import backbone

    return backbone()[0]


def _changes(site: Site) -> list[Callable[[], object]]:
    return [
        lambda: site.repository.index("stable"),
        lambda: site.repository.renew(site.keys, NOW),
        lambda: rotate(site.repository, site.keys, ["timestamp"], NOW),
    ]


def _rotated(site: Site, *roles: str) -> int:
    with site.repository.writing():
        return rotate(site.repository, site.keys, roles, NOW)


def _at(folder: Path, like: Site) -> Site:
    """The site in a copy of its folder."""
    made = object.__new__(Site)
    made.__dict__.update(like.__dict__)
    made.folder, made.keys, made.repository = (
        folder,
        Keys(folder / "keys"),
        Repository(folder / "repo"),
    )
    return made


def _die(*arguments: object) -> None:
    raise Cut


class _changed:  # noqa: N801 - used as a function
    def __init__(self, path: Path) -> None:
        self._path, self._data = path, path.read_bytes()

    def __enter__(self) -> None:
        self._path.write_bytes(content("other", len(self._data)))

    def __exit__(self, *error: object) -> None:
        self._path.write_bytes(self._data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
