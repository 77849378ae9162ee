"""Single classes are scored by their own shapes, whatever is in memory, in few bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.lookup.class_gaussians import ClassShape, Shared
from cfedge.lookup.class_table import ClassTable
from cfedge.train.features.signature import signature

Floats = NDArray[np.float32]
WIDTH, TASKS, CLASSES = 16, 40, 3


class Left(dict[int, bytes]):
    """Records of classes, in memory."""

    size_bytes = 0

    def __call__(self, size_bytes: int) -> Left:
        self.size_bytes = size_bytes
        return self

    def read(self, number: int) -> bytes | None:
        return self.get(number)

    def write(self, number: int, content: bytes) -> None:
        assert len(content) == self.size_bytes
        self[number] = content


class Asked(dict[str, ClusterStatistics]):
    """Signatures that count how often one was asked for."""

    times = 0

    def __getitem__(self, name: str) -> ClusterStatistics:
        self.times += 1
        return super().__getitem__(name)


@pytest.fixture(scope="module")
def tasks() -> dict[str, ClusterStatistics]:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % CLASSES
    made = {}
    for task in range(TASKS):
        means = rng.normal(size=(CLASSES, WIDTH))
        shapes = rng.normal(size=(CLASSES, WIDTH, WIDTH)) * 0.2
        noise = np.einsum("nd,nde->ne", rng.normal(size=(60, WIDTH)), shapes[labels])
        made[f"task {task:02}"] = signature(
            normalize(means[labels] + noise).astype(np.float32), labels, 2 + task % 3
        )
    return made


def inputs(count: int) -> Floats:
    return normalize(np.random.default_rng(1).normal(size=(count, WIDTH))).astype(np.float32)


def table(
    tasks: dict[str, ClusterStatistics], kept_bytes: int = 1 << 20, records: Left | None = None
) -> ClassTable:
    return ClassTable(tasks, Lookup(tasks), kept_bytes=kept_bytes, records=records)


def test_scores_are_the_shapes_but_for_rounding_of_the_stated_size(
    tasks: dict[str, ClusterStatistics],
) -> None:
    made, lookup = table(tasks), Lookup(tasks)
    shared = Shared.of(lookup.within, lookup.shrinkage)
    rng = np.random.default_rng(2)
    for row in inputs(20):
        chosen = np.sort(rng.choice(TASKS * CLASSES, 24, replace=False))
        found = made.scores(row, chosen)
        assert found.dtype == np.float32
        for score, one in zip(found.tolist(), chosen.tolist(), strict=True):
            shape = ClassShape.of(tasks[f"task {one // CLASSES:02}"], one % CLASSES, shared)
            apart = shape.directions @ row - shape.centers
            exact = float(row @ shape.linear) + shape.offset + float(apart @ apart) / 2
            steps = np.abs(shape.directions).max(axis=1) / 127
            wrong = steps / 2 * np.abs(row).sum() + 1e-5
            bound = float((np.abs(apart) * wrong + wrong**2 / 2).sum())
            assert abs(score - exact) <= bound + 1e-4 * (1 + abs(exact))


@cases("kept_bytes", [0, 15_000])
def test_a_score_does_not_depend_on_what_is_in_memory_or_was_left_before(kept_bytes: int) -> None:
    tasks, left = made_once(), Left()
    asked = Asked(tasks)
    whole, few = table(tasks), table(tasks, kept_bytes, left)
    again, all_again = (table(asked, size, left) for size in (kept_bytes, 1 << 20))
    assert whole._all_fit
    assert not few._all_fit
    few.scores(inputs(1)[0], np.arange(TASKS * CLASSES // 2))
    few.scores(inputs(1)[0], np.arange(TASKS * CLASSES // 2, TASKS * CLASSES))
    assert len(left) == TASKS * CLASSES
    before, rng = asked.times, np.random.default_rng(3)
    for row in inputs(60):
        chosen = np.sort(rng.choice(TASKS * CLASSES, 24, replace=False))
        for some in (few, again, all_again):
            assert some.scores(row, chosen).tobytes() == whole.scores(row, chosen).tobytes()
    assert asked.times == before


def made_once() -> dict[str, ClusterStatistics]:
    rng, labels = np.random.default_rng(4), np.arange(30) % CLASSES
    return {
        f"task {task:02}": signature(
            normalize(rng.normal(size=(30, WIDTH))).astype(np.float32), labels, 3
        )
        for task in range(TASKS)
    }


def test_those_that_were_not_needed_for_longest_make_room(
    tasks: dict[str, ClusterStatistics],
) -> None:
    asked = Asked(tasks)
    few = ClassTable(asked, Lookup(tasks), kept_bytes=0)  # 64 places
    (row,) = inputs(1)
    old, later, last = np.arange(0, 24), np.arange(30, 54), np.arange(60, 84)
    few.scores(row, old)
    few.scores(row, later)
    few.scores(row, old)
    before = asked.times
    few.scores(row, old)
    assert asked.times == before
    few.scores(row, last)  # eight must go: of `later`
    before = asked.times
    few.scores(row, old)
    few.scores(row, last)
    assert asked.times == before
    few.scores(row, later)
    assert asked.times > before


def test_of_few_tasks_each_signature_is_asked_for_once(
    tasks: dict[str, ClusterStatistics],
) -> None:
    asked = Asked(tasks)
    made = ClassTable(asked, Lookup(tasks))
    for row in inputs(5):
        made.scores(row, np.arange(1, TASKS * CLASSES, CLASSES))
    assert asked.times == TASKS
    made.warm_up()
    assert asked.times == TASKS


def test_threads_get_what_one_gets(tasks: dict[str, ClusterStatistics]) -> None:
    whole, few = table(tasks), table(tasks, 0)
    rng = np.random.default_rng(5)
    rows = inputs(80)
    chosen = [np.sort(rng.choice(TASKS * CLASSES, 24, replace=False)) for _ in rows]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(few.scores, rows, chosen))
    for got, row, classes in zip(found, rows, chosen, strict=True):
        assert got.tobytes() == whole.scores(row, classes).tobytes()


def test_an_input_that_is_not_finite_is_refused_by_its_place(
    tasks: dict[str, ClusterStatistics],
) -> None:
    row = np.full(WIDTH, np.nan, np.float32)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="features of input 5: expected finite numbers"),
    ):
        table(tasks).scores(row, np.arange(3), 5)


def test_the_same_tasks_score_alike_in_whatever_order_they_came(
    tasks: dict[str, ClusterStatistics],
) -> None:
    turned = {name: tasks[name] for name in sorted(tasks, reverse=True)}
    for row in inputs(3):
        one, other = (table(some).scores(row, np.arange(50)) for some in (tasks, turned))
        assert one.tobytes() == other.tobytes()
