from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path

import pytest

from cfedge.device import probe, this_board, usable_cores


def test_probe_describes_this_machine() -> None:
    found = probe()
    assert found.machine == platform.machine()
    assert found.python == platform.python_version()
    assert found.system.startswith(platform.system())
    assert found.cpu
    assert 1 <= found.cores <= (os.cpu_count() or 1)


def test_probe_has_the_fields_that_a_measurement_records() -> None:
    assert list(asdict(probe())) == [
        "machine",
        "cpu",
        "cores",
        "memory_bytes",
        "system",
        "python",
        "flags",
    ]


@pytest.mark.skipif(
    not Path("/proc/meminfo").is_file(), reason="the kernel's own account is Linux's"
)
def test_probe_tells_the_memory_that_the_kernel_tells() -> None:
    lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
    assert probe().memory_bytes == kibibytes * 1024
    assert probe().memory_bytes == pytest.approx(
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), rel=0.01
    )


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").is_file(), reason="the kernel's own account is Linux's"
)
def test_probe_tells_only_flags_that_the_kernel_tells() -> None:
    words = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    assert (
        set(probe().flags)
        == {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"} & words
    )
    assert set(this_board().flags or ()) <= words


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_probe_counts_the_cores_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert probe().cores == 1
        assert (this_board().cores or 1) >= len(allowed)
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("150000", 1), ("max", None)])
def test_a_control_group_grants_no_more_cores_than_its_quota(
    quota: str, cores: int | None, tmp_path: Path
) -> None:
    group = tmp_path / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/box\n", "ascii")
    (group / "cpu.max").write_text(f"{quota} 100000\n", "ascii")
    assert usable_cores(tmp_path) == (cores or len(os.sched_getaffinity(0)))
