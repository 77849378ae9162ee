"""A site's signing keys, in a folder of its own that is never published.

::

    KEYS/keys.json        the site's name, how many root keys there are, and how many must sign
                          a root
    KEYS/<role>-<n>.pem   ed25519 private keys, PKCS 8, encrypted where a passphrase was given

Which of the keys count is for the repository's root to say: a key file that it does not name signs
nothing. Root keys can leave the machine (move the files away): they are needed to rotate keys only.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from cfedge.bundle.canonical import canonical_json, read_json, typed
from cfedge.errors import DamagedError, SchemaError, StorageError, UsageError
from cfedge.outside import check_folder
from cfedge.plain_files import read_plain
from cfedge.printable import is_printable, is_seen
from cfedge.publish.passphrase import encoded
from cfedge.storage import new_folder, write_file

__all__ = ["Keys", "ROLES"]

#: Of The Update Framework: root says which keys sign what, targets what a channel is, snapshot and
#: timestamp which is newest.
ROLES = ("root", "snapshot", "targets", "timestamp")


_MOST_ROOT_KEYS, _SITE_CHARACTERS = 16, 64


@dataclass(frozen=True)
class _Record:
    site: str
    root_keys: int
    root_threshold: int


def _fault(record: _Record) -> str | None:
    """Say why there can be no such keys: devices would refuse what they sign."""
    if not 1 <= record.root_threshold <= record.root_keys <= _MOST_ROOT_KEYS:
        return (
            f"--root-keys, --root-threshold: expected 1 <= threshold <= keys <= {_MOST_ROOT_KEYS},"
            f" found {record.root_threshold} of {record.root_keys}"
        )
    site = record.site
    if not 0 < len(site) <= _SITE_CHARACTERS or not is_printable(site) or not is_seen(site):
        return f"--site: expected 1..{_SITE_CHARACTERS} printable characters, found {site!a:.80}"
    return None


class Keys:
    """Keys that exist.

    Attributes
    ----------
    folder
        Where they are.
    site
        Name of the site, in every entry that it publishes.
    root_threshold
        How many root keys must sign a root.

    Raises
    ------
    DamagedError
        There are none, or their record is damaged.
    """

    def __init__(self, folder: Path, passphrase: str | None = None) -> None:
        self.folder = folder
        self._passphrase = encoded(passphrase)
        path = folder / "keys.json"
        try:
            self._record: _Record = typed(
                _Record, read_json(read_plain(path), "keys.json"), "keys.json"
            )
            if (fault := _fault(self._record)) is not None:
                raise ValueError(fault)
        except FileNotFoundError as error:
            raise DamagedError(
                f"{folder}: expected keys, found none; make them with: cfedge keys init {folder}"
            ) from error
        except OSError as error:
            raise StorageError(
                f"could not read {path}: {error.strerror}; check the disk"
            ) from error
        except (ValueError, SchemaError) as error:
            raise DamagedError(
                f"{path}: expected what cfedge wrote, found {error}; restore it from a copy"
            ) from error

    @property
    def site(self) -> str:
        """Name of the site."""
        return self._record.site

    @property
    def root_threshold(self) -> int:
        """How many root keys must sign a root."""
        return self._record.root_threshold

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        site: str | None = None,
        root_keys: int = 2,
        root_threshold: int = 2,
        passphrase: str | None = None,
    ) -> Keys:
        """Make new keys in a new folder that only its owner can read.

        Parameters
        ----------
        folder
            Must not exist.
        site
            1 to 64 characters; otherwise drawn.
        root_keys, root_threshold
            How many root keys there are, and how many of them must sign.
        passphrase
            Encrypts the private keys.

        Raises
        ------
        UsageError
            A number or name cannot be used.
        StorageError
            The disk refused, or `folder` exists.
        """
        site = secrets.token_hex(4) if site is None else site
        record = _Record(site, root_keys, root_threshold)
        if (fault := _fault(record)) is not None:
            raise UsageError(f"{fault}; choose another")
        check_folder(folder)
        secret = encoded(passphrase)
        with new_folder(folder, mode=0o700) as temporary:
            for role in ROLES:
                for number in range(1, 1 + (root_keys if role == "root" else 1)):
                    _make(temporary / f"{role}-{number}.pem", secret)
            write_file(temporary / "keys.json", canonical_json(asdict(record)))
        return cls(folder, passphrase)

    def signers(self, role: str) -> list[CryptoSigner]:
        """Return the signers of a role whose private keys are here.

        Raises
        ------
        DamagedError
            A key is damaged, or the passphrase is another one.
        """
        return [CryptoSigner(self._load(path)) for path in self._files(role)]

    def make(self, role: str) -> list[CryptoSigner]:
        """Make new keys of a role, as many as it has, beside those that are."""
        first = max((_number(path) for path in self._files(role)), default=0) + 1
        paths = [
            self.folder / f"{role}-{number}.pem"
            for number in range(first, first + (self._record.root_keys if role == "root" else 1))
        ]
        for path in paths:
            _make(path, self._passphrase)
        return [CryptoSigner(self._load(path)) for path in paths]

    def forget(self, role: str, keep: Collection[str]) -> None:
        """Delete the keys of a role but for those of the identifiers `keep`."""
        for path in self._files(role):
            if CryptoSigner(self._load(path)).public_key.keyid not in keep:
                path.unlink()

    @property
    def exposed(self) -> list[Path]:
        """Private keys that others than their owner may read or write; none where the system has
        no such modes.
        """
        if os.name == "nt":
            return []
        return [
            path
            for role in ROLES
            for path in self._files(role)
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        ]

    def _files(self, role: str) -> list[Path]:
        try:
            found = list(self.folder.glob(f"{role}-*.pem"))
        except OSError as error:
            raise StorageError(
                f"could not list {self.folder}: {error.strerror}; check the disk and rights"
            ) from error
        return sorted(filter(_number, found), key=_number)

    def _load(self, path: Path) -> Ed25519PrivateKey:
        try:
            data = read_plain(path)
        except OSError as error:
            raise DamagedError(
                f"{path}: expected a private key, found {error.strerror}; restore it, or rotate"
                " the key"
            ) from error
        try:
            key = serialization.load_pem_private_key(data, self._passphrase)
        except (ValueError, TypeError) as error:
            raise DamagedError(
                f"could not open {path}: {str(error).splitlines()[0]:.80}; give its"
                " passphrase in CFEDGE_PASSPHRASE"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise DamagedError(
                f"{path}: expected an ed25519 key, found {type(key).__name__}; restore it, or"
                " rotate the key"
            )
        return key


def _number(path: Path) -> int:
    """The number in a key file's name, 0 where it is none of ours."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _make(path: Path, passphrase: bytes | None) -> None:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    write_file(path, data, mode=0o600)
