"""Real servers on loopback: in a thread, with limits to choose, and in a process of its own, as the
command line starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child import Child
from served import Served, start


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start servers; they are stopped, and must stop, at the end."""
    started: list[Served] = []

    def one(path: Path, **options: Any) -> Served:
        started.append(start(path, **options))
        return started[-1]

    yield one
    for served in started:
        served.stop()


@pytest.fixture(scope="module")
def served(_tiny_bundle: Path) -> Iterator[Served]:
    """One server for the tests that leave it as it is."""
    one = start(_tiny_bundle)
    yield one
    one.stop()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Start ``cfedge serve``; it is killed at the end where it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, *arguments: object) -> Child:
        command = [
            sys.executable,
            "-c",
            "from cfedge.cli import main; main()",
            "serve",
            str(path),
            "--port",
            "0",
            "--json",
        ]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        return Child(json.loads(line)["url"], process)

    yield start
    for process in started:
        process.kill()
        process.communicate()
