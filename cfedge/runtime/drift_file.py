"""The file in which a `cfedge.runtime.drift.Monitor` keeps its counts: canonical JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.errors import DamagedError, SchemaError, StorageError
from cfedge.plain_files import NotPlainError, read_plain
from cfedge.runtime.drift_counter import Counter
from cfedge.storage import write_file

__all__ = ["Counts", "THIN", "read_counts", "saved_counters", "write_counts"]

#: What the counter of all tasks together is called.
THIN = "thin margins"


@dataclass
class Counts:
    """What was counted of one bundle.

    Attributes
    ----------
    bundle
        Digest of its manifest.
    alpha
        Probability of ever raising a false alarm.
    thin
        Inputs whose margin was thin, of all tasks.
    unknown
        Inputs that were called unknown, by task.
    """

    bundle: str
    alpha: float
    thin: Counter
    unknown: dict[str, Counter] = field(default_factory=dict)

    @property
    def counters(self) -> dict[str, Counter]:
        """The counters of unknown inputs by task, and that of thin margins."""
        return {**self.unknown, THIN: self.thin}


def write_counts(path: Path, counts: Counts) -> None:
    """Write the file, in one step."""
    write_file(path, canonical_json(asdict(counts)))


def saved_counters(path: Path) -> Counts:
    """Read a file of `write_counts` that must be there, of whatever bundle.

    Raises
    ------
    DamagedError
        It is no such file.
    StorageError
        It cannot be read.
    """
    try:
        return read_counts(path)
    except FileNotFoundError as error:
        raise StorageError(
            f"could not read {path}: {error.strerror}; count with: cfedge predict --monitor"
        ) from error


def read_counts(path: Path) -> Counts:
    """Read a file of `write_counts`, of whatever bundle.

    Raises
    ------
    DamagedError
        It is no such file.
    FileNotFoundError
        There is none.
    StorageError
        It cannot be read.
    """
    try:
        counts: Counts = typed(Counts, _with_past(json.loads(read_plain(path))), path.name)
    except FileNotFoundError:
        raise
    except NotPlainError as error:
        raise StorageError(
            f"{path}: expected a file of counts, found no plain file; name a file"
        ) from error
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the disk") from error
    except (ValueError, RecursionError, SchemaError) as error:
        raise DamagedError(
            f"{path}: expected counts that cfedge wrote, found other content ({error}); give the file"
            " of --monitor, or a new name to begin anew"
        ) from error
    return counts


def _with_past(value: Any) -> Any:
    """Add to counters of before that they remember no steps."""
    if isinstance(value, dict) and isinstance(value.get("unknown"), dict):
        for one in (value.get("thin"), *value["unknown"].values()):
            if isinstance(one, dict):
                one.setdefault("past", [])
                one.setdefault("step_hits", 0)
    return value
