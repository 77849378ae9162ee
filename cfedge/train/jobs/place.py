"""Where jobs are done: a `Place`, and the address of a cluster that can be one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from cfedge.errors import UsageError

__all__ = ["Address", "Place", "parsed_address"]

_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
_TLS = ("ca", "cert", "key")


class Address(NamedTuple):
    """A cluster: the address that its engine takes, and paths of its TLS files by ``ca``, ``cert``
    and ``key``.
    """

    url: str
    tls: dict[str, str]


@dataclass(frozen=True)
class Place:
    """Where jobs are done.

    Attributes
    ----------
    executor
        None: in this process, one after another.
    at_once
        Jobs that it does at the same time.
    threads
        Of each job, where its settings leave that open; None: as torch chooses.
    is_here
        Whether its processes may read this machine's files.
    trouble
        Why nothing goes on any more; empty where it may.
    notes
        What people should know of it: workers that get no jobs, and why.
    """

    executor: Executor | None = None
    at_once: int = 1
    threads: int | None = None
    is_here: bool = False
    trouble: Callable[[], str] = lambda: ""
    notes: tuple[str, ...] = ()


def parsed_address(on: str) -> Address:
    """Read what ``--on`` was given.

    Raises
    ------
    UsageError
        It is no address of a cluster.
    """
    example = "dask://HOST:8786, or dask+tls://HOST:8786?ca=ca.pem&cert=me.pem&key=me.key"
    try:
        parts = urlsplit(on)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UsageError(f"--on: expected {example}, found {on!r} ({error})") from error
    if parts.scheme not in _SCHEMES or not parts.hostname or port is None or parts.path.strip("/"):
        raise UsageError(f"--on: expected {example}, found {on!r}")
    tls = dict(options)
    if set(tls) - set(_TLS) or len(tls) < len(options) or (tls and parts.scheme != "dask+tls"):
        raise UsageError(
            f"--on: expected {', '.join(_TLS)} once each and with dask+tls alone, found"
            f" {parts.query!r}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(f"{_SCHEMES[parts.scheme]}://{host}:{port}", tls)
