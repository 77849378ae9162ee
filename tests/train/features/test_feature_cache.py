"""More examples than memory holds are refused before they are encoded; and features come out alike
however they are made.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.errors import DataError
from cfedge.progress import Quiet
from cfedge.train.examples.examples import Examples
from cfedge.train.features import feature_cache
from cfedge.train.features.feature_cache import (
    cached_features,
    check_room,
    encoded,
    features_of,
    free_bytes,
)
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


def test_features_are_the_same_in_parts_at_once_and_from_the_cache(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    encoder, examples = workspace.encoder(), Examples(*zip(*ROWS, strict=True), "food")
    at_once = features_of(encoder, examples.inputs)
    made = [
        encoded(encoder, examples.inputs, Quiet()),
        *(cached_features(encoder, "0" * 64, workspace.cache, examples, Quiet()) for _ in range(2)),
    ]
    assert len(list(workspace.cache.iterdir())) == 1
    with pytest.raises(DataError, match=r"^examples: expected a text, found an empty one"):
        encoded(encoder, [*examples.inputs, ""], Quiet())
    for hidden, features in made:
        for one, two in zip(features, at_once[1], strict=True):
            np.testing.assert_array_equal(one, two)
        for one, two in zip(hidden, at_once[0].hidden, strict=True):
            np.testing.assert_array_equal(one[None], two)
