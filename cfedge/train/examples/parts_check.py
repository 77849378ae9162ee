"""What parts data have: of each its task, its split, and what looks at its rows before anything is
learned of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import NamedTuple

from cfedge.doors import Reading, sheet
from cfedge.doors.columns import same
from cfedge.doors.reading import Record, Sheet
from cfedge.doors.saved_datasets import is_saved, splits
from cfedge.inputs import DEFAULT_KIND, KINDS, reader
from cfedge.train.examples.class_files import known_files
from cfedge.train.examples.class_folders import (
    are_class_folders,
    are_tasks,
    check_groups,
    labelled_files,
)
from cfedge.train.examples.data import of_split, split_files
from cfedge.train.examples.files_check import Fault, fault, files_by_split, looked_at_files
from cfedge.train.examples.rows import Columns, Table, looked_at
from cfedge.train.examples.tables_beside import (
    columns_of,
    lone_table_note,
    names_inputs,
    tables_beside,
)
from cfedge.train.examples.task_files import task_files
from cfedge.train.examples.unlabelled import without_unlabelled

__all__ = ["parts_of"]

#: Rows by which the kind of a column's files is told.
_ROWS = 20
_Looked = tuple[Table, list[Fault]]


class _Part(NamedTuple):
    """A part of data: the task that it is of (where there are several), its name, what reads it, its
    split, and whether a share of it is held out: it holds all that is learned from, and nothing else
    is there to be held out.
    """

    task: str
    source: str
    look: Callable[[], _Looked]
    split: str = "train"
    cut: bool = True


def parts_of(
    path: Path, columns: Columns, encoding: str | None, kind: str | None
) -> Iterator[_Part]:
    """Give every part of a file or a folder.

    Raises
    ------
    DataError
        There are no data, or files that are no splits of one table.
    """
    kinds = KINDS if kind is None else [kind]
    for tried in kinds:
        for name, tables in (beside := tables_beside(path, tried, columns)).items():
            for one in tables:
                wanted = of_split(columns, name)
                look = partial(_of_sheet, str(one), partial(sheet, one), wanted, encoding, tried)
                yield _Part("", f"{path}:{name}", look, name, _cut(name, beside))
        if beside:
            return
    known = [one for one in kinds if are_class_folders(path, one)]
    files = known_files(known[0], encoding) if known else None
    if files is not None and not are_tasks(path, files):
        check_groups(path, known[0], columns.group)
        found_files = labelled_files(path, files)
        splits_of = files_by_split(found_files)
        for name, files_of in splits_of.items():
            look = partial(looked_at_files, path, files_of, known[0], files, found_files.notes)
            yield _Part("", f"{path}:{name}", look, name, _cut(name, splits_of))
        return

    def looking(
        source: str, given: Callable[[Reading], Sheet], split: str = "train"
    ) -> Callable[[], _Looked]:
        return partial(_of_sheet, source, given, of_split(columns, split), encoding, kind)

    if path.is_file():
        yield _Part("", str(path), looking(str(path), partial(sheet, path)))
    elif is_saved(path):
        found = splits(path)
        for name, saved in found.items():
            source = f"{path}:{name}"
            reads = looking(source, partial(_opened, saved), name)
            yield _Part("", source, reads, name, _cut(name, found))
    elif tables_of := split_files(path):
        labelled, left = without_unlabelled(tables_of, columns, encoding)
        told = (*left, *lone_table_note(path))
        for name, part in ((name, part) for name, parts in labelled.items() for part in parts):
            reads = partial(_told, looking(str(part), partial(sheet, part), name), told)
            cut = len(labelled[name]) == 1 and _cut(name, labelled)
            yield _Part("", str(part), reads, name, cut)
    else:
        for task, entry in task_files(path).items():
            for whole in parts_of(entry, columns, encoding, kind):
                yield whole._replace(task=task)


def _cut(split: str, splits_there: Collection[str]) -> bool:
    """Whether a share of a split is held out, where it lies in one file."""
    return split == "train" and "validation" not in splits_there


def _told(look: Callable[[], _Looked], notes: tuple[str, ...]) -> _Looked:
    table, wrong = look()
    return table._replace(notes=(*table.notes, *notes)), wrong


def _opened(one: Sheet, _reading: Reading) -> Sheet:
    return one


def _of_sheet(
    source: str,
    given: Callable[[Reading], Sheet],
    columns: Columns,
    encoding: str | None,
    kind: str | None,
) -> _Looked:
    if kind is None:
        named = partial(names_inputs, Path(source), columns=columns)
        kind = next((one for one in KINDS if named(one)), None)
    if kind is None:
        opened = given(Reading(columns.wanted, encoding))
        try:
            names = opened.header or next(opened.rows, Record(0, {})).cells
            kind = _kind_by(names, columns)
            if kind is None:  # of a saved dataset the rows are there once
                rows = islice(opened.rows, _ROWS if Path(source).is_file() else 0)
                kind = _kind_of([row.cells for row in rows], columns)
        finally:
            opened.close()
    columns = columns_of(Path(source), columns, kind)
    reading = Reading(columns.wanted, encoding)
    opened = given(reading)
    table, wrong = looked_at(opened, columns, reading, source, kind)
    return table, [fault(table, numbers, found) for found, numbers in wrong.items()]


def _kind_by(header: Iterable[object], columns: Columns) -> str | None:
    """The kind whose column is there, where the column that is asked for is not."""
    names = [same(str(name)) for name in header]
    asked_for = same(columns.input) in names
    return None if asked_for else next((one for one in KINDS if one in names), DEFAULT_KIND)


def _kind_of(rows: Iterable[Mapping[str, object]], columns: Columns) -> str:
    """The kind of the files that most of the first cells of the column that is asked for name."""
    named = [{same(str(name)): cell for name, cell in cells.items()} for cells in rows]
    told = [str(cells.get(same(columns.input))).strip() for cells in named]
    endings = [PurePath(cell).suffix.lower() for cell in told]
    of_kind = {one: sum(end in reader(one).suffixes for end in endings) for one in KINDS}
    return next((one for one in KINDS if 2 * of_kind[one] > len(endings)), DEFAULT_KIND)
