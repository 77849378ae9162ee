"""What other commands wrote, read for a report: ``bench --json``, ``export --json``, ``--monitor``.

A file comes from elsewhere, so each value is checked: a number must be one, and finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from cfedge.errors import StorageError, UsageError
from cfedge.plain_files import open_plain
from cfedge.printable import escaped
from cfedge.report.contents import Bench, Counted, Drift, Parity
from cfedge.report.foreign_json import foreign_json
from cfedge.runtime.drift import spent_by_each
from cfedge.runtime.drift_counter import Counter
from cfedge.runtime.drift_file import saved_counters

__all__ = ["check_measured", "read_bench", "read_drift", "read_parity"]

#: Bytes of a file, and values of a list.
_MOST_BYTES, _MOST_VALUES = 8_000_000, 20_000


def check_measured(
    *, bench: Path | None = None, parity: Path | None = None, monitor: Path | None = None
) -> None:
    """Refuse, before anything is computed, files that are not what other commands wrote; for errors
    see `read_bench` and `read_drift`.
    """
    if bench is not None:
        read_bench(bench)
    if parity is not None:
        read_parity(parity)
    if monitor is not None:
        saved_counters(monitor)


def read_bench(path: Path, tasks: Set[str] | None = None) -> Bench:
    """Read what ``cfedge bench --json`` printed.

    Parameters
    ----------
    tasks
        Of what is reported on; None: whatever they are.

    Raises
    ------
    UsageError
        It is something else, or of other tasks.
    StorageError
        It cannot be read.
    """
    what = "what cfedge bench --json prints"
    value = _read(path, what)
    try:
        _check_tasks(path, what, value.get("task_bytes", ()), tasks)
        machine, latency = value["machine"], value["latency_ms"]
        return Bench(
            machine=_words(machine["machine"]),
            cpu=_words(machine["cpu"]),
            cores=int(_number(machine["cores"])),
            threads=int(_number(value["threads"])),
            p50=_number(latency["p50"]),
            p90=_number(latency["p90"]),
            p99=_number(latency["p99"]),
            cold_p50=_number(value["cold_start_ms"]["p50"]),
            peak_rss_bytes=int(_number(value["peak_rss_bytes"])),
            times=tuple(_number(one) for one in value.get("times_ms", ())[:_MOST_VALUES]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _odd(path, what, error) from error


def read_parity(path: Path, tasks: Set[str] | None = None) -> tuple[Parity, ...]:
    """Read what ``cfedge export --json`` printed; for the rest see `read_bench`."""
    what = "what cfedge export --json prints"
    value = _read(path, what)
    try:
        _check_tasks(path, what, (one["task"] for one in value["parity"][:_MOST_VALUES]), tasks)
        return tuple(
            Parity(
                task=_words(one["task"]),
                examples=int(_number(one["examples"])),
                accuracy_float=_share(one["accuracy_float"]),
                accuracy_shipped=_share(one["accuracy_int8"]),
                drop=_number(one["drop"]),
                low=_number(one["drop_interval"][0]),
                high=_number(one["drop_interval"][1]),
                agreement=_share(one["agreement"]),
            )
            for one in value["parity"][:_MOST_VALUES]
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _odd(path, what, error) from error


def _check_tasks(path: Path, what: str, found: Iterable[str], tasks: Set[str] | None) -> None:
    if tasks is None:
        return
    others = [name for name in map(_words, found) if name not in tasks]
    if others:
        raise UsageError(
            f"{path}: expected {what} of these tasks, found {others[0]!r:.80}, which is none of"
            " them; measure them again"
        )


def read_drift(path: Path, digest: str | None) -> Drift:
    """Read the counters of ``cfedge predict --monitor``.

    Parameters
    ----------
    digest
        Of the bundle that is reported on; None: of a workspace, which has none.

    Raises
    ------
    DamagedError, StorageError
        See `cfedge.runtime.drift.saved_counters`.
    """
    found = saved_counters(path)
    each = spent_by_each(found.alpha, len(found.counters) - 1)
    return Drift(
        alpha=found.alpha,
        same_bundle=None if digest is None else found.bundle == digest,
        counters=tuple(_counted(escaped(name), one, each) for name, one in found.counters.items()),
    )


def _counted(name: str, one: Counter, each: float) -> Counted:
    curve = one.curve(each)
    return Counted(
        name,
        one.inputs,
        one.hits,
        one.bound,
        one.alarmed,
        after=tuple(after for after, _ in curve),
        near=tuple(round(near, 4) for _, near in curve),
    )


def _read(path: Path, what: str) -> Any:
    try:
        with open_plain(path) as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the path") from error
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES / 1e6:.0f} MB")
        return foreign_json(data)
    except (ValueError, RecursionError) as error:
        raise _odd(path, what, error) from error


def _odd(path: Path, what: str, error: Exception) -> UsageError:
    found = f"none: {type(error).__name__} {error}"[:120]
    return UsageError(f"{path}: expected {what}, found {found}; write that into a file")


def _number(value: object) -> float:
    try:
        if not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number above all of float64's
        pass
    raise ValueError(f"{value!r} where a number belongs"[:80])


def _share(value: object) -> float:
    share = _number(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} where a share from 0 to 1 belongs")
    return share


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where words belong"[:80])
    return value[:200]
