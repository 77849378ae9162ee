"""Processes as an Executor: one that dies takes its own job alone, and all end with who began them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from cfedge.train.jobs.processes import Processes


def test_a_process_that_is_killed_fails_its_own_call_and_the_others_go_on() -> None:
    processes = Processes(2)
    try:
        first = processes.submit(os.getpid).result(60)
        died = processes.submit(signal.raise_signal, signal.SIGKILL)
        others = [processes.submit(pow, 2, power) for power in range(6)]
        assert [one.result(60) for one in others] == [1, 2, 4, 8, 16, 32]
        with pytest.raises(BrokenProcessPool):
            died.result(60)
        assert processes.submit(os.getpid).result(60) != os.getpid()
        assert first != os.getpid()
        with pytest.raises(ZeroDivisionError):
            processes.submit(divmod, 1, 0).result(60)
    finally:
        processes.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        processes.submit(os.getpid)


def test_closing_waits_for_what_was_handed_in() -> None:
    with Processes(1) as processes:
        calls = [processes.submit(pow, 3, power) for power in range(3)]
    assert [one.result(0) for one in calls] == [1, 3, 9]


def test_the_processes_end_when_their_coordinator_is_killed() -> None:
    code = (
        "import os, time; from cfedge.train.jobs.processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    processes = Processes(1)\n"
        "    print(processes.submit(os.getpid).result(), flush=True)\n"
        "    processes.submit(time.sleep, 600)\n"
        "    time.sleep(600)\n"
    )
    coordinator = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert coordinator.stdout is not None
    child = int(coordinator.stdout.readline())
    os.kill(child, 0)
    coordinator.kill()
    coordinator.communicate()
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        try:
            os.kill(process, 0)
        except OSError:
            return False
        return not os.path.exists("/proc/self")  # noqa: PTH110
