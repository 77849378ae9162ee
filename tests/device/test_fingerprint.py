"""The short way to the processor's name and flags says what the long way does."""

from __future__ import annotations

import pytest

from cfedge.device import probe
from cfedge.device.fingerprint import Cpu, this_cpu


def test_the_processor_is_the_one_that_a_probe_finds() -> None:
    found = probe()
    assert this_cpu() == Cpu(found.machine, found.cpu, found.flags)


def test_where_the_kernel_gives_no_such_account_the_probe_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cfedge.device.fingerprint.cpu_entries", lambda cpuinfo: [])
    found = probe()
    assert this_cpu() == Cpu(found.machine, found.cpu, found.flags)
