"""The attacks of The Update Framework's specification, on what devices trust."""

from __future__ import annotations

import itertools
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from channels import NOW, Site
from every import cases
from forge import forge, lead, path_of, sign_target, stranger
from servers import Static, endless, other, status
from tuf.api.metadata import Metadata, MetaFile
from tuf.api.serialization.json import JSONSerializer

from cfedge.errors import (
    CfedgeError,
    DamagedError,
    OfflineError,
    RolledBackError,
    SchemaError,
    StaleError,
    StorageError,
    SyncError,
    TamperedError,
)
from cfedge.publish.rotation import rotate
from cfedge.store import Store
from cfedge.sync.transport import Folder, Host
from cfedge.sync.trust import Trust, freshness


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> Path:
    return site.store(tmp_path / "store").folder / "trust"


def refresh(folder: Path, site: Site, now: datetime = NOW) -> Trust:
    trust = Trust(folder, Folder(site.repo))
    trust.refresh(now)
    return trust


def version(folder: Path, role: str) -> int:
    return int(json.loads((folder / f"{role}.json").read_bytes())["signed"]["version"])


def trusted(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def refused(
    folder: Path, site: Site, error: type[SyncError], match: str, now: datetime = NOW
) -> None:
    """A refresh fails with `error`, and what was trusted before is trusted still: it never goes
    back.
    """
    before = {
        role: version(folder, role)
        for role in ("root", "timestamp", "snapshot", "targets")
        if (folder / f"{role}.json").exists()
    }
    with pytest.raises(error, match=match) as caught:
        refresh(folder, site, now)
    assert "\n" not in str(caught.value)
    for role, number in before.items():
        assert version(folder, role) >= number


def test_a_refresh_trusts_what_the_keys_sign(folder: Path, site: Site) -> None:
    assert refresh(folder, site).index("stable")[0].entries == 3
    assert sorted(trusted(folder)) == [
        "root.json",
        "snapshot.json",
        "targets.json",
        "timestamp.json",
    ]
    assert not (folder / "root.json").is_symlink()


def test_the_devices_root_is_not_replaced_by_another(
    folder: Path, site: Site, tmp_path: Path
) -> None:
    mine = (folder / "root.json").read_bytes()
    Trust.begin(folder, (Site(tmp_path / "other").repo / "metadata" / "1.root.json").read_bytes())
    assert (folder / "root.json").read_bytes() == mine


@cases("damage", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_root_that_is_none_is_not_begun_with(damage: bytes, tmp_path: Path) -> None:
    with pytest.raises(TamperedError):
        Trust.begin(tmp_path / "trust", damage)
    with pytest.raises(DamagedError, match="--root"):
        Trust(tmp_path / "trust", Folder(tmp_path)).refresh(NOW)


def test_a_trusted_root_that_was_damaged_is_named_and_can_be_given_again(
    folder: Path, site: Site
) -> None:
    refresh(folder, site)
    root = (site.repo / "metadata" / "1.root.json").read_bytes()
    for damage in (b"", root[:-40], root.replace(b'"version":1', b'"version":2')):
        (folder / "root.json").write_bytes(damage)
        with pytest.raises(
            DamagedError,
            match=r"root.json: expected the trusted root.*give the one that came with the device",
        ):
            refresh(folder, site)
        Trust.begin(folder, root)
        refresh(folder, site)


# Rollback


def test_rollback_of_the_whole_repository_is_refused(
    folder: Path, site: Site, tmp_path: Path
) -> None:
    shutil.copytree(site.repo, tmp_path / "old")
    site.teach("blinds")
    refresh(folder, site)
    before = trusted(folder)
    with pytest.raises(RolledBackError, match="use another mirror"):
        Trust(folder, Folder(tmp_path / "old")).refresh(NOW)
    assert trusted(folder) == before


def test_rollback_of_the_timestamp_is_refused(folder: Path, site: Site) -> None:
    old = path_of(site, "timestamp").read_bytes()
    site.teach("blinds")
    refresh(folder, site)
    path_of(site, "timestamp").write_bytes(old)
    refused(folder, site, RolledBackError, "timestamp version")


def test_rollback_of_the_snapshot_under_a_new_timestamp_is_refused(
    folder: Path, site: Site
) -> None:
    site.teach("blinds")
    refresh(folder, site)
    lead(site, snapshot=version(folder, "snapshot") - 1)
    refused(folder, site, RolledBackError, "snapshot version")


def test_rollback_of_the_targets_under_a_new_snapshot_is_refused(folder: Path, site: Site) -> None:
    site.teach("blinds")
    refresh(folder, site)
    lead(site, targets=version(folder, "targets") - 1)
    refused(folder, site, RolledBackError, "targets.json version")


def test_a_role_that_vanishes_from_the_snapshot_is_refused(folder: Path, site: Site) -> None:
    forge(site, "snapshot", lambda signed: signed.meta.update({"more.json": MetaFile(1)}))
    lead(site, snapshot=version_of(site, "snapshot"))
    refresh(folder, site)
    forge(site, "snapshot", lambda signed: signed.meta.pop("more.json"))
    lead(site, snapshot=version_of(site, "snapshot"))
    refused(folder, site, TamperedError, "missing info for 'more.json'")


def version_of(site: Site, role: str) -> int:
    return int(path_of(site, role).name.partition(".")[0])


# Freeze, and time


def test_freeze_shows_once_the_timestamp_expires(folder: Path, site: Site) -> None:
    refresh(folder, site)
    refresh(folder, site, NOW + timedelta(days=6))
    refused(folder, site, StaleError, "timestamp.json is expired", NOW + timedelta(days=8))
    assert freshness(folder, NOW + timedelta(days=8), NOW) == "stale"


@pytest.mark.parametrize(("role", "days"), [("snapshot", 31), ("targets", 366), ("root", 366)])
def test_freeze_of_a_role_under_a_living_timestamp_shows_once_it_expires(
    role: str, days: int, folder: Path, site: Site
) -> None:
    refresh(folder, site)
    now = NOW + timedelta(days=days)

    def living(signed: Any) -> None:
        signed.expires = now + timedelta(days=1)

    for other_role in {"targets", "snapshot"} - {role}:
        forge(site, other_role, living)
    if role != "snapshot":
        lead(site, targets=version_of(site, "targets"))
        forge(site, "snapshot", living)
    forge(
        site,
        "timestamp",
        lambda signed: (
            living(signed),
            setattr(signed, "snapshot_meta", MetaFile(version_of(site, "snapshot"))),
        ),
    )
    if role == "targets":
        forge(site, "root", living)
    refused(folder, site, StaleError, f"{role}.* is expired", now)


def test_a_clock_at_1970_takes_what_is_signed_and_says_that_nothing_is_verified(
    folder: Path, site: Site
) -> None:
    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    refresh(folder, site, start)
    assert freshness(folder, start, NOW) == "unverified"


def test_a_clock_at_2099_refuses_and_spoils_nothing(folder: Path, site: Site) -> None:
    refresh(folder, site)
    refused(
        folder,
        site,
        StaleError,
        "set this machine's clock",
        datetime(2099, 1, 1, tzinfo=timezone.utc),
    )
    site.teach("blinds")
    refresh(folder, site)
    assert freshness(folder, NOW, NOW) == "fresh"


def test_a_device_that_was_offline_for_a_year_comes_back(folder: Path, site: Site) -> None:
    refresh(folder, site)
    site.now = NOW + timedelta(days=180)
    with site.repository.writing():
        rotate(site.repository, site.keys, ["root"], site.now)
    site.now = NOW + timedelta(days=400)
    with site.repository.writing():
        rotate(site.repository, site.keys, ["timestamp"], site.now)
    refresh(folder, site, site.now)
    assert freshness(folder, site.now, NOW) == "fresh"


def test_freshness_is_fresh_stale_or_unverified(folder: Path, site: Site) -> None:
    assert freshness(folder, NOW, None) == "unverified"
    refresh(folder, site)
    week = NOW + timedelta(days=7)
    assert freshness(folder, NOW, NOW) == "fresh"
    assert freshness(folder, week - timedelta(seconds=1), NOW) == "fresh"
    assert freshness(folder, week, NOW) == "stale"
    assert freshness(folder, NOW - timedelta(seconds=1), NOW) == "unverified"
    (folder / "timestamp.json").write_bytes(b"{}")
    assert freshness(folder, NOW, NOW) == "unverified"


# Mix-and-match


def test_mix_and_match_of_a_new_timestamp_and_an_old_snapshot_is_refused(
    folder: Path, site: Site
) -> None:
    old = path_of(site, "snapshot").read_bytes()
    site.teach("blinds")
    path_of(site, "snapshot").write_bytes(old)
    refused(folder, site, RolledBackError, "snapshot version")


def test_mix_and_match_of_a_new_snapshot_and_old_targets_is_refused(
    folder: Path, site: Site
) -> None:
    old = path_of(site, "targets").read_bytes()
    site.teach("blinds")
    path_of(site, "targets").write_bytes(old)
    refused(folder, site, RolledBackError, "targets")


def test_mix_and_match_of_two_sites_is_refused(folder: Path, site: Site, tmp_path: Path) -> None:
    refresh(folder, site)
    stranger_site = Site(tmp_path / "stranger")
    stranger_site.teach("lights")
    for role in ("timestamp", "snapshot", "targets"):
        site.teach(f"new {role}")
        mine = path_of(site, role)
        kept = mine.read_bytes()
        mine.write_bytes(path_of(stranger_site, role).read_bytes())
        refused(folder, site, SyncError, "expected")
        mine.write_bytes(kept)


def test_the_index_of_another_channel_is_refused_by_name(folder: Path, site: Site) -> None:
    index = site.repository.index("stable")
    assert index is not None
    sign_target(site, "beta.json", index.bytes())
    trust = refresh(folder, site)
    with pytest.raises(SchemaError, match="the mirror mixed channels up"):
        trust.index("beta")
    with pytest.raises(SyncError, match="expected channel 'none', found none"):
        trust.index("none")


# Endless data, slow retrieval


def _read(trust: Trust) -> None:
    trust.refresh(NOW)
    trust.index("stable")


@pytest.mark.parametrize(
    "name", ["*root.json", "*timestamp.json", "*snapshot.json", "*targets.json", "targets/*"]
)
def test_endless_data_is_cut_off_at_the_bound(name: str, folder: Path, site: Site) -> None:
    with Static(site.repo) as server:
        server.faults[name] = endless
        trust = Trust(folder, Host(server.url))
        with pytest.raises(TamperedError, match="expected metadata of bounded length"):
            _read(trust)
        assert server.body_bytes < 30 << 20


def test_an_index_that_is_signed_too_long_is_refused_unread(folder: Path, site: Site) -> None:
    sign_target(site, "stable.json", b" " * (65 << 10))
    with Static(site.repo) as server:
        trust = Trust(folder, Host(server.url))
        trust.refresh(NOW)
        with pytest.raises(TamperedError, match="expected at most 65536 bytes"):
            trust.index("stable")
        assert server.asked("targets/*") == []


# Keys


def test_metadata_that_are_none_are_called_by_their_name(folder: Path, site: Site) -> None:
    for role in ("root", "timestamp", "snapshot", "targets"):
        name = f"metadata/{'2.root.json' if role == 'root' else path_of(site, role).name}"
        with Static(site.repo) as server:
            server.faults[name] = other(b"{")
            with pytest.raises(TamperedError, match=rf"/{name}: expected what its keys sign"):
                Trust(folder, Host(server.url)).refresh(NOW)


def test_a_web_page_in_the_place_of_metadata_is_called_so(folder: Path, site: Site) -> None:
    """A network that wants a login, or a host that has a page for every path that is none."""
    for name in ("*", "metadata/2.root.json", "metadata/timestamp.json"):
        with Static(site.repo) as server:
            server.faults[name] = other(b"\xef\xbb\xbf\n<!DOCTYPE html><p>Log in")
            with pytest.raises(TamperedError, match="found a web page under metadata/"):
                Trust(folder, Host(server.url)).refresh(NOW)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
def test_metadata_of_a_wrong_key_are_refused(role: str, folder: Path, site: Site) -> None:
    refresh(folder, site)
    forge(site, role, lambda signed: None, signers=[stranger()])
    if role in ("snapshot", "targets"):
        lead(site, **({"snapshot": version_of(site, "snapshot")} if role == "snapshot" else {}))
    refused(folder, site, TamperedError, "signed")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
def test_metadata_of_another_roles_key_are_refused(role: str, folder: Path, site: Site) -> None:
    refresh(folder, site)
    other_role = "timestamp" if role != "timestamp" else "snapshot"
    forge(site, role, lambda signed: None, signers=site.keys.signers(other_role))
    if role in ("snapshot", "targets"):
        lead(site, **({"snapshot": version_of(site, "snapshot")} if role == "snapshot" else {}))
    refused(folder, site, TamperedError, "signed")


def test_a_threshold_that_is_not_met_is_refused(folder: Path, site: Site) -> None:
    mine, second = site.keys.signers("timestamp"), stranger()

    def two(signed: Any) -> None:
        signed.add_key(second.public_key, "timestamp")
        signed.roles["timestamp"].threshold = 2

    forge(site, "root", two)
    refused(folder, site, TamperedError, "timestamp was signed by 1/2 keys")
    forge(site, "timestamp", lambda signed: None, signers=[*mine, *mine])
    refused(folder, site, TamperedError, "1/2")
    forge(site, "timestamp", lambda signed: None, signers=[*mine, second])
    refresh(folder, site)


def test_one_signature_under_two_names_counts_once(folder: Path, site: Site) -> None:
    mine = site.keys.signers("timestamp")
    forge(site, "root", lambda signed: setattr(signed.roles["timestamp"], "threshold", 2))
    path = forge(site, "timestamp", lambda signed: None, signers=mine)
    content = json.loads(path.read_bytes())
    content["signatures"] *= 2
    path.write_bytes(json.dumps(content).encode())
    refused(folder, site, TamperedError, "expected what its keys sign")


def test_a_new_root_needs_the_old_roots_keys_and_its_own(folder: Path, site: Site) -> None:
    mine, new = site.keys.signers("root"), stranger()

    def replaced(signed: Any) -> None:
        for keyid in list(signed.roles["root"].keyids):
            signed.revoke_key(keyid, "root")
        signed.add_key(new.public_key, "root")

    for signers in ([new], mine):
        forge(site, "root", replaced, signers=signers).rename(
            site.repo / "metadata" / "2.root.json"
        )
        refused(folder, site, TamperedError, "root was signed by 0/1 keys")
        assert version(folder, "root") == 1
        (site.repo / "metadata" / "2.root.json").unlink()
    forge(site, "root", replaced, signers=[*mine, new])
    refresh(folder, site)
    assert version(folder, "root") == 2


def test_a_root_out_of_turn_is_refused(folder: Path, site: Site) -> None:
    skipped = forge(site, "root", lambda signed: setattr(signed, "version", 3))
    skipped.rename(site.repo / "metadata" / "2.root.json")
    refused(folder, site, RolledBackError, "Expected root version 2 instead got version 3")


# A stolen key


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_stolen_key_that_counted_versions_up_is_recovered_from_by_rotating_it(
    role: str, folder: Path, site: Site
) -> None:
    """Fast-forward: what the thief signed last has a version that no honest one reaches."""
    refresh(folder, site)
    honest = {path.name: path.read_bytes() for path in (site.repo / "metadata").iterdir()}
    stolen, high = site.keys.signers(role), 2**31 - 1
    forge(site, role, lambda signed: setattr(signed, "version", high))
    if role == "snapshot":
        lead(site, snapshot=high)
    refresh(folder, site)
    assert version(folder, role) == high
    thief = path_of(site, role).read_bytes()
    for path in (site.repo / "metadata").iterdir():
        path.unlink()
    for name, data in honest.items():
        (site.repo / "metadata" / name).write_bytes(data)
    refused(folder, site, RolledBackError, "version")
    with site.repository.writing():
        for one in sorted({role, "timestamp"}):
            rotate(site.repository, site.keys, [one], NOW)
    refresh(folder, site)
    assert version(folder, role) < 100
    site.teach("blinds")
    assert refresh(folder, site).index("stable")[0].entries == 4
    path_of(site, role).write_bytes(thief)
    (folder / f"{role}.json").unlink()
    refused(folder, site, TamperedError, f"{role} was signed by 0/1 keys")
    forge(
        site,
        role,
        lambda signed: setattr(
            signed, "version", version_of(site, role) if role == "snapshot" else 1
        ),
        signers=stolen,
    )
    refused(folder, site, TamperedError, f"{role} was signed by 0/1 keys")


def test_fast_forward_beyond_a_rotation_of_another_key_stays_refused(
    folder: Path, site: Site
) -> None:
    """Only the stolen key's rotation helps: the others keep what was seen."""
    honest = path_of(site, "timestamp").read_bytes()
    forge(site, "timestamp", lambda signed: setattr(signed, "version", 1000))
    refresh(folder, site)
    path_of(site, "timestamp").write_bytes(honest)
    with site.repository.writing():
        rotate(site.repository, site.keys, ["targets"], NOW)
    refused(folder, site, RolledBackError, "New timestamp version")


# Rotations


def test_three_hundred_root_rotations_behind_are_followed(folder: Path, site: Site) -> None:
    signers = site.keys.signers("root")
    md: Metadata[Any] = Metadata.from_bytes((site.repo / "metadata" / "1.root.json").read_bytes())
    for number in range(2, 302):
        md.signed.version = number
        md.signatures.clear()
        for signer in signers:
            md.sign(signer)
        (site.repo / "metadata" / f"{number}.root.json").write_bytes(
            md.to_bytes(JSONSerializer(compact=True))
        )
    refresh(folder, site)
    assert version(folder, "root") == 301


def test_rotations_that_are_cut_short_go_on_from_where_they_were(folder: Path, site: Site) -> None:
    for _ in range(3):
        with site.repository.writing():
            rotate(site.repository, site.keys, ["timestamp"], NOW)
    with Static(site.repo) as server:
        server.faults["metadata/4.root.json"] = status(500)
        with pytest.raises(OfflineError):
            Trust(folder, Host(server.url)).refresh(NOW)
        assert version(folder, "root") == 3
        server.faults.clear()
        server.requests.clear()
        Trust(folder, Host(server.url)).refresh(NOW)
        assert version(folder, "root") == 7
        assert server.requests[0] == ("metadata/4.root.json", 0)


# Tampered targets, the wrong role, names


def test_a_tampered_index_is_refused(folder: Path, site: Site) -> None:
    index = site.repository.index("stable")
    assert index is not None
    data = index.bytes()
    for evil in (data.replace(b'"entries":1', b'"entries":2'), data[:-1], data + b" ", b""):
        with Static(site.repo) as server:
            server.faults["targets/*"] = other(evil)
            trust = Trust(folder, Host(server.url))
            trust.refresh(NOW)
            with pytest.raises(TamperedError):
                trust.index("stable")


@pytest.mark.parametrize(
    ("role", "given"),
    list(itertools.permutations(["timestamp", "snapshot", "targets", "root"], 2)),
)
def test_metadata_in_the_wrong_role_are_refused(
    role: str, given: str, folder: Path, site: Site
) -> None:
    refresh(folder, site)
    site.teach("blinds")
    with Static(site.repo) as server:
        server.faults["*2.root.json" if role == "root" else f"*{role}.json"] = other(
            path_of(site, given).read_bytes()
        )
        with pytest.raises(SyncError):
            Trust(folder, Host(server.url)).refresh(NOW)


@pytest.mark.parametrize(
    "channel",
    [
        "../stable",
        "/stable",
        "a/b",
        "..",
        "?",
        "#x",
        "stable%2f..",
        "a\r\nb",
        "\x00",
        "é",
        "C:\\x",
        "stable.json/../x",
        "",
    ],
)
def test_a_channel_with_a_malicious_name_stays_inside_the_repository_and_the_store(
    channel: str, folder: Path, site: Site, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"secret")
    before = sorted(tmp_path.rglob("*"))
    sign_target(site, f"{channel}.json", b"secret")
    with Static(site.repo) as server:
        for source in (Folder(site.repo), Host(server.url)):
            trust = Trust(folder, source)
            trust.refresh(NOW)
            with pytest.raises(CfedgeError):
                trust.index(channel)
    outside = {
        path
        for path in tmp_path.rglob("*")
        if not path.is_relative_to(site.repo) and not path.is_relative_to(folder)
    }
    assert outside <= set(before) | set(site.folder.rglob("*"))


def test_a_digest_that_is_a_path_takes_nothing_from_outside(
    folder: Path, site: Site, tmp_path: Path
) -> None:
    (site.repo.parent / "x.stable.json").write_bytes(b"secret")

    def evil(signed: Any) -> None:
        signed.targets["stable.json"].hashes = {"sha256": "../../x"}
        signed.targets["stable.json"].length = 6

    forge(site, "targets", evil)
    lead(site)
    trust = refresh(folder, site)
    with pytest.raises(TamperedError):
        trust.index("stable")


# The disk


def test_a_store_that_cannot_be_written_is_a_storage_error(
    folder: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    def refuse(*args: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    refresh(folder, site)
    before = trusted(folder)
    site.teach("blinds")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(StorageError, match="Read-only file system"):
            refresh(folder, site)
    assert trusted(folder) == before
    refresh(folder, site)


def test_metadata_that_were_damaged_on_the_disk_are_fetched_again(folder: Path, site: Site) -> None:
    refresh(folder, site)
    good = trusted(folder)
    for name in ("timestamp.json", "snapshot.json", "targets.json"):
        for damage in (b"", b"{}", good[name][:-20], b"\xff" * 10):
            (folder / name).write_bytes(damage)
            refresh(folder, site)
            assert trusted(folder) == good


# Nothing new


def test_nothing_is_new_only_where_all_that_is_trusted_leads_to_the_index(
    folder: Path, site: Site
) -> None:
    index = refresh(folder, site).index("stable")[1]

    def unchanged(data: bytes = index, now: datetime = NOW) -> bool:
        return Trust(folder, Folder(site.repo)).is_unchanged("stable", data, now)

    assert unchanged()
    assert not unchanged(index + b" ")
    assert not unchanged(now=NOW + timedelta(days=8))
    site.teach("blinds")
    assert not unchanged()
    with Static(site.repo) as server:
        server.faults["*snapshot.json"] = status(500)
        with pytest.raises(OfflineError):
            Trust(folder, Host(server.url)).refresh(NOW)
    assert (folder / "timestamp.json").read_bytes() == path_of(site, "timestamp").read_bytes()
    assert not unchanged(), (
        "a refresh that was cut after the timestamp has seen less than it knows of"
    )
    refresh(folder, site)
    assert not unchanged(), "nor is the index here"
    index = refresh(folder, site).index("stable")[1]
    assert unchanged(index)
    with site.repository.writing():
        rotate(site.repository, site.keys, ["root"], NOW)
    assert not unchanged(index)


def test_stores_of_one_site_do_not_trust_another(site: Site, tmp_path: Path) -> None:
    other_site = Site(tmp_path / "other")
    store: Store = other_site.store(tmp_path / "device")
    with pytest.raises(TamperedError, match="expected what its keys sign"):
        refresh(store.folder / "trust", site)
