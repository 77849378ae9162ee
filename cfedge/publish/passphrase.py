"""The passphrase of private keys, as what encrypts them takes it. Pure."""

from __future__ import annotations

from cfedge.errors import UsageError

__all__ = ["encoded"]

#: Of OpenSSL's, with which keys are encrypted.
_MOST_BYTES = 1023


def encoded(passphrase: str | None) -> bytes | None:
    """Return a passphrase's bytes, None where there is none.

    Raises
    ------
    UsageError
        No key can be encrypted with it; it is not repeated.
    """
    if not passphrase:
        return None
    try:
        data = passphrase.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "CFEDGE_PASSPHRASE: expected UTF-8, found bytes that are none; choose another passphrase"
        ) from error
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"CFEDGE_PASSPHRASE: expected at most {_MOST_BYTES} bytes, found {len(data)}; choose a"
            " shorter one"
        )
    return data
