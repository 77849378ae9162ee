"""A channel's index and log: followed forward only, and by what keys that count have signed."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from channels import NOW, Site
from forge import forge, lead, sign_target
from servers import Handler, Static, once, other, status
from servers import cut as cut_short

from cfedge.catalogue.log import cut
from cfedge.errors import (
    CfedgeError,
    OfflineError,
    RolledBackError,
    SchemaError,
    StaleError,
    TamperedError,
)
from cfedge.publish.rotation import ONLINE, rotate
from cfedge.store import Store
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.patience import Patience
from cfedge.sync.transport import Folder, Host, Mirrors, Source


@pytest.fixture
def store(site: Site, tmp_path: Path) -> Store:
    return site.store(tmp_path / "store")


def fetcher(store: Store, source: Source | Path) -> Fetcher:
    source = Folder(source) if isinstance(source, Path) else source
    return Fetcher(source, store.folder / "partial", Patience(1e12, wait=lambda seconds: None))


def follow(
    store: Store, source: Source | Path, now: datetime = NOW, *, verify: bool = False
) -> list[str]:
    """Names in the log, as far as it is followed."""
    feed, mine = Feed(store.folder, "stable"), fetcher(store, source)
    index = feed.follow(mine, now, verify=verify)
    return [one.name for one in feed.entries(index, index.entries, mine)]


def test_a_log_is_followed(store: Store, site: Site) -> None:
    assert follow(store, site.repo) == ["tiny", "lights", "heating"]
    site.teach("blinds")
    assert follow(store, site.repo) == ["tiny", "lights", "heating", "blinds"]


def test_a_poll_with_nothing_new_takes_two_requests_and_at_most_500_bytes(
    store: Store, site: Site
) -> None:
    with Static(site.repo) as server:
        follow(store, Host(server.url))
        server.requests.clear()
        server.body_bytes = 0
        follow(store, Host(server.url))
        assert [path for path, _ in server.requests] == [
            "metadata/2.root.json",
            "metadata/timestamp.json",
        ]
        assert server.body_bytes <= 500


def test_only_what_is_new_of_the_log_is_fetched(store: Store, site: Site) -> None:
    with Static(site.repo) as server:
        follow(store, Host(server.url))
        size = (store.folder / "log" / "entries").stat().st_size
        site.teach("blinds")
        server.requests.clear()
        follow(store, Host(server.url))
        (asked,) = server.asked("objects/*")
        assert asked[1] == size


def test_a_refresh_that_was_cut_after_its_timestamp_goes_on_with_the_next(
    store: Store, site: Site
) -> None:
    with Static(site.repo) as server:
        follow(store, Host(server.url))
        site.teach("blinds")
        for name in ("*snapshot.json", "*targets.json", "targets/*", "objects/*"):
            server.faults = {name: status(503)}
            with pytest.raises(OfflineError):
                follow(store, Host(server.url))
        server.faults.clear()
        assert "blinds" in follow(store, Host(server.url))


def test_one_bad_answer_while_metadata_come_ends_no_sync(store: Store, site: Site) -> None:
    """However it is bad, but for what somebody else signed: that is no accident."""
    for fault in (cut_short(0.4), cut_short(0), status(503), status(429)):
        for name in (
            "*timestamp.json",
            "*snapshot.json",
            "*targets.json",
            "targets/*",
        ):
            with Static(site.repo) as server:
                server.faults[name] = once(fault)
                assert follow(store, Host(server.url), verify=True)[0] == "tiny"
        site.teach(f"task {len(site.entries())}")
    waits: list[float] = []
    for fault, attempts in (status(503), 3), (status(400), 1), (other(b"{}"), 1):
        with Static(site.repo) as server:
            server.faults["*timestamp.json"] = fault
            mine = Fetcher(Host(server.url), store.folder, Patience(1e12, wait=waits.append))
            with pytest.raises((OfflineError, TamperedError)):
                Feed(store.folder, "stable").follow(mine, NOW)
            assert len(server.asked("*timestamp.json")) == attempts
    assert len(waits) == 2


def test_keys_that_are_replaced_while_a_device_reads_are_followed(store: Store, site: Site) -> None:
    follow(store, site.repo)
    site.teach("blinds")

    def replaced(handler: Handler, data: bytes) -> None:
        if server.faults.pop("*timestamp.json", None):
            with site.repository.writing():
                rotate(site.repository, site.keys, ONLINE, NOW)
        handler.do_GET()

    with Static(site.repo) as server:
        server.faults["*timestamp.json"] = replaced
        assert "blinds" in follow(store, Host(server.url), verify=True)


# The log


def rewritten(site: Site, count: int | None = None, name: str = "") -> None:
    """Sign another history with the site's keys: `count` entries of it, or all with one name
    changed.
    """
    index = site.repository.index("stable")
    assert index is not None
    entries = site.entries()
    lines = [one.line for one in entries[:count]]
    if name:
        lines[0] = replace(entries[0], site=name).line
    blocks, made = cut(lines)
    for digest, data in made.items():
        (site.repo / "objects" / digest).write_bytes(data)
    sign_target(site, "stable.json", replace(index, blocks=blocks).bytes())


def test_a_log_that_was_cut_shorter_is_refused_though_it_is_signed(
    store: Store, site: Site
) -> None:
    follow(store, site.repo)
    rewritten(site, 2)
    with pytest.raises(
        RolledBackError, match="expected at least 3 entries, as seen before, found 2"
    ):
        follow(store, site.repo)


def test_a_history_that_was_written_anew_is_refused_though_it_is_signed(
    store: Store, site: Site
) -> None:
    follow(store, site.repo)
    rewritten(site, name="another")
    with pytest.raises(TamperedError, match="its history was written anew"):
        follow(store, site.repo)


def test_a_tampered_block_is_refused_and_what_was_followed_stays(store: Store, site: Site) -> None:
    follow(store, site.repo)
    before = (store.folder / "log" / "entries").read_bytes()
    site.teach("blinds")
    with Static(site.repo) as server:
        server.faults["objects/*"] = other(b"x" * 100_000)
        with pytest.raises(TamperedError, match="block 0"):
            follow(store, Host(server.url))
    assert (store.folder / "log" / "entries").read_bytes() == before
    assert Feed(store.folder, "stable").last() is not None
    follow(store, site.repo)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"\xff", b"[" * 50_000, b'{"schema":1}', b"1" * 5000, b'{"schema":2}'],
)
def test_an_index_that_is_signed_and_none_is_refused(body: bytes, store: Store, site: Site) -> None:
    if not body:
        pytest.skip("a target has at least a byte")
    sign_target(site, "stable.json", body)
    with pytest.raises(SchemaError):
        follow(store, site.repo)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\x00b", "", "x" * 500, "a\nb"])
def test_a_task_with_a_malicious_name_writes_nothing_outside_the_store(
    name: str, store: Store, site: Site, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    try:
        site.teach(name)
        follow(store, site.repo)
    except CfedgeError as error:
        assert "\n" not in str(error)  # noqa: PT017 - it may be taken or refused
    assert set(tmp_path.iterdir()) == before
    assert {path.name for path in store.folder.iterdir()} <= {
        "store.json", "objects", "generations", "boot_attempts", "vouched", "trust", "log",
        "partial", "lock",
    }  # fmt: skip


# What was damaged here


@pytest.mark.parametrize("damage", [b"", b"\n", b"x" * 50, None])
@pytest.mark.parametrize("name", ["index.json", "entries"])
def test_a_damaged_log_or_index_is_fetched_again(
    name: str, damage: bytes | None, store: Store, site: Site
) -> None:
    names = follow(store, site.repo)
    path = store.folder / "log" / name
    good = path.read_bytes()
    path.write_bytes(good[:-30] + b"?" * 30 if damage is None else damage)
    assert follow(store, site.repo) == names
    assert path.read_bytes() == good


# Mirrors


def test_a_mirror_that_lags_behind_is_left_for_one_that_does_not(
    store: Store, site: Site, tmp_path: Path
) -> None:
    shutil.copytree(site.repo, tmp_path / "old")
    site.teach("blinds")
    follow(store, site.repo)
    site.teach("doors")
    assert "doors" in follow(store, Mirrors([Folder(tmp_path / "old"), Folder(site.repo)]))
    with pytest.raises(RolledBackError):
        follow(store, Mirrors([Folder(tmp_path / "old"), Folder(tmp_path / "old")]))


def test_a_mirror_that_tampers_is_left_for_one_that_does_not(store: Store, site: Site) -> None:
    for name in ("*timestamp.json", "*snapshot.json", "*targets.json", "targets/*", "objects/*"):
        with Static(site.repo) as evil:
            evil.faults[name] = other(b"{}")
            site.teach(f"task {name}")
            assert f"task {name}" in follow(store, Mirrors([Host(evil.url), Folder(site.repo)]))


# Time and stolen keys


def test_a_device_without_a_clock_keeps_to_the_time_of_what_it_followed(
    store: Store, site: Site, tmp_path: Path
) -> None:
    """1970 again after each start: what had expired when the newest index was signed is refused all
    the same.
    """
    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    site.now = NOW + timedelta(days=30)
    site.teach("blinds")
    follow(store, site.repo, start)
    forge(site, "timestamp", lambda signed: setattr(signed, "expires", NOW + timedelta(days=20)))
    with pytest.raises(StaleError):
        follow(store, site.repo, start)


def test_a_stolen_targets_key_that_set_the_time_to_2099_is_recovered_from_by_rotating_it(
    store: Store, site: Site
) -> None:
    honest = _snapshot_of(site)
    index = site.repository.index("stable")
    assert index is not None
    sign_target(site, "stable.json", replace(index, published="2099-01-01T00:00:00Z").bytes())
    follow(store, site.repo)
    with pytest.raises(StaleError):
        follow(store, site.repo, verify=True)
    _recover(site, honest)
    assert follow(store, site.repo) == ["tiny", "lights", "heating"]


def test_a_stolen_targets_key_that_wrote_another_history_is_recovered_from_by_rotating_it(
    store: Store, site: Site
) -> None:
    honest = _snapshot_of(site)
    for number in range(3):
        site.teach(f"evil {number}")
    follow(store, site.repo)
    _recover(site, honest)
    site.teach("blinds")
    assert follow(store, site.repo) == ["tiny", "lights", "heating", "blinds"]


def _snapshot_of(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (site.repo / "metadata").iterdir()}


def _recover(site: Site, honest: dict[str, bytes]) -> None:
    """As a publisher does whose keys were used elsewhere: from the own copy, new keys."""
    for path in (site.repo / "metadata").iterdir():
        path.unlink()
    for name, data in honest.items():
        (site.repo / "metadata" / name).write_bytes(data)
    with site.repository.writing():
        for role in ("targets", "snapshot", "timestamp"):
            rotate(site.repository, site.keys, [role], NOW)


def test_the_log_of_another_channel_is_no_log(store: Store, site: Site) -> None:
    index = site.repository.index("stable")
    assert index is not None
    sign_target(site, "stable.json", replace(index, channel="beta").bytes())
    with pytest.raises(SchemaError, match="expected channel 'stable', found 'beta'"):
        follow(store, site.repo)


def test_a_block_in_the_place_of_another_is_refused(store: Store, site: Site) -> None:
    index = site.repository.index("stable")
    assert index is not None
    first, second = ((site.repo / "objects" / block.sha256) for block in index.blocks)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b + b" " * (len(a) - len(b)))
    second.write_bytes(a[: len(b)])
    with pytest.raises(TamperedError, match="block 0"):
        follow(store, site.repo)
    assert hashlib.sha256(a).hexdigest() == first.name


def test_a_lead_to_nothing_is_offline(store: Store, site: Site) -> None:
    lead(site, snapshot=99)
    with pytest.raises(OfflineError, match=r"99\.snapshot\.json: not found"):
        follow(store, site.repo)
