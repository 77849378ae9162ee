"""Streams from folders, columns and split labels, and what is no stream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from every import cases
from made import make_texts, write_csv

from cfedge.errors import DataError, UsageError
from cfedge.study.stream import HELD_OUT_SHARE, TEST_SHARE, load_stream
from cfedge.train.examples.task_files import load_tasks


def column_file(path: Path, count: int = 16, seed: int = 0) -> Path:
    rows = [
        (text, label, task)
        for task in ("colors", "animals")
        for text, label in make_texts(task, count, seed)
    ]
    path.write_text(
        "text,label,task\n" + "".join(f"{text},{label},{task}\n" for text, label, task in rows),
        encoding="utf-8",
    )
    return path


def test_a_file_with_a_task_column_is_a_stream(tmp_path: Path) -> None:
    stream = load_stream(column_file(tmp_path / "all.csv"))
    assert set(stream) == {"colors", "animals"}
    one = stream["colors"]
    assert one.train.classes == one.held_out.classes == one.test.classes == ("blue", "green", "red")
    texts = [set(part.inputs) for part in (one.train, one.held_out, one.test)]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 48
    assert len(one.test) == round(TEST_SHARE * 16) * 3
    assert len(one.held_out) == round(HELD_OUT_SHARE * 12) * 3


def test_json_lines_with_a_task_are_a_stream(tmp_path: Path) -> None:
    rows = [
        {"task": task, "text": text, "label": label}
        for task in ("colors", "food")
        for text, label in make_texts(task, 9, 0)
    ]
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert set(load_stream(path)) == {"colors", "food"}


def test_given_splits_are_kept(tmp_path: Path) -> None:
    for split, count, seed in (("train", 12, 0), ("validation", 4, 1), ("test", 6, 2)):
        column_file(tmp_path / f"{split}.csv", count, seed)
    one = load_stream(tmp_path)["animals"]
    assert (len(one.train), len(one.held_out), len(one.test)) == (36, 12, 18)


def test_a_folder_of_folders_and_files_is_a_stream(tmp_path: Path) -> None:
    (tmp_path / "colors").mkdir()
    write_csv(tmp_path / "colors" / "train.csv", make_texts("colors", 12, 0))
    write_csv(tmp_path / "colors" / "test.csv", make_texts("colors", 5, 1))
    write_csv(tmp_path / "food.csv", make_texts("food", 12, 0))
    (tmp_path / "README").write_text("not a task", encoding="utf-8")
    stream = load_stream(tmp_path)
    assert set(stream) == {"colors", "food"}
    assert len(stream["colors"].test) == 15


def test_labels_are_split_at_random_into_tasks_of_equal_size(tmp_path: Path) -> None:
    rows = [row for task in ("colors", "animals") for row in make_texts(task, 9, 0)]
    path = write_csv(tmp_path / "all.csv", rows)
    streams = [load_stream(path, tasks=3, seed=seed) for seed in (0, 0, 1)]
    groups = [sorted(one.train.classes for one in stream.values()) for stream in streams]
    assert set(streams[0]) == {"task-1", "task-2", "task-3"}
    assert groups[0] == groups[1] != groups[2]
    assert [len(group) for group in groups[0]] == [2, 2, 2]
    assert {label for group in groups[0] for label in group} == {label for _, label in rows}


@cases("tasks", [1, 4, 0, -2])
def test_a_number_of_tasks_that_leaves_one_class_is_refused(tmp_path: Path, tasks: int) -> None:
    path = write_csv(
        tmp_path / "all.csv",
        [row for task in ("colors", "animals") for row in make_texts(task, 9, 0)],
    )
    with pytest.raises(UsageError, match=r"--tasks: expected 2..3 for 6 labels"):
        load_stream(path, tasks=tasks)
    few = write_csv(tmp_path / "few.csv", make_texts("colors", 9, 0))
    with pytest.raises(UsageError, match=r"expected at least 4 labels, .* found 3"):
        load_stream(few, tasks=tasks)


def test_what_is_no_stream_is_named(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "plain.csv", make_texts("colors", 9, 0))
    with pytest.raises(
        DataError,
        match=r"plain.csv: expected a column 'task', found 'text', 'label'; add it, or give add the name of the one",
    ):
        load_stream(plain)
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    write_csv(lonely / "colors.csv", make_texts("colors", 9, 0))
    with pytest.raises(DataError, match="lonely: expected at least 2 tasks, found 1"):
        load_stream(lonely)
    with pytest.raises(DataError, match="expected a file or a folder of data, found nothing"):
        load_stream(tmp_path / "missing.csv")


def test_a_task_without_test_examples_where_others_have_some_is_named(tmp_path: Path) -> None:
    column_file(tmp_path / "train.csv")
    rows = make_texts("colors", 5, 3)
    (tmp_path / "test.csv").write_text(
        "text,label,task\n" + "".join(f"{text},{label},colors\n" for text, label in rows), "utf-8"
    )
    with pytest.raises(DataError, match="expected test examples of task 'animals', found none"):
        load_stream(tmp_path)


def test_a_folder_without_tasks_and_one_task_given_twice_are_refused(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("not a task", encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"expected a folder or a file of data for each task, found README; put a CSV file with"
        r" the columns text and label there, or ",
    ):
        load_tasks(tmp_path)
    (tmp_path / "food").mkdir()
    write_csv(tmp_path / "food" / "train.csv", make_texts("food", 12, 0))
    write_csv(tmp_path / "food.csv", make_texts("food", 12, 0))
    with pytest.raises(
        DataError,
        match=r"expected one folder or file of task 'food', found food and food.csv; keep one",
    ):
        load_tasks(tmp_path)


def test_no_row_of_a_split_is_left_out_for_its_label_or_its_task(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "train.csv",
        [row for task in ("colors", "animals") for row in make_texts(task, 9, 0)],
    )
    for label, step in (("Red", "write it as 'red'"), ("mauve", "remove it or add examples")):
        write_csv(
            tmp_path / "test.csv",
            [*make_texts("colors", 3, 1), *make_texts("animals", 3, 1), ("it is so", label)],
        )
        with pytest.raises(
            DataError,
            match=f"test.csv: expected labels of the training data, found '{label}'; {step}",
        ):
            load_stream(tmp_path, tasks=2)
    for split, count, seed in (("train", 12, 0), ("validation", 4, 1), ("test", 6, 2)):
        column_file(tmp_path / f"{split}.csv", count, seed)
    with (tmp_path / "validation.csv").open("a", encoding="utf-8") as file:
        file.write("it is red,red,colours\n")
    with pytest.raises(
        DataError,
        match=(
            r"validation.csv: expected tasks of the training data, found 'colours'; remove it"
            r" or add"
        ),
    ):
        load_stream(tmp_path)


def test_a_class_needs_three_texts_where_no_split_is_given(tmp_path: Path) -> None:
    rows = [
        (text, label, task)
        for task in ("colors", "animals")
        for text, label in make_texts(task, 9, 0)
    ]
    rows += [
        ("it is Mauve", "mauve", "colors"),
        ("it is mauve ", "mauve", "colors"),
        ("mauve it is", "mauve", "colors"),
    ]
    path = tmp_path / "all.csv"
    path.write_text(
        "text,label,task\n" + "".join(f"{text},{label},{task}\n" for text, label, task in rows),
        encoding="utf-8",
    )
    expected = (
        r"all.csv: expected at least 3 different texts of label 'mauve' \(one to learn, one held"
        r" out, one to test\), found 2; "
    )
    with pytest.raises(DataError, match=expected):
        load_stream(path)


def test_an_empty_line_before_the_first_row_of_json_lines_is_nothing(tmp_path: Path) -> None:
    rows = [
        {"task": task, "text": text, "label": label}
        for task in ("colors", "food")
        for text, label in make_texts(task, 9, 0)
    ]
    path = tmp_path / "all.jsonl"
    path.write_text("\n" + "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert set(load_stream(path)) == {"colors", "food"}


def test_a_saved_datasets_folder_needs_a_number_of_tasks(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(UsageError, match="expected --tasks N with a saved datasets folder"):
        load_stream(tmp_path)
