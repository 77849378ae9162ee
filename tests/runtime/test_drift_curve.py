"""How near an alarm a counter came, step by step."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from test_drift import Answer, manifest

from cfedge.runtime.drift import Monitor, spent_by_each
from cfedge.runtime.drift_counter import BLOCK, STEP, Counter, evidence_against, pressure
from cfedge.runtime.drift_file import saved_counters

SPEND = 0.01 / 2 / 3


def counted(hits: np.ndarray, bound: float = 0.1) -> Counter:
    counter = Counter(bound)
    for hit in hits:
        counter.see(bool(hit), SPEND)
    return counter


def test_a_curve_is_what_the_counter_compared_at_each_step() -> None:
    hits = np.random.default_rng(0).random(1_730) < 0.14
    curve = counted(hits).curve(SPEND)
    assert [after for after, _ in curve] == [*range(STEP, 1_701, STEP), 1_730]
    for after, near in curve:
        block = (after - 1) // BLOCK + 1
        inside = hits[(block - 1) * BLOCK : after]
        limit = -math.log(SPEND / (block * (block + 1)))
        assert near == pytest.approx(
            max(0.0, evidence_against(0.1, len(inside), int(inside.sum())) / limit)
        )


def test_a_curve_reaches_one_where_the_alarm_is_raised_at_a_step() -> None:
    counter = counted(np.ones(100))
    assert counter.alarmed is not None
    assert counter.curve(SPEND)[-1][1] > 1


def test_only_the_latest_steps_are_remembered_and_blocks_keep_their_number() -> None:
    hits = np.random.default_rng(1).random(32_250) < 0.05
    counter = counted(hits)
    curve = counter.curve(SPEND)
    assert len(counter.past) <= 300
    assert curve[-1][0] == 32_250
    first = curve[0][0] - STEP
    assert first % BLOCK == 0
    tail = hits[first:]
    steps = [(len(part), int(part.sum())) for part in np.split(tail, range(STEP, len(tail), STEP))]
    assert [near for _, near in curve] == pytest.approx(
        pressure(steps, 0.1, SPEND, first // BLOCK + 1)
    )


def test_a_line_hardly_ever_reaches_one_while_nothing_changed() -> None:
    """Of 400 runs of 3,000 inputs at the promised rate, by steps of uneven size."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        sizes = rng.integers(0, 90, 70)
        steps = [(int(size), int(rng.binomial(size, 0.1))) for size in sizes]
        wrong += max(pressure(steps, 0.1, 0.05)) >= 1
    assert wrong <= 0.05 * 400 + 3 * math.sqrt(400 * 0.05 * 0.95)


def test_a_file_of_before_is_read_without_a_curve(tmp_path: Path) -> None:
    monitor = Monitor(manifest())
    monitor.see([Answer("lights", unknown=False)] * 250)
    monitor.save(path := tmp_path / "counts.json")
    found = saved_counters(path)
    lights = found.counters["lights"]
    assert [after for after, _ in lights.curve(spent_by_each(0.01, 2))] == [100, 200, 250]
    value = json.loads(path.read_bytes())
    for one in (value["thin"], *value["unknown"].values()):
        del one["past"], one["step_hits"]
    path.write_text(json.dumps(value))
    assert saved_counters(path).counters["lights"].inputs == 250
    assert saved_counters(path).counters["lights"].past == ()
    Monitor.load(path, manifest()).see([Answer("lights", unknown=False)])
