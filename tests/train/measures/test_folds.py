"""Held-out examples count in the statistics that ship, and each is judged by statistics without
it.
"""

from __future__ import annotations

import numpy as np
import pytest

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.confidence import upper_bound
from cfedge.errors import IncompatibleError
from cfedge.lookup import Features, TaskMatches, TaskSignature
from cfedge.lookup.ood import ood_score
from cfedge.train.features.signature import learn_signature
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.measures.calibrating import calibrations, held_out_terms, terms_of
from cfedge.train.measures.folds import FOLDS, Folds, dealt
from cfedge.train.measures.margins import route
from cfedge.train.settings import Settings
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask, TaskRecord

WIDTH = 6


def directions(rng: np.random.Generator, center: np.ndarray, count: int) -> np.ndarray:
    x = center + rng.normal(size=(count, len(center)))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def task_of(
    learned: Features, classes: np.ndarray, held_out: Features, labels: np.ndarray, rank: int = 3
) -> LearnedTask:
    width = learned.tail.shape[1]
    statistics = TaskStatistics.of(learned, learned.tail, classes, width)
    names = tuple(f"class {label}" for label in range(int(classes.max()) + 1))
    record = TaskRecord("task", names, len(classes), "0" * 64, Settings(class_rank=rank), {})
    count = len(labels)
    none = np.zeros(count, np.float32)
    evidence = HeldOut(("",) * count, labels, held_out, labels, none, none)
    return LearnedTask.made(record, {}, statistics, evidence)


def drawn(seed: int = 0, count: int = 40) -> tuple[Features, np.ndarray, Features, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = directions(rng, np.ones(WIDTH), 2 * count)
    y = np.arange(2 * count) % 3
    both = Features(x, x[:, ::-1].copy())
    halves = [Features(*(part[start::2] for part in both)) for start in range(2)]
    return halves[0], y[::2], halves[1], y[1::2]


def close(found: TaskSignature, expected: TaskSignature) -> None:
    """Equal up to what adding in another order rounds."""
    for one, other in ((found.trunk, expected.trunk), (found.tail, expected.tail)):
        np.testing.assert_array_equal(one.counts, other.counts)
        np.testing.assert_allclose(one.means, other.means, atol=2e-2)
        scatters = [
            s.factor.T.astype(np.float64) @ s.factor + np.diag(s.diagonal) for s in (one, other)
        ]
        np.testing.assert_allclose(*scatters, atol=0.02 * np.trace(scatters[1]))


def test_what_ships_is_the_signature_of_all_examples() -> None:
    learned, classes, held_out, labels = drawn()
    task = task_of(learned, classes, held_out, labels, rank=WIDTH)
    together = Features(*(np.concatenate(pair) for pair in zip(learned, held_out, strict=True)))
    close(task.signature, learn_signature(together, np.concatenate([classes, labels]), WIDTH))
    # what heads are made of counts the learned examples alone
    assert task.statistics.tail.counts.sum() == len(classes)


def test_each_part_is_judged_by_a_signature_of_all_others() -> None:
    learned, classes, held_out, labels = drawn()
    task = task_of(learned, classes, held_out, labels, rank=WIDTH)
    assert len(task.folds.without) == FOLDS
    for part, without in enumerate(task.folds.without):
        rest = task.folds.of != part
        assert 0 < (~rest).sum() < len(labels)
        others = Features(
            *(np.concatenate([a, b[rest]]) for a, b in zip(learned, held_out, strict=True))
        )
        close(without, learn_signature(others, np.concatenate([classes, labels[rest]]), WIDTH))


def test_what_an_example_says_does_not_reach_its_own_judge() -> None:
    learned, classes, held_out, labels = drawn()
    before = task_of(learned, classes, held_out, labels)
    moved = Features(held_out.trunk.copy(), held_out.tail.copy())
    moved.trunk[5], moved.tail[5] = -moved.trunk[5], -moved.tail[5]
    after = task_of(learned, classes, moved, labels)
    part = before.folds.of[5]
    for place, (one, other) in enumerate(
        zip(before.folds.without, after.folds.without, strict=True)
    ):
        same = dump_arrays(one.arrays()) == dump_arrays(other.arrays())
        assert same == (place == part)
    assert dump_arrays(before.signature.arrays()) != dump_arrays(after.signature.arrays())


def test_examples_are_dealt_by_class_and_copies_stay_together() -> None:
    _, _, held_out, labels = drawn(count=60)
    parts = dealt(held_out, labels)
    for label in range(3):
        shares = np.bincount(parts[labels == label], minlength=FOLDS)
        assert shares.max() - shares.min() <= 1
    twice = Features(*(np.concatenate([part, part]) for part in held_out))
    again = dealt(twice, np.concatenate([labels, labels]))
    np.testing.assert_array_equal(again, np.concatenate([parts, parts]))
    some = Features(*(part[:7] for part in held_out))
    np.testing.assert_array_equal(dealt(some, labels[:7]), parts[:7])
    one = Features(*(part[:1] for part in held_out))
    assert dealt(one, labels[:1]).tolist() == [0]
    lone = Features(*(part[:6] for part in held_out))  # one of each class: in turn too
    assert dealt(lone, np.arange(6)).tolist() == [0, 1, 2, 3, 0, 1]


def test_a_task_with_fewer_parts_than_another_ships_its_whole_signature_to_the_rest() -> None:
    learned, classes, held_out, labels = drawn()
    many = task_of(learned, classes, held_out, labels)
    few = Features(*(part[:1] for part in held_out))
    small = task_of(learned, classes, few, np.array([0]))
    assert (len(small.folds.without), small.folds.but(1)) == (1, None)
    tasks = {"many": many, "small": small}
    _, found = route(
        {name: task.signature for name, task in tasks.items()},
        {name: task.held_out.features for name, task in tasks.items()},
        {name: task.folds for name, task in tasks.items()},
    )
    assert [len(one.task) for one in found.values()] == [len(labels), 1]


def test_two_examples_a_class_promise_what_then_holds() -> None:
    # With one learned and one held out of each class nothing was known of how classes spread where
    # the held-out ones were judged, and something where inputs were: all of them were unknown.
    unknown = []
    labels = np.arange(6)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        some = [
            Features(
                *[np.concatenate([directions(rng, 6 * one, of) for one in np.eye(64)[:6]])] * 2
            )
            for of in (1, 1, 20)
        ]
        task = task_of(some[0], labels, some[1], labels)
        signatures = {"a": task.signature}
        router, found = route(signatures, {"a": some[1]}, {"a": task.folds})
        rule = calibrations(held_out_terms(signatures, found, {"a": some[1]}, {"a": task.folds}))
        scores = ood_score(rule["a"], terms_of(router, some[2], 0))
        unknown.append(float((scores > rule["a"].at_rate(0.05)[1]).mean()))
    assert 0 < np.mean(unknown) <= 1 / (len(labels) + 1)


def test_folds_are_read_as_they_were_written_and_others_are_refused() -> None:
    task = task_of(*drawn())
    data = task.folds.dumped()
    read = Folds.parsed(data, "folds", WIDTH, (WIDTH,))
    assert read.dumped() == data
    arrays = load_arrays(data, "folds")
    wrong = {
        "a part is missing": {k: v for k, v in arrays.items() if not k.startswith("1.")},
        "an example of a part that is not there": {**arrays, "of": np.full(40, FOLDS)},
        "no examples": {**arrays, "of": np.zeros(0, np.int64)},
        "a part of no number": {**arrays, "x.trunk.counts": np.ones(3, np.int64)},
    }
    for reason, others in wrong.items():
        with pytest.raises(ValueError, match=r"parts"):
            pytest.fail(reason) if Folds.parsed(dump_arrays(others), "f", WIDTH, ()) else None
    arrays["0.trunk.counts"] = -arrays["0.trunk.counts"]
    with pytest.raises(IncompatibleError, match="part 0 of folds"):
        Folds.parsed(dump_arrays(arrays), "folds", WIDTH, (WIDTH,))


def wrong_bounds(seed: int, *, folded: bool) -> list[bool]:
    """Of three tasks of few examples in many dimensions: is the true rate of wrong tasks above
    the bound?
    """
    rng = np.random.default_rng(seed)
    centers = 0.4 * rng.normal(size=(3, 24))
    tasks, tests = {}, {}
    for name, center in enumerate(centers):
        learned, held_out, test = (directions(rng, center, count) for count in (8, 24, 150))
        tasks[f"{name}"] = task_of(
            Features(learned, learned),
            np.zeros(8, np.int64),
            Features(held_out, held_out),
            np.zeros(24, np.int64),
            rank=12,
        )
        tests[f"{name}"] = Features(test, test)
    router, found = route(
        {name: task.signature for name, task in tasks.items()},
        {name: task.held_out.features for name, task in tasks.items()},
        {name: task.folds for name, task in tasks.items()} if folded else None,
    )
    return [
        wrong_share(router(tests[name]), place)
        > upper_bound(int((found[name].task != place).sum()), 24, 0.05 / 3)
        for place, name in enumerate(sorted(tasks))
    ]


def wrong_share(found: TaskMatches, task: int) -> float:
    return float((found.task != task).mean())


def test_bounds_of_parts_hold_and_those_of_statistics_that_know_the_answers_do_not() -> None:
    """Simulation: all bounds of a set of tasks hold together in 95 % of draws."""
    fair = np.mean([any(wrong_bounds(seed, folded=True)) for seed in range(20)])
    unfair = np.mean([any(wrong_bounds(seed, folded=False)) for seed in range(20)])
    assert fair <= 0.15  # of 20 draws four or more would be chance in one of sixty
    assert unfair > 0.5
