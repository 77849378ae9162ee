from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from every import cases

from cfedge.errors import DamagedError, StorageError, UsageError
from cfedge.publish.keys import ROLES, Keys


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.pem")}


def test_new_keys_are_one_a_role_and_as_many_roots_as_asked_for(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys", site="hq", root_keys=3, root_threshold=2)
    assert [len(keys.signers(role)) for role in ROLES] == [3, 1, 1, 1]
    again = Keys(tmp_path / "keys")
    assert (again.site, again.root_threshold) == ("hq", 2)
    assert [one.public_key.keyid for one in again.signers("root")] == [
        one.public_key.keyid for one in keys.signers("root")
    ]


def test_a_site_without_a_name_draws_one(tmp_path: Path) -> None:
    names = {Keys.create(tmp_path / str(number)).site for number in range(3)}
    assert len(names) == 3


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_only_the_owner_can_read_keys_old_and_new(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys = Keys.create(tmp_path / "keys")
        keys.make("timestamp")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert _modes(tmp_path / "keys") == {0o600}


@cases(("keys", "threshold"), [(0, 0), (1, 2), (2, 0), (17, 1)])
def test_a_threshold_that_the_keys_cannot_reach_is_refused(
    tmp_path: Path, keys: int, threshold: int
) -> None:
    with pytest.raises(
        UsageError, match=rf"expected 1 <= threshold <= keys <= 16, found {threshold} of {keys}"
    ):
        Keys.create(tmp_path / "keys", root_keys=keys, root_threshold=threshold)
    assert not (tmp_path / "keys").exists()


@cases("site", ["", "x" * 65, "a\nb", "  ", "\u3164", "\x1b[2J"])
def test_a_site_needs_a_printable_name(tmp_path: Path, site: str) -> None:
    with pytest.raises(UsageError, match=r"--site: expected 1\.\.64 printable characters"):
        Keys.create(tmp_path / "keys", site=site)


def test_keys_never_take_the_place_of_others(tmp_path: Path) -> None:
    Keys.create(tmp_path / "keys")
    with pytest.raises(StorageError, match="expected a name that is free"):
        Keys.create(tmp_path / "keys")


def test_no_keys_are_reported_with_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(
        DamagedError, match=r"expected keys, found none; make them with: cfedge keys init"
    ):
        Keys(tmp_path / "none")


@cases(
    "record",
    [
        b"",
        b"[]",
        b"{}",
        b'{"root_keys":"2","root_threshold":1,"site":"x"}',
        b"\xff",
        b'{"root_keys":2,"root_threshold":0,"site":"x"}',
        b'{"root_keys":1,"root_threshold":2,"site":"x"}',
        b'{"root_keys":1,"root_threshold":1,"site":"\\u001b[2J"}',
        b'{"root_keys":1,"root_threshold":1,"site":" "}',
    ],
)
def test_a_damaged_record_is_reported(tmp_path: Path, record: bytes) -> None:
    Keys.create(tmp_path / "keys")
    (tmp_path / "keys" / "keys.json").write_bytes(record)
    with pytest.raises(DamagedError, match=r"keys\.json: expected what cfedge wrote"):
        Keys(tmp_path / "keys")


def test_a_passphrase_encrypts_every_key_and_opens_them_again(tmp_path: Path) -> None:
    Keys.create(tmp_path / "keys", passphrase="open sesame")
    for path in (tmp_path / "keys").glob("*.pem"):
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert len(Keys(tmp_path / "keys", "open sesame").signers("root")) == 2
    made = Keys(tmp_path / "keys", "open sesame").make("targets")
    assert b"ENCRYPTED" in (tmp_path / "keys" / "targets-2.pem").read_bytes()
    assert len(made) == 1


@pytest.mark.parametrize("passphrase", [None, "", "wrong"])
def test_a_wrong_or_missing_passphrase_is_reported_with_where_to_give_it(
    tmp_path: Path, passphrase: str | None
) -> None:
    Keys.create(tmp_path / "keys", passphrase="open sesame")
    with pytest.raises(DamagedError, match=r"could not open .*targets-1\.pem: .*CFEDGE_PASSPHRASE"):
        Keys(tmp_path / "keys", passphrase).signers("targets")


def test_a_passphrase_that_encrypts_nothing_is_refused_and_not_repeated(tmp_path: Path) -> None:
    Keys.create(tmp_path / "keys", passphrase="x" * 1023)
    for passphrase, said in (
        ("se\udcffcret", "expected UTF-8"),
        ("secret" * 200, "expected at most 1023 bytes, found 1200"),
    ):
        for use in (
            lambda one: Keys.create(tmp_path / "new", passphrase=one),
            lambda one: Keys(tmp_path / "keys", one),
        ):
            with pytest.raises(UsageError, match=f"CFEDGE_PASSPHRASE: {said}") as caught:
                use(passphrase)
            assert "cret" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_ed25519_key_is_reported(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    keys = Keys.create(tmp_path / "keys")
    path = tmp_path / "keys" / "targets-1.pem"
    path.write_bytes(b"no key")
    with pytest.raises(DamagedError, match=r"could not open .*targets-1\.pem: "):
        keys.signers("targets")
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(DamagedError, match=r"expected an ed25519 key, found ECPrivateKey"):
        keys.signers("targets")


def test_copies_under_other_names_are_no_keys(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys")
    (tmp_path / "keys" / "timestamp-old.pem").write_bytes(b"anything")
    assert len(keys.signers("timestamp")) == 1
    keys.make("timestamp")
    assert (tmp_path / "keys" / "timestamp-2.pem").exists()


def test_new_keys_stand_beside_the_old_until_these_are_forgotten(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys", root_keys=2)
    old = {one.public_key.keyid for one in keys.signers("root")}
    new = {one.public_key.keyid for one in keys.make("root")}
    assert {one.public_key.keyid for one in keys.signers("root")} == old | new
    assert not old & new
    keys.forget("root", new)
    assert {one.public_key.keyid for one in keys.signers("root")} == new
    assert len(keys.signers("targets")) == 1
