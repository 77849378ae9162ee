"""Seal what is kept, with AES-256-GCM: whoever has the folder without the key reads nothing and
changes nothing unnoticed.

::

    KEY FILE    32 random bytes in hexadecimal, mode 0600, made when first needed

The key lies outside of the folder that it seals, so that a copy of the folder is worth nothing. It
protects against whoever takes the folder, not against whoever is this user on this machine.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cfedge.errors import DamagedError, StorageError, UsageError
from cfedge.plain_files import NotPlainError, read_plain

__all__ = ["Seal", "default_key", "read_key"]

_KEY_BYTES, _NONCE_BYTES = 32, 12


def default_key() -> Path:
    """Where the key lies unless another file is given: ``$CFEDGE_KEEP_KEY``, or ``cfedge/keep.key``
    in the user's data.
    """
    own = os.environ.get("CFEDGE_KEEP_KEY")
    if own:
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "cfedge" / "keep.key"


def read_key(path: Path) -> bytes:
    """Return the key in a file, made now where there is none.

    Raises
    ------
    UsageError
        It is no key, or others may read it.
    StorageError
        The disk refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(path)
        mode = path.stat().st_mode
        content = read_plain(path, 256)
    except NotPlainError as error:
        raise UsageError(
            f"{path}: expected a key file, found {error.strerror}; name the file"
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not read the key {path}: {error.strerror}; check the disk and rights"
        ) from error
    if os.name != "nt" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"{path}: expected a key that its owner alone may read, found mode"
            f" {stat.S_IMODE(mode):04o}; set it with: chmod 600 {path}"
        )
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise UsageError(
            f"{path}: expected {_KEY_BYTES} bytes in hexadecimal, found something else; name"
            " another file in CFEDGE_KEEP_KEY"
        )
    return key


def _make(path: Path) -> None:
    """Make a key where there is none, whole or not at all; of several that do so at once the first
    one's stays.
    """
    if path.exists():
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # its owner alone may read it
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


class Seal:
    """Seals and opens with one key.

    Parameters
    ----------
    key
        32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher, self._key = AESGCM(key), key

    def close(self, data: bytes, about: bytes) -> bytes:
        """Seal bytes; `about` must be the same when they are opened."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Open what `close` returned.

        Raises
        ------
        DamagedError
            It was changed, or sealed with another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            raise DamagedError(
                "kept input: expected what this key sealed, found something else; give the key"
                " that it was kept with (CFEDGE_KEEP_KEY), or keep in a new folder"
            ) from error

    def name(self, data: bytes) -> bytes:
        """Return what equal bytes have in common and what says nothing of them without the key."""
        return hmac.digest(self._key, data, "sha256")[:16]
