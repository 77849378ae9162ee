"""From folders and files to a report on the disk: whole or not at all, and never over something else."""

from __future__ import annotations

import json as json_format
import os
from dataclasses import dataclass
from pathlib import Path

from cfedge.errors import StorageError, UsageError
from cfedge.inputs.modality import Input
from cfedge.outside import check_file
from cfedge.progress import Progress
from cfedge.report import contents_of, with_measured
from cfedge.report.changes import changes, record
from cfedge.report.contents import dumped
from cfedge.report.earlier import is_comparable, is_report, read_old
from cfedge.report.measured import check_measured
from cfedge.report.page import page
from cfedge.storage import write_file

__all__ = ["Written", "write_report"]


@dataclass(frozen=True)
class Written:
    """Bytes of a page, and whether ``--against`` takes all that was written with it."""

    page_bytes: int
    comparable: bool


def write_report(
    folder: Path,
    out: Path,
    *,
    json: Path | None = None,
    against: Path | None = None,
    unknown: Path | None = None,
    bench: Path | None = None,
    parity: Path | None = None,
    monitor: Path | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the report of a workspace, a bundle or a store.

    Parameters
    ----------
    folder
        See `cfedge.report.contents_of`.
    out, json
        Files of the page and of its data; what is there is replaced if it is a report too.
    against
        An earlier report, of either form.
    unknown
        A file of inputs of no task; for a workspace alone.
    bench, parity, monitor
        See `cfedge.report.with_measured`.

    Raises
    ------
    UsageError
        A file is not what it should be, or another file lies where one is to be written.
    CfedgeError
        See `cfedge.report.contents_of`.
    """
    for path in filter(None, (out, json)):
        _check_free(path)
    if json is not None and os.path.realpath(json) == os.path.realpath(out):
        raise UsageError(
            f"--json: expected another file than the page's, found {json}; name another"
        )
    check_measured(bench=bench, parity=parity, monitor=monitor)
    old = read_old(against) if against is not None else None
    made = contents_of(folder, unknown=_inputs(folder, unknown), progress=progress)
    made = with_measured(made, bench=bench, parity=parity, monitor=monitor)
    found = changes(old, made) if old is not None else None
    data = page(made, found)
    comparable = is_comparable(data)
    if json is not None:
        told = {"changes": None if found is None else record(found)}
        value = {**told, **json_format.loads(dumped(made))}
        told_bytes = json_format.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")
        comparable = comparable and is_comparable(told_bytes)
        write_file(json, told_bytes)
    write_file(out, data)
    return Written(len(data), comparable)


def _inputs(folder: Path, unknown: Path | None) -> list[Input]:
    if unknown is None:
        return []
    if not os.path.isfile(folder / "workspace.json"):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise UsageError(
            f"--unknown: expected a workspace, found {folder}, which is none; a bundle's report shows"
            " what the bundle holds: leave it out"
        )
    from cfedge.train.examples.inputs_alone import load_inputs
    from cfedge.train.workspace.folder import WorkspaceFolder

    return list(load_inputs(unknown, kind=WorkspaceFolder(folder).kind))


def _check_free(path: Path) -> None:
    """Refuse, before anything is computed, to write over what is no report, or where no folder is."""
    check_file(path)
    if not path.exists():
        return
    try:
        known = is_report(path)
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; name another file") from error
    if not known:
        raise UsageError(
            f"{path}: expected no file or an earlier report, found another file; name another one"
        )
