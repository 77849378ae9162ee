"""One engine, many threads, while adapters come and go and the store moves on: no answer is ever
another call's.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made import WORDS, make_texts
from tiny import cloned, relearned

from cfedge import Engine, Prediction
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.manifest import Manifest
from cfedge.store import Store

THREADS = 8
TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 6, seed=21)] + [
    *WORDS["food"],
    "the of",
]


def _install(store: Store, bundle: Bundle) -> Manifest:
    for name, data in bundle.objects.items():
        if not (store.objects / name).exists():  # as a sync: what is there is being read
            (store.objects / name).write_bytes(data)
    store.switch(store.add(bundle.manifest))
    return bundle.manifest


def _right(bundle: Bundle) -> dict[tuple[str, str | None], Prediction]:
    engine = Engine(bundle)
    return {
        (text, task): replace(engine.predict([text], task=task)[0], ms=0)
        for text in TEXTS
        for task in (None, *engine.tasks)
    }


@pytest.mark.parametrize("calls", [100, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_answer_is_mixed_up_while_adapters_are_evicted_and_engines_swapped(
    tiny_bundle: Path, tmp_path: Path, calls: int
) -> None:
    three = cloned(read(tiny_bundle), "colors", "paint")
    other = relearned(three, "paint")
    store = Store.create(tmp_path / "store", "stable")
    right = {}
    for bundle in (other, three):
        right[_install(store, bundle).digest] = _right(bundle)
        Engine.open(store.folder)  # passes its golden vectors, so that no swap waits for that
    room = Engine(three).adapters.stats.kept_bytes * 2 // 3  # for two of three
    holder = [Engine.open(store.folder, adapter_bytes=room)]
    wrong: list[object] = []
    met: set[str] = set()
    done = threading.Event()
    late = time.monotonic() + 60

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for number in itertools.count():
                if number >= calls and (met == right.keys() or time.monotonic() > late):
                    break  # a busy machine swaps late
                one = holder[0]
                texts = rng.choices(TEXTS, k=rng.choice((1, 1, 2, 4)))
                task = rng.choice((None, *one.tasks))
                found = [replace(answer, ms=0) for answer in one.predict(texts, task=task)]
                expected = right[one.manifest.digest]
                met.add(one.manifest.digest)
                if found != [expected[text, task] for text in texts]:
                    wrong.append((texts, task, found))
        except BaseException as error:
            wrong.append(error)

    def swap() -> None:
        try:
            bundles = [other, three]
            while not done.wait(0.05):
                bundles.reverse()
                _install(store, bundles[0])
                holder[0] = holder[0].latest()
        except BaseException as error:
            wrong.append(error)

    asking = [threading.Thread(target=ask, args=(seed,)) for seed in range(THREADS)]
    swapping = threading.Thread(target=swap)
    for thread in (*asking, swapping):
        thread.start()
    for thread in asking:
        thread.join()
    done.set()
    swapping.join()
    assert wrong == []
    found = holder[0].adapters.stats
    assert met == right.keys()
    assert found.evictions > 0
    assert found.hits > 0
    assert found.kept_bytes <= room
