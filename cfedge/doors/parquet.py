"""Parquet, read in batches. Where Hugging Face's ``datasets`` wrote it, numbers of a class stand for
its names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cfedge.doors.columns import same
from cfedge.doors.nested import leaves
from cfedge.doors.reading import Reading, Record, Sheet, needed
from cfedge.errors import DataError

__all__ = ["class_names", "named", "sheet"]

_BATCH = 4096


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file; of its columns only those that are asked for are read.

    Raises
    ------
    DataError
        It is no Parquet.
    MissingExtraError
        pyarrow is not installed.
    """
    parquet = needed("pyarrow.parquet", path)
    try:
        file = parquet.ParquetFile(path)
        schema = file.schema_arrow
    except Exception as error:  # pyarrow's own, OSError, ValueError: whatever the bytes do to it
        raise _refused(path, error) from error
    wanted = {same(name) for name in reading.columns}
    header = tuple(name for field in schema for name in _names(field, field.name))
    names = [name for name in header if same(name) in wanted]
    return Sheet(
        header,
        _rows(path, file, names, class_names(schema.metadata)),
        "row",
        file.close,
    )


def _names(field: Any, name: str) -> list[str]:
    """Return a column's name, and those of the columns inside of it."""
    inner = [field.type.field(at) for at in range(field.type.num_fields)]
    if not inner or not str(field.type).startswith("struct"):
        return [name]
    return [name, *(one for part in inner for one in _names(part, f"{name}.{part.name}"))]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names of the classes of each column that is a number of one, from what
    ``datasets`` noted.
    """
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: feature["names"]
            for name, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _rows(
    path: Path, file: Any, names: list[str], classes: dict[str, list[str]]
) -> Iterator[Record]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH, columns=names):
            for row in batch.to_pylist():
                number += 1
                for name in classes.keys() & row.keys():
                    row[name] = named(row[name], classes[name])
                yield Record(number, {**row, **leaves(row)})
    except DataError:
        raise
    except Exception as error:
        raise _refused(path, error) from error


def named(value: Any, names: list[str]) -> Any:
    """Return a class's name; -1 is how ``datasets`` writes that there is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return str(names[value]) if 0 <= value < len(names) else None


def _refused(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return DataError(f"{path}: expected Parquet, found: {reason}; write it again")
