"""Look at data before anything is learned of them: every fault at once, each with its rows and what
to do. ``cfedge check`` prints them.

What stops `cfedge.train.examples.data.load` is here; so is what would be learned and should not be:
inputs of several labels, labels that look alike, words for a missing value, several labels in one
cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

from cfedge.doors import Reading, sheet
from cfedge.doors.columns import same
from cfedge.doors.reading import Record, Sheet
from cfedge.doors.saved_datasets import is_saved, splits
from cfedge.errors import DataError, TaskError
from cfedge.inputs import DEFAULT_KIND, KINDS, reader
from cfedge.train.examples.class_files import known_files
from cfedge.train.examples.class_folders import are_class_folders, are_tasks, labelled_files
from cfedge.train.examples.data import INPUT_AND_LABEL, split_files
from cfedge.train.examples.doubts import doubts, rare
from cfedge.train.examples.files_check import Fault, files_by_split, files_named, looked_at_files
from cfedge.train.examples.labels import check_name
from cfedge.train.examples.near import are_many, near_each_other
from cfedge.train.examples.rows import Columns, Table, examples_of, looked_at, places
from cfedge.train.examples.tables_beside import columns_of, names_inputs, tables_beside
from cfedge.train.examples.task_files import task_files
from cfedge.train.examples.there import check_there
from cfedge.train.examples.unlabelled import without_unlabelled

__all__ = ["Checked", "Fault", "check"]


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes
    ----------
    rows
        That could be learned.
    classes
        How many rows each label has.
    tasks
        Of a folder of tasks, how many rows each label of each task has; else empty.
    faults
        In the order of the files, and of the rows in them.
    notes
        What was assumed, without being a fault.
    """

    rows: int
    classes: Mapping[str, int]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    tasks: Mapping[str, Mapping[str, int]]


def check(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str | None = None,
) -> Checked:
    """Look at a file, a folder of splits, of labels or of tasks.

    Parameters
    ----------
    columns, encoding
        As of `cfedge.train.examples.data.load`.
    kind
        Of the inputs: a key of `cfedge.inputs.KINDS`. None: of which kind the files are, or what the
        column of the inputs is called, says it.

    Raises
    ------
    MissingExtraError
        What a format needs is not installed.
    DataError
        There is nothing at `path`, or no data in it.
    """
    check_there(path)
    rows, faults, notes = 0, list[Fault](), dict[str, None]()
    classes: Counter[str] = Counter()
    tasks: dict[str, Counter[str]] = {}
    for task, source, look, split in _parts(path, columns, encoding, kind):
        if task and task not in tasks:
            tasks[task] = Counter()
            faults += _misnamed(task, source)
        try:
            table, wrong = look()
        except DataError as error:
            where, _, found = str(error).partition(": ")
            faults.append(Fault(where, found))
            continue
        rows += len(table.inputs)
        classes.update(table.labels)
        if task:
            tasks[task].update(table.labels)
        notes |= dict.fromkeys((*table.notes, *rare(table), *_near(table)))
        faults += wrong
        faults += [_fault(table, numbers, found) for numbers, found in doubts(table, split=split)]
        if not table.inputs and not wrong:
            faults.append(Fault(source, "expected examples, found none; add rows"))
    counts = {task: dict(sorted(of.items())) for task, of in tasks.items()}
    return Checked(rows, dict(sorted(classes.items())), tuple(faults), tuple(notes), counts)


_Looked = tuple[Table, list[Fault]]


class _Part(NamedTuple):
    """A part of data: the task that it is of (where there are several), its name, what reads it, and
    whether others belong to it.
    """

    task: str
    source: str
    look: Callable[[], _Looked]
    split: bool


def _parts(path: Path, columns: Columns, encoding: str | None, kind: str | None) -> Iterator[_Part]:
    """Give every part."""
    kinds = KINDS if kind is None else [kind]
    for tried in kinds:
        for name, tables in (beside := tables_beside(path, tried, columns)).items():
            for one in tables:
                look = partial(_of_sheet, str(one), partial(sheet, one), columns, encoding, tried)
                yield _Part("", f"{path}:{name}", look, len(beside) > 1)
        if beside:
            return
    known = [one for one in kinds if are_class_folders(path, one)]
    files = known_files(known[0], encoding) if known else None
    if files is not None and not are_tasks(path, files):
        found_files = labelled_files(path, files)
        splits_of = files_by_split(found_files)
        for name, files_of in splits_of.items():
            look = partial(looked_at_files, path, files_of, known[0], files, found_files.notes)
            yield _Part("", f"{path}:{name}", look, len(splits_of) > 1)
        return

    def looking(source: str, given: Callable[[Reading], Sheet]) -> Callable[[], _Looked]:
        return partial(_of_sheet, source, given, columns, encoding, kind)

    if path.is_file():
        yield _Part("", str(path), looking(str(path), partial(sheet, path)), False)
    elif is_saved(path):
        found = splits(path)
        for name, saved in found.items():
            source = f"{path}:{name}"
            yield _Part("", source, looking(source, partial(_opened, saved)), len(found) > 1)
    elif tables_of := split_files(path):
        labelled, told = without_unlabelled(tables_of, columns, encoding)
        every = [part for parts in labelled.values() for part in parts]
        for part in every:
            reads = partial(_told, looking(str(part), partial(sheet, part)), told)
            yield _Part("", str(part), reads, len(every) > 1)
    else:
        for task, entry in task_files(path).items():
            for whole in _parts(entry, columns, encoding, kind):
                yield whole._replace(task=task)


def _misnamed(task: str, source: str) -> list[Fault]:
    """Refuse the name of a file or folder of a task, where no task can have it."""
    try:
        check_name(task)
    except TaskError as error:
        return [Fault(source, f"{str(error).rpartition('; ')[0]}; rename it")]
    return []


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
                again = Path(source).is_file()
                kind = _kind_of(next(opened.rows, Record(0, {})).cells if again else {}, columns)
        finally:
            opened.close()
    columns = columns_of(Path(source), columns, kind)
    reading = Reading(columns.wanted, encoding)
    opened = given(reading)
    table, wrong = looked_at(opened, columns, reading, source, kind)
    return table, [_fault(table, numbers, found) for found, numbers in wrong.items()]


def _kind_by(header: Iterable[object], columns: Columns) -> str | None:
    """The kind whose column is there, where the column that is asked for is not."""
    names = [same(str(name)) for name in header]
    asked_for = same(columns.input) in names
    return None if asked_for else next((one for one in KINDS if one in names), DEFAULT_KIND)


def _kind_of(cells: Mapping[str, object], columns: Columns) -> str:
    """The kind of the file that a cell of the column that is asked for names, where it names one."""
    told = {same(str(name)): cell for name, cell in cells.items()}.get(same(columns.input))
    words = str(told).split()
    ending = PurePath(words[0]).suffix.lower() if len(words) == 1 else ""
    return next((one for one in KINDS if ending and ending in reader(one).suffixes), DEFAULT_KIND)


def _near(table: Table) -> list[str]:
    """Tell of inputs that are nearly the same, unless groups are asked for."""
    if table.groups or not table.labels or not table.inputs:
        return []
    near = near_each_other(examples_of(table))
    if not are_many(len(near), len(table.inputs)):
        return []
    return [
        f"{len(near)} of {len(table.inputs)} {table.kind}s of {table.source} are nearly the same as"
        f" another of their label; if they belong together, like frames of one video, name the"
        " column that says so with --group-column when you add them"
    ]


def _fault(table: Table, numbers: Sequence[int], found: str) -> Fault:
    if table.names:
        return Fault(f"{table.source}: {files_named(table.names, numbers)}", found)
    return Fault(f"{table.source}, {places(numbers, table.unit, most=20)}", found)
