"""Test data that others answer: the scores of answering here; and the front door to executors."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from made import make_texts

from cfedge import Workspace
from cfedge.errors import CfedgeError, TaskError
from cfedge.train.jobs import worker
from cfedge.train.jobs.contents import Contents


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = Contents(tmp_path / "worker")
    monkeypatch.setattr(worker, "_contents", lambda: contents)


def rows(task: str, seed: int = 1) -> tuple[list[str], list[str]]:
    texts, labels = zip(*make_texts(task, 6, seed), strict=True)
    return list(texts), list(labels)


def test_scores_are_those_of_answering_here(tiny_workspace: Path) -> None:
    workspace = Workspace(tiny_workspace)
    tests = {"colors": rows("colors"), "animals": rows("animals")}
    unknown = ["the broth", "a slice of cake"]
    here = workspace.evaluate(tests, unknown=unknown)
    with ThreadPoolExecutor(2) as threads:
        assert workspace.evaluate(tests, unknown=unknown, executor=threads) == here
        assert workspace.evaluate(tests, executor=threads).unknown is None
        with pytest.raises(TaskError, match="expected one of animals, colors, found 'food'"):
            workspace.evaluate({"food": rows("food")}, executor=threads)


class Broken(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise OSError("no more room")


def test_a_question_that_nobody_answers_is_named(tiny_workspace: Path) -> None:
    with pytest.raises(CfedgeError, match="answers to inputs of task 'colors': could not do its"):
        Workspace(tiny_workspace).evaluate({"colors": rows("colors")}, executor=Broken())


def test_the_front_door_takes_any_executor(tiny_workspace: Path) -> None:
    workspace = Workspace(tiny_workspace)
    food = rows("food")
    again = (food[0], [f"{label} again" for label in food[1]])
    with ThreadPoolExecutor(2) as threads:
        learned = workspace.add_tasks(
            {"food": food, "more": again}, executor=threads, method="closed-form"
        )
        assert (learned.learned, dict(learned.failed)) == (("food", "more"), {})
        certificate = workspace.add(
            "third", *food, same_labels=["soup"], executor=threads, method="closed-form"
        )
    assert certificate.task == "third"
    assert workspace.record("third").same_labels == {"soup": "soup"}
    assert workspace.tasks == ("animals", "colors", "food", "more", "third")
