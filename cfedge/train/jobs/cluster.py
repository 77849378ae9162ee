"""A cluster of Dask as a place. Its own machinery is used: a worker's plugin checks the worker's
versions and offers one unit of a resource, each job takes one, and lost workers' jobs are begun
again by the scheduler.

Whoever reaches a scheduler can run code on its workers, as Dask's messages are pickled: a cluster
that others reach is one with TLS and certificates (``dask+tls://``).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cfedge.errors import (
    CfedgeError,
    MissingExtraError,
    OfflineError,
    StorageError,
    UsageError,
)
from cfedge.plain_files import open_plain
from cfedge.train.jobs.job import digest_of_bytes
from cfedge.train.jobs.place import Address, Place
from cfedge.train.jobs.versions import differences, versions_here

try:
    import dask
    from distributed import Client, Worker, WorkerPlugin
    from distributed.comm.core import connect
    from distributed.security import Security
except ImportError as error:
    raise MissingExtraError(
        f"a cluster needs {error.name}: pip install 'cfedge[cluster]', there too"
    ) from error

__all__ = ["connected"]

_CONNECT_S = 10.0
#: So long no worker may be fit before the jobs that are left are given up.
_NO_WORKER_S = 30.0
#: A worker loads torch to say which version it has: on a small board half a minute.
_WORKER_ANSWER_S = 90.0
#: A scheduler at work answers late.
_SCHEDULER_ANSWER_S = 30.0


@contextlib.contextmanager
def connected(address: Address, *, inputs: str, torch: bool) -> Iterator[Place]:
    """Connect to a scheduler; on leaving, jobs that are still at work are cancelled.

    Parameters
    ----------
    inputs, torch
        What a worker must be able to do: see `cfedge.train.jobs.versions.versions_here`.

    Raises
    ------
    OfflineError
        Nobody answers there, or does any more; or TLS was refused.
    StorageError
        A TLS file cannot be read.
    CfedgeError
        No worker is fit: each is named with what it lacks.
    """
    wanted = versions_here(inputs, torch=torch)
    unit = f"cfedge-{digest_of_bytes(repr(sorted(wanted.items())).encode())[:12]}"
    client = _client(address)
    try:
        plugin = _Fit(unit, inputs, torch, wanted)
        try:
            odd = _odd(client, plugin)
            fit = _fit(client, unit)
        except (TimeoutError, OSError) as error:
            raise OfflineError(
                f"{address.url}: expected a scheduler that answers, found that it greets and then"
                f" does not ({type(error).__name__}); start it again"
            ) from error
        if not fit:
            raise CfedgeError(
                f"{address.url}: expected a worker that can do these jobs, found"
                f" {'; '.join(odd) or 'none'}"
            )
        health = _Health(client, unit)
        executor = client.get_executor(resources={unit: 1}, pure=False)
        yield Place(executor, fit, 1, trouble=health, notes=tuple(odd))
    finally:
        with contextlib.suppress(Exception):  # it may be gone
            client.close(timeout=5)


def _client(address: Address) -> Any:
    security = None
    if address.url.startswith("tls://"):
        security = _security(address.tls)
    try:
        with ThreadPoolExecutor(1) as aside:  # where this thread has a loop of its own
            aside.submit(asyncio.run, _greeted(address.url, security)).result()
        # the backbone is sent once to each worker: nothing to warn of
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"})
        return Client(  # type: ignore[no-untyped-call]
            address.url,
            timeout=_CONNECT_S,
            security=security,
            set_as_default=False,
            name="cfedge",
        )
    except Exception as error:  # of reading what another program says, any
        # A time that ran out says nothing of itself.
        said = str(error.__cause__ or "") or str(error) or "no answer in time"
        if isinstance(error, MemoryError):
            said = "what answers there is no scheduler"
        why = re.sub(r"in <[^>]*>: ", "", said).splitlines()[0][:200]
        raise OfflineError(
            f"could not reach a scheduler at {address.url}: {type(error).__name__}: {why}; start"
            " one with: dask scheduler"
        ) from error


async def _greeted(url: str, security: Any) -> None:
    """Let a scheduler greet. Dask waits for that without end, and as long as a program that is none
    says nothing.
    """
    arguments = {} if security is None else security.get_connection_args("client")
    greeting = connect(url, timeout=_CONNECT_S, **arguments)  # type: ignore[no-untyped-call]
    comm = await asyncio.wait_for(greeting, _CONNECT_S)
    await comm.close()


def _security(tls: Mapping[str, str]) -> Any:
    """TLS files that the address names, or those of Dask's own configuration."""
    for path in tls.values():
        try:
            open_plain(path).close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(
                f"could not read the TLS file {path!r}: {reason}; name it in --on"
            ) from error
    names = {"ca": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}
    files = {names[key]: path for key, path in tls.items()}
    security = Security(require_encryption=True, **files)  # type: ignore[no-untyped-call]
    if security.get_connection_args("client")["ssl_context"] is None:  # type: ignore[no-untyped-call]
        raise UsageError(
            "--on: expected TLS files, found none; name them, as in"
            " dask+tls://HOST:8786?ca=ca.pem&cert=me.pem&key=me.key"
        )
    return security


class _Fit(WorkerPlugin):
    """Offers one unit of a resource on workers that have the coordinator's versions: one job at a
    time is done there, and none where it could not be.
    """

    idempotent = True

    def __init__(self, unit: str, inputs: str, torch: bool, wanted: Mapping[str, str]) -> None:
        self.name = unit
        self.inputs, self.torch, self.wanted = inputs, torch, dict(wanted)

    async def setup(self, worker: Worker) -> None:
        """Look at the worker."""
        if not differences(self.wanted, versions_here(self.inputs, torch=self.torch)):
            await worker.set_resources(**{self.name: 1})


def _odd(client: Any, plugin: _Fit) -> list[str]:
    """Register the plugin on all workers, and return what each worker that is not fit lacks."""
    found = client.sync(_versions, client, plugin, _workers(client))
    odd = []
    for worker, versions in found.items():
        if isinstance(versions, TimeoutError):
            why = f"no answer within {_WORKER_ANSWER_S:g} s; end it or start it again"
        elif not isinstance(versions, dict):
            why = f"{type(versions).__name__}: {versions}; install cfedge there"
        elif difference := differences(plugin.wanted, versions):
            why = f"{difference}; install these versions there"
        else:
            continue
        odd.append(f"worker {worker}: {why}")
    return odd


async def _versions(client: Any, plugin: _Fit, workers: Iterable[str]) -> dict[str, Any]:
    """Register the plugin, and ask each worker for its versions; of one that does not answer, the
    error. Dask waits without end for all of them where one is asked with the others.
    """

    async def one(worker: str) -> Any:
        answer = client.run(
            versions_here, plugin.inputs, torch=plugin.torch, workers=[worker], on_error="return"
        )
        return (await asyncio.wait_for(answer, _WORKER_ANSWER_S))[worker]

    registered = asyncio.wait_for(
        client.register_plugin(plugin, name=plugin.name), _WORKER_ANSWER_S
    )
    asked = [one(worker) for worker in workers]
    _, *answers = await asyncio.gather(registered, *asked, return_exceptions=True)
    return dict(zip(workers, answers, strict=True))


def _fit(client: Any, unit: str) -> int:
    """How many workers offer the resource."""
    return sum(bool(worker["resources"].get(unit)) for worker in _workers(client).values())


def _workers(client: Any) -> Mapping[str, Any]:
    """The scheduler's record of each worker, by address.

    Raises
    ------
    TimeoutError, OSError
        The scheduler does not answer, or is gone.
    """

    async def asked() -> Any:
        return await client.scheduler.identity(n_workers=-1)

    found: Mapping[str, Any] = client.sync(asked, callback_timeout=_SCHEDULER_ANSWER_S)["workers"]
    return found


class _Health:
    """Says why nothing goes on: the scheduler is gone, or no worker is fit for a while."""

    def __init__(self, client: Any, unit: str) -> None:
        self._client, self._unit = client, unit
        self._seen = time.monotonic()

    def __call__(self) -> str:
        if self._client.status != "running":
            return f"the scheduler is gone ({self._client.status})"
        try:
            if _fit(self._client, self._unit):
                self._seen = time.monotonic()
        except Exception as error:  # of the engine: the connection
            return f"the scheduler does not answer ({type(error).__name__})"
        if time.monotonic() - self._seen > _NO_WORKER_S:
            return f"no worker was fit for {_NO_WORKER_S:.0f} s"
        return ""
