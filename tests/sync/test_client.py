"""Syncs against real servers and folders that attack them: whatever happens, what was installed
goes on.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from channels import NOW, Site, content, no_probe
from forge import sign_target
from servers import Static, cut, endless, other, status

from cfedge.catalogue.view import view
from cfedge.errors import (
    CfedgeError,
    DamagedError,
    IncompatibleError,
    NoSpaceError,
    OfflineError,
    RolledBackError,
    StaleError,
    StorageError,
    TamperedError,
    TaskError,
)
from cfedge.publish.rotation import rotate
from cfedge.store import Store
from cfedge.sync.client import Plan, sync
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder, Host, Mirrors, Pace, Source


@pytest.fixture
def store(site: Site, tmp_path: Path) -> Store:
    return site.store(tmp_path / "store")


def run(
    store: Store,
    source: Source | Path,
    now: datetime = NOW,
    probing: Callable[[Store, int, Collection[str]], None] = no_probe,
    **plan: object,
) -> Synced:
    source = Folder(source) if isinstance(source, Path) else source
    return sync(
        store, source, Plan(**plan), now=lambda: now, probing=probing, wait=lambda seconds: None
    )  # type: ignore[arg-type]


def tasks(store: Store) -> list[str]:
    """Of the generation that answers, read with every check."""
    pointer = store.pointer()
    return (
        []
        if pointer is None
        else [task.name for task in store.bundle(pointer.generation).manifest.tasks]
    )


# What it is for


def test_a_sync_brings_what_is_published_and_nothing_twice(store: Store, site: Site) -> None:
    with Static(site.repo) as server:
        done = run(store, Host(server.url))
        assert (done.generation, done.changed, done.added, done.freshness) == (
            1,
            True,
            ("heating", "lights"),
            "fresh",
        )
        assert tasks(store) == ["heating", "lights"]
        site.teach("blinds", size=50_000)
        server.body_bytes = 0
        done = run(store, Host(server.url))
        assert (done.generation, done.added, done.missing_bytes) == (2, ("blinds",), 150_000)
        assert done.fetched_bytes == pytest.approx(server.body_bytes, abs=1000)
        assert server.body_bytes <= 160_000


def test_a_poll_with_nothing_new_takes_two_requests_and_at_most_500_bytes(
    store: Store, site: Site
) -> None:
    with Static(site.repo) as server:
        run(store, Host(server.url))
        server.requests.clear()
        server.body_bytes = 0
        done = run(store, Host(server.url))
        assert (len(server.requests), done.requests) == (2, 2)
        assert server.body_bytes <= 500
        assert (done.generation, done.changed, done.freshness) == (1, False, "fresh")


def test_a_stick_brings_the_same_as_a_host(store: Store, site: Site, tmp_path: Path) -> None:
    run(store, site.repo)
    other_store = site.store(tmp_path / "other")
    with Static(site.repo) as server:
        run(other_store, Host(server.url))
    assert store.manifest(1) == other_store.manifest(1)


def test_only_tasks_that_are_wanted_are_fetched(store: Store, site: Site) -> None:
    done = run(store, site.repo, wanted=("li*", "x"))
    assert (done.added, tasks(store)) == (("lights",), ["lights"])
    assert len(list(store.objects.iterdir())) == 6
    done = run(store, site.repo, wanted=("*",))
    assert done.added == ("heating",)
    done = run(store, site.repo, wanted=("heating",))
    assert done.removed == ("lights",)
    with pytest.raises(TaskError, match="none of them wanted"):
        run(store, site.repo, wanted=("none",))
    assert tasks(store) == ["heating"]


def test_a_dry_run_says_what_would_come_and_changes_no_generation(store: Store, site: Site) -> None:
    with Static(site.repo) as server:
        done = run(store, Host(server.url), dry_run=True)
        assert (done.generation, done.changed, done.added) == (None, False, ("heating", "lights"))
        assert done.missing_bytes == 9000 + 1200
        assert store.generations() == []
        assert list(store.objects.iterdir()) == []
        assert all(size <= 10_000 for size in (server.body_bytes,))
    run(store, site.repo)
    site.teach("blinds")
    assert run(store, site.repo, dry_run=True).added == ("blinds",)
    assert (store.generations(), tasks(store)) == ([1], ["heating", "lights"])


def test_a_budget_that_is_too_small_changes_nothing(store: Store, site: Site) -> None:
    with pytest.raises(NoSpaceError, match=r"--budget.*found 0 here and 10200 to come"):
        run(store, site.repo, budget_bytes=10_000)
    run(store, site.repo, budget_bytes=10_200)
    site.teach("blinds")
    with pytest.raises(NoSpaceError, match="ask for fewer tasks"):
        run(store, site.repo, budget_bytes=10_200)
    assert tasks(store) == ["heating", "lights"]


def test_a_budget_counts_what_an_update_no_longer_needs_as_free(store: Store, site: Site) -> None:
    run(store, site.repo)
    for version in ("2", "3", "4"):
        site.teach("lights", version)
        run(store, site.repo, budget_bytes=10_800)
    assert tasks(store) == ["heating", "lights"]


# A bad generation


def bad(store: Store, generation: int, new: Collection[str]) -> None:
    raise IncompatibleError(f"generation {generation}: expected to pass, found a bad task")


def test_a_bad_generation_is_refused_and_remembered_until_retry(store: Store, site: Site) -> None:
    run(store, site.repo)
    site.teach("blinds")
    with pytest.raises(IncompatibleError, match=r"found a bad task$"):
        run(store, site.repo, probing=bad)
    assert (store.generations(), tasks(store)) == ([1], ["heating", "lights"])
    with Static(site.repo) as server:
        with pytest.raises(IncompatibleError, match="refused before; --retry tries again"):
            run(store, Host(server.url))
        assert server.asked("objects/*") == []
    assert run(store, site.repo, retry=True).added == ("blinds",)
    assert tasks(store) == ["blinds", "heating", "lights"]


def test_a_better_generation_after_a_bad_one_is_taken_without_retry(
    store: Store, site: Site
) -> None:
    run(store, site.repo)
    site.teach("blinds")
    with pytest.raises(IncompatibleError):
        run(store, site.repo, probing=bad)
    site.teach("blinds", "2")
    assert run(store, site.repo).added == ("blinds",)


def test_the_first_generation_that_is_bad_leaves_an_empty_store_that_works_later(
    store: Store, site: Site
) -> None:
    with pytest.raises(IncompatibleError):
        run(store, site.repo, probing=bad)
    assert (store.pointer(), store.generations()) == (None, [])
    assert run(store, site.repo, retry=True).generation == 1


def test_a_rollback_holds_until_it_is_unpinned(store: Store, site: Site) -> None:
    run(store, site.repo)
    store.boot_attempts.passed(1)
    site.teach("blinds")
    run(store, site.repo)
    store.rollback()
    site.teach("doors")
    done = run(store, site.repo)
    assert (done.generation, done.pinned, done.changed, done.added) == (
        1,
        True,
        False,
        ("blinds", "doors"),
    )
    assert tasks(store) == ["heating", "lights"]
    store.unpin()
    assert run(store, site.repo).added == ("blinds", "doors")


# Hosts


@pytest.mark.parametrize("number", [404, 500, 302])
@pytest.mark.parametrize(
    "name", ["*timestamp.json", "*snapshot.json", "*targets.json", "targets/*", "objects/*"]
)
def test_a_host_that_fails_anywhere_leaves_what_was_installed(
    name: str, number: int, store: Store, site: Site
) -> None:
    with Static(site.repo) as server:
        run(store, Host(server.url))
        site.teach("blinds")
        server.faults[name] = (
            status(number, Location="/metadata/timestamp.json") if number != 302 else _loop
        )
        with pytest.raises(OfflineError):
            run(store, Host(server.url))
        assert tasks(store) == ["heating", "lights"]
        server.faults.clear()
        assert run(store, Host(server.url)).added == ("blinds",)


def _loop(handler: object, data: bytes) -> None:
    handler.give(302, b"", Location=handler.path)  # type: ignore[attr-defined]


FAULTS = {
    "tampered": other(b"x" * 1000), "empty": other(b""), "truncated": lambda handler, data: handler.serve(data[:-1]),
    "longer": lambda handler, data: handler.serve(data + b"x"), "cut": cut(0.4), "endless": endless,
    "gzip": status(200, b"\x1f\x8b", Content_Encoding="gzip"), "length too long": lambda handler, data: _length(handler, data, 5),
    "length too short": lambda handler, data: _length(handler, data, -1), "no content": status(204), "loop": _loop,
}  # fmt: skip


def _length(handler: object, data: bytes, more: int) -> None:
    handler.head(200, Content_Length=str(len(data) + more), Connection="close")  # type: ignore[attr-defined]
    handler.put(data)  # type: ignore[attr-defined]
    handler.hang_up()  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["*timestamp.json", "*targets.json", "targets/*", "objects/*"])
def test_a_host_that_lies_anywhere_installs_nothing_that_was_not_signed(
    name: str, fault: str, store: Store, site: Site
) -> None:
    with Static(site.repo) as server:
        server.faults[name] = FAULTS[fault]
        source = Host(server.url, pace=Pace(silence_s=0.5))
        try:
            run(store, source)
        except (OfflineError, TamperedError, RolledBackError) as error:
            assert str(error).isprintable()  # noqa: PT017 - it may get through: a byte beyond the length is not read
            assert tasks(store) == []
        server.faults.clear()
        run(store, source)
        assert tasks(store) == ["heating", "lights"]


def test_swapped_objects_are_refused(store: Store, site: Site) -> None:
    lights, heating = (
        entry.files()["adapter of task " + repr(entry.name)] for entry in site.entries()[1:]
    )
    a, b = site.repo / "objects" / lights.sha256, site.repo / "objects" / heating.sha256
    first = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(first)
    with pytest.raises(TamperedError, match="adapter of task"):
        run(store, site.repo)
    assert tasks(store) == []


def test_a_host_that_dies_in_the_middle_of_an_object_costs_no_byte_twice(
    store: Store, site: Site
) -> None:
    site.teach("blinds", size=300_000)
    with Static(site.repo) as server:
        server.faults["objects/*"] = cut(0.4)
        with pytest.raises(OfflineError):
            run(store, Host(server.url), deadline_s=-1)
        server.faults.clear()
        died: list[int] = []

        def once(handler: object, data: bytes) -> None:
            if len(data) == 300_000 and len(died) < 3:
                died.append(1)
                return cut(0.4)(handler, data)  # type: ignore[arg-type]
            handler.serve(data)  # type: ignore[attr-defined]

        server.faults["objects/*"] = once
        server.body_bytes = 0
        run(store, Host(server.url))
        assert len(died) == 3
        assert server.body_bytes <= 900_000 + 10_200 + 30_000
    assert "blinds" in tasks(store)


def test_mirrors_that_change_in_the_middle_bring_the_same(store: Store, site: Site) -> None:
    site.teach("blinds", size=300_000)
    with Static(site.repo) as one, Static(site.repo) as two:
        one.faults["objects/*"] = cut(0.4)
        two.faults["metadata/*"] = status(503)
        run(store, Mirrors([Host(one.url), Host(two.url)]))
    assert "blinds" in tasks(store)


def test_a_sync_past_its_deadline_asks_nothing(store: Store, site: Site) -> None:
    with Static(site.repo) as server:
        with pytest.raises(OfflineError, match="deadline"):
            run(store, Host(server.url), deadline_s=-1.0)
        assert server.requests == []


def test_a_stick_that_is_older_than_the_device_is_refused(
    store: Store, site: Site, tmp_path: Path
) -> None:
    shutil.copytree(site.repo, tmp_path / "stick")
    site.teach("blinds")
    run(store, site.repo)
    with pytest.raises(RolledBackError, match=f"{tmp_path / 'stick'}: expected nothing older"):
        run(store, tmp_path / "stick")
    assert tasks(store) == ["blinds", "heating", "lights"]


def test_a_stick_that_is_pulled_out_is_offline(store: Store, site: Site, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="is the stick in"):
        run(store, tmp_path / "stick")


# Time


def test_expiry_never_stops_what_is_installed(store: Store, site: Site) -> None:
    run(store, site.repo)
    for days in (8, 400, 30_000):
        with pytest.raises(StaleError, match="what is installed goes on"):
            run(store, site.repo, NOW + timedelta(days=days))
        assert tasks(store) == ["heating", "lights"]
    assert run(store, site.repo).freshness == "fresh"


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_clock_that_is_wrong_spoils_nothing(year: int, store: Store, site: Site) -> None:
    wrong = datetime(year, 1, 1, tzinfo=timezone.utc)
    try:
        assert run(store, site.repo, wrong).freshness == "unverified"
    except StaleError:
        assert year == 2099
    assert run(store, site.repo).freshness == "fresh"
    site.teach("blinds")
    try:
        assert run(store, site.repo, wrong).freshness == "unverified"
    except StaleError:
        assert year == 2099
    assert run(store, site.repo).freshness == "fresh"
    assert tasks(store) == ["blinds", "heating", "lights"]


def test_a_device_that_was_offline_for_a_year_comes_back(store: Store, site: Site) -> None:
    run(store, site.repo)
    for month in range(1, 14):
        site.now = NOW + timedelta(days=30 * month)
        with site.repository.writing():
            if month in (4, 8, 12):
                rotate(site.repository, site.keys, ["root"], site.now)
        site.teach(f"task {month}")
    assert len(run(store, site.repo, site.now).added) == 13


# The right digest in the wrong role


def test_an_object_of_the_right_digest_in_the_wrong_role_is_refused_when_it_is_opened(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """Signed by someone who holds the keys: a task whose adapter is its signature. The probe finds
    it.
    """
    from dataclasses import replace

    from here import publish

    from cfedge.catalogue.entry import TaskAdded
    from cfedge.sync.probe import probe_here

    site = Site(tmp_path / "site")
    shutil.rmtree(site.repo)
    publish(tiny_bundle, site.repo, site.keys, now=NOW)
    store = site.store(tmp_path / "store")
    run(store, site.repo, probing=probe_here)
    entry = view(site.entries()).tasks["colors"]
    body = entry.body
    assert isinstance(body, TaskAdded)
    wrong = replace(
        body, task=replace(body.task, adapter=body.task.signature, signature=body.task.adapter)
    )
    site.append("task", "colors", wrong, {}, replaces=[entry])
    with pytest.raises((DamagedError, IncompatibleError), match="colors"):
        run(store, site.repo, probing=probe_here)
    assert tasks(store) == ["animals", "colors"]
    assert store.pointer().generation == 1  # type: ignore[union-attr]


# Two at once, and disks


def test_two_syncs_at_once_are_one_and_a_refusal(store: Store, site: Site) -> None:
    inside, go = threading.Event(), threading.Event()

    def slow(store: Store, generation: int, new: Collection[str]) -> None:
        inside.set()
        assert go.wait(10)

    first = threading.Thread(target=run, args=(store, site.repo), kwargs={"probing": slow})
    first.start()
    assert inside.wait(10)
    with pytest.raises(StorageError, match="expected no other writer, found one at work"):
        run(Store(store.folder), site.repo)
    go.set()
    first.join()
    assert tasks(store) == ["heating", "lights"]
    assert run(store, site.repo).changed is False


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("replace", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("mkdir", errno.ENOSPC),
        ("open", errno.ENOSPC),
    ],
)
def test_a_disk_that_is_full_at_each_step_leaves_what_was_installed_and_the_next_start_works(
    name: str, code: int, site: Site, tmp_path: Path
) -> None:
    old = site.store(tmp_path / "old")
    run(old, site.repo)
    site.teach("blinds")
    real: Callable[..., object] = getattr(os, name)
    at, refused = 0, 0
    while True:
        at += 1
        store = Store(Path(shutil.copytree(old.folder, tmp_path / f"{at}")))
        calls = 0

        def refuse(*args: object, _at: int = at, **more: object) -> object:
            nonlocal calls
            writes = name != "open" or (len(args) > 1 and bool(int(str(args[1])) & os.O_CREAT))
            calls += writes
            if writes and calls >= _at:
                raise OSError(code, os.strerror(code))
            return real(*args, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, name, refuse)
            try:
                run(store, site.repo)
            except StorageError as error:
                refused += 1
                assert str(error).isprintable()  # noqa: PT017 - a folder's fsync may be refused without harm
        assert tasks(store) in (["heating", "lights"], ["blinds", "heating", "lights"])
        run(store, site.repo)
        assert tasks(store) == ["blinds", "heating", "lights"]
        shutil.rmtree(store.folder)
        if calls < at:
            break
    assert refused >= {"replace": 7, "fsync": 7, "mkdir": 0, "open": 1}[name]


def test_too_little_room_is_found_before_a_byte_is_fetched(
    store: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import collections

    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 5000, 5000))
    with Static(site.repo) as server:
        with pytest.raises(NoSpaceError, match="make room, then sync again"):
            run(store, Host(server.url))
        log = {block.sha256 for block in site.repository.index("stable").blocks}  # type: ignore[union-attr]
        assert {path.removeprefix("objects/") for path, _ in server.asked("objects/*")} == log


SYNC = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from cfedge.errors import CfedgeError
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder
store = Store(Path(sys.argv[1]))
try:
    done = sync(store, Folder(Path(sys.argv[2])), now=lambda: datetime(2026, 6, 1, 12, tzinfo=timezone.utc), probing=lambda *_: None)
    print("changed", done.changed)
except CfedgeError as error:
    print(type(error).__name__, error)
pointer = store.pointer()
print(*sorted(task.name for task in store.bundle(pointer.generation).manifest.tasks) if pointer else [])
"""

#: To the superuser only a mount is read-only.
MOUNT = [
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
]


def run_where(read_only: Path, store: Store, repo: Path) -> list[str]:
    """Sync in a child for which one folder is read-only: outcome, and tasks afterwards."""
    if os.name != "posix":
        pytest.skip("mounts and modes are those of POSIX")
    command = [sys.executable, "-c", SYNC, str(store.folder), str(repo)]
    if os.getuid():
        for path in [read_only, *read_only.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
    elif (
        shutil.which("unshare")
        and not subprocess.run(
            [*MOUNT, str(read_only), "true"], capture_output=True, check=False
        ).returncode
    ):
        command = [*MOUNT, str(read_only), *command]
    else:
        pytest.skip("nothing can be made read-only for the superuser here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in [read_only, *read_only.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return done.stdout.splitlines()


def test_read_only_media_are_read(store: Store, site: Site) -> None:
    assert run_where(site.repo, store, site.repo) == ["changed True", "heating lights"]


def test_a_read_only_store_is_refused_and_goes_on(store: Store, site: Site) -> None:
    run(store, site.repo)
    site.teach("blinds")
    outcome, names = run_where(store.folder, store, site.repo)
    assert outcome.startswith("StorageError")
    assert "check the disk" in outcome
    assert names == "heating lights"


# What was damaged on the disk


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 9, None])
@pytest.mark.parametrize("name", ["current", "generations/1.json"])
def test_a_damaged_pointer_or_generation_is_put_right_by_the_next_sync(
    name: str, damage: bytes | None, store: Store, site: Site
) -> None:
    run(store, site.repo)
    path = store.folder / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) if damage is None else damage)
    done = run(store, site.repo)
    assert done.changed
    assert tasks(store) == ["heating", "lights"]
    store.boot_attempts.passed(done.generation or 0)
    assert run(store, site.repo).changed is False


def test_a_dry_run_with_a_damaged_pointer_says_what_would_come(store: Store, site: Site) -> None:
    run(store, site.repo)
    (store.folder / "current").write_bytes(b"")
    assert run(store, site.repo, dry_run=True).generation is None


@pytest.mark.parametrize("damage", ["changed", "shorter", "gone", "longer"])
def test_a_damaged_object_is_put_right_by_retry_or_by_the_next_change(
    damage: str, store: Store, site: Site
) -> None:
    run(store, site.repo)

    def spoil() -> None:
        path = sorted(store.objects.iterdir())[0]
        data = path.read_bytes()
        changed = {
            "changed": data[:-1] + bytes([data[-1] ^ 1]),
            "shorter": data[:-1],
            "longer": data + b"x",
        }
        path.unlink() if damage == "gone" else path.write_bytes(changed[damage])
        with pytest.raises(DamagedError):
            tasks(store)

    spoil()
    assert run(store, site.repo).changed is False, "a poll looks at no object"
    assert run(store, site.repo, retry=True).changed
    assert tasks(store) == ["heating", "lights"]
    spoil()
    site.teach("blinds")
    run(store, site.repo)
    assert tasks(store) == ["blinds", "heating", "lights"]


def test_a_damaged_object_of_a_pinned_generation_is_put_right_by_retry(
    store: Store, site: Site
) -> None:
    run(store, site.repo)
    store.boot_attempts.passed(1)
    site.teach("lights", "2")
    run(store, site.repo)
    store.rollback()
    before = {ref.sha256 for ref in store.manifest(1).files().values()}
    for name in before:
        (store.objects / name).write_bytes(b"damaged")
    done = run(store, site.repo, retry=True)
    assert (done.generation, done.pinned) == (1, True)
    assert tasks(store) == ["heating", "lights"]


# Whatever is done to a repository


def mutate(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"x")
    kind = rng.randrange(7)
    at = rng.randrange(len(changed))
    if kind == 0:
        changed[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del changed[at:]
    elif kind == 2:
        changed[at:at] = rng.choice(
            [
                b"\x00",
                b'"',
                b"}",
                b"[" * 5000,
                b"9" * 5000,
                b"\xff",
                b"\n",
                b"null",
                b"-1",
                b"1e999",
            ]
        )
    elif kind == 3:
        del changed[at : at + rng.randrange(1, 50)]
    elif kind == 4:
        changed[:] = rng.choice(
            [b"", b"{}", b"null", b"[]", b'"x"', b"\x1f\x8b", rng.randbytes(200)]
        )
    elif kind == 5 and data[:1] == b"{":
        return _other_value(rng, data)
    else:
        other_at = rng.randrange(len(changed))
        changed[at], changed[other_at] = changed[other_at], changed[at]
    return bytes(changed)


def _other_value(rng: random.Random, data: bytes) -> bytes:
    """The same JSON with one value of another type."""
    try:
        content = json.loads(data)
    except ValueError:
        return b""
    places: list[tuple[object, object]] = []

    def walk(value: object) -> None:
        if isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                places.append((value, key))
                walk(inner)

    walk(content)
    if places:
        holder, key = rng.choice(places)
        holder[key] = rng.choice(
            [None, -1, 0, 2**70, 1.5, "", "x", "../../x", [], {}, [[]], True, "0" * 64]
        )  # type: ignore[index]
    return json.dumps(content).encode()


def fuzz(store: Store, site: Site, rounds: int, seed: int) -> tuple[int, int]:
    rng = random.Random(seed)
    paths = sorted(path for path in site.repo.rglob("*") if path.is_file() and path.name != "lock")
    good = {path: path.read_bytes() for path in paths}
    took = refused = 0
    installed = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    for _ in range(rounds):
        for path in rng.sample(paths, rng.choice([1, 1, 1, 2, 3])):
            path.write_bytes(mutate(rng, good[path]))
        try:
            run(store, site.repo, retry=True)
            took += 1
        except CfedgeError as error:
            refused += 1
            assert str(error).isprintable()  # noqa: PT017
            assert tasks(store) == ["heating", "lights"]
        assert set(tasks(store)) >= {"heating", "lights"}
        for path, data in good.items():
            path.write_bytes(data)
        for path in store.folder.rglob("*"):
            if path.is_file() and path not in installed:
                path.unlink()
        for path, data in installed.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    return took, refused


def test_random_changes_to_a_repository_raise_nothing_but_errors_of_cfedge(
    store: Store, site: Site
) -> None:
    run(store, site.repo)
    site.teach("blinds")
    took, refused = fuzz(store, site, 40, 1)
    assert refused > 8
    assert took > 0


@pytest.mark.soak
def test_many_random_changes_to_a_repository_raise_nothing_but_errors_of_cfedge(
    store: Store, site: Site
) -> None:
    run(store, site.repo)
    site.teach("blinds")
    fuzz(store, site, 600, 7)


def test_random_indices_that_are_signed_raise_nothing_but_errors_of_cfedge(
    store: Store, site: Site
) -> None:
    """By someone who holds the keys, or a publisher with a fault."""
    run(store, site.repo)
    rng = random.Random(3)
    index = site.repository.index("stable")
    assert index is not None
    for _ in range(60):
        sign_target(site, "stable.json", mutate(rng, index.bytes()) or b"x")
        try:
            run(store, site.repo)
        except CfedgeError as error:
            assert str(error).isprintable()  # noqa: PT017
        assert tasks(store) == ["heating", "lights"]


def test_random_damage_to_a_store_raises_nothing_but_errors_of_cfedge(
    store: Store, site: Site
) -> None:
    run(store, site.repo)
    store.boot_attempts.passed(1)
    rng = random.Random(4)
    good = {
        path: path.read_bytes()
        for path in store.folder.rglob("*")
        if path.is_file() and path.name not in ("lock", "store.json")
    }
    worked = 0
    for _ in range(30):
        for path in rng.sample(sorted(good), rng.choice([1, 1, 2])):
            path.write_bytes(mutate(rng, good[path]))
        try:
            run(store, site.repo, retry=True)
            assert tasks(store) == ["heating", "lights"]
            worked += 1
        except DamagedError as error:
            assert "--root" in str(error)  # noqa: PT017 - the trusted root is given by hand
        shutil.rmtree(store.folder / "generations")
        for path, data in good.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    assert worked > 20


def test_erasing_wins_over_a_rollback_that_pinned_the_task(store: Store, site: Site) -> None:
    site.teach("attic")
    run(store, site.repo)
    store.boot_attempts.passed(1)
    site.teach("cellar")
    run(store, site.repo)
    store.rollback()
    site.remove("attic", erase=True)
    run(store, site.repo)
    assert tasks(store) == ["cellar", "heating", "lights"]
    assert content("attic/1/adapter") not in [path.read_bytes() for path in store.objects.iterdir()]


def test_erasing_the_only_task_that_a_device_has_leaves_it_empty_and_it_fills_again(
    store: Store, site: Site
) -> None:
    site.teach("attic")
    run(store, site.repo, wanted=("attic",))
    site.remove("attic", erase=True)
    with pytest.raises(TaskError, match="none of them wanted"):
        run(store, site.repo, wanted=("attic",))
    assert (store.pointer(), store.generations(), list(store.objects.iterdir())) == (None, [], [])
    assert run(store, site.repo).changed
