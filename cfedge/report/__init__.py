"""A report: one file that opens anywhere and shows what a workspace, a bundle or a store is.

`contents_of` gathers what is to be said (`cfedge.report.contents`), `page` draws it. Of a bundle
nothing is told that its own files do not hold. Of a workspace the parts that need ``cfedge[add]`` are
imported when one is reported on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cfedge.inputs.modality import Input
from cfedge.progress import Progress
from cfedge.report.changes import Change, changes
from cfedge.report.contents import Contents, dumped
from cfedge.report.earlier import parsed, read_old
from cfedge.report.measured import read_bench, read_drift, read_parity
from cfedge.report.of_bundle import of_bundle
from cfedge.report.page import page
from cfedge.store import Store, bundle_at, check_there

__all__ = [
    "Change",
    "Contents",
    "changes",
    "contents_of",
    "dumped",
    "page",
    "parsed",
    "read_old",
    "with_measured",
]


def contents_of(
    folder: Path, *, unknown: Sequence[Input] = (), progress: Progress | None = None
) -> Contents:
    """Return what the report of a workspace, a bundle or a store says.

    Parameters
    ----------
    folder
        Of one of them.
    unknown
        Inputs of no task, for a workspace (`cfedge.report.of_workspace.of_workspace`).

    Raises
    ------
    CfedgeError
        It is none of them, or is damaged.
    """
    if os.path.isfile(folder / "workspace.json"):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        from cfedge.report.of_workspace import of_workspace

        return of_workspace(folder, unknown=unknown, progress=progress)
    check_there(folder, "a workspace, a bundle or a store")
    return of_bundle(bundle_at(folder), "store" if Store.exists(folder) else "bundle")


def with_measured(
    contents: Contents,
    *,
    bench: Path | None = None,
    parity: Path | None = None,
    monitor: Path | None = None,
) -> Contents:
    """Add what other commands measured and wrote.

    Parameters
    ----------
    bench, parity, monitor
        Files of ``cfedge bench --json``, ``cfedge export --json`` and ``cfedge predict --monitor``.

    Raises
    ------
    UsageError, DamagedError, StorageError
        A file is none of these, or cannot be read.
    """
    names = {task.name for task in contents.tasks}
    return replace(
        contents,
        bench=read_bench(bench, names) if bench else contents.bench,
        parity=read_parity(parity, names) if parity else contents.parity,
        drift=read_drift(monitor, contents.digest) if monitor else contents.drift,
    )
