"""An adapter is kept where it is better than the closed form by more than one standard error, on
examples that choose nothing else.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
from every import cases

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Backbone
from cfedge.inputs import Spec
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.spec import Image
from cfedge.inputs.text.spec import Text
from cfedge.train.measures.trial import Trial, is_tried, set_aside
from cfedge.train.settings import Settings


def _trial(won: int, lost: int, both: int = 20, neither: int = 5) -> Trial:
    closed = [False] * won + [True] * lost + [True] * both + [False] * neither
    adapter = [True] * won + [False] * lost + [True] * both + [False] * neither
    return Trial.of(np.array(closed), np.array(adapter))


@cases(
    "won, lost, pays",
    [
        (0, 0, False),
        (1, 0, False),
        (2, 0, True),
        (3, 1, False),
        (4, 1, True),
        (0, 9, False),
        (60, 50, False),
        (62, 50, True),
    ],
)
def test_an_adapter_pays_where_it_wins_more_than_chance_would(
    won: int, lost: int, pays: bool
) -> None:
    trial = _trial(won, lost)
    assert trial.adapter_pays is pays
    assert (trial.examples, trial.adapter - trial.closed_form) == (won + lost + 25, won - lost)


def test_where_neither_is_better_one_standard_error_is_passed_about_as_often_as_it_should() -> None:
    """The tail of the normal distribution above one standard deviation is 0.159."""
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(2_000):
        closed, adapter = rng.random((2, 200)) < 0.8
        kept += Trial.of(closed, adapter).adapter_pays
    assert 0.12 < kept / 2_000 < 0.19


def test_a_share_of_each_class_is_set_aside_and_equal_keys_stay_on_one_side() -> None:
    keys = [f"{number % 30}" for number in range(60)]  # each twice
    classes = np.array([number % 30 % 3 for number in range(60)])
    learned, aside = set_aside(keys, classes, 0.2, np.random.default_rng(0))
    assert sorted(learned + aside) == list(range(60))
    assert not {keys[row] for row in learned} & {keys[row] for row in aside}
    assert np.bincount(classes[aside]).tolist() == [4, 4, 4]  # two keys of ten


def test_a_class_of_one_key_is_learned_from() -> None:
    learned, aside = set_aside(
        ["a", "a", "b", "c"], np.array([0, 0, 1, 1]), 0.5, np.random.default_rng(0)
    )
    assert learned[:2] == [0, 1]
    assert len(aside) == 1


@cases(
    "kind, tried",
    [
        (Image("image", 8, 8, "squash"), True),
        (Text("text", 8, FileRef("tokenizer.json", 1)), False),
        (Array("array", "float32", (4,)), False),
    ],
)
def test_a_picture_tasks_adapter_must_prove_itself_and_no_others(kind: Spec, tried: bool) -> None:
    backbone = cast(Backbone, SimpleNamespace(input=kind))
    assert is_tried(Settings(), backbone) == tried
    assert is_tried(Settings(method="trial"), backbone)
    assert not is_tried(Settings(reuse=True), backbone)
