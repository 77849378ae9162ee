"""Training on cores that others keep busy: it takes its share, and no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cfedge.train.learn.fitting import pinned

#: Taken from all cores, before torch is loaded, where it is given the word.
_ASKED = """
import os, sys
if "one core" in sys.argv:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import cfedge.train
from cfedge.train.learn.fitting import pinned
import torch
with pinned(None):
    print(torch.get_num_threads())
"""


def printed(code: str, *words: str, **environment: str) -> str:
    """What a process prints in which nothing is set of how threads wait, nor of how many."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    path = str(Path(__file__).parents[2] / "export")
    known["PYTHONPATH"] = os.pathsep.join([path, known.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, check=True, env={**known, **environment},
    ).stdout.strip()  # fmt: skip


def test_threads_sleep_while_they_wait_unless_the_environment_says_otherwise() -> None:
    for package in ("cfedge.train", "cfedge_export"):
        code = f"import {package}, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
        assert printed(code) == "PASSIVE False"
        assert printed(code, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE False"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_torch_takes_no_more_threads_than_there_are_cores_for_it() -> None:
    assert printed(_ASKED, "one core") == "1"
    with pinned(None):
        assert torch.get_num_threads() <= len(os.sched_getaffinity(0))
