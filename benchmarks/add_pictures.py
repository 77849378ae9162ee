"""What it takes to add a task of 1,500 pictures whose features are new: ten classes of CIFAR-100,
150 of each, at 32 x 32, learned by one process with so many threads. Then the task is exported, and a
tenth of its test pictures answered.

    CFEDGE_DATA=../shared/data python benchmarks/add_pictures.py
    python benchmarks/add_pictures.py --methods closed-form --backbones lite0 --no-write

Seconds of the processor, in all threads, and of the clock; other work on the machine lengthens the
latter, and the former less. An answer's time is the processor's, in milliseconds: decoding, lookup
and head included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import record
from images import stream

from cfedge import Engine
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.pack import export
from cfedge_export.parity_gate import Gate


def added(base: WorkspaceFolder, method: str, threads: int) -> dict[str, Any]:
    """Add the task to a copy of the empty workspace; return what it took and what it answers."""
    pictures, test = stream("cifar", 0)["t0"]
    with tempfile.TemporaryDirectory() as scratch:
        workspace = WorkspaceFolder(shutil.copytree(base.folder, Path(scratch) / "ws"))
        settings = Settings(method=method, threads=threads)
        processor, clock = time.process_time(), time.perf_counter()
        task = learn(workspace, "t0", pictures, settings=settings)
        seconds = {
            "processor_seconds": time.process_time() - processor,
            "clock_seconds": time.perf_counter() - clock,
        }
        done = export(workspace, Path(scratch) / "bundle", gate=Gate(100, 1e9))
        engine = Engine(done.bundle)
        asked, wanted = test.inputs[::10], test.labels[::10]
        engine.predict(list(asked[:4]), task="t0")
        processor = time.process_time()
        answers = [engine.predict([one], task="t0")[0].label for one in asked]
        answer_ms = 1000 * (time.process_time() - processor) / len(asked)
        (entry,) = engine.manifest.tasks
        files = engine.manifest.backbone.files().values()
    held_out = task.held_out
    return {
        **seconds,
        "kept": task.record.settings.method,
        "held_out": len(held_out.classes),
        "right": int((held_out.answers == held_out.classes).sum()),
        "test": len(asked),
        "test_right": sum(one == other for one, other in zip(answers, wanted, strict=True)),
        "answer_ms": answer_ms,
        "task_bytes": entry.adapter.size + entry.signature.size + entry.golden.size,
        "backbone_bytes": sum(ref.size for ref in files),
    }


def main() -> None:
    """Add, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbones", default="lite0,lite0-224")
    parser.add_argument("--methods", default="closed-form,adapter,trial")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="add_pictures", help="of the result")
    parser.add_argument("--no-write", action="store_true", help="print only")
    chosen = parser.parse_args()
    methods = chosen.methods.split(",")
    found: dict[str, Any] = {}
    for name in chosen.backbones.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            base = record.backbone(Path(scratch) / "base", name)
            found[name] = {way: added(base, way, chosen.threads) for way in methods}
        for way, figures in found[name].items():
            print(name, way, figures, flush=True)
    if not chosen.no_write:
        load = os.getloadavg()[0]
        figures = {"pictures": 1500, "load": load, **found}
        record.write(chosen.name, figures, threads=chosen.threads)


if __name__ == "__main__":
    main()
