"""Of more examples than a task is learned of, every class gives as many as the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cfedge.train.examples.draw import drawn, even_share
from cfedge.train.examples.examples import MOST_HELD_OUT, Examples, split_held_out


def of(counts: dict[str, int]) -> Examples:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return Examples(tuple(f"text {row}" for row in range(len(labels))), tuple(labels), "data")


@pytest.mark.parametrize(
    ("counts", "most", "share"),
    [
        ((3, 100_000), 50_000, 49_997),
        ((10, 10, 10), 12, 4),
        ((1, 5, 9), 10, 4),
        ((5, 5), 3, 1),
        ((7, 7, 7), 2, 1),
        ((2, 2), 4, 2),
    ],
)
def test_the_share_of_a_class_fills_what_there_is_room_for(
    counts: tuple[int, ...], most: int, share: int
) -> None:
    assert even_share(counts, most) == share
    if len(counts) <= most:
        assert sum(min(count, share) for count in counts) <= most
        if sum(counts) > most:
            assert sum(min(count, share + 1) for count in counts) > most


def test_a_rare_class_is_taken_whole_and_a_common_one_in_part() -> None:
    examples = of({"common": 1000, "middle": 40, "rare": 3})
    taken = drawn(examples, 100, np.random.default_rng(0))
    assert Counter(taken.labels) == {"common": 57, "middle": 40, "rare": 3}
    rows = [examples.inputs.index(text) for text in taken.inputs]
    assert rows == sorted(set(rows))
    assert drawn(examples, 1043, np.random.default_rng(0)) is examples
    again = drawn(examples, 100, np.random.default_rng(0))
    assert (again.inputs, again.labels) == (taken.inputs, taken.labels)


def test_more_classes_than_examples_keep_one_of_each() -> None:
    taken = drawn(of({f"c{place}": 3 for place in range(20)}), 5, np.random.default_rng(0))
    assert len(taken) == len(taken.classes) == 20


def test_what_is_held_out_is_bounded_and_looks_like_the_data() -> None:
    examples = of({"common": 90_000, "other": 9_990, "rare": 4})
    kept, out = split_held_out(examples, 0.2, np.random.default_rng(0))
    found = Counter(out.labels)
    assert abs(len(out) - MOST_HELD_OUT) <= 2
    assert found["rare"] == 1
    assert abs(found["common"] - 9 * found["other"]) < 20
    assert len(kept) + len(out) == len(examples)
