"""What belongs together stays on one side of every split: of held-out examples, and of those that an
adapter proves itself on.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every import cases

from cfedge.doors.columns import Columns
from cfedge.errors import DataError
from cfedge.train.examples.arrays import from_arrays
from cfedge.train.examples.data import load, load_file
from cfedge.train.examples.examples import Examples, split_held_out
from cfedge.train.examples.groups import units
from cfedge.train.jobs.labelled import dumped_examples, parsed_examples
from cfedge.train.measures.trial import set_aside

GROUPED = Columns(group="person")


def _table(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    path = folder / "data.csv"
    lines = ["text,label,person", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _people(count: int, each: int) -> list[tuple[str, str, str]]:
    """Every person says both labels."""
    return [
        (f"text {person} {number}", ("yes", "no")[number % 2], f"p{person}")
        for person in range(count)
        for number in range(each)
    ]


def test_no_group_is_on_both_sides_and_each_label_is_on_both(tmp_path: Path) -> None:
    examples = load_file(_table(tmp_path, _people(20, 6)), GROUPED)
    for seed in range(5):
        learned, held_out = split_held_out(examples, 0.2, np.random.default_rng(seed))
        assert not set(learned.groups) & set(held_out.groups)
        assert set(learned.labels) == set(held_out.labels) == {"yes", "no"}
        assert len(learned) + len(held_out) == 120
        assert 0.15 <= len(held_out) / 120 <= 0.3
    plain = load_file(_table(tmp_path, _people(20, 6)))
    learned, held_out = split_held_out(plain, 0.2, np.random.default_rng(0))
    cut = {text.split()[1] for text in learned.inputs} & {t.split()[1] for t in held_out.inputs}
    assert cut  # which is what the column is for


def test_groups_that_share_an_input_are_one(tmp_path: Path) -> None:
    rows = [*_people(6, 4), ("text 0 0", "yes", "p1"), ("TEXT  1 1", "no", "p2")]
    examples = load_file(_table(tmp_path, rows), GROUPED)
    by_group = dict(zip(examples.groups, examples.units, strict=True))
    assert by_group["p0"] == by_group["p1"] == by_group["p2"]
    assert len(set(by_group.values())) == 4
    for seed in range(6):
        learned, held_out = split_held_out(examples, 0.3, np.random.default_rng(seed))
        assert not set(learned.units) & set(held_out.units)
        assert not set(learned.keys) & set(held_out.keys)


def test_the_order_of_the_rows_does_not_change_what_belongs_together() -> None:
    keys, groups = ["a", "b", "b", "c", "d"], ["1", "1", "2", "3", "3"]
    expected = [{0, 1, 2}, {3, 4}]
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(5)
        found: dict[str, set[int]] = {}
        names = units([keys[row] for row in order], [groups[row] for row in order])
        for name, row in zip(names, order.tolist(), strict=True):
            found.setdefault(name, set()).add(row)
        assert sorted(found.values(), key=min) == expected


def test_a_label_of_one_group_is_refused_by_name(tmp_path: Path) -> None:
    rows = [*_people(6, 4), *((f"alone {number}", "maybe", "p9") for number in range(9))]
    examples = load_file(_table(tmp_path, rows), GROUPED)
    with pytest.raises(
        DataError, match=r"at least 2 groups with each label.*found 1 with 'maybe';"
    ):
        split_held_out(examples, 0.2, np.random.default_rng(0))


def test_a_group_with_an_input_of_several_labels_is_learned_from(tmp_path: Path) -> None:
    rows = [*_people(8, 4), ("text 0 0", "no", "p0")]
    examples = load_file(_table(tmp_path, rows), GROUPED)
    for seed in range(6):
        assert "p0" not in split_held_out(examples, 0.4, np.random.default_rng(seed))[1].groups


def test_a_column_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    path = _table(tmp_path, [("a", "x", ""), ("b", "y", "p1")])
    with pytest.raises(DataError, match="line 2: expected a group"):
        load_file(path, GROUPED)
    with pytest.raises(DataError, match=r"'speaker'.*--group-column person"):
        load_file(path, Columns(group="speaker"))


def test_groups_stay_with_their_examples_wherever_these_go(tmp_path: Path) -> None:
    examples = load(_table(tmp_path, _people(4, 4)), GROUPED).train
    assert Counter(examples.groups) == {f"p{person}": 4 for person in range(4)}
    assert examples.take([5, 1]).groups == ("p1", "p0")
    assert examples.joined(examples).groups == 2 * examples.groups
    assert examples.joined(Examples(("x",), ("yes",), "more")).groups == ()
    assert parsed_examples(dumped_examples(examples)).groups == examples.groups


def test_an_adapter_proves_itself_on_whole_groups(tmp_path: Path) -> None:
    examples = load_file(_table(tmp_path, _people(20, 6)), GROUPED)
    classes = np.array([label == "yes" for label in examples.labels], np.int64)
    learned, aside = set_aside(examples.units, classes, 0.2, np.random.default_rng(0))
    assert aside
    assert not {examples.groups[row] for row in learned} & {examples.groups[row] for row in aside}


def test_groups_in_memory_are_texts_numbers_or_booleans() -> None:
    taken = from_arrays(["a", "b", "c"], ["x", "y", "x"], "here", groups=np.array([3, 3, 7]))
    assert taken.groups == ("3", "3", "7")
    assert from_arrays(["a", "b"], ["x", "y"], "here", groups=iter([True, "p"])).groups == (
        "True",
        "p",
    )
    assert from_arrays(["a", "b"], ["x", "y"], "here").groups == ()


@cases(
    ("groups", "expected"),
    [
        (["p1"], "expected one group for each input, found 2 inputs and 1 groups"),
        (["p1", "p2", "p3"], "expected one group for each input, found 2 inputs and 3 groups"),
        ([], "expected one group for each input, found 2 inputs and 0 groups"),
        (["p1", None], r"groups\[1\]: expected a group, found nothing"),
        ([float("nan"), "p1"], r"groups\[0\]: expected a group, found NaN"),
        (["p1", ""], r"groups\[1\]: expected a group, found ''"),
        (["p1", ["p2", "p3"]], r"groups\[1\]: expected (one|a) group"),
        ("p1", "groups: expected a list of them, found one str"),
        ({"p1": 1}, "groups: expected a list of them, found a mapping"),
        (7, "groups: expected a list of them, found int"),
        (np.zeros((2, 2)), "groups: expected one column, found ndarray of 2 dimensions"),
    ],
)
def test_groups_that_cannot_be_are_refused_by_name(groups: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        from_arrays(["a", "b"], ["x", "y"], "here", groups=groups)


def test_a_spared_label_of_one_group_is_learned_from_whole(tmp_path: Path) -> None:
    rows = [*_people(6, 4), *((f"alone {number}", "maybe", "p9") for number in range(9))]
    examples = load_file(_table(tmp_path, rows), GROUPED)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        learned, held_out = split_held_out(examples, 0.2, rng, spared=["maybe"])
        assert Counter(learned.labels)["maybe"] == 9
        assert set(held_out.labels) == {"yes", "no"}
        assert not set(learned.groups) & set(held_out.groups)
    one = Examples(("a", "b"), ("yes", "yes"), "x", groups=("1", "1"))
    with pytest.raises(DataError, match="found 1 with 'yes';"):
        split_held_out(one, 0.2, np.random.default_rng(0), spared=["no"])
