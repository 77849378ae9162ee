"""Labelled texts from a file or folder -> `Examples`. CSV, JSONL, or a Hugging Face ``datasets``
folder.

A folder holds ``train.csv`` (or ``.jsonl``), and optionally ``validation.*`` (held out) and
``test.*``, or what ``datasets`` saved with ``save_to_disk``. Splitting off held-out examples is
here; what a label means is not.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.errors import DataError, MissingExtraError

__all__ = [
    "Examples",
    "LabelledData",
    "check_labels",
    "columns",
    "folded",
    "is_saved",
    "load",
    "load_file",
    "repeated",
    "split_held_out",
]

_SUFFIXES = (".csv", ".jsonl")


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, as long as each other; `source` names them in errors."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))

    def take(self, rows: list[int]) -> Examples:
        """Return the examples at `rows`."""
        return Examples(
            tuple(self.texts[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            self.source,
        )


@dataclass(frozen=True)
class LabelledData:
    """What a file or folder holds; None for a split that is not there."""

    train: Examples
    held_out: Examples | None = None
    test: Examples | None = None


def load(path: Path) -> LabelledData:
    """Load a file, or a folder of splits.

    Raises
    ------
    DataError
        Naming the file, the row, what was expected and found.
    """
    if not path.exists():
        raise DataError(f"{path}: expected a CSV or JSONL file or a folder, found nothing")
    if path.is_file():
        return LabelledData(load_file(path))
    if is_saved(path):
        return _load_saved(path)
    found = {name: _split_file(path, name) for name in ("train", "validation", "test")}
    if found["train"] is None:
        raise DataError(
            f"{path}: expected train.csv, train.jsonl or a saved datasets folder, found "
            f"{', '.join(sorted(entry.name for entry in path.iterdir())[:5]) or 'nothing'}"
        )
    splits = {name: load_file(file) if file else None for name, file in found.items()}
    assert splits["train"] is not None
    return LabelledData(splits["train"], splits["validation"], splits["test"])


def is_saved(path: Path) -> bool:
    """Whether it is a folder that Hugging Face's ``datasets`` saved."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def load_file(path: Path, *, label: str = "label") -> Examples:
    """Load one CSV or JSONL file with the columns ``text`` and ``label`` (or another column in its
    place).
    """
    if path.suffix not in _SUFFIXES:
        raise DataError(
            f"{path}: expected one of {', '.join(_SUFFIXES)}, found {path.suffix or 'no suffix'!r}"
        )
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8, found byte 0x{error.object[error.start]:02x} at"
            f" {error.start}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: expected to read it, found {error.strerror}") from error
    rows = (_csv_rows if path.suffix == ".csv" else _json_rows)(content, path, label)
    return _examples(rows, str(path))


def columns(path: Path) -> list[str]:
    """Return the columns of a CSV file, or the keys of a JSONL file's first row; of neither,
    nothing.
    """
    content = path.read_text("utf-8-sig", errors="replace") if path.suffix in _SUFFIXES else ""
    if path.suffix == ".csv":
        return next(csv.reader([content.partition("\n")[0]]), [])
    first = next((line for line in content.split("\n") if line.strip()), "")
    with contextlib.suppress(ValueError, RecursionError):
        row = json.loads(first)
        return list(row) if isinstance(row, dict) else []
    return []


def check_labels(examples: Examples, classes: Sequence[str]) -> None:
    """Refuse examples with a label that nothing was learned of.

    Raises
    ------
    DataError
        Naming the first.
    """
    out_of_domain = sorted(set(examples.labels) - set(classes))
    if out_of_domain:
        alike = next(
            (label for label in classes if folded(label) == folded(out_of_domain[0])), None
        )
        step = "remove it or add examples" if alike is None else f"write it as {alike!r}"
        raise DataError(
            f"{examples.source}: expected labels of the training data, found {out_of_domain[0]!r};"
            f" {step}"
        )


def folded(text: str) -> str:
    """Return a text or label without what nobody means: case, and how many spaces there are."""
    return " ".join(text.casefold().split())


def repeated(examples: Examples, others: Examples) -> list[int]:
    """Return the rows of `others` whose text is, but for case and spaces, among `examples` too."""
    known = {folded(text) for text in examples.texts}
    return [row for row, text in enumerate(others.texts) if folded(text) in known]


def split_held_out(
    examples: Examples, fraction: float, rng: np.random.Generator
) -> tuple[Examples, Examples]:
    """Split off a held-out part, class by class; texts that are equal but for case and spaces stay
    on one side. A text of several labels is never held out.

    Parameters
    ----------
    fraction
        Of each class, at least one example, in (0, 1).

    Raises
    ------
    DataError
        A class has fewer than two distinct texts, or none that is its alone.
    """
    labels_of: dict[str, set[str]] = {}
    by_class: dict[str, dict[str, list[int]]] = {}
    for row, (text, label) in enumerate(
        zip(map(folded, examples.texts), examples.labels, strict=True)
    ):
        labels_of.setdefault(text, set()).add(label)
        by_class.setdefault(label, {}).setdefault(text, []).append(row)
    kept: list[int] = []
    held_out: list[int] = []
    for label in sorted(by_class):
        groups = list(by_class[label].values())
        free = [place for place, text in enumerate(by_class[label]) if len(labels_of[text]) == 1]
        if len(groups) < 2:
            raise DataError(
                f"{examples.source}: expected at least 2 different texts of label {label!r} (one to"
                f" learn, one held out), found {len(groups)}; add examples, or give held-out ones"
                " (a file validation.csv; of one task --held-out)"
            )
        if not free:
            raise DataError(
                f"{examples.source}: expected a text of label {label!r} alone, to be held out,"
                f" found other labels too of all {len(groups)}; keep one label of each text"
            )
        count = min(max(1, round(fraction * len(groups))), len(groups) - 1, len(free))
        chosen = set(rng.permutation(free)[:count].tolist())
        for position, rows in enumerate(groups):
            (held_out if position in chosen else kept).extend(rows)
    return examples.take(sorted(kept)), examples.take(sorted(held_out))


def _split_file(folder: Path, name: str) -> Path | None:
    found = [
        folder / f"{name}{suffix}" for suffix in _SUFFIXES if (folder / f"{name}{suffix}").is_file()
    ]
    if len(found) > 1:
        raise DataError(
            f"{folder}: expected one {name} file, found {found[0].name} and {found[1].name};"
            " keep one"
        )
    return found[0] if found else None


def _csv_rows(content: str, path: Path, label: str) -> Iterator[tuple[int, object, object]]:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        _check_columns(list(columns), str(path), label)
        for row in reader:
            if None in row:
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(columns)} columns, found"
                    f" {len(columns) + len(row[None])}; put texts that hold commas in double quotes"
                )
            yield reader.line_num, row["text"], row[label]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.reader.line_num}: expected CSV, found {error}"
        ) from error


def _json_rows(content: str, path: Path, label: str) -> Iterator[tuple[int, object, object]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: expected a JSON object, found {error}"
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number}: expected a JSON object, found {type(row).__name__}"
            )
        _check_columns(list(row), f"{path}, line {number}", label)
        yield number, row["text"], row[label]


def _check_columns(columns: list[str], where: str, label: str = "label") -> None:
    twice = [name for name in ("text", label) if columns.count(name) > 1]
    if twice:
        raise DataError(
            f"{where}: expected one column {twice[0]}, found {columns.count(twice[0])}; remove or"
            " rename the others"
        )
    missing = [name for name in ("text", label) if name not in columns]
    if missing:
        raise DataError(
            f"{where}: expected the columns text and {label}, found {', '.join(columns) or 'none'};"
            f" missing: {', '.join(missing)}"
        )


def _examples(rows: Iterator[tuple[int, object, object]], source: str) -> Examples:
    texts: list[str] = []
    labels: list[str] = []
    for number, text, label in rows:
        for name, value in (("text", text), ("label", label)):
            if not isinstance(value, str) or not value.strip():
                raise DataError(
                    f"{source}, line {number}: expected a {name}, found {value!r}; fill it in or"
                    " remove the row"
                )
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise DataError(
                    f"{source}, line {number}: expected a {name} in Unicode, found half a surrogate"
                    f" pair in {value!a}; remove it"
                )
            if "\x00" in value:
                raise DataError(
                    f"{source}, line {number}: expected a {name} without NUL characters, found one;"
                    " remove it"
                )
        texts.append(str(text))
        labels.append(str(label).strip())
    if not texts:
        raise DataError(f"{source}: expected examples, found none")
    return Examples(tuple(texts), tuple(labels), source)


def _load_saved(path: Path) -> LabelledData:
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
    _check_columns(split.column_names, source)
    feature = split.features["label"]
    names = feature.names if isinstance(feature, datasets.ClassLabel) else None

    def label(value: object) -> object:
        if names is not None:  # -1 is how datasets writes that there is no label
            return names[value] if isinstance(value, int) and value >= 0 else None
        return None if value is None else str(value)

    return _examples(
        ((row, one["text"], label(one["label"])) for row, one in enumerate(split, start=1)), source
    )
