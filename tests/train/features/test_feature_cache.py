"""More examples than memory holds are refused before they are encoded; and features come out alike
however they are made.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.errors import DataError
from cfedge.progress import Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.train.examples.examples import Examples
from cfedge.train.features import feature_cache
from cfedge.train.features.at_once import at_once
from cfedge.train.features.feature_cache import (
    adapted_features,
    cached_features,
    check_room,
    encoded,
    features_of,
    free_bytes,
)
from cfedge.train.measures.early_exit import no_exit
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

ROWS = make_texts("food", 60, 0)


def test_more_than_memory_holds_is_refused_with_what_it_holds() -> None:
    check_room(1000, 1e3, None)
    check_room(1000, 1e3, 2_000_000)
    with pytest.raises(DataError, match=r"expected at most 500, for which 0.0 GB .* found 1,000"):
        check_room(1000, 1e3, 1_000_000)
    assert free_bytes() is None or free_bytes() > 1 << 20  # type: ignore[operator]


def test_a_task_that_is_too_large_leaves_the_workspace_as_it_was(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    monkeypatch.setattr(feature_cache, "free_bytes", lambda: 10_000)
    with pytest.raises(DataError, match="take fewer with --most-examples"):
        learn(workspace, "food", Examples(*zip(*ROWS, strict=True), "food"))
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors")


@pytest.mark.parametrize("threads", [1, 3])
def test_features_are_the_same_in_parts_at_once_and_from_the_cache(
    tiny_workspace: Path, threads: int
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    encoder, examples = workspace.encoder(), Examples(*zip(*ROWS * 4, strict=True), "food")
    whole = features_of(encoder, examples.inputs)
    cache = workspace.cache
    made = [
        encoded(encoder, examples.inputs, Quiet(), threads=threads),
        *(
            cached_features(encoder, "0" * 64, cache, examples, Quiet(), threads=threads)
            for _ in range(2)
        ),
    ]
    assert len(list(cache.iterdir())) == 1
    with pytest.raises(DataError, match=r"^example 481, '': expected a text, found an empty one"):
        encoded(encoder, [*examples.inputs, ""], Quiet(), threads=threads)
    for hidden, features in made:
        for one, two in zip(features, whole[1], strict=True):
            np.testing.assert_array_equal(one, two)
        for one, two in zip(hidden, whole[0].hidden, strict=True):
            np.testing.assert_array_equal(one[None], two)
    adapter = Adapter.from_arrays({**workspace.adapter("colors"), **no_exit()})
    np.testing.assert_array_equal(
        adapted_features(encoder, whole[0], adapter, threads=threads),
        np.stack(encoder.adapted(whole[0], adapter)),
    )


def test_parts_come_in_order_a_few_ahead_and_none_is_begun_after_one_that_fails() -> None:
    begun: list[int] = []
    may_go = threading.Event()

    def work(part: int) -> int:
        begun.append(part)
        if part == 0:
            may_go.wait(10)  # the others are done before it
        if part == 5:
            raise ValueError("five")
        return part * part

    found: list[int] = []
    results = at_once(work, range(1000), 2)
    threading.Timer(0.05, may_go.set).start()
    with pytest.raises(ValueError, match="five"):
        found.extend(results)
    assert found == [0, 1, 4, 9, 16]
    assert max(begun) <= 5 + 2
