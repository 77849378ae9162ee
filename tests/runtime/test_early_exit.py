"""The one rule by which answers end early: one by one and together it says the same."""

from __future__ import annotations

import numpy as np

from cfedge.runtime.adapter import Adapter
from cfedge.runtime.early_exit import gap, gaps, trunk_decides


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
    adapter = Adapter({}, empty, empty, empty, empty, empty, empty, margin)
    found = adapter.scores(adapted, trunk)
    alone = gaps(trunk) >= margin
    assert 0 < alone.sum() < 40
    assert np.array_equal(found[alone], trunk[alone])
    assert np.array_equal(found[~alone], (trunk + adapted)[~alone])
    assert np.array_equal(
        found, np.stack([adapter.scores(*row) for row in zip(adapted, trunk, strict=True)])
    )
