"""Which place a caller chose for jobs: processes on this machine, a cluster that ``--on`` names, any
Executor of the caller's, or this very process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor

from cfedge.device import usable_cores
from cfedge.errors import UsageError
from cfedge.inputs import DEFAULT_KIND
from cfedge.train.jobs.place import Place, parsed_address
from cfedge.train.jobs.processes import Processes

__all__ = ["chosen_place"]

#: Jobs of an Executor that does not say how many it does at once.
_AT_ONCE = 32
#: Processes of one machine: more than any has cores.
_MOST_JOBS = 1024


@contextlib.contextmanager
def chosen_place(
    *,
    jobs: int = 1,
    on: str | None = None,
    executor: Executor | None = None,
    inputs: str = DEFAULT_KIND,
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
    if not 1 <= jobs <= _MOST_JOBS:
        raise UsageError(
            f"--jobs: expected 1 to {_MOST_JOBS}, found {jobs}; give as many as cores are free"
        )
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
