"""bench: what answering takes on this machine."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from cfedge.cli.answering import ADAPTER_MEMORY, BUNDLE, JSON, adapter_limit, board_threads
from cfedge.cli.blas import one_blas_thread
from cfedge.cli.show import print_json, print_table
from cfedge.counted import counted, size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("bench", epilog="Example: cfedge bench bundle --json")(bench)


def bench(
    bundle: BUNDLE,
    runs: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="Timed calls with one input each.")
    ] = 200,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of ONNX Runtime.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="Board (see cfedge devices) that sets the threads.")
    ] = None,
    adapter_memory: ADAPTER_MEMORY = None,
    json: JSON = False,
) -> None:
    """Measure time, memory and size here.

    You see the cold start, latency, memory and sizes of a bundle on this machine.
    """
    one_blas_thread()
    from cfedge.bench import measure

    threads = board_threads(profile, threads)
    found = measure(bundle, runs=runs, threads=threads, adapter_bytes=adapter_limit(adapter_memory))
    if json:
        print_json(dataclasses.asdict(found))
        return
    latency, cold, adapters = found.latency_ms, found.cold_start_ms, found.adapters
    print_table(
        f"{bundle}: {counted(found.tasks, 'task')}, {counted(found.threads, 'thread')}, {found.machine.cpu}",
        ("what", "value", "n"),
        [
            (
                "one input, p50 / p90 / p99",
                f"{latency.p50:.2f} / {latency.p90:.2f} / {latency.p99:.2f} ms",
                latency.n,
            ),
            (
                "process start to first answer, p50 / p90 / p99",
                f"{cold.p50:.0f} / {cold.p90:.0f} / {cold.p99:.0f} ms",
                cold.n,
            ),
            ("peak memory", size(found.peak_rss_bytes), 1),
            (f"adapters in memory, {size(adapters.kept_bytes)}", adapters.kept, 1),
            (
                "uses that found theirs there",
                f"{adapters.hits / (adapters.hits + adapters.misses):.1%}",
                adapters.hits + adapters.misses,
            ),
            ("backbone", size(found.backbone_bytes), 1),
            *((f"task {name}", size(value), 1) for name, value in found.task_bytes.items()),
        ],
    )
