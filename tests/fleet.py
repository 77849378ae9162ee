"""A fleet of devices on one static server, through a rollout with a bad task in it. For
tests/test_fleet.py and benchmarks/fleet.py.

Devices are stores of their own that sync with the real client over loopback; they try each
generation in this process. The server cuts a share of its answers short. While they sync, watchers
look, at every device in turn, at what would be opened.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from channels import NOW
from here import publish
from made import make_texts
from tiny import cloned, new_site, relearned, written

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.files import Bundle, reference
from cfedge.catalogue.entry import Entry, TaskAdded
from cfedge.catalogue.index import Rollout
from cfedge.catalogue.view import view
from cfedge.errors import CfedgeError, IncompatibleError, OfflineError
from cfedge.publish.appending import appended
from cfedge.publish.channel import roll_out
from cfedge.publish.diff import next_clock
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import probe_here
from cfedge.sync.transport import Host
from cfedge.sync.trust import Trust

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 4, seed=7)]


class Static(BaseHTTPRequestHandler):
    """Files of a folder, with Range; a share of the answers is cut in the middle."""

    protocol_version = "HTTP/1.1"
    folder: Path
    cut_share = 0.0
    rng = random.Random(0)
    requests: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.requests["404"] += 1
            self.send_error(404)
            return
        data, start = path.read_bytes(), 0
        begin = self.headers.get("Range", "")
        if begin.startswith("bytes="):
            start = int(begin[6:].partition("-")[0])
        if start >= len(data) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        self.requests["answers"] += 1
        if self.rng.random() < self.cut_share:
            body = body[: len(body) // 2]
            self.requests["cut"] += 1
            self.close_connection = True
        self.requests["bytes"] += len(body)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path, cut_share: float, seed: int) -> Iterator[tuple[str, Counter[str]]]:
    """Serve `folder` on a port of loopback."""
    counts: Counter[str] = Counter()
    handler = type(
        "Here",
        (Static,),
        {"folder": folder, "cut_share": cut_share, "rng": random.Random(seed), "requests": counts},
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Fleet:
    """All devices, and what was seen of them.

    Attributes
    ----------
    good
        Answers of the states that may be served, by the adapters of their tasks.
    wrong
        What must not have been seen, one line each.
    """

    folder: Path
    url: str
    root: bytes
    devices: int
    rng: random.Random
    good: dict[tuple[tuple[str, str], ...], list[tuple[str, str, float]]] = field(
        default_factory=dict
    )
    wrong: list[str] = field(default_factory=list)
    stages: int = 0
    opened: int = 0
    syncs: int = 0
    refused: set[int] = field(default_factory=set)
    retried: int = 0

    def __post_init__(self) -> None:
        self.stores = [
            Store.create(self.folder / f"{number:03}", "stable") for number in range(self.devices)
        ]
        for store in self.stores:
            Trust.begin(store.folder / "trust", self.root)
        self._lock = threading.Lock()

    def allow(self, bundle: Bundle) -> tuple[tuple[str, str], ...]:
        """Let a state be served; return its name."""
        name = tuple((task.name, task.adapter.sha256) for task in bundle.manifest.tasks)
        self.good[name] = _answers(Engine(bundle))
        return name

    def state(self, number: int) -> tuple[tuple[str, str], ...]:
        """What device `number` would open, every file read and checked."""
        store = self.stores[number]
        for _ in range(5):
            generation = store.to_open()
            try:
                bundle = store.bundle(generation)
                break
            except CfedgeError:
                if store.to_open() == generation:
                    raise
        return tuple((task.name, task.adapter.sha256) for task in bundle.manifest.tasks)

    def look(self, number: int, *, ask: bool = False) -> None:
        """Check what device `number` would serve now; with `ask` open it and compare its answers."""
        try:
            found = self.state(number)
            right = found in self.good
            if ask and right:
                engine = Engine.open(self.stores[number].folder)
                name = tuple((task.name, task.adapter.sha256) for task in engine.manifest.tasks)
                right = name in self.good and _answers(engine) == self.good[name]
            complaint = (
                ""
                if right
                else f"device {number}: serves {[task for task, _ in found]}, or answers otherwise"
            )
        except Exception as error:
            complaint = f"device {number}: {type(error).__name__}: {error}"
        with self._lock:
            self.stages += 1
            self.opened += ask
            if complaint:
                self.wrong.append(complaint)

    def sync_all(self, *, workers: int, sample: float) -> float:
        """Every device syncs once, in an order of its own; return the seconds that took."""
        start = time.perf_counter()
        order = list(range(self.devices))
        self.rng.shuffle(order)
        asked = {number for number in order if self.rng.random() < sample}
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda number: self._sync(number, ask=number in asked), order))
        return time.perf_counter() - start

    def _sync(self, number: int, *, ask: bool) -> None:
        for _ in range(8):
            try:
                source = Host(self.url)
                sync(
                    self.stores[number],
                    source,
                    now=lambda: NOW,
                    probing=probe_here,
                    wait=lambda seconds: None,
                )
                break
            except IncompatibleError:
                with self._lock:
                    self.refused.add(number)
                break
            except OfflineError:
                with self._lock:
                    self.retried += 1
        with self._lock:
            self.syncs += 1
        self.look(number, ask=ask)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look at one device after the other, all the time, once each has a state."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set():
                self.look(self.rng.randrange(self.devices))
                time.sleep(0.002)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def run(
    folder: Path,
    bundle: Bundle,
    *,
    devices: int,
    cut_share: float = 0.02,
    workers: int = 8,
    seed: int = 0,
) -> dict[str, object]:
    """First state -> a bad task for a quarter -> taken back -> a good state for half -> for all;
    return what was seen.
    """
    rng = random.Random(seed)
    site, keys_folder, repo = folder / "site", folder / "site" / "keys", folder / "site" / "repo"
    new_site(site, "hq", bundle)
    keys = Keys(keys_folder)
    better = cloned(relearned(bundle, "colors", 0.5), "animals", "beasts")
    with serving(repo, cut_share, seed) as (url, counts):
        fleet = Fleet(folder / "devices", url, Repository(repo).root(), devices, rng)
        first = fleet.allow(bundle)
        seconds = {"first state": fleet.sync_all(workers=workers, sample=0.05)}
        states = {"first state": _share(fleet, first)}
        with fleet.watched():
            publish_bad(repo, keys, relearned(bundle, "colors", -1.0), share=0.25)
            seconds["bad task for a quarter"] = fleet.sync_all(workers=workers, sample=0.05)
            taking_part = sum(_rollout(repo).includes(store.device) for store in fleet.stores)
            states["bad task for a quarter"] = _share(fleet, first)
            roll_out(repo, keys, 0.0, now=NOW)
            seconds["taken back"] = fleet.sync_all(workers=workers, sample=0.05)
            states["taken back"] = _share(fleet, first)
            last = fleet.allow(better)
            publish(written(better, folder / "better"), repo, keys, now=NOW)
            roll_out(repo, keys, 0.5, now=NOW)
            seconds["good state for half"] = fleet.sync_all(workers=workers, sample=0.05)
            half = sum(_rollout(repo).includes(store.device) for store in fleet.stores)
            states["good state for half"] = _share(fleet, last)
            roll_out(repo, keys, 1.0, now=NOW)
            seconds["good state for all"] = fleet.sync_all(workers=workers, sample=0.05)
            states["good state for all"] = _share(fleet, last)
        for number in range(devices):
            fleet.look(number, ask=True)
    return {
        "devices": devices,
        "cut_share": cut_share,
        "workers": workers,
        "on_the_state_expected": states,
        "took_part_in_the_bad_rollout": taking_part,
        "refused_the_bad_task": len(fleet.refused),
        "took_part_in_the_good_rollout": half,
        "ended_on_the_last_good_state": _share(fleet, last),
        "wrong_or_missing": len(fleet.wrong),
        "complaints": fleet.wrong[:5],
        "stages": fleet.stages,
        "opened_and_asked": fleet.opened,
        "syncs": fleet.syncs,
        "syncs_repeated_after_a_cut": fleet.retried,
        "answers": counts["answers"],
        "answers_cut": counts["cut"],
        "bytes": counts["bytes"],
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def publish_bad(repo: Path, keys: Keys, bundle: Bundle, *, share: float) -> None:
    """What no workshop that checks would publish: a task whose golden vectors say what no device
    answers.
    """
    old = next(task for task in bundle.manifest.tasks if task.name == "colors")
    note = load_note(bundle[old.golden])
    labels = [next(label for label in old.classes if label != one) for one in note["labels"]]  # type: ignore[attr-defined]
    data = dump_arrays(load_arrays(bundle[old.golden], "golden"), {**note, "labels": labels})
    task = replace(old, golden=reference(data))
    repository = Repository(repo)
    with repository.writing():
        index = repository.index("stable")
        assert index is not None
        log = repository.entries(index)
        standing = tuple(sorted(one.digest for one in view(log).standing["colors"]))
        entry = Entry(
            "task",
            "colors",
            keys.site,
            next_clock(log),
            standing,
            TaskAdded(task, bundle.manifest.backbone.digest),
        )
        margins = index.margins
        after, blocks = appended(
            index, "stable", log, [entry], site=keys.site, margins=margins, now=NOW, share=share
        )
        files = {
            ref.sha256: data if ref == task.golden else bundle.objects[ref.sha256]
            for ref in entry.files().values()
        }
        repository.commit(keys, after, {**files, **blocks}, NOW)


def _rollout(repo: Path) -> Rollout:
    index = Repository(repo).index("stable")
    assert index is not None
    assert index.rollout is not None
    return index.rollout


def _share(fleet: Fleet, state: tuple[tuple[str, str], ...]) -> int:
    return sum(fleet.state(number) == state for number in range(fleet.devices))


def _answers(engine: Engine) -> list[tuple[str, str, float]]:
    return [(one.task, one.label, one.probability) for one in engine.predict(TEXTS)]
