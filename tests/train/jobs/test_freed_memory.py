"""A worker that is told to give freed memory back at once keeps it while a job is done."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cfedge.train.jobs import worker

FAULTS = """
import json, resource
import numpy as np
from cfedge.train.jobs.freed_memory import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 18)  # 2 MB, 512 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
with freed_memory_kept():
    during = faults()
print(json.dumps([before, during, faults()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator alone is told so")
def test_pages_are_asked_for_once_in_a_job_and_given_back_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(**environment: str) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", FAULTS],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
        )
        return [int(one) for one in json.loads(done.stdout)]

    before, during, after = found(MALLOC_TRIM_THRESHOLD_="65536")
    assert before > 40_000  # nearly every page of nearly every array
    assert during < before / 20
    assert after > 40_000
    assert max(found()[1:]) < 2_000  # told nothing, it keeps what it keeps

    entered = []

    @contextlib.contextmanager
    def noted() -> Iterator[None]:
        entered.append("a job")
        yield

    monkeypatch.setattr(worker, "freed_memory_kept", noted)
    worker.do_job(b"no job", {}, {})
    assert entered == ["a job"]
