"""The front door for teaching: what a notebook does, and what it is told when it gives what cannot
be learned from.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
from every import cases
from made import make_texts, write_csv

import cfedge
from cfedge import Workspace
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.train.examples.arrays import from_arrays
from cfedge.train.settings import Settings

ROWS = make_texts("food", 12, 0)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
CLOSED = Settings(method="closed-form")


def test_a_notebook_teaches_certifies_evaluates_and_exports(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "ws", "local", weights=tiny_folder, split=2)
    with monkeypatch.context() as costly:
        costly.setattr(cfedge.teaching, "certificates", lambda *_, **__: pytest.fail("certifies"))
        food = workspace.add("food", TEXTS, LABELS, method="closed-form")
    file = write_csv(tmp_path / "colors.csv", make_texts("colors", 12, 0))
    workspace.add("colors", file, settings=CLOSED)
    assert food.labels == tuple(sorted(set(LABELS)))
    assert food.method == "closed-form"
    assert food.certificate.held_out == len(TEXTS) - food.examples
    certified = workspace.certificates()
    assert list(certified.tasks) == list(workspace.tasks) == ["colors", "food"]
    assert certified.tasks["food"].certificate.tasks == 2
    assert food == certified.tasks["food"]  # computed when it was read, and so with both tasks
    assert pickle.loads(pickle.dumps(food)) == food
    scores = workspace.evaluate({"food": (TEXTS, LABELS), "colors": file})
    assert scores.accuracy > 0.8
    assert [row.learned_from for row in scores.tasks] == [
        food.examples,
        certified.tasks["colors"].examples,
    ]
    done = workspace.export(tmp_path / "bundle")
    assert [task.name for task in done.bundle.manifest.tasks] == ["colors", "food"]
    answer = cfedge.Engine.open(tmp_path / "bundle").predict([TEXTS[0]])[0]
    assert (answer.task, answer.label) == ("food", LABELS[0])
    assert repr(workspace) == f"<Workspace {tmp_path / 'ws'}: 2 tasks>"
    assert (
        repr(cfedge.Engine.open(tmp_path / "bundle"))
        == f"<Engine of {tmp_path / 'bundle'}: 2 tasks>"
    )
    late = workspace.add("late", TEXTS, LABELS, method="closed-form")
    workspace.rename("late", "later")
    workspace.rename("later", "meal", label=LABELS[0])
    workspace.remove_class("later", "meal")
    assert "meal" not in workspace.certificates().tasks["later"].labels
    with pytest.raises(TaskError, match="expected one of colors, food, later, found 'late'"):
        _ = late.examples


def test_groups_are_held_out_whole_by_add_and_by_update(tiny_folder: Path, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "ws", "local", weights=tiny_folder, split=2)
    people = [f"p{row // 3 % 8}" for row in range(len(TEXTS))]
    workspace.add("food", TEXTS, LABELS, groups=people, settings=CLOSED)
    out = {person for text, person in zip(TEXTS, people, strict=True)
           if text in workspace.held_out("food").inputs}  # fmt: skip
    learned = [text for text, person in zip(TEXTS, people, strict=True) if person not in out]
    assert workspace.record("food").examples == len(learned) < len(TEXTS)

    new = make_texts("food", 6, 9)
    texts, labels = [text for text, _ in new], [label for _, label in new]
    sources = [f"q{row // 2 % 5}" for row in range(len(texts))]
    before = workspace.record("food").examples
    workspace.update("food", texts, labels, groups=sources, max_drop=100)
    held_out = set(workspace.held_out("food").inputs)
    out = {source for text, source in zip(texts, sources, strict=True) if text in held_out}
    kept = sum(source not in out for source in sources)
    assert out
    assert workspace.record("food").examples == before + kept


def test_groups_of_a_file_are_a_column(tiny_folder: Path, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "ws", "local", weights=tiny_folder, split=2)
    rows = [f"{text},{label},p{row // 3 % 8}" for row, (text, label) in enumerate(ROWS)]
    file = tmp_path / "food.csv"
    file.write_text("\n".join(["text,label,person", *rows]), "utf-8")
    workspace.add("food", file, groups="person", settings=CLOSED)
    held_out = set(workspace.held_out("food").inputs)
    people = {row.rpartition(",")[2] for row in rows if row.partition(",")[0] in held_out}
    assert sum(row.rpartition(",")[2] in people for row in rows) == len(held_out)
    with pytest.raises(UsageError, match="expected the name of a column as groups of the path"):
        workspace.add("other", file, groups=["p1"], settings=CLOSED)
    with pytest.raises(DataError, match="inputs and 1 groups"):
        workspace.add("other", TEXTS, LABELS, groups=["p1"], settings=CLOSED)
    assert list(workspace.tasks) == ["food"]


@cases(
    "column",
    [
        list,
        tuple,
        iter,
        np.array,
        lambda values: np.array(values, dtype=object),
        pandas.Series,
        lambda values: datasets.Dataset.from_dict({"it": values})["it"],
        lambda values: (value for value in values),
    ],
)
def test_a_column_of_any_kind_is_taken(column: Callable[[list[str]], Iterable[object]]) -> None:
    taken = from_arrays(column(TEXTS), column(LABELS), "here")
    assert taken.inputs == tuple(TEXTS)
    assert taken.labels == tuple(LABELS)
    assert {type(value) for value in (*taken.inputs, *taken.labels)} == {str}


@cases(
    ("values", "names"),
    [
        ([0, 1, 1], ("0", "1", "1")),
        (np.array([0, 1, 2]), ("0", "1", "2")),
        ([True, False, True], ("True", "False", "True")),
        (np.array([True, False, True]), ("True", "False", "True")),
        ([" a ", "b", "b"], ("a", "b", "b")),
        ([["a"], ("b",), {"b"}], ("a", "b", "b")),
        (pandas.Series(["a", "b", "b"], [7, 8, 9]), ("a", "b", "b")),
    ],
)
def test_integers_and_booleans_are_labels(values: Any, names: tuple[str, ...]) -> None:
    assert from_arrays(["one", "two", "three"], values, "here").labels == names


@cases(
    ("inputs", "labels", "message"),
    [
        (["a", "b"], ["x"], "expected one label for each input, found 2 inputs and 1 label;"),
        ([], [], "expected examples, found none"),
        (["a", "b"], "xy", r"labels: expected a list of them, found one str"),
        (["a", None], ["x", "y"], r"inputs\[1\]: expected a text, found None; fill it in"),
        (["a", float("nan")], ["x", "y"], r"inputs\[1\]: expected a text, found NaN"),
        (["a", " "], ["x", "y"], r"inputs\[1\]: expected a text, found ' '"),
        (["a", "b\0"], ["x", "y"], r"inputs\[1\]: expected a text without NUL"),
        (["a", "\ud800"], ["x", "y"], r"inputs\[1\]: expected a text in Unicode"),
        (["a", Path("b.jpg")], ["x", "y"], r"found the path 'b.jpg'; this backbone reads texts"),
        (
            ["a", b"b"],
            ["x", "y"],
            r"inputs\[1\]: expected a text, found bytes b'b'; write it as a str",
        ),
        (
            {"a", "b"},
            ["x", "y"],
            r"inputs: expected a list of them, found a set, which has no order",
        ),
        (
            pandas.Series(["b", "a"], [1, 0]),
            pandas.Series(["x", "y"]),
            r"give labels.loc\[inputs.index\]",
        ),
        (["a", 3], ["x", "y"], r"inputs\[1\]: expected a text, found the number 3"),
        ([np.zeros((3, 8, 8))], ["x"], r"found an array of shape \(3, 8, 8\)"),
        (np.zeros((2, 3)), ["x", "y"], r"expected one column, found ndarray of 2 dimensions"),
        (pandas.DataFrame({"a": ["b"]}), ["x"], r"found DataFrame of 2 dimensions"),
        ({"a": "b"}, ["x"], r"expected a list of them, found a mapping"),
        (b"ab", ["x", "y"], r"found one bytes; put it in a list"),
        (3, ["x", "y"], r"found int; put it in a list"),
        (["a", "b"], ["x", None], r"labels\[1\]: expected a label, found nothing"),
        (["a", "b"], ["x", float("nan")], r"labels\[1\]: expected a label, found NaN"),
        (["a", "b"], ["x", " "], r"labels\[1\]: expected a label, found ' '"),
        (["a", "b"], ["x", ["y", "z"]], r"labels\[1\]: expected one label, found several"),
        (["a", "b"], ["x", {"y": 1}], r"labels\[1\]: expected words, a number or a boolean"),
    ],
)
def test_what_cannot_be_learned_from_is_named_with_its_position(
    inputs: Any, labels: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(inputs, labels, "here")


def test_what_makes_no_sense_is_refused_before_anything_is_learned(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tiny_workspace)
    for arguments, choices, error, message in (
        ((TEXTS,), {}, UsageError, "expected labels with the inputs, found none"),
        (({"text": TEXTS},), {}, UsageError, "beside one dict; give its columns: the inputs, then"),
        ((tmp_path / "a.csv", LABELS), {}, UsageError, "leave the labels out"),
        ((tmp_path / "a.csv",), {}, DataError, "found nothing"),
        ((TEXTS, LABELS), {"ranks": 4}, UsageError, "ranks: expected a setting"),
        ((TEXTS, LABELS), {"method": "magic"}, UsageError, "found 'magic'"),
        ((TEXTS, LABELS), {"held_out": (TEXTS, LABELS[1:])}, DataError, "held out: expected one"),
        ((TEXTS, LABELS), {"held_out": TEXTS}, UsageError, r"\(inputs, labels\), found list of"),
        ((TEXTS, LABELS), {"held_out": 0.2}, UsageError, "expected a path, or two .*found float;"),
        ((TEXTS, LABELS), {"same_labels": "shade"}, TaskError, "found 'shade'; it has"),
        ((TEXTS, LABELS, "x"), {}, TypeError, "positional"),
    ):
        with pytest.raises(error, match=message):
            workspace.add("food", *arguments, **choices)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"task name: expected lower-case letters, .* found 5"):
        workspace.add(5, TEXTS, LABELS)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="use replace to"):
        workspace.add("colors", TEXTS, LABELS)
    with pytest.raises(TaskError, match="expected one of animals, colors, found 'food'"):
        workspace.evaluate({"food": (TEXTS, LABELS)})
    for call in (workspace.evaluate, workspace.add_tasks):
        with pytest.raises(UsageError, match=r"tests|tasks: expected a mapping .*, found list;"):
            call([(TEXTS, LABELS)])  # type: ignore[operator]
    assert workspace.tasks == ("animals", "colors")


def test_results_cannot_be_changed(tiny_workspace: Path) -> None:
    certified = Workspace(tiny_workspace).certificates()
    with pytest.raises(dataclasses.FrozenInstanceError):
        certified.tasks["colors"].examples = 3  # type: ignore[misc]


def test_its_types_travel() -> None:
    assert Path(cfedge.__file__).with_name("py.typed").is_file()
