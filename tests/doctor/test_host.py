from __future__ import annotations

import platform
import struct
from importlib import metadata
from pathlib import Path

import pytest
from every import cases

from cfedge.doctor.host import name_libc, read_host


def test_this_process_is_described(tmp_path: Path) -> None:
    found = read_host(tmp_path)
    assert found.bits == 8 * struct.calcsize("P")
    assert found.python == platform.python_version()
    assert found.usable_cores >= 1
    assert (found.disk_free_bytes or 0) > 0
    assert dict(found.onnxruntime)["onnxruntime"] == metadata.version("onnxruntime")


def test_room_is_looked_for_where_a_bundle_will_be(tmp_path: Path) -> None:
    assert read_host(tmp_path / "not" / "there" / "yet").disk_free_bytes == pytest.approx(
        read_host(tmp_path).disk_free_bytes, rel=0.1
    )


@cases(
    ("confstr", "host_type", "system", "macos", "expected"),
    [
        ("glibc 2.36", "x86_64-pc-linux-gnu", "Linux", "", ("glibc", "2.36")),
        (None, "x86_64-pc-linux-musl", "Linux", "", ("musl", "")),
        ("", "aarch64-unknown-linux-android24", "Linux", "", ("bionic", "")),
        (None, "aarch64-linux-android", "Android", "", ("bionic", "")),
        (None, "arm-apple-darwin23", "Darwin", "14.2.1", ("macos", "14.2.1")),
        (None, "", "Windows", "", ("windows", "")),
        (None, "", "Linux", "", ("unknown", "")),
    ],
)
def test_the_c_library_is_named(
    confstr: str | None, host_type: str, system: str, macos: str, expected: tuple[str, str]
) -> None:
    assert name_libc(confstr, host_type, system, macos) == expected
