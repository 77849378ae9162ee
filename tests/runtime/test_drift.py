"""Drift: the stated probability of a false alarm, by simulation; that a change is seen, and how
soon; files that are no counters.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from channels import backbone, task
from every import cases

from cfedge.bundle.manifest import Manifest
from cfedge.errors import DamagedError, StorageError, UsageError
from cfedge.lookup import TaskMatch
from cfedge.margins import SECOND_SHARES, Margins
from cfedge.runtime.drift import Monitor
from cfedge.runtime.drift_counter import BLOCK, Counter, evidence_against
from cfedge.train.measures.margins import margin_quantile


class Answer(NamedTuple):
    task: str
    unknown: bool
    stages: int = 1


def manifest(held_out: int = 300) -> Manifest:
    tasks = []
    for name in ("lights", "heating"):
        made, _ = task(name)
        tasks.append(
            replace(
                made, certificate=replace(made.certificate, held_out=held_out, errors=0, tasks=2)
            )
        )
    return Manifest(backbone()[0], tuple(tasks), margins=Margins(1.0, second_share=0.3))


def test_a_rate_at_the_bound_raises_an_alarm_in_at_most_the_stated_share_of_streams() -> None:
    alpha, rng = 0.05, np.random.default_rng(0)
    alarms = 0
    for _ in range(2000):
        counter = Counter(bound=0.1)
        alarms += any(
            counter.see(hit, alpha) for hit in (rng.random(2 * BLOCK + 100) < 0.1).tolist()
        )
    assert alarms / 2000 <= alpha


def test_the_whole_chain_from_held_out_examples_to_alarms_keeps_the_stated_share() -> None:
    """Thresholds are set on held-out distances drawn anew for every stream, as the certificates do."""
    alpha, rng, rate, held_out = 0.1, np.random.default_rng(1), 0.05, 80
    alarms = 0
    for _ in range(400):
        place = min(math.ceil((held_out + 1) * (1 - rate)), held_out)
        thresholds = [np.sort(rng.random(held_out))[place - 1] for _ in range(2)]
        monitor = Monitor(manifest(held_out), alpha=alpha)
        stream = [
            Answer(name, bool(rng.random() > threshold), 2 if rng.random() < 0.15 else 1)
            for name, threshold in zip(("lights", "heating"), thresholds, strict=True)
            for _ in range(600)
        ]
        alarms += bool(monitor.see(stream))
    assert alarms / 400 <= alpha


def test_thin_margins_of_tasks_that_were_not_measured_together_raise_no_alarm() -> None:
    stream = [Answer("lights", unknown=False, stages=2)] * (2 * BLOCK)
    assert Monitor(manifest()).see(stream)
    apart = manifest()
    one = replace(apart.tasks[0], certificate=replace(apart.tasks[0].certificate, tasks=1))
    assert not Monitor(replace(apart, tasks=(one, *apart.tasks[1:]))).see(stream)


@cases(
    ("examples", "share"),
    [
        (4, 0.3),
        (20, 0.3),
        (40, 0.3),
        (100, 0.3),
        *((40, share) for share in (0.1, *SECOND_SHARES[1:])),
    ],
)
def test_the_margin_of_a_second_look_is_the_order_statistic_that_the_bound_supposes(
    examples: int, share: float
) -> None:
    """Of N margins, those below are as many as split conformal prediction allows: P(next one is
    below) <= the share.
    """
    rng = np.random.default_rng(examples)
    below = []
    for _ in range(2000):
        margins = rng.random(examples)
        least = margin_quantile([TaskMatch(0, 1, 0.0, float(one), 0.0) for one in margins], share)
        below.append(least)  # of uniform margins, the probability of one below
        assert (margins < least).sum() == examples - min(
            math.ceil((examples + 1) * (1 - share)), examples
        )
    assert np.mean(below) <= max(share, 1 / (examples + 1)) + 0.01


@cases(("rate", "within"), [(0.5, 25), (0.25, 120)])
def test_a_change_is_seen_soon_even_after_a_long_good_past(rate: float, within: int) -> None:
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(50):
        monitor = Monitor(manifest(), alpha=0.01)
        assert not monitor.see([Answer("lights", bool(hit)) for hit in rng.random(2500) < 0.04])
        for count in range(1, 2000):
            if monitor.see([Answer("lights", bool(rng.random() < rate))]):
                seen.append(count)
                break
    assert len(seen) == 50
    assert np.median(seen) <= within


def test_an_alarm_is_raised_once_and_names_task_counts_and_the_next_step() -> None:
    monitor = Monitor(manifest())
    (alarm,) = monitor.see([Answer("heating", unknown=True)] * 100)
    assert alarm.counter == "heating"
    assert "task 'heating': expected at most" in alarm.message
    assert "learn a task of them" in alarm.message
    assert not monitor.see([Answer("heating", unknown=True)] * 100)


def test_thin_margins_raise_an_alarm_of_their_own() -> None:
    monitor = Monitor(manifest())
    assert [
        one.counter for one in monitor.see([Answer("lights", unknown=False, stages=2)] * 60)
    ] == ["thin margins"]


def test_few_held_out_examples_make_a_wide_bound_and_no_false_certainty() -> None:
    narrow, wide = (
        Monitor(manifest(held_out)).counters()["lights"].bound for held_out in (1000, 20)
    )
    assert 0.05 < narrow < 0.1 < wide


def test_counts_go_on_from_their_file_and_begin_anew_with_another_bundle(tmp_path: Path) -> None:
    monitor, path = Monitor(manifest()), tmp_path / "drift.json"
    monitor.see([Answer("lights", unknown=True)] * 3)
    monitor.save(path)
    assert Monitor.load(path, manifest()).counters() == monitor.counters()
    other = Monitor.load(path, manifest(301))
    assert (other.counters()["lights"].inputs, other.anew) == (0, True)
    assert not Monitor.load(path, manifest()).anew
    assert Monitor.load(tmp_path / "none.json", manifest()).counters()["lights"].inputs == 0


@cases("content", [b"", b"[]", b'{"alpha":1}', b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_counters_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drift.json").write_bytes(content)
    with pytest.raises(
        DamagedError,
        match=r"drift\.json: expected counts that cfedge wrote, found .*; give the file of --monitor",
    ):
        Monitor.load(tmp_path / "drift.json", manifest())
    with pytest.raises(UsageError, match=r"drift\.json: expected a folder .*, found none; make it"):
        Monitor.load(tmp_path / "none" / "drift.json", manifest())  # before anything is answered
    with pytest.raises(StorageError, match=r"expected a file of counts, found no plain file"):
        Monitor.load(tmp_path, manifest())


@cases("alpha", [0.0, 1.0, float("nan")])
def test_an_impossible_error_probability_is_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match=r"alpha: expected a probability in \(0, 1\)"):
        Monitor(manifest(), alpha=alpha)


def test_the_evidence_is_a_fair_bet_at_the_bound() -> None:
    """Its mean over the binomial distribution at the bound is 1: exactly, for every number of
    inputs.
    """
    for bound in (0.03, 0.2):
        for inputs in (1, 7, 40):
            mean = sum(
                math.comb(inputs, hits)
                * bound**hits
                * (1 - bound) ** (inputs - hits)
                * math.exp(evidence_against(bound, inputs, hits))
                for hits in range(inputs + 1)
            )
            assert mean == pytest.approx(1)
            for hits in range(inputs + 1):  # so a hit alone can raise an alarm
                now, then = (evidence_against(bound, count, hits) for count in (inputs, inputs + 1))
                assert then < now
