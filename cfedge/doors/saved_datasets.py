"""A folder that Hugging Face's ``datasets`` saved: its splits, each a sheet. Needs the extra
``datasets``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfedge.doors.parquet import named
from cfedge.doors.reading import Record, Sheet
from cfedge.errors import DataError, MissingExtraError

__all__ = ["is_saved", "splits"]


def is_saved(path: Path) -> bool:
    """Whether it is a folder that Hugging Face's ``datasets`` saved."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def splits(path: Path) -> dict[str, Sheet]:
    """Return its splits by name; a data set that is not split is ``train``.

    Raises
    ------
    DataError
        Naming the folder, what was expected and found.
    MissingExtraError
        ``datasets`` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a datasets folder: pip install 'cfedge[datasets]' to read it"
        ) from error
    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:  # OSError, ValueError, KeyError, TypeError, pyarrow's own: datasets checks nothing itself
        raise DataError(
            f"{path}: expected a saved datasets folder, found {type(error).__name__}; save it again"
        ) from error
    found = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    return {name: _sheet(split) for name, split in found.items()}


def _sheet(split: Any) -> Sheet:
    import datasets

    for name, feature in split.features.items():
        if isinstance(
            feature, datasets.Image
        ):  # as it was saved: whoever reads the rows decodes it
            split = split.cast_column(name, datasets.Image(decode=False))
    classes = {
        name: feature.names
        for name, feature in split.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }

    def rows() -> Iterator[Record]:
        for number, row in enumerate(split, start=1):
            cells = {
                name: named(value, classes[name]) if name in classes else value
                for name, value in row.items()
            }
            yield Record(number, cells)

    return Sheet(tuple(split.column_names), rows(), "row")
