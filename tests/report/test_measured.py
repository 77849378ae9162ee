"""Files of other commands: what they hold is shown, and what is none of them is refused in a line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from every import cases
from reports import made_contents

from cfedge.bench import Bench
from cfedge.bundle.files import read_manifest
from cfedge.device import probe
from cfedge.errors import CfedgeError, DamagedError, StorageError, UsageError
from cfedge.footprint import Quantiles
from cfedge.report.contents import dumped
from cfedge.report.earlier import read_old
from cfedge.report.measured import read_bench, read_drift, read_parity
from cfedge.runtime.adapters import AdapterStats
from cfedge.runtime.drift import Monitor
from cfedge_export.parity import TaskParity

PARITY = TaskParity("a", 40, 0.9999, 0.99, 0.97, 0.95, 0.95, 0.9, 5.0, (1.0, 9.0), 2.0, (1.0, 3.0), 2, 0, 0.5)  # fmt: skip


def _bench() -> dict[str, Any]:
    fields = {one.name for one in dataclasses.fields(AdapterStats)}
    measured = Bench(
        probe(), 1, 2, Quantiles(1.0, 2.0, 3.0, 4), Quantiles(100.0, 110.0, 120.0, 5), 80_000_000,
        AdapterStats(**dict.fromkeys(fields, 0)), 10, {"a": 5}, (1.0, 1.5, 2.0, 3.0),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(measured)))
    return found


def test_what_bench_prints_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(_bench()))
    found = read_bench(path)
    assert (found.p50, found.p99, found.cold_p50, found.times) == (1.0, 3.0, 100.0, (1.0, 1.5, 2.0, 3.0))  # fmt: skip
    assert found.cpu == probe().cpu
    before = {key: value for key, value in _bench().items() if key != "times_ms"}
    path.write_text(json.dumps(before))
    assert read_bench(path).times == ()
    assert read_bench(path, {"a", "b"}).times == ()
    with pytest.raises(UsageError, match="of these tasks, found 'a', which is none of them"):
        read_bench(path, {"b"})


def test_what_export_prints_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"bundle": "b", "parity": [dataclasses.asdict(PARITY)]}))
    (found,) = read_parity(path, {"a", "b"})
    with pytest.raises(UsageError, match="of these tasks, found 'a', which is none of them"):
        read_parity(path, {"b"})
    assert (found.task, found.accuracy_float, found.accuracy_shipped) == ("a", 0.95, 0.9)
    assert (found.drop, found.low, found.high) == (5.0, 1.0, 9.0)


def test_counters_are_read_and_told_apart_by_their_bundle(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    manifest, path = read_manifest(tiny_bundle), tmp_path / "counts.json"
    monitor = Monitor(manifest)
    monitor.counters()["colors"].inputs = 7
    monitor.save(path)
    found = read_drift(path, manifest.digest)
    assert found.same_bundle
    assert {one.counter: one.inputs for one in found.counters} == {"colors": 7, "animals": 0, "thin margins": 0}  # fmt: skip
    assert read_drift(path, "0" * 64).same_bundle is False
    assert read_drift(path, None).same_bundle is None
    with pytest.raises(StorageError, match="could not read"):
        read_drift(tmp_path / "none.json", None)
    path.write_text("{}")
    with pytest.raises(DamagedError, match="expected counts that cfedge wrote"):
        read_drift(path, None)


def _with(**changed: Any) -> str:
    return json.dumps({**_bench(), **changed})


BAD_BENCHES = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "text": '"x"',
    "null": "null",
    "deep": "[" * 100_000,
    "no latency": json.dumps({"machine": {}}),
    "a machine of nothing": _with(machine=None),
    "a time of words": _with(latency_ms={"p50": "1", "p90": 1, "p99": 1}),
    "a time that is true": _with(latency_ms={"p50": True, "p90": 1, "p99": 1}),
    "NaN": _with(peak_rss_bytes=float("nan")),
    "infinity": _with(times_ms=[float("inf")]),
    "times that are none": _with(times_ms=["<script>"]),
    "times of an object": _with(times_ms={"a": 1}),
    "a CPU of numbers": _with(machine={**_bench()["machine"], "cpu": 3}),
}


@cases("name", list(BAD_BENCHES))
def test_what_bench_does_not_print_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(BAD_BENCHES[name])
    with pytest.raises(
        UsageError, match=r"odd.json: expected what cfedge bench --json prints, found none"
    ):
        read_bench(path)


BAD_PARITIES = {
    "none": {},
    "null": {"parity": None},
    "a word": {"parity": ["x"]},
    "more than all": {"parity": [{**dataclasses.asdict(PARITY), "accuracy_int8": 1.5}]},
    "one end": {"parity": [{**dataclasses.asdict(PARITY), "drop_interval": [1]}]},
}


@cases("name", list(BAD_PARITIES))
def test_what_export_does_not_print_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(BAD_PARITIES[name]))
    with pytest.raises(UsageError, match="expected what cfedge export --json prints, found none"):
        read_parity(path)


def test_a_file_of_too_many_bytes_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 8_000_001)
    with pytest.raises(CfedgeError, match="more than 8 MB"):
        read_bench(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"could not read .*none.json: No such file"):
        read_bench(tmp_path / "none.json")


def test_half_of_a_surrogate_pair_is_refused_before_a_page_is_written(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.json"
    bench, parity = _bench(), dataclasses.asdict(PARITY)
    bench["machine"]["cpu"] = "a\ud800b"
    old = json.loads(dumped(made_contents()))
    old["tasks"][0]["name"] = "a\udfff"
    for value, read in (
        (bench, read_bench),
        ({"parity": [{**parity, "task": "\udc00"}]}, read_parity),
        (old, read_old),
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(UsageError, match=r"half of a surrogate pair, '\\ud"):
            read(path)
    monitor = Monitor(read_manifest(tiny_bundle))
    monitor.save(path)
    path.write_text(path.read_text().replace('"colors', '"co\\ud800lors'))
    names = [one.counter for one in read_drift(path, None).counters]
    assert "co\\ud800lors" in " ".join(names)
    "".join(names).encode("utf-8")
