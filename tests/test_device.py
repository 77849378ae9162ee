from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from cfedge.device import load_profile, probe, profiles
from cfedge.errors import UsageError

DEVICES = sorted((Path(__file__).parents[1] / "devices").glob("*.toml"))


def test_there_are_device_profiles() -> None:
    assert {path.stem for path in DEVICES} >= {"generic-arm64", "generic-x86-64"}


@pytest.mark.parametrize("path", DEVICES, ids=lambda path: path.stem)
def test_every_profile_loads_on_its_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = profiles()[path.stem]
    monkeypatch.setattr(platform, "machine", lambda: known.machine)
    loaded = load_profile(path.stem)
    assert loaded == known
    assert loaded.name == path.stem
    assert loaded.machine in ("x86_64", "aarch64")
    assert isinstance(loaded.threads, int)
    assert loaded.threads >= 1
    assert loaded.source


def test_the_known_profiles_are_the_files_in_order() -> None:
    assert list(profiles()) == [path.stem for path in DEVICES]


@pytest.mark.parametrize("path", DEVICES, ids=lambda path: path.stem)
def test_a_profile_of_another_architecture_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    expected = re.escape(f"profile {path.stem}: expected a machine of type {profiles()[path.stem].machine}, found riscv64")
    with pytest.raises(UsageError, match=expected):
        load_profile(path.stem)


@pytest.mark.parametrize("name", ["pi", "", "../devices/generic-arm64", "generic-arm64.toml"])
def test_an_unknown_profile_is_refused_listing_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"^profile: expected one of ") as refusal:
        load_profile(name)
    assert repr(name) in str(refusal.value)
    assert all(path.stem in str(refusal.value) for path in DEVICES)
    assert "\n" not in str(refusal.value)


def test_probe_describes_this_machine() -> None:
    found = probe()
    assert found.machine == platform.machine()
    assert found.python == platform.python_version()
    assert found.system.startswith(platform.system())
    assert found.cpu
    assert 1 <= found.cores <= (os.cpu_count() or 1)


def test_probe_has_the_fields_that_a_measurement_records() -> None:
    assert list(asdict(probe())) == ["machine", "cpu", "cores", "memory_bytes", "system", "python", "flags"]


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="the kernel's own account is Linux's")
def test_probe_tells_the_memory_that_the_kernel_tells() -> None:
    lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
    assert probe().memory_bytes == pytest.approx(kibibytes * 1024, rel=0.01)


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the kernel's own account is Linux's")
def test_probe_tells_only_flags_that_the_kernel_tells() -> None:
    words = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    assert set(probe().flags) <= words
    assert set(probe().flags) == {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"} & words


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_probe_counts_the_cores_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert probe().cores == 1
    finally:
        os.sched_setaffinity(0, allowed)
