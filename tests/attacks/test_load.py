"""Sixteen clients through syncs and rollbacks, beside three hundred connections that drip: no
answer is lost, and none is of anything but one generation.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels import NOW
from clients import ask, connect, get, head, until
from here import publish
from made import make_texts
from served import Served, start
from tiny import cloned, new_store, relearned, written

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.publish.keys import Keys
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import probe_here
from cfedge.sync.transport import Folder

CLIENTS, SLOW = 16, 300
TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 1, seed=7)]


@contextlib.contextmanager
def dripping(url: str) -> Iterator[list[socket.socket]]:
    """Connections of which each sends a byte of its head now and then, for as long as it may."""
    held = [connect(url) for _ in range(SLOW)]
    over = threading.Event()

    def drip() -> None:
        at = 0
        while not over.wait(0.2):
            for number, one in enumerate(held):
                try:
                    one.sendall(head(10_000)[at % 40 : at % 40 + 1])
                except OSError:  # cut off, and there again
                    one.close()
                    with contextlib.suppress(OSError):
                        held[number] = connect(url)
            at += 1

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
        for one in held:
            one.close()


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({**answer, "ms": 0}))


def answers_of(store: Store) -> tuple[str, list[dict[str, Any]]]:
    engine = Engine.open(store.folder)
    return engine.manifest.digest, [timeless(engine.evidence(one)) for one in engine.predict(TEXTS)]


@pytest.mark.slow
def test_no_answer_is_lost_or_wrong_through_syncs_rollbacks_and_slow_connections(
    tiny_site: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle, store = read(tiny_bundle), new_store(tiny_site, tmp_path / "store")

    def bring() -> None:
        sync(store, Folder(tiny_site / "repo"), now=lambda: NOW, probing=probe_here)

    bring()
    served: Served = start(store.folder, workers=2, follow_s=0.05, head_s=2.0)
    seen: list[tuple[int, Any]] = []
    lost: list[Exception] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            try:
                seen.append(ask(served.url, {"inputs": TEXTS})[:2])
            except Exception as error:
                lost.append(error)

    def moved(generation: int) -> None:
        until(lambda: get(served.url, "/health/ready").body["generation"] == generation)
        expected.append(answers_of(store))
        count = len(seen)
        until(lambda: len(seen) > count + CLIENTS)

    expected = [answers_of(store)]
    clients = [threading.Thread(target=load) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        with dripping(served.url):
            for generation, state in (
                (2, relearned(bundle, "colors")),
                (3, cloned(bundle, "colors", "paint")),
            ):
                publish(
                    written(state, tiny_bundle),
                    tiny_site / "repo",
                    Keys(tiny_site / "keys"),
                    now=NOW,
                )
                bring()
                moved(generation)
            store.rollback()
            moved(2)
            store.unpin()
            bring()
            moved(store.to_open())
            time.sleep(0.5)
    finally:
        stop.set()
        for client in clients:
            client.join()
        served.stop()
    assert lost == []
    assert {status for status, _ in seen} == {200}
    right = dict(expected)
    found = [[timeless(one) for one in body["answers"]] for _, body in seen]
    assert all(one == right[one[0]["bundle"]] for one in found)
    assert {one[0]["bundle"] for one in found} == set(right)
