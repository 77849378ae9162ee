"""A folder that Hugging Face's ``datasets`` saved -> `LabelledData`. Needs the extra ``datasets``."""

from __future__ import annotations

from pathlib import Path

from cfedge.errors import DataError, MissingExtraError
from cfedge.train.examples import Examples, LabelledData
from cfedge.train.rows import Columns, Row, check_columns, examples_of, parsed

__all__ = ["is_saved", "load_saved"]


def is_saved(path: Path) -> bool:
    """Whether it is a folder that Hugging Face's ``datasets`` saved."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def load_saved(path: Path) -> LabelledData:
    """Load its splits train, and validation and test where they are there.

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
    splits = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    if "train" not in splits:
        raise DataError(f"{path}: expected a split named train, found {', '.join(splits)}")
    used = [name for name in ("train", "validation", "test") if name in splits]
    converted = {name: _from_dataset(splits[name], f"{path}:{name}") for name in used}
    return LabelledData(converted["train"], converted.get("validation"), converted.get("test"))


def _from_dataset(split: object, source: str) -> Examples:
    import datasets

    assert isinstance(split, datasets.Dataset)
    check_columns(split.column_names, Columns(), source)
    feature = split.features["label"]
    names = feature.names if isinstance(feature, datasets.ClassLabel) else None

    def label(value: object) -> object:
        if names is not None:  # -1 is how datasets writes that there is no label
            return names[value] if isinstance(value, int) and value >= 0 else None
        return None if value is None else str(value)

    rows = (
        Row(number, row["text"], label(row["label"])) for number, row in enumerate(split, start=1)
    )
    return examples_of(parsed(rows, Columns(), source))
