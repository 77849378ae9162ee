"""What follows from all signatures, as one value that can be kept."""

from __future__ import annotations

import numpy as np
import pytest
from test_class_table import Left
from test_lookup import make_features, make_signature

from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.familiarity import KEPT_BYTES, Familiarity
from cfedge.lookup.fitted import Fitted, moments
from cfedge.lookup.lookup import Lookup


def test_moments_of_some_at_a_time_are_those_of_all() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=(size, 5)).astype(np.float32) for size in (1, 7, 3)]
    mean, spread = moments(groups)
    rows = np.concatenate(groups).astype(np.float64)
    assert mean == pytest.approx(rows.mean(axis=0), abs=1e-12)
    assert spread == pytest.approx(np.cov(rows.T, bias=True), abs=1e-12)


def test_a_lookup_of_what_was_kept_scores_to_the_same_bit() -> None:
    rng = np.random.default_rng(1)
    tasks = {f"task {task}": make_signature(rng) for task in range(5)}
    inputs = make_features(rng)
    kept: list[dict[str, np.ndarray]] = []

    def keeping(make) -> Fitted:  # type: ignore[no-untyped-def]
        kept.append(make().arrays())
        return Fitted.from_arrays(kept[0], "kept")

    def refuse(make) -> Fitted:  # type: ignore[no-untyped-def]
        return Fitted.from_arrays(kept[0], "kept")

    plain = Lookup(tasks)
    for keep in (keeping, refuse):
        found = Lookup(tasks, keep=keep)
        assert found.scores(inputs).tobytes() == plain.scores(inputs).tobytes()
        assert found.within.tobytes() == plain.within.tobytes()
        assert (found.shrinkage, found.factor_rows) == (plain.shrinkage, plain.factor_rows)
        assert [one.tolist() for one in found.counts] == [one.tolist() for one in plain.counts]


def test_familiarity_of_many_tasks_keeps_so_many_bytes_and_reads_what_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(2)
    tasks = {f"task {task}": make_signature(rng) for task in range(6)}
    lookup = Lookup(tasks)
    row = make_features(rng)[0]
    whole = Familiarity(tasks, lookup, ClassTable(tasks, lookup))
    expected = [whole(row, task) for task in range(6)]
    size = whole._classes[0].rows.nbytes
    assert len(whole._classes) == 6 < KEPT_BYTES // size
    monkeypatch.setattr("cfedge.lookup.familiarity.KEPT_BYTES", 2 * size)
    left = Left()
    for asked in (tasks, {}):  # the second has what the first left
        few = Familiarity(asked, lookup, ClassTable(tasks, lookup), records=left)
        for _ in range(2):
            assert [few(row, task) for task in range(6)] == expected
            assert len(few._classes) == 2
