"""Confusion: counted as scikit-learn counts, with the inputs behind each count, in bounded room."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cfedge.bundle.fileref import FileRef
from cfedge.inputs.text.spec import Text
from cfedge.report.confusion import Limits, Row, confusion


def spec() -> Text:
    return Text("text", 64, FileRef("0" * 64, 1))


@pytest.fixture
def rows() -> list[Row]:
    rng = np.random.default_rng(0)
    found = []
    for task in ("a", "b", "c"):
        for place in range(60):
            label = f"{task}{place % 4}"
            other = str(rng.choice(["a", "b", "c"])) if rng.random() < 0.2 else task
            answer = f"{other}{rng.integers(4)}" if rng.random() < 0.3 or other != task else label
            unknown = bool(rng.random() < 0.1)
            found.append(Row(task, label, other, answer, unknown, place, f"text {place} of {task}"))
    return found


CLASSES = {task: tuple(f"{task}{number}" for number in range(4)) for task in "abc"}


def test_tasks_are_counted_as_scikit_learn_counts(rows: list[Row]) -> None:
    found = confusion(rows, CLASSES, spec())
    wanted = confusion_matrix([row.task for row in rows], [row.found_task for row in rows])
    assert np.array_equal(found.counts, wanted)
    assert found.tasks == ("a", "b", "c")


def test_classes_are_counted_as_scikit_learn_counts(rows: list[Row]) -> None:
    found = confusion(rows, CLASSES, spec())
    for table in found.classes:
        own = [row for row in rows if row.task == table.task]
        said = [
            row.found_label if row.found_task == row.task else f"task {row.found_task}"
            for row in own
        ]
        wanted = confusion_matrix([row.label for row in own], said, labels=table.columns)
        assert np.array_equal(table.counts, wanted[: len(table.rows)])


def test_every_wrong_cell_shows_its_own_inputs(rows: list[Row]) -> None:
    found = confusion(rows, CLASSES, spec())
    cells = {one.cell: one for one in found.cells}
    for row, task in enumerate(found.tasks):
        for column, other in enumerate(found.tasks):
            if task == other:
                continue
            want = {one.value for one in rows if (one.task, one.found_task) == (task, other)}
            cell = cells.get(f"t:{row}:{column}")
            shown = {found.examples[place].shown for place in cell.examples} if cell else set()
            assert shown <= want
            assert len(shown) + (cell.more if cell else 0) == len(want)
    for number, table in enumerate(found.classes):
        for row, line in enumerate(table.counts):
            for column, count in enumerate(line):
                if count:
                    cell = cells[f"c:{number}:{row}:{column}"]
                    assert len(cell.examples) + cell.more == count
                    for place in cell.examples:
                        one = found.examples[place]
                        assert (one.task, one.label) == (table.task, table.rows[row])


def test_room_is_kept_to_and_what_is_left_out_is_counted(rows: list[Row]) -> None:
    whole = confusion(rows, CLASSES, spec())
    few = confusion(rows, CLASSES, spec(), Limits(tasks=2, classes=3, cells=16, bytes=2_000))
    assert len(few.tasks) == 2
    assert few.left_out == 1
    assert 0 < len(few.examples) < len(whole.examples)
    assert len(few.classes) < 3
    assert all(len(table.rows) == 3 and table.left_out == 1 for table in few.classes)
    # What there is room for is wrong answers first.
    assert not any(
        one.task == one.found_task and one.label == one.found_label for one in few.examples
    )


def test_no_inputs_are_shown_twice(rows: list[Row]) -> None:
    found = confusion(rows, CLASSES, spec())
    texts = [one.shown for one in found.examples]
    assert len(texts) == len(set(texts))
