"""Keys that were stolen, or whose owner had a clock that was ahead: what comes after they were
replaced. Nothing goes back to what only they signed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from bounded import bounded
from channels import NOW, Site, no_probe

from cfedge.errors import (
    DamagedError,
    IncompatibleError,
    OfflineError,
    StaleError,
    SyncError,
    TamperedError,
)
from cfedge.publish.channel import roll_out
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.publish.rotation import ONLINE, rotate
from cfedge.store import Store
from cfedge.store.boot_attempts import MAX_STARTS
from cfedge.sync.client import Plan, sync
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder


@pytest.fixture
def hq(tmp_path: Path) -> Site:
    site = Site(tmp_path / "hq", "hq")
    site.teach("lights")
    return site


@pytest.fixture
def store(hq: Site, tmp_path: Path) -> Store:
    return hq.store(tmp_path / "store")


def synced(store: Store, site: Site, **plan: bool) -> Synced:
    """One sync, and the first start of what it brought."""
    done = sync(store, Folder(site.repo), Plan(**plan), now=lambda: site.now, probing=no_probe)
    if done.generation is not None:
        store.boot_attempts.passed(done.generation)
    return done


def steal(store: Store, site: Site) -> None:
    """A thief with the targets key publishes, a device follows, and the keys are replaced."""
    synced(store, site)
    site.teach("lights", "the thief's")
    synced(store, site)
    assert store.generations() == [1, 2]
    replaced(site)


def replaced(site: Site, roles: tuple[str, ...] = ONLINE) -> None:
    with site.repository.writing():
        rotate(site.repository, site.keys, roles, site.now)


def versions(store: Store, generation: int) -> str:
    return store.manifest(generation).tasks[0].adapter.sha256


def fail(store: Store, generation: int) -> None:
    store.boot_attempts.expect(generation)
    for _ in range(MAX_STARTS):
        store.boot_attempts.start(generation)


def test_no_rollback_brings_back_what_only_stolen_keys_signed(store: Store, hq: Site) -> None:
    steal(store, hq)
    hq.teach("lights", "right again")
    with bounded():
        done = synced(store, hq)
    assert any(
        "generation 2 is signed by keys that no longer count" in one for one in done.conflicts
    )
    assert store.generations() == [3]
    for target in (None, 1, 2):
        with pytest.raises((DamagedError, TamperedError), match="cfedge generations"):
            store.rollback(target)
    assert store.to_open() == 3


def test_three_failed_starts_do_not_bring_it_back(store: Store, hq: Site) -> None:
    steal(store, hq)
    hq.teach("lights", "right again")
    synced(store, hq)
    fail(store, 3)
    with bounded(), pytest.raises(DamagedError, match="none is before it"):
        store.to_open()


def test_a_sync_that_was_cut_after_it_learned_of_the_theft_leaves_nothing_to_go_back_to(
    store: Store, hq: Site
) -> None:
    steal(store, hq)
    hq.teach("lights", "right again")
    for path in (hq.repo / "objects").iterdir():
        if path.stat().st_size == 200 and not (store.objects / path.name).exists():
            path.unlink()  # what is new does not come
    with pytest.raises(OfflineError):
        sync(store, Folder(hq.repo), now=lambda: NOW, probing=no_probe, wait=lambda seconds: None)
    assert store.generations() == [1, 2]
    assert store.to_open() == 2  # what answered goes on
    for target in (None, 1, 2):
        with pytest.raises((DamagedError, TamperedError)):
            store.rollback(target)
    fail(store, 2)
    with pytest.raises(DamagedError, match="none is before it"):
        store.to_open()


def test_a_refused_new_state_does_not_let_a_rollback_go_to_the_thiefs(
    store: Store, hq: Site
) -> None:
    steal(store, hq)
    hq.teach("lights", "right again")

    def refusing(store: Store, generation: int, new: object) -> None:
        raise IncompatibleError("not on this machine")

    with pytest.raises(IncompatibleError):
        sync(store, Folder(hq.repo), now=lambda: NOW, probing=refusing)
    with pytest.raises((DamagedError, TamperedError)):
        store.rollback()


def test_a_pin_on_what_stolen_keys_signed_ends_and_is_said(store: Store, hq: Site) -> None:
    synced(store, hq)
    hq.teach("lights", "the thief's")
    synced(store, hq)
    hq.teach("blinds")
    synced(store, hq)
    store.rollback(2)
    replaced(hq)
    hq.teach("lights", "right again")
    done = synced(store, hq)
    assert (done.pinned, done.changed) == (False, True)
    assert any(
        "generation 2 was pinned by a rollback, and is signed by keys that no longer count" in one
        for one in done.conflicts
    )


def test_what_the_new_keys_sign_again_stays_and_can_be_gone_back_to(store: Store, hq: Site) -> None:
    synced(store, hq)
    replaced(hq)
    assert not synced(store, hq).changed  # the same state, under new keys
    hq.teach("blinds")
    synced(store, hq)
    assert store.generations() == [1, 2]
    assert store.rollback().generation == 1


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "root"])
def test_other_keys_say_nothing_about_generations(store: Store, hq: Site, role: str) -> None:
    synced(store, hq)
    hq.teach("blinds")
    synced(store, hq)
    replaced(hq, (role,))
    synced(store, hq)
    assert store.generations() == [1, 2]
    assert store.rollback().generation == 1


def test_a_key_that_only_pretends_to_have_signed_vouches_for_nothing(
    store: Store, hq: Site
) -> None:
    from tuf.api.metadata import Metadata, Signature, Targets

    synced(store, hq)
    path = max((hq.repo / "metadata").glob("*.targets.json"))
    signed: Metadata[Targets] = Metadata.from_bytes(path.read_bytes())
    signed.signatures["f" * 64] = Signature("f" * 64, "00" * 64)
    (store.folder / "trust" / "targets.json").write_bytes(signed.to_bytes())
    from cfedge.sync.trust import signers_of

    assert signers_of(store.folder / "trust") == tuple(
        signer.public_key.keyid for signer in hq.keys.signers("targets")
    )


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"[1]", b"null", b"[[]]", b"[" * 5000])
def test_a_damaged_note_vouches_for_nothing(store: Store, hq: Site, damage: bytes) -> None:
    synced(store, hq)
    hq.teach("blinds")
    synced(store, hq)
    (store.folder / "vouched" / "1").write_bytes(damage)
    with pytest.raises((DamagedError, TamperedError)):
        store.rollback(1)


# A clock that was ahead


@pytest.fixture
def ahead(hq: Site) -> Site:
    """A site that published once while its clock was a hundred days ahead."""
    hq.now = NOW + timedelta(days=100)
    hq.teach("blinds")
    hq.now = NOW
    return hq


CHANGES: dict[str, Callable[[Site], object]] = {
    "publish": lambda site: site.teach("heating"),
    "withdraw": lambda site: site.remove("lights"),
    "renew": lambda site: site.repository.renew(site.keys, site.now),
}


@pytest.mark.parametrize("change", CHANGES)
def test_success_is_not_said_where_devices_would_be_locked_out(ahead: Site, change: str) -> None:
    with (
        bounded(),
        pytest.raises(
            SyncError,
            match=r"expected channel 'stable' to be dated before now, found 2026-09-09T12:00:00Z.*"
            r"cfedge keys rotate KEYS .* online",
        ),
    ):
        CHANGES[change](ahead)


def test_a_rollout_is_not_moved_by_a_clock_that_was_behind(hq: Site) -> None:
    hq.teach("blinds", share=0.5)
    with pytest.raises(SyncError, match="to be dated before now"):
        roll_out(hq.repo, hq.keys, 1.0, now=NOW - timedelta(days=1))


def test_devices_that_followed_a_clock_that_was_ahead_come_back(ahead: Site, store: Store) -> None:
    ahead.now = NOW + timedelta(days=100)
    synced(store, ahead)
    ahead.now = NOW + timedelta(hours=1)
    signing = Repository(ahead.repo).signing(ahead.keys, ahead.now)
    signing.stage(("snapshot", "timestamp"))
    signing.write(("snapshot", "timestamp"))  # what renew refuses to
    with pytest.raises(StaleError):  # the device knows that the time has passed
        synced(store, ahead)
    replaced(ahead)
    done = synced(store, ahead)
    assert done.freshness == "fresh"
    ahead.teach("heating")
    assert synced(store, ahead).added == ("heating",)


def test_a_new_device_is_not_held_up_either(ahead: Site, tmp_path: Path) -> None:
    replaced(ahead)
    assert synced(ahead.store(tmp_path / "new"), ahead).freshness == "fresh"


def test_rotating_other_keys_does_not_date_a_channel_that_devices_would_not_take(
    ahead: Site,
) -> None:
    replaced(ahead, ("timestamp",))
    index = ahead.repository.index("stable")
    assert index is not None
    assert index.time > NOW


def test_all_that_lies_on_the_machine_that_publishes_is_replaced_at_once(hq: Site) -> None:
    before = {role: hq.keys.signers(role)[0].public_key.keyid for role in ONLINE}
    replaced(hq)
    keys = Keys(hq.folder / "keys")
    assert all(
        [signer.public_key.keyid for signer in keys.signers(role)] != [before[role]]
        and len(keys.signers(role)) == 1
        for role in ONLINE
    )
    hq.teach("heating")
