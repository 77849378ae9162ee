"""Whatever the bytes of a manifest, of arrays or of a graph, reading them is a clean error or a
success, in little memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest
from every import cases

from cfedge.errors import SchemaError


def run(count: int, seed: int) -> dict[str, object]:
    """In a process of its own, which its limit of memory holds for."""
    command = [sys.executable, "-W", "error", fuzz.__file__, str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_every_mutation_is_refused_cleanly_or_read() -> None:
    count = 2_000  # benchmarks/fuzz.py tries 100,000
    found = run(count, seed=7)
    assert found["wrong"] == []
    outcomes = found["outcomes"]
    assert isinstance(outcomes, dict)
    assert sum(sum(one.values()) for one in outcomes.values()) == count
    for one in outcomes.values():
        assert one["accepted"] > 0.01 * sum(
            one.values()
        )  # else nothing behind the first check is looked at
        assert one["accepted"] < 0.5 * sum(one.values())


def test_what_is_read_before_it_is_changed_is_accepted() -> None:
    assert {name: fuzz.outcome(name, data) for name, data in fuzz.SEEDS.items()} == dict.fromkeys(
        fuzz.TARGETS, "accepted"
    )


@cases(
    "error",
    [ValueError("x"), MemoryError(), RecursionError("deep"), SchemaError("two\nlines; go on")],
)
def test_what_is_no_clean_error_is_noticed(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reader(data: bytes) -> None:
        raise error

    monkeypatch.setitem(
        fuzz.TARGETS, "graph", fuzz.Target(fuzz.TARGETS["graph"].seed, fuzz.of_bytes, reader)
    )
    found = fuzz.fuzz(40, 0)
    expected = (
        0 if isinstance(error, SchemaError) else 10
    )  # its line break is escaped, as in every message
    assert found["wrong_count"] == expected


def test_a_mutation_follows_from_its_seed_and_number() -> None:
    assert [fuzz.mutation(3, number) for number in range(40)] == [
        fuzz.mutation(3, number) for number in range(40)
    ]
    assert len({fuzz.mutation(3, number)[1] for number in range(40)}) > 30


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to a limit of memory"
)
def test_the_limit_of_memory_holds() -> None:
    code = (
        "import fuzz; fuzz.limit_memory(); bytearray(fuzz.ROOM_BYTES - 2**25); print('so much');"
        " bytearray(fuzz.ROOM_BYTES + 2**26)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(fuzz.__file__).parent,
    )
    assert done.stdout == "so much\n"
    assert "MemoryError" in done.stderr
