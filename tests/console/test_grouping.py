"""Groups against SciPy's average linkage, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from scipy.cluster.hierarchy import fcluster, linkage

from cfedge.console.grouping import groups


def as_sets(found: list[list[int]]) -> set[frozenset[int]]:
    return {frozenset(rows) for rows in found}


@cases("seed", range(12))
def test_groups_are_those_of_scipys_average_linkage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(5, 24))
    rows = np.concatenate([c + rng.normal(scale=0.6, size=(9, 24)) for c in centers])
    rows = rows.astype(np.float32)
    for alike in (0.1, 0.3, 0.6, 0.9):
        tree = linkage(rows.astype(np.float64), "average", metric="cosine")
        labels = fcluster(tree, np.nextafter(alike, 0), "distance")
        expected = {frozenset(np.flatnonzero(labels == one).tolist()) for one in set(labels)}
        assert as_sets(groups(rows, alike)) == expected


def test_the_largest_group_comes_first_with_its_most_typical_row() -> None:
    rows = np.array([[0, 1], [1, 0.3], [1, 0], [1, -0.3], [0.02, 1]], np.float32)
    assert groups(rows, 0.3) == [[2, 1, 3], [0, 4]]


def test_equal_rows_and_rows_of_nothing_are_grouped() -> None:
    assert groups(np.zeros((0, 4), np.float32)) == []
    assert as_sets(groups(np.ones((7, 4), np.float32))) == {frozenset(range(7))}
    assert as_sets(groups(np.zeros((3, 4), np.float32))) == {
        frozenset([0]), frozenset([1]), frozenset([2])
    }  # fmt: skip
    assert groups(np.ones((1, 4), np.float32)) == [[0]]


def test_lengths_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 8)).astype(np.float32)
    scaled = rows * rng.uniform(0.1, 50, size=(20, 1)).astype(np.float32)
    assert groups(rows, 0.7) == groups(scaled, 0.7)


@pytest.mark.slow
def test_a_full_page_is_grouped_in_seconds() -> None:
    rows = np.random.default_rng(0).normal(size=(1_500, 384)).astype(np.float32)
    assert sum(map(len, groups(rows))) == 1_500
