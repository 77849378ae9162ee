"""What the head of a request must be before anything else is looked at. Pure.

A page in a browser on this machine or its network may ask any address that its own name is made to
resolve to (DNS rebinding): such a request carries that name as its host. So only addresses, this
machine's own name and names that were allowed are answered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import NamedTuple

from starlette.types import Scope

__all__ = ["Refusal", "refusal"]

_LOCAL = "localhost"
_QUOTED = 80


class Refusal(NamedTuple):
    """A status and what is wrong."""

    status: int
    message: str


def refusal(scope: Scope, *, hosts: Collection[str], head_bytes: int) -> Refusal | None:
    """Judge a request by its head.

    Parameters
    ----------
    scope
        ASGI's, of a request.
    hosts
        Names that are answered beside addresses and ``localhost``, in lower case.
    head_bytes
        Of the request line with the headers, at most.

    Returns
    -------
    Refusal | None
        None where the request may be looked at.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    size += len(scope["raw_path"]) + len(scope["query_string"]) + len(scope["method"])
    if size > head_bytes:
        return Refusal(400, f"head: expected at most {head_bytes} bytes, found {size}; send less")
    if scope["http_version"] not in ("1.0", "1.1"):
        return Refusal(505, f"head: expected HTTP/1.1, found {scope['http_version']!r:.20}")
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        return Refusal(
            400,
            "head: expected content-length or transfer-encoding, found both (RFC 9112, 6.3); send"
            " one",
        )
    for name, value in headers:
        if name == b"host" and not _is_answered(value.decode("latin-1"), hosts):
            return Refusal(
                421,
                f"host: expected an address, {_LOCAL} or a name that is allowed, found"
                f" {value.decode('latin-1')[:_QUOTED]!r}; allow it with: cfedge serve --allow-host",
            )
    return None


def _is_answered(host: str, hosts: Collection[str]) -> bool:
    name, _, port = host.rpartition(":")
    name = (name if port.isdecimal() else host).lower().removesuffix(".")
    if name == _LOCAL or name in hosts:
        return True
    try:
        if name.startswith("[") and name.endswith("]"):
            return bool(ipaddress.IPv6Address(name[1:-1]))
        return bool(ipaddress.IPv4Address(name))
    except ValueError:
        return False
