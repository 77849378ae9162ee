"""Mutations of a manifest, of arrays and of a graph, given to what reads them: a clean error or
success, whatever the bytes.

``python tests/fuzz.py COUNT SEED`` tries COUNT of them in turn, under a limit of memory, and prints
what came of them as JSON. A mutation follows from its seed and number alone: ``python tests/fuzz.py
--show SEED NUMBER``.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import reference
from cfedge.bundle.graph import check_graph
from cfedge.bundle.manifest import Backbone, Certificate, Manifest, Slot, Task, serialize
from cfedge.bundle.reading import parse
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.doctor import sample
from cfedge.errors import CfedgeError
from cfedge.inputs.text.spec import Text
from cfedge.lookup import VIEWS, ClusterStatistics, TaskSignature
from cfedge.lookup.packing import from_first, on_grid
from cfedge.margins import Margins

#: Beyond what Python and NumPy have once they are imported.
ROOM_BYTES = 256 << 20
WIDTH = 8

#: What a field may be in the place of what it is.
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(2**70), 0.0, -0.0, 1e308, 5e-324, 0.5, "", "a", "\x00", "../..",
    "/etc/passwd", "C:\\x", "\ud800", "\u202e", "\uff11" * 64, "a" * 64, "A" * 64, "n" * 300, [], [[]], [0], ["x", "x"], {}, {"": {}}, {"a": [{}]},
]  # fmt: skip


def manifest() -> bytes:
    """Of two tasks."""
    file = reference(b"file")
    backbone = Backbone(
        "tiny",
        "0" * 64,
        "int8-row",
        3,
        2,
        WIDTH,
        (None, WIDTH),
        (WIDTH,) * VIEWS,
        (Slot("l2.o", 8, 8), Slot("l2.fc1", 8, 16)),
        file,
        file,
        Text("text", 16, file),
    )
    certificate = Certificate(12, 1, 0.39, 0.05, 2, "doors", 1, 2, 0.49)
    lights = Task(
        "lights", ("on", "off"), 2, 2.5, 0.05, NOTHING_UNKNOWN, certificate, file, file, file
    )
    doors = Task(
        "doors",
        ("open", "shut", "ajar"),
        2,
        -2.5,
        0.05,
        NOTHING_UNKNOWN,
        dataclasses.replace(certificate, rival="lights"),
        file,
        file,
        file,
    )
    return serialize(
        Manifest(backbone, (lights, doors), margins=Margins(1.5), versions={"numpy": "2.0.0"})
    )


def signature() -> bytes:
    """Of three classes."""
    rng = np.random.default_rng(0)

    def half() -> ClusterStatistics:
        return ClusterStatistics(
            np.array([7, 5, 6], np.int64),
            from_first(rng.normal(size=(3, WIDTH))),
            on_grid(rng.normal(size=(2, WIDTH))),
            np.ones(WIDTH, np.float32),
            3.5,
            np.array([0, 2]),
        )

    return dump_arrays(TaskSignature(half(), half()).arrays())


def golden() -> bytes:
    """Of three texts."""
    note = {
        "inputs": ["one", "two", "three"],
        "labels": ["on", "off", "on"],
        "tasks": ["lights"] * 3,
    }
    return dump_arrays({"embeddings": np.ones((3, WIDTH), np.float16)}, note)


# What reads them


def read_manifest(data: bytes) -> None:
    found = parse(data)
    if serialize(found) != data:
        raise AssertionError("a manifest was read that is not what would be written")


def read_signature(data: bytes) -> None:
    TaskSignature.from_arrays(load_arrays(data, "signature"), "signature", WIDTH).trunk  # noqa: B018 - a property that computes


def read_golden(data: bytes) -> None:
    load_arrays(data, "golden")
    load_note(data, "golden")


def read_graph(data: bytes) -> None:
    check_graph(data, "graph")


# Mutations


def of_bytes(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Flips, cuts, splices, and numbers that are sizes to somebody."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed) + 1)
        size = rng.choice((1, 1, 2, 4, 8, rng.randrange(1, 200)))
        kind = rng.randrange(8)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            changed[at:at] = rng.randbytes(size)
        elif kind == 3:
            del changed[at : at + size]
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            changed[at : at + size] = other[start : start + size]
        elif kind == 6:
            changed[at:at] = changed[at : at + size] * rng.choice((1, 2, 50))
        else:
            number = rng.choice(
                (
                    0,
                    1,
                    127,
                    128,
                    255,
                    2**16 - 1,
                    2**31 - 1,
                    2**31,
                    2**32 - 1,
                    2**62,
                    2**63,
                    2**64 - 1,
                )
            )
            changed[at : at + 8] = number.to_bytes(8, rng.choice(("little", "big")))
    return bytes(changed)


def of_json(value: Any, rng: random.Random) -> Any:
    """The same value but for one place in it."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {name: one for name, one in value.items() if name != key}
        if kind == 1:
            return {
                **value,
                rng.choice(("extra", "", "sha256", "__metadata__", key + " ")): rng.choice(ODD),
            }
        if kind == 2:
            return {**value, key: value[rng.choice(sorted(value))]}
        return {**value, key: of_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        kind = rng.randrange(5)
        if kind == 0:
            return value[:at] + value[at + 1 :]
        if kind == 1:
            return value[:at] + [value[at]] * rng.choice((2, 3, 400)) + value[at + 1 :]
        return [*value[:at], of_json(value[at], rng), *value[at + 1 :]]
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 2**64
        and rng.random() < 0.5
    ):
        return rng.choice(
            (value + 1, value - 1, -value, value * 2, value / 2, value * 10**9, float(value))
        )
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice((value[:-1], value + value, value.upper(), value + "\x00", value[::-1]))
    deep: Any = copy.deepcopy(rng.choice(ODD))  # of_manifest seals what it gets
    for _ in range(rng.choice((0, 0, 0, 0, 3, 2000))):
        deep = [deep]
    return deep


def written(value: Any, rng: random.Random) -> bytes:
    """As JSON, canonical mostly; with a key twice, NaN or escapes sometimes."""
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=rng.random() < 0.05
        )
    except (ValueError, RecursionError):  # too deep, or an integer of too many digits
        return b"[" * 5000
    kind = rng.randrange(40)
    if kind == 0 and ":" in text:
        text = text.replace('":', '":NaN,"', 1)
    elif kind == 1 and text.startswith("{") and "," in text:
        text = "{" + text[1 : text.index(",") + 1] + text[1:]
    elif kind == 2:
        text = text.replace(":", ": ", rng.randrange(1, 4))
    return text.encode("utf-8", "surrogatepass")


def of_manifest(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Another body under a digest that fits, so that it is looked at; or other bytes."""
    if rng.random() < 0.3:
        return of_bytes(data, rng, others)
    body = json.loads(data)
    del body["sha256"]
    for _ in range(rng.choice((1, 1, 2, 3))):
        body = of_json(body, rng)
    if not isinstance(body, dict):
        return written(body, rng)
    try:
        digest = hashlib.sha256(canonical_json(body)).hexdigest()
    except (ValueError, RecursionError):
        digest = "0" * 64
    return written({**body, "sha256": digest}, rng)  # `body` may be one of ODD, and stays as it is


def of_arrays(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Another header, or another length of it, or other numbers; or other bytes."""
    if rng.random() < 0.3:
        return of_bytes(data, rng, others)
    size = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + size], data[8 + size :]
    if rng.random() < 0.7:
        fields: Any = json.loads(header)
        for _ in range(rng.choice((1, 1, 2))):
            fields = of_json(fields, rng)
        header = written(fields, rng)
    if rng.random() < 0.4:
        rest = of_bytes(rest, rng, others)
    stated = (
        len(header)
        if rng.random() < 0.9
        else rng.choice((0, 1, len(header) - 1, len(data), 10**8, 2**31, 2**63, 2**64 - 1))
    )
    return stated.to_bytes(8, "little") + header + rest


@dataclass(frozen=True)
class Target:
    """Something that is read, by what, and how it is changed."""

    seed: Callable[[], bytes]
    mutate: Callable[[bytes, random.Random, list[bytes]], bytes]
    read: Callable[[bytes], None]


TARGETS = {
    "manifest": Target(manifest, of_manifest, read_manifest),
    "signature": Target(signature, of_arrays, read_signature),
    "golden": Target(golden, of_arrays, read_golden),
    "graph": Target(sample.graph, of_bytes, read_graph),
}
SEEDS = {name: target.seed() for name, target in TARGETS.items()}


def mutation(seed: int, number: int) -> tuple[str, bytes]:
    """The target of a mutation, and its bytes."""
    name = list(TARGETS)[number % len(TARGETS)]
    rng = random.Random(f"{seed}-{number}")
    return name, TARGETS[name].mutate(SEEDS[name], rng, list(SEEDS.values()))


def outcome(name: str, data: bytes) -> str:
    """Accepted, or the error; "wrong: ..." where that is none of cfedge's, or not one line with a
    next step.
    """
    try:
        TARGETS[name].read(data)
    except CfedgeError as error:
        message = str(error)
        fine = "\n" not in message and "; " in message and len(message) < 2000
        return type(error).__name__ if fine else f"wrong: message {message[:200]!r}"
    except BaseException as error:
        return f"wrong: {type(error).__name__}: {str(error)[:200]}"
    return "accepted"


def limit_memory() -> None:
    """Hold this process to `ROOM_BYTES` from here on (Linux)."""
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Try so many mutations; say what came of them, and which were wrong."""
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in TARGETS}
    wrong: list[dict[str, Any]] = []
    slowest_ms, before, number, tried = 0.0, peak_bytes(), -1, 0
    while tried < count:
        number += 1
        name, data = mutation(seed, number)
        if data == SEEDS[name]:
            continue
        tried += 1
        start = time.perf_counter()
        found = outcome(name, data)
        slowest_ms = max(slowest_ms, 1e3 * (time.perf_counter() - start))
        outcomes[name]["wrong" if found.startswith("wrong") else found] += 1
        if found.startswith("wrong") and len(wrong) < 20:
            wrong.append({"number": number, "target": name, "found": found})
    return {
        "mutations": count, "seed": seed, "outcomes": {name: dict(one) for name, one in outcomes.items()},
        "wrong": wrong, "wrong_count": sum(one["wrong"] for one in outcomes.values()), "slowest_ms": round(slowest_ms, 1),
        "peak_growth_bytes": peak_bytes() - before, "room_bytes": ROOM_BYTES,
    }  # fmt: skip


def main() -> None:
    if sys.argv[1] == "--show":
        name, data = mutation(int(sys.argv[2]), int(sys.argv[3]))
        print(name, data, outcome(name, data), sep="\n")
        return
    if sys.platform == "linux":
        limit_memory()
    with np.errstate(all="raise"):
        print(json.dumps(fuzz(int(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    main()
