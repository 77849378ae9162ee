"""The demo's own figures, kept as a result: five tasks on the embedded data."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import record
import torch

from cfedge.demo import run


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        found = run(Path(scratch))
        seconds = time.perf_counter() - start
    record.write(
        "demo", {"seconds": seconds, **dataclasses.asdict(found)}, threads=torch.get_num_threads()
    )


if __name__ == "__main__":
    main()
