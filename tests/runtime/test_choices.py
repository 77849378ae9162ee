"""The likeliest answers and the sets of them, against all pairs computed one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Certificate, Task
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.meanings import Meanings
from cfedge.runtime.choices import Choices
from cfedge.runtime.prediction import Choice

REF = FileRef("a" * 64, 5)
CERTIFICATE = Certificate(12, 1, 0.39, 0.05, 2, None, 0, 2, 0.49)


def task(name: str, classes: Sequence[str]) -> Task:
    return Task(name, tuple(classes), 8, 2.5, 0.05, NOTHING_UNKNOWN, CERTIFICATE, REF, REF, REF)


class Case:
    """A bundle of so many tasks with what their heads would say of one input, and which were
    asked.
    """

    def __init__(
        self, seed: int, tasks: int, same: dict[str, dict[str, str]] | None = None
    ) -> None:
        rng = np.random.default_rng(seed)
        self.tasks = [
            task(f"t{n}", [f"t{n}-{at}" for at in range(2 + n % 4)]) for n in range(tasks)
        ]
        self.shares = rng.dirichlet(np.full(tasks, 0.3))
        self.heads = [rng.dirichlet(np.full(len(one.classes), 0.4)) for one in self.tasks]
        self.meanings, self.asked = Meanings(same or {}), []
        best = int(self.shares.argmax())
        at = int(self.heads[best].argmax())
        self.first = Choice(
            f"t{best}",
            self.tasks[best].classes[at],
            float(self.shares[best] * self.heads[best][at]),
        )

    def choices(self) -> Choices:
        return Choices(self.tasks, self.meanings, self.first, self.shares, self._ask)

    def _ask(self, place: int) -> list[float]:
        self.asked.append(place)
        return self.heads[place].tolist()

    def pairs(self) -> list[Choice]:
        """All others, the likeliest first, of equal meaning the likelier."""
        found = [
            Choice(one.name, label, float(share * head[at]))
            for one, share, head in zip(self.tasks, self.shares, self.heads, strict=True)
            for at, label in enumerate(one.classes)
        ]
        found.sort(key=lambda one: (-one.probability, one.task, one.label))
        seen, kept = {self.meanings.of(self.first.task, self.first.label)}, []
        for one in found:
            meaning = self.meanings.of(one.task, one.label)
            if meaning not in seen:
                seen.add(meaning)
                kept.append(one)
        return kept


SAME = {"t1": {"t1-0": "yes"}, "t2": {"t2-1": "yes"}, "t0": {"t0-0": "yes"}}


@pytest.mark.parametrize("same", [None, SAME])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_the_top_is_the_ordinary_answer_and_the_likeliest_others(
    count: int, same: dict[str, dict[str, str]] | None
) -> None:
    for seed in range(40):
        case = Case(seed, 5, same)
        assert case.choices().top(count) == (case.first, *case.pairs()[: count - 1])


@pytest.mark.parametrize("same", [None, SAME])
def test_a_set_holds_every_pair_that_is_not_below_its_tasks_limit(
    same: dict[str, dict[str, str]] | None,
) -> None:
    for seed in range(40):
        case = Case(seed, 5, same)
        limits = np.random.default_rng(seed).random(5) * 0.2
        by_task = dict(zip([one.name for one in case.tasks], limits.tolist(), strict=True))
        expected = [one for one in case.pairs() if one.probability >= by_task[one.task]]
        if same is not None:  # the likelier of two may be below its limit while the other is not
            expected = [one for one in expected if case.meanings.of(one.task, one.label)[0]]
        found = case.choices().covering(limits.tolist())
        assert found[0] == case.first
        own = [one for one in found[1:] if same is None or case.meanings.of(one.task, one.label)[0]]
        assert own == expected


def test_labels_that_mean_the_same_are_named_once() -> None:
    seen = 0
    for seed in range(40):
        case = Case(seed, 5, SAME)
        for found in (case.choices().top(50), case.choices().covering([0.0] * 5)):
            meanings = [case.meanings.of(one.task, one.label) for one in found]
            assert (
                len(set(meanings))
                == len(meanings)
                == sum(len(one.classes) for one in case.tasks) - 2
            )
            seen += (None, "yes") in meanings
    assert seen


def test_heads_that_cannot_matter_are_not_asked() -> None:
    case = Case(0, 6)
    case.shares = np.array([0.9, 0.05, 0.03, 0.01, 0.006, 0.004])
    case.heads[0] = np.array([0.5, 0.5])
    case.first = Choice("t0", "t0-0", 0.45)
    assert [one.label for one in case.choices().top(2)] == ["t0-0", "t0-1"]
    assert case.asked == [0]
    case.asked.clear()
    case.choices().covering([0.02] * 6)
    assert case.asked == [0, 1, 2]
    case.asked.clear()
    case.choices().top(1)
    assert case.asked == []


def test_a_head_is_asked_once() -> None:
    case = Case(1, 5)
    choices = case.choices()
    choices.top(50)
    choices.covering([0.0] * 5)
    assert sorted(case.asked) == list(range(5))


def test_an_ordinary_answer_that_is_not_the_likeliest_comes_first_all_the_same() -> None:
    case = Case(0, 2)
    case.shares = np.array([0.55, 0.45])
    case.heads = [np.array([0.6, 0.4]), np.array([0.05, 0.9, 0.05])]
    case.first = Choice("t0", "t0-0", 0.33)
    assert [one.label for one in case.choices().top(3)] == ["t0-0", "t1-1", "t0-1"]
