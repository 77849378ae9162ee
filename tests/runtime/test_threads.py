"""Calls of many threads at once do not mix up their results."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from made import make_texts

from cfedge import Engine, Prediction


@pytest.mark.parametrize("calls", [pytest.param(200), pytest.param(10_000, marks=pytest.mark.slow)])
def test_eight_threads_of_mixed_calls_get_their_own_answers(tiny_bundle: Path, calls: int) -> None:
    engine = Engine.open(tiny_bundle)
    texts = [text for task in ("colors", "animals") for text, _ in make_texts(task, 8, seed=5)]
    kinds = [None, *engine.tasks]
    right = {(text, task): engine.predict([text], task=task)[0]._replace(ms=0) for text in texts for task in kinds}
    wrong: list[tuple[list[str], str | None, list[Prediction]]] = []
    failed: list[BaseException] = []

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(calls):
                asked, task = rng.sample(texts, rng.choice((1, 1, 1, 3))), rng.choice(kinds)
                found = [one._replace(ms=0) for one in engine.predict(asked, task=task)]
                if found != [right[text, task] for text in asked]:
                    wrong.append((asked, task, found))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, failed) == ([], [])
