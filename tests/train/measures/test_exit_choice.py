"""From which margin on the trunk's part decides alone: chosen where it never mattered."""

from __future__ import annotations

import numpy as np
import pytest

from cfedge.runtime.adapter import NEVER
from cfedge.train.measures.early_exit import EXIT_LEAST, choose_exit, no_exit
from cfedge.train.settings import EXIT_SHARE


def _scores(margins: np.ndarray) -> np.ndarray:
    """Three classes, of which the first is the best by so much."""
    return np.stack([margins, np.zeros(len(margins)), np.full(len(margins), -9.0)], axis=1).astype(
        np.float32
    )


def test_the_widest_margins_end_early() -> None:
    trunk = _scores(np.linspace(0.1, 10, 1000))
    adapted = np.zeros((1000, 3), np.float32)
    adapted[:, 0] = np.linspace(1, 100, 1000)
    found = choose_exit(trunk, adapted)
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == {
        "exit.margin": (np.dtype(np.float32), (1,))
    }
    sure = trunk[:, 0] >= found["exit.margin"]
    assert sure.mean() == pytest.approx(EXIT_SHARE, abs=0.01)


def test_no_example_whose_label_the_tail_turns_ends_early() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        trunk = rng.normal(size=(60, 4)).astype(np.float32)
        adapted = (rng.normal(size=(60, 4)) * rng.choice([0.1, 0.5, 1])).astype(np.float32)
        margin = choose_exit(trunk, adapted)["exit.margin"][0]
        best = np.sort(trunk, axis=1)
        sure = best[:, -1] - best[:, -2] >= margin
        assert (trunk.argmax(axis=1) == (trunk + adapted).argmax(axis=1))[sure].all()
        assert sure.sum() <= 60 - EXIT_LEAST + 1


def test_the_margin_stays_clear_of_the_last_example_that_was_turned() -> None:
    trunk = _scores(np.array([*np.full(30, 1.0), *np.full(70, 3.0)]))
    adapted = np.full((100, 3), 0.01, np.float32)
    adapted[5] = [0, 5, 0]
    assert choose_exit(trunk, adapted)["exit.margin"] == 2  # half way to those of margin 3
    adapted[50] = [0, 5, 0]
    assert choose_exit(trunk, adapted) == no_exit()


def test_the_share_is_obeyed_and_none_is_none() -> None:
    trunk, adapted = _scores(np.linspace(0.1, 10, 100)), np.full((100, 3), 0.01, np.float32)
    adapted[:, 0] = 1
    for share in (0.2, 0.5, 0.8):
        assert (
            trunk[:, 0] >= choose_exit(trunk, adapted, share)["exit.margin"]
        ).mean() == pytest.approx(share, abs=0.01)
    assert choose_exit(trunk, adapted, 0.0) == no_exit()


def test_neighbouring_margins_are_told_apart() -> None:
    one = np.float32(1)
    trunk = _scores(np.array([*np.full(50, one), *np.full(50, np.nextafter(one, np.float32(2)))]))
    adapted = np.full((100, 3), -5, np.float32)
    adapted[3] = [-9, -1, -9]
    found = choose_exit(trunk, adapted)
    assert found["exit.margin"] == np.nextafter(one, np.float32(2))


def test_so_many_examples_at_least_do_not_end_early() -> None:
    for count, sure in ((EXIT_LEAST, 0), (EXIT_LEAST + 1, 1), (100, 80), (300, 280), (1000, 950)):
        trunk, adapted = _scores(np.linspace(0.1, 10, count)), np.ones((count, 3), np.float32)
        margin = choose_exit(trunk, adapted)["exit.margin"]
        assert abs((trunk[:, 0] >= margin).sum() - sure) <= 1
    trunk, adapted = _scores(np.ones(EXIT_LEAST)), np.ones((EXIT_LEAST, 3), np.float32)
    assert choose_exit(trunk, adapted) == no_exit()
    assert no_exit()["exit.margin"] == NEVER
