"""What answers on a device keeps NumPy to one thread; whoever says otherwise is obeyed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from cfedge.cli import app
assert "numpy" not in sys.modules
app(["predict", sys.argv[1], "crimson", "--json"], standalone_mode=False)
from threadpoolctl import threadpool_info
print({one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"})
"""


@pytest.mark.parametrize(
    ("given", "threads"),
    [({}, "{1}"), ({"OPENBLAS_NUM_THREADS": "2"}, "{2}"), ({"OMP_NUM_THREADS": "2"}, "{2}")],
)
def test_predict_keeps_numpy_to_one_thread_unless_it_is_told_otherwise(
    tiny_bundle: Path, given: dict[str, str], threads: str
) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    command = [sys.executable, "-c", PROGRAM, str(tiny_bundle)]
    done = subprocess.run(
        command, env={**kept, **given}, capture_output=True, text=True, check=True
    )
    if len(os.sched_getaffinity(0)) > 1 or not given:
        assert done.stdout.splitlines()[-1] == threads
