"""Where jobs are done: in processes on this machine, on a cluster that ``--on`` names, on any
Executor of the caller's, or here in this very process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from cfedge.device import usable_cores
from cfedge.errors import UsageError
from cfedge.train.jobs.processes import Processes

__all__ = ["Address", "Place", "chosen_place", "parsed_address"]

_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
_TLS = ("ca", "cert", "key")
#: Jobs of an Executor that does not say how many it does at once.
_AT_ONCE = 32


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


@contextlib.contextmanager
def chosen_place(
    *,
    jobs: int = 1,
    on: str | None = None,
    executor: Executor | None = None,
    inputs: str = "text",
    torch: bool = True,
) -> Iterator[Place]:
    """Open the place that a caller named, and close it: what is still at work is stopped.

    Parameters
    ----------
    jobs
        Processes on this machine; 1: none but this.
    on
        ``dask://HOST:PORT``, ``dask+tls://HOST:PORT?ca=FILE&cert=FILE&key=FILE``.
    executor
        Of the caller's, who also ends it.
    inputs, torch
        What workers must be able to do: see `cfedge.train.jobs.versions.versions_here`.

    Raises
    ------
    UsageError
        More than one place is named, or an address that cannot be.
    MissingExtraError, OfflineError
        The cluster's package is not installed; nobody answers there.
    """
    if jobs < 1:
        raise UsageError(f"--jobs: expected >= 1, found {jobs}")
    named = [
        name
        for name, given in (("--jobs", jobs > 1), ("--on", on), ("executor", executor))
        if given
    ]
    if len(named) > 1:
        raise UsageError(
            f"{named[1]}: expected one place for the jobs, found {' and '.join(named)}; leave one out"
        )
    if executor is not None:
        yield Place(executor, _AT_ONCE, 1)
    elif on is not None:
        from cfedge.train.jobs.cluster import connected

        with connected(parsed_address(on), inputs=inputs, torch=torch) as place:
            yield place
    elif jobs > 1:
        processes = Processes(jobs)
        try:
            yield Place(processes, jobs, max(1, usable_cores() // jobs), is_here=True)
        finally:
            processes.shutdown(wait=False)
    else:
        yield Place()


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
