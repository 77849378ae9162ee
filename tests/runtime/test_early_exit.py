"""The one rule by which answers end early: one by one and together it says the same."""

from __future__ import annotations

import numpy as np

from cfedge.lookup.ood import HEAD_WEIGHT
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.early_exit import ends_early, gap, gaps, trunk_decides


def test_gaps_are_compared_alike_one_by_one_and_together() -> None:
    rng = np.random.default_rng(0)
    trunk = rng.normal(size=(500, 7)).astype(np.float32)
    ordered = np.sort(trunk, axis=1)
    apart = ordered[:, -1].astype(np.float64) - ordered[:, -2]
    assert gaps(trunk).tolist() == [gap(row.tolist()) for row in trunk] == apart.tolist()
    for margin in apart[:50].tolist():  # on the very edge
        together = np.asarray(trunk_decides(gaps(trunk), margin))
        assert together.tolist() == [trunk_decides(gap(row.tolist()), margin) for row in trunk]
        assert together.sum() == (apart >= margin).sum()


def test_the_trunks_part_answers_alone_where_it_decides_and_else_both_do() -> None:
    rng = np.random.default_rng(1)
    trunk, adapted = rng.normal(size=(2, 40, 5)).astype(np.float32)
    empty = np.zeros((0, 0), np.float32)
    margin = float(np.median(gaps(trunk)))
    adapter = Adapter({}, empty, empty, empty, empty, margin, 0.0)
    found = adapter.scores(adapted, trunk)
    alone = gaps(trunk) >= margin
    assert 0 < alone.sum() < 40
    assert np.array_equal(found[alone], trunk[alone])
    assert np.array_equal(found[~alone], (trunk + adapted)[~alone])
    assert np.array_equal(
        found, np.stack([adapter.scores(*row) for row in zip(adapted, trunk, strict=True)])
    )


def test_an_answer_ends_early_only_where_the_trunk_decides_and_the_input_is_plainly_known() -> None:
    directions, usual, threshold = 30, 6.0, 10.0
    edge = threshold + HEAD_WEIGHT * directions * usual / 3
    rule = {"usual": usual, "directions": directions, "threshold": threshold}
    assert ends_early(2.0, edge, exit_margin=2.0, **rule)
    assert not ends_early(1.999, edge, exit_margin=2.0, **rule)
    assert not ends_early(2.0, edge + 0.001, exit_margin=2.0, **rule)
    apart, distance = np.array([2.0, 1.0, 2.0]), np.array([0.0, 0.0, 2 * edge])
    together = np.asarray(ends_early(apart, distance, exit_margin=2.0, **rule))
    assert together.tolist() == [True, False, False]
