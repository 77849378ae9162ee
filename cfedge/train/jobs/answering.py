"""Answering test data as jobs: a bundle and inputs in, answers out. One job takes one task's inputs,
so that they are answered in the batches that they are answered in here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from cfedge.bundle.canonical import canonical_json, read_json, typed
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import serialize
from cfedge.bundle.reading import parse
from cfedge.inputs.modality import Input
from cfedge.progress import Progress, Quiet
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.train.jobs.answer import Answer
from cfedge.train.jobs.job import Job, digest_of_bytes
from cfedge.train.jobs.labelled import dumped_inputs, parsed_inputs
from cfedge.train.jobs.place import Place
from cfedge.train.jobs.running import Order, Shared, run
from cfedge.train.jobs.versions import versions_here

__all__ = ["Answered", "Question", "perform"]

_RESULT = "answers.json"


class Question(NamedTuple):
    """Inputs, and the task where it is given."""

    inputs: Sequence[Input]
    task: str | None = None


class Answered:
    """The answers to questions that were put to a place; asked again, it gives them at once.

    Parameters
    ----------
    bundle
        That answers.
    questions
        By name, as errors name them.

    Raises
    ------
    CfedgeError
        Of the class that stopped the first question that got no answers.
    """

    def __init__(
        self,
        bundle: Bundle,
        questions: Mapping[str, Question],
        place: Place,
        progress: Progress | None = None,
    ) -> None:
        self._kind = bundle.manifest.backbone.input.kind
        self._answers: dict[str, list[Prediction]] = {}
        jobs = _Jobs(bundle, self._kind)
        orders = [jobs.order(name, one) for name, one in questions.items() if one.inputs]
        with (progress or Quiet()).track("answers", len(orders)) as advance:
            outcome = run(orders, place, jobs.shared(), done=self._take, ended=lambda: advance(1))
        for name, error in outcome.failed.items():
            raise type(error)(f"answers to {name}: {error}") from error
        self.notes = tuple(outcome.notes)

    def predict(self, inputs: Sequence[Input], *, task: str | None = None) -> list[Prediction]:
        """Return the answers to one of the questions; `ms` is 0, as time is no part of a result."""
        return self._answers[_key(_dumped(inputs, self._kind), task)] if inputs else []

    def _take(self, job: Job, answer: Answer) -> None:
        assert answer.files is not None
        rows = read_json(answer.files.get(_RESULT, b""), f"answer of worker {answer.worker}")
        found = list(typed(tuple[Prediction, ...], rows, "answer"))
        self._answers[_key_of(job.contents["inputs"], job.arguments["task"])] = found


class _Jobs:
    """The jobs of one bundle."""

    def __init__(self, bundle: Bundle, kind: str) -> None:
        self._bundle, self._kind = bundle, kind
        self._manifest = serialize(bundle.manifest)
        self._versions = versions_here(kind, torch=False)
        files = {ref.sha256: ref for ref in bundle.manifest.files().values()}
        self._read: dict[str, Callable[[], bytes]] = {
            digest_of_bytes(self._manifest): lambda: self._manifest,
            **{sha256: partial(bundle.__getitem__, ref) for sha256, ref in files.items()},
        }
        self._contents = {
            "manifest": digest_of_bytes(self._manifest),
            **{f"object/{sha256}": sha256 for sha256 in files},
        }

    def shared(self) -> Shared:
        return Shared(self._read)

    def order(self, name: str, question: Question) -> Order:
        data = _dumped(question.inputs, self._kind)
        contents = {**self._contents, "inputs": digest_of_bytes(data)}
        arguments = {"inputs": self._kind, "task": question.task}
        job = Job("answer", name, arguments, contents, self._versions)
        return Order(job, {contents["inputs"]: data})


def perform(job: Job, contents: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
    """Answer, where the work is done."""
    engine = _engine(_Whole(contents))
    answers = engine.predict(parsed_inputs(contents["inputs"]), task=job.arguments["task"])
    rows = [dataclasses.asdict(dataclasses.replace(one, ms=0.0)) for one in answers]
    return {_RESULT: canonical_json(rows)}, ""


class _Whole:
    """A bundle's contents, told from others by the manifest's bytes."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = contents
        self.manifest = contents["manifest"]

    def __hash__(self) -> int:
        return hash(self.manifest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Whole) and other.manifest == self.manifest


@lru_cache(maxsize=1)
def _engine(whole: _Whole) -> Engine:
    """The engine of a bundle; the next job mostly asks the same."""
    objects = {
        role.removeprefix("object/"): data
        for role, data in whole.contents.items()
        if role.startswith("object/")
    }
    return Engine(Bundle(parse(whole.manifest), objects))


def _dumped(inputs: Sequence[Input], kind: str) -> bytes:
    return dumped_inputs(inputs, "test data", kind)


def _key(data: bytes, task: str | None) -> str:
    return _key_of(digest_of_bytes(data), task)


def _key_of(sha256: str, task: str | None) -> str:
    return f"{sha256} {task or ''}"
