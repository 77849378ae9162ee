"""Training on cores that others keep busy: it takes its share, and no more than it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ASKED = """
import json, os, sys
if sys.argv[1]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import cfedge.train
import torch
from cfedge.train.learn.fitting import pinned
with pinned(None):
    print(json.dumps([os.environ["OMP_WAIT_POLICY"], torch.get_num_threads()]))
"""


def asked(*, one_core: bool = False, **environment: str) -> tuple[str, int]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", _ASKED, "1" if one_core else ""],
        capture_output=True, text=True, check=True, env={**known, **environment},
    )  # fmt: skip
    policy, threads = json.loads(done.stdout)
    return policy, threads


def test_threads_sleep_while_they_wait_unless_the_environment_says_otherwise() -> None:
    assert asked()[0] == "PASSIVE"
    assert asked(OMP_WAIT_POLICY="ACTIVE")[0] == "ACTIVE"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_torch_takes_no_more_threads_than_there_are_cores_for_it() -> None:
    assert asked()[1] <= len(os.sched_getaffinity(0))
    assert asked(one_core=True)[1] == 1


def test_the_exporter_lets_them_sleep_too() -> None:
    code = "import cfedge_export, os; print(os.environ['OMP_WAIT_POLICY'])"
    known = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    path = str(Path(__file__).parents[2] / "export")
    known["PYTHONPATH"] = os.pathsep.join([path, known.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known
    )
    assert done.stdout.strip() == "PASSIVE"
