"""Many tasks learned one by one, by processes, and by a cluster of Dask with two workers on this
machine; and by that cluster while a worker is killed every so many seconds.

All begin with the same workspace and the same tasks of CLINC150 and must end with the same bytes.
Writes ``results/executors.json``. ``--quick`` tries the script in a minute or two.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import record

from cfedge.device import usable_cores
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.jobs.choosing import chosen_place
from cfedge.train.settings import Settings
from cfedge.train.teach import learn_tasks
from cfedge.train.workspace.folder import WorkspaceFolder

LABELS = 10


def tasks(count: int, texts: int) -> dict[str, LabelledData]:
    """Tasks of ten labels each, drawn with the task's number as seed; two may share labels."""
    data, _ = record.clinc150()
    of_label: dict[str, list[str]] = {}
    for text, label in data["train"]:
        of_label.setdefault(label, []).append(text)
    made = {}
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = rng.choice(sorted(of_label), LABELS, replace=False).tolist()
        rows = [
            (text, label)
            for label in labels
            for text in rng.choice(of_label[label], texts // LABELS, replace=False).tolist()
        ]
        name = f"task-{number}"
        made[name] = LabelledData(Examples(*zip(*rows, strict=True), name))
    return made


@dataclass
class Cluster:
    """A scheduler, and workers that their nannies begin again."""

    folder: Path
    workers: int
    address: str = ""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    killed: int = 0

    def start(self) -> None:
        found = self.folder / "scheduler.json"
        self._begin(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", found
        )
        while not self.address:
            time.sleep(0.1)
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.address = json.loads(found.read_text())["address"]
        for number in range(self.workers):
            place = self.folder / f"worker-{number}"
            place.mkdir()
            self._begin("dask_worker", self.address, "--nthreads", "1", "--local-directory", place)

    def _begin(self, module: str, *words: object) -> None:
        place = self.folder / f"cache-{len(self.started)}"
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard"]
        environment = {**os.environ, "CFEDGE_CACHE": str(place), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{len(self.started)}.log").open("wb") as log:
            self.started.append(
                subprocess.Popen(
                    [*command, *map(str, words)], env=environment, stdout=log, stderr=log
                )
            )

    def wait(self) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(self.workers, timeout=120)

    def kill_one(self) -> None:
        """Kill a worker under its nanny, in turn."""
        nanny = psutil.Process(self.started[1 + self.killed % self.workers].pid)
        for child in nanny.children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
                self.killed += 1
                return

    def end(self) -> None:
        for process in reversed(self.started):
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int, kill_every_s: float = 0.0) -> Iterator[Cluster]:
    """Begin a cluster, and kill one of its workers every so many seconds."""
    folder.mkdir()
    made, over = Cluster(folder, workers), threading.Event()

    def kill() -> None:
        while not over.wait(kill_every_s):
            with contextlib.suppress(psutil.NoSuchProcess):
                made.kill_one()

    killer = threading.Thread(target=kill)
    try:
        made.start()
        made.wait()
        if kill_every_s:
            killer.start()
        yield made
    finally:
        over.set()
        if killer.ident:
            killer.join()
        made.end()


class Ended:
    """Prints the stage."""

    def __init__(self) -> None:
        self.done = 0

    @contextlib.contextmanager
    def track(self, title: str, total: int):
        print(title, flush=True)

        def advance(steps: int) -> None:
            self.done += steps

        yield advance


def learned(
    base: Path, target: Path, data: dict[str, LabelledData], settings: Settings, **where: object
) -> tuple[float, dict[str, object]]:
    """Seconds that learning takes, and what became of it."""
    workspace = WorkspaceFolder(Path(shutil.copytree(base, target)))
    start = time.perf_counter()
    with chosen_place(**where) as place:
        taught = learn_tasks(workspace, data, settings=settings, place=place, progress=Ended())
    seconds = time.perf_counter() - start
    folders = sorted(path.name.rpartition("-")[0] for path in (target / "tasks").iterdir())
    return seconds, {
        "seconds": seconds,
        "tasks_an_hour": 3600 * len(taught.learned) / seconds,
        "learned": len(taught.learned),
        "failed": {name: str(error) for name, error in taught.failed.items()},
        "each_once": folders == sorted(data),
        "tried_again": sum("is tried again" in note for note in taught.notes),
        "notes": [note for note in taught.notes if "is tried again" not in note],
    }


def contents(workspace: Path) -> dict[str, bytes]:
    found = [path for path in (workspace / "tasks").rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace)): path.read_bytes() for path in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds")
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    parser.add_argument("--min-steps", type=int, default=Settings().min_steps)
    parser.add_argument("--weights", type=Path, help="folder of MiniLM's weights; else found")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.tasks, chosen.texts, chosen.kill_every = 4, 100, 45.0
        chosen.epochs, chosen.min_steps = 1, 10
    data = tasks(chosen.tasks, chosen.texts)
    settings = Settings(
        method="adapter", threads=1, epochs=chosen.epochs, min_steps=chosen.min_steps
    )
    figures: dict[str, dict[str, object]] = {}
    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        record.backbone(root / "base", "minilm-l6", folder=chosen.weights)

        def run(name: str, **where: object) -> None:
            place = root / name.replace(" ", "-")
            times[name], figures[name] = learned(root / "base", place, data, settings, **where)
            print(name, figures[name], flush=True)

        run("one by one")
        run("processes", jobs=chosen.workers)
        for name, every in (("dask", 0.0), ("dask, workers killed", chosen.kill_every)):
            with cluster(root / f"cluster-{every:g}", chosen.workers, every) as there:
                run(name, on=there.address.replace("tcp://", "dask://"))
                figures[name]["workers_killed"] = there.killed
        same = contents(root / "one-by-one")
        for name, row in figures.items():
            row["times_faster"] = times["one by one"] / times[name]
            row["same_bytes"] = contents(root / name.replace(" ", "-")) == same
            print(name, row["times_faster"], row["same_bytes"])
    about = {key: getattr(chosen, key) for key in ("tasks", "texts", "workers", "kill_every")}
    steps = {"epochs": chosen.epochs, "min_steps": chosen.min_steps, "cores": usable_cores()}
    record.write("executors", {**about, **steps, "runs": figures}, threads=1)


if __name__ == "__main__":
    main()
