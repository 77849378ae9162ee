"""Hand jobs out to a place, and take their results in: who lacks contents is sent them, who is lost
or cannot do a job leaves it to another, what fails fails alone, by name.

Only so many jobs are out at once that no worker waits: a scheduler holds few, and what is stopped
is little.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from typing import Any

from cfedge.errors import CfedgeError
from cfedge.train.jobs.answer import Answer, from_record
from cfedge.train.jobs.job import Job
from cfedge.train.jobs.place import Place
from cfedge.train.jobs.worker import do_job

__all__ = ["ATTEMPTS", "Order", "Outcome", "Shared", "run"]

#: Workers that may be lost with a job, or turn it down, before it fails. Where each of two workers
#: is killed every 40 s, a job of 14 s is lost with a probability of a third: of 64 such jobs one
#: would fail after four attempts, one run in a hundred has one that fails after eight.
ATTEMPTS = 8
#: After so long without an answer the place is asked whether anything still goes on.
_ASK_AGAIN_S = 2.0


@dataclass(frozen=True)
class Order:
    """A job, and those of its contents that are its alone, by digest."""

    job: Job
    own: Mapping[str, bytes]


@dataclass(frozen=True)
class Shared:
    """Contents that several jobs read.

    Attributes
    ----------
    read
        What gives them, by digest.
    hints
        Paths that hold them, by digest: for workers on this machine.
    """

    read: Mapping[str, Callable[[], bytes]]
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of jobs: what stopped those that failed, by name, and what people should know."""

    failed: dict[str, CfedgeError] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, worker: str, said: str) -> None:
        """Keep a note of a worker, once."""
        if said:
            self.notes[f"worker {worker}: {said}"] = None


@dataclass
class _Out:
    """A job that is out: how often it was tried, and what it was sent of what is shared."""

    order: Order
    attempts: int = 0
    sent: tuple[str, ...] = ()


def run(
    orders: Iterable[Order],
    place: Place,
    shared: Shared,
    *,
    done: Callable[[Job, Answer], None],
    ended: Callable[[], None] = lambda: None,
) -> Outcome:
    """Do jobs, and hand each result to `done` when it is there.

    Parameters
    ----------
    orders
        Each name once; they are asked for as they can be handed out.
    place
        With an executor.
    done
        Takes the answer, with its files; where it raises a CfedgeError that job has failed.
    ended
        Called when a job is over, done or failed.

    Returns
    -------
    Outcome
        The jobs that failed; `done` took the others.
    """
    outcome = Outcome(notes=dict.fromkeys(place.notes))
    _Runner(place, shared, done, ended, outcome).run(iter(orders))
    return outcome


def _take(job: Job, answer: Answer, done: Callable[[Job, Answer], None], outcome: Outcome) -> None:
    """Hand a result on, or keep what stopped it."""
    outcome.note(answer.worker, answer.note)
    try:
        if answer.error is not None:
            raise answer.error
        if answer.files is None:
            raise CfedgeError(f"worker {answer.worker}: {answer.refused or 'it gave no result'}")
        done(job, answer)
    except CfedgeError as error:
        outcome.failed[job.name] = error


class _Runner:
    """Jobs on an Executor."""

    def __init__(
        self,
        place: Place,
        shared: Shared,
        done: Callable[[Job, Answer], None],
        ended: Callable[[], None],
        outcome: Outcome,
    ) -> None:
        self._place, self._shared, self._done, self._ended = place, shared, done, ended
        self._outcome = outcome
        self._again: deque[_Out] = deque()
        self._out: dict[Future[Any], _Out] = {}

    def run(self, orders: Iterator[Order]) -> None:
        """Do all jobs; where this is interrupted, what is done already is still taken."""
        try:
            while self._fill(orders) or self._out:
                ended, _ = wait(self._out, timeout=_ASK_AGAIN_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._answered(future)
                if not ended and (trouble := self._place.trouble()):
                    self._give_up(orders, trouble)
        except BaseException:
            for future in list(self._out):
                future.cancel()
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._answered(future)
            raise

    def _fill(self, orders: Iterator[Order]) -> bool:
        """Hand out what there is room for; say whether anything is left to hand out."""
        while len(self._out) < 2 * self._place.at_once:
            if self._again:
                self._submit(self._again.popleft())
                continue
            order = next(orders, None)
            if order is None:
                return False
            self._submit(_Out(order))
        return True

    def _submit(self, one: _Out) -> None:
        job, executor = one.order.job, self._place.executor
        assert executor is not None
        sent = {**one.order.own, **{key: self._shared.read[key]() for key in one.sent}}
        hints = dict(self._shared.hints) if self._place.is_here else {}
        try:
            future = executor.submit(do_job, job.dumped(), sent, hints, one.sent)
        except Exception as error:  # an engine's own: it takes no work any more
            self._failed(one, CfedgeError(_not_done(f"{type(error).__name__}: {error}")))
            return
        self._out[future] = one

    def _answered(self, future: Future[Any]) -> None:
        """Take what came of a job: its result, its error, or the need to try again."""
        one = self._out.pop(future)
        try:
            answer = from_record(future.result())
        except (CancelledError, Exception) as error:  # an engine's own: the worker was lost
            reason = str(error).partition(". ")[0][:200]
            self._lost(one, f"{type(error).__name__}: {reason}".rstrip(": "))
            return
        if answer.missing and not one.sent:
            # all that is shared, as another worker may be asked
            wanted = tuple(
                key for key in one.order.job.contents.values() if key in self._shared.read
            )
            self._again.append(dataclasses.replace(one, sent=wanted))
        elif answer.missing or answer.refused:
            why = answer.refused or "it lacks contents that it was sent"
            self._lost(one, f"worker {answer.worker}: {why}")
        else:
            _take(one.order.job, answer, self._done, self._outcome)
            self._ended()

    def _lost(self, one: _Out, why: str) -> None:
        """Try again elsewhere, or give the job up."""
        one.attempts += 1
        if one.attempts >= ATTEMPTS:
            self._failed(one, CfedgeError(_not_done(f"tried {ATTEMPTS} times, at last {why}")))
        else:
            self._outcome.notes[f"task {one.order.job.name!r} is tried again: {why}"] = None
            self._again.append(one)

    def _failed(self, one: _Out, error: CfedgeError) -> None:
        self._outcome.failed[one.order.job.name] = error
        self._ended()

    def _give_up(self, orders: Iterator[Order], trouble: str) -> None:
        """Fail all that is not done, by name."""
        for future in list(self._out):
            future.cancel()
        left = [*self._out.values(), *self._again, *(_Out(order) for order in orders)]
        self._out.clear()
        self._again.clear()
        for one in left:
            self._failed(one, CfedgeError(_not_done(trouble)))


def _not_done(why: str) -> str:
    return (
        f"could not do its job: {why}; run the same command again: what is done is not done twice"
    )
