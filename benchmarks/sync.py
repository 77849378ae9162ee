"""What syncing costs: bytes a device fetches, and time, with ten thousand and a hundred thousand
tasks in the catalogue.

Entries are as CLINC150's tasks would have (fifteen labels of its own, drawn anew for each task);
files are made up, since nothing here depends on what they mean: no generation is probed. Everything
is read from a folder, and counted.
"""

from __future__ import annotations

import argparse
import itertools
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import record

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Certificate, Slot, Task
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.catalogue.entry import Entry, TaskAdded
from cfedge.catalogue.index import Index
from cfedge.inputs.text.spec import Text
from cfedge.margins import Margins
from cfedge.publish.appending import appended
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.patience import Patience
from cfedge.sync.transport import Folder, Received
from cfedge.sync.trust import Trust

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
#: Bytes of a task's adapter, signature and golden vectors: 150 kB together, as the aim has it.
PARTS = {"adapter": 100_000, "signature": 38_000, "golden": 12_000}


class Counting(Folder):
    """A folder that counts what is read from it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bytes: Counter[str] = Counter()
        self.requests = 0

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        self.requests += 1
        received = super().read(path, start, within_s)
        room = path.partition("/")[0]

        def pieces():  # type: ignore[no-untyped-def]
            for piece in received.pieces:
                self.bytes[room] += len(piece)
                yield piece

        return Received(received.start, pieces())


class Catalogue:
    """A repository with as many tasks as wanted, made without the encoder."""

    def __init__(self, folder: Path, labels: Sequence[str], *, small: bool) -> None:
        self.rng = np.random.default_rng(0)
        self.labels, self.small = labels, small
        self.keys = Keys.create(folder / "keys", site="workshop")
        self.repository = Repository.create(folder / "repo", self.keys, NOW)
        files = {part: f"backbone {part}".encode() for part in ("trunk", "tail", "tokenizer")}
        refs = {part: reference(data) for part, data in files.items()}
        slots = tuple(
            Slot(f"l{block}.{part}", 384, 1152) for block in (4, 5) for part in ("qkv", "fc1")
        )
        backbone = Backbone(
            "minilm-l6", "0" * 64, "int8-row", 6, 4, 384, (None, 384), (384,) * 3, slots,
            refs["trunk"], refs["tail"], Text("text", 256, refs["tokenizer"]),
        )  # fmt: skip
        self.base = backbone.digest
        self.entries = [Entry("backbone", backbone.name, self.keys.site, 1, (), backbone)]
        self.index: Index | None = None
        self.time = NOW
        self.commit([], {refs[part].sha256: data for part, data in files.items()})

    def commit(self, new: list[Entry], objects: dict[str, bytes]) -> None:
        """Sign the log with `new` after it."""
        self.time += timedelta(minutes=1)
        before = self.entries if self.index else []
        added = new if self.index else self.entries
        self.index, blocks = appended(
            self.index,
            "stable",
            before,
            added,
            site=self.keys.site,
            margins=Margins(1.25, 0.5),
            now=self.time,
        )
        self.entries = [*self.entries, *new]
        self.repository.commit(self.keys, self.index, {**objects, **blocks}, self.time)

    def task(self, number: int) -> tuple[Entry, dict[str, bytes]]:
        """One more task, and its files."""
        name = f"task-{number:06d}"
        classes = tuple(
            sorted(f"{label} {number}" for label in self.rng.choice(self.labels, 15, replace=False))
        )
        size = {part: 64 if self.small else size for part, size in PARTS.items()}
        files = {part: self.rng.bytes(size[part]) for part in PARTS}
        refs = {part: reference(data) for part, data in files.items()}
        errors = int(self.rng.integers(0, 9))
        certificate = Certificate(
            300,
            errors,
            float(self.rng.uniform(0, 0.1)),
            0.05,
            number + 1,
            "task-000000",
            errors // 2,
            errors,
            float(self.rng.uniform(0, 0.1)),
        )
        made = Task(
            name,
            classes,
            8,
            float(self.rng.normal(100, 10)),
            0.05,
            NOTHING_UNKNOWN,
            certificate,
            **refs,
        )
        entry = Entry("task", name, self.keys.site, number + 2, (), TaskAdded(made, self.base))
        return entry, {refs[part].sha256: data for part, data in files.items()}

    def grow(self, tasks: int) -> None:
        """Add tasks up to so many, whose files are not written: nobody fetches them."""
        made = [self.task(number)[0] for number in range(len(self.entries) - 1, tasks)]
        self.commit(made, {})

    def device(self, folder: Path) -> Store:
        """A new store that trusts this repository."""
        store = Store.create(folder, "stable")
        Trust.begin(
            folder / "trust", (self.repository.folder / "metadata" / "1.root.json").read_bytes()
        )
        return store


def follow(store: Store, catalogue: Catalogue) -> Counting:
    """Bring a device's metadata and log up to date and return what was read."""
    source = Counting(catalogue.repository.folder)
    fetcher = Fetcher(source, store.folder / "partial", Patience(time.monotonic() + 600))
    Feed(store.folder, "stable").follow(fetcher, catalogue.time)
    return source


def trust_all(store: Store, generation: int, new: Collection[str]) -> None:
    """Probe nothing: the files are made up."""


def metadata_bytes(
    folder: Path, labels: Sequence[str], sizes: Sequence[int], adds: int
) -> tuple[dict[str, object], Catalogue, Store]:
    """Bytes that a device which follows every step fetches for one added task, files apart."""
    catalogue = Catalogue(folder, labels, small=True)
    store = catalogue.device(folder / "device")
    found: dict[str, object] = {}
    for size in sizes:
        catalogue.grow(size)
        first = follow(store, catalogue)
        costs = []
        for number in range(size, size + adds):
            entry, files = catalogue.task(number)
            catalogue.commit([entry], files)
            costs.append(sum(follow(store, catalogue).bytes.values()))
        begin = time.perf_counter()
        polls = [(follow(store, catalogue), time.perf_counter()) for _ in range(20)]
        ends = [begin, *(end for _, end in polls)]
        idle = polls[0][0]
        found[str(size)] = {
            "bytes_per_added_task": {
                "median": float(np.median(costs)),
                "max": max(costs),
                "n": adds,
            },
            "catch_up_from_before_bytes": sum(first.bytes.values()),
            "poll_bytes": sum(idle.bytes.values()),
            "poll_requests": idle.requests,
            "poll_ms": record.quantiles(
                [1e3 * (stop - start) for start, stop in itertools.pairwise(ends)]
            ),
        }
        print(size, found[str(size)], flush=True)
    return found, catalogue, store


def one_task(folder: Path, labels: Sequence[str]) -> dict[str, object]:
    """One task of 150 kB onto a device that has ten, all in; and how much of a cut download is
    kept.
    """
    catalogue = Catalogue(folder, labels, small=False)
    for number in range(10):
        catalogue.commit(*_one(catalogue, number))
    store = catalogue.device(folder / "device")
    sync(store, Folder(catalogue.repository.folder), now=lambda: catalogue.time, probing=trust_all)
    catalogue.commit(*_one(catalogue, 10))
    source = Counting(catalogue.repository.folder)
    sync(store, source, now=lambda: catalogue.time, probing=trust_all)
    return {
        "task_bytes": sum(PARTS.values()),
        "fetched_bytes": sum(source.bytes.values()),
        "requests": source.requests,
    }


def many_tasks(folder: Path, labels: Sequence[str], tasks: int) -> dict[str, object]:
    """So many new tasks of 150 kB from a local folder, generation and all, not probed."""
    catalogue = Catalogue(folder, labels, small=False)
    store = catalogue.device(folder / "device")
    made = [catalogue.task(number) for number in range(tasks)]
    catalogue.commit(
        [entry for entry, _ in made],
        {name: data for _, files in made for name, data in files.items()},
    )
    begin = time.perf_counter()
    done = sync(
        store, Folder(catalogue.repository.folder), now=lambda: catalogue.time, probing=trust_all
    )
    seconds = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in store.objects.iterdir())
    begin = time.perf_counter()
    copied = folder / "copied"
    copied.mkdir()
    for path in store.objects.iterdir():  # the floor: read, write and make durable, nothing checked
        with (copied / path.name).open("wb") as file:
            file.write(path.read_bytes())
            file.flush()
            subprocess.os.fsync(file.fileno())
    floor = time.perf_counter() - begin
    return {
        "tasks": len(done.added),
        "bytes": size,
        "seconds": seconds,
        "copy_and_fsync_seconds": floor,
    }


def nothing_new(folder: Path, labels: Sequence[str], tasks: int) -> dict[str, object]:
    """A whole sync of a device that has so many tasks, where nothing is new."""
    catalogue = Catalogue(folder, labels, small=True)
    store = catalogue.device(folder / "device")
    made = [catalogue.task(number) for number in range(tasks)]
    catalogue.commit(
        [entry for entry, _ in made],
        {name: data for _, files in made for name, data in files.items()},
    )
    times = []
    for _ in range(14):
        begin = time.perf_counter()
        sync(
            store,
            Folder(catalogue.repository.folder),
            now=lambda: catalogue.time,
            probing=trust_all,
        )
        times.append(1e3 * (time.perf_counter() - begin))
    return {"tasks": tasks, "ms": record.quantiles(times[2:])}


def _one(catalogue: Catalogue, number: int) -> tuple[list[Entry], dict[str, bytes]]:
    entry, files = catalogue.task(number)
    return [entry], files


_POLL = """
import sys, time
if sys.argv[3] == "pure":
    class Bar:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("cryptography", "nacl"):
                raise ImportError(name)
    sys.meta_path.insert(0, Bar())
from datetime import datetime
from pathlib import Path
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.transport import Folder
times = []
for _ in range(12):
    begin = time.perf_counter()
    Feed(Path(sys.argv[1]), "stable").follow(Fetcher(Folder(Path(sys.argv[2])), Path(sys.argv[1]) / "partial", Patience(time.monotonic() + 60)), datetime.fromisoformat(sys.argv[4]))
    times.append(time.perf_counter() - begin)
print(*times)
"""


def poll_ms(store: Store, catalogue: Catalogue, kind: str) -> dict[str, float]:
    """A poll with nothing new in a process of its own, with the library's signatures or, as on
    devices, with pure Python's.
    """
    done = subprocess.run(
        [sys.executable, "-c", _POLL, str(store.folder), str(catalogue.repository.folder), kind, catalogue.time.isoformat()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return record.quantiles([1e3 * float(one) for one in done.stdout.split()][2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--adds", type=int, default=32)
    options = parser.parse_args()
    _, domains = record.clinc150()
    labels = [label for names in domains.values() for label in names]
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        figures["one_task"] = one_task(root / "one", labels)
        print(figures["one_task"], flush=True)
        figures["thousand_tasks_from_a_folder"] = many_tasks(root / "many", labels, 1000)
        print(figures["thousand_tasks_from_a_folder"], flush=True)
        figures["nothing_new"] = nothing_new(root / "idle", labels, 10_000)
        print(figures["nothing_new"], flush=True)
        found, catalogue, store = metadata_bytes(
            root / "log", labels, options.sizes[:1], options.adds
        )
        for kind in ("library", "pure"):
            found[str(options.sizes[0])][f"poll_ms_{kind}"] = poll_ms(store, catalogue, kind)  # type: ignore[index]
            print(kind, found[str(options.sizes[0])][f"poll_ms_{kind}"], flush=True)  # type: ignore[index]
        for size in options.sizes[1:]:
            found |= metadata_bytes(root / f"log{size}", labels, [size], options.adds)[0]
        figures["catalogue"] = found
    record.write("sync", figures, threads=1)


if __name__ == "__main__":
    main()
