"""Answer encoded inputs: lookup -> tail with the task's adapter -> head -> `Prediction`.

Where the trunk's part of the head is sure the adapted tail is not run. Where the lookup's margin
stays thin, or the trunk does not say whether the input is of its task at all, there is one run of
the frozen tail; none where the trunk has its features. Inputs of one length and task share a run of
the tail.

Letters: B batch, C classes.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cfedge.bundle.manifest import Task
from cfedge.lookup import Evidence, TaskMatch, decide
from cfedge.meanings import Meanings
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.false_reject import Limits
from cfedge.runtime.heads import Heads
from cfedge.runtime.judging import Judge
from cfedge.runtime.prediction import (
    Choice,
    Head,
    Prediction,
    Strangeness,
    predicted,
    softmax,
)
from cfedge.runtime.wanted import Wanted

if TYPE_CHECKING:
    from cfedge.lookup.finder import Finder

__all__ = ["Answering"]


class Answering(NamedTuple):
    """What answers: the parts of an opened bundle.

    Attributes
    ----------
    encoder, router, heads
        Of one bundle.
    tasks
        In the order of `router.tasks`.
    meanings
        Of their labels.
    """

    encoder: Encoder
    router: Finder
    heads: Heads
    tasks: list[Task]
    meanings: Meanings

    def judge(self, encoded: Encoded) -> Judge:
        """Return what says of B rows whether they are of their tasks at all."""
        return Judge(self.encoder, self.router, self.tasks, encoded)

    def identify(self, encoded: Encoded, judge: Judge) -> list[Evidence]:
        """Return what the lookup finds out about each row, in as many stages as it needs.

        Rows that `judge` will need the frozen tail for share its runs.

        Raises
        ------
        InputError
            Features of a row are not finite.
        """
        identified = list(map(self.router.identify, encoded.features, itertools.count()))
        thin = {row for row, evidence in enumerate(identified) if self.router.needs_tail(evidence)}
        left = [
            row
            for row, evidence in enumerate(identified)
            if row in thin or judge.is_open(row, decide(evidence).task)
        ]
        # Of several inputs, rows share runs anyway; where all need the tail none has a task yet.
        if len(identified) == 1 and left and not self.router.reads_all:
            self.heads.run_both(encoded, 0, self.tasks[decide(identified[0]).task], judge)
        if left:
            judge.tails(left)
        for row in sorted(thin):
            (tail,) = judge.tails([row])
            identified[row] = self.router.deepen(identified[row], tail)
        return identified

    def given(self, encoded: Encoded, task: int, judge: Judge) -> list[TaskMatch]:
        """Return the match of each row with the task given: its first stage alone; for errors see
        `identify`.
        """
        begun = list(map(self.router.begin, encoded.features, itertools.count()))
        if self.router.reads_all:
            begun = list(map(self.router.deepen, begun, judge.tails(range(len(begun)))))
        return [self.router.given(evidence, task) for evidence in begun]

    def answered(
        self,
        encoded: Encoded,
        given: int | None,
        limits: Limits,
        wanted: Wanted | None,
        start: float,
    ) -> list[Prediction]:
        """Return the answers to B rows, with the task at a position where it is given, and with
        what is `wanted` beside them; for the rest see `answers`.
        """
        judge = self.judge(encoded)
        evidence: list[Evidence] | None = None
        if given is None:
            evidence = self.identify(encoded, judge)
            matches = [decide(one) for one in evidence]
        else:
            matches = self.given(encoded, given, judge)
        found, heads = self.answers(encoded, matches, judge, limits, start, given=given is not None)
        if wanted is None:
            return found
        asking = _Asking(encoded, judge, heads, evidence, wanted)
        return [
            self._with_further(row, answer, matches[row], asking)
            for row, answer in enumerate(found)
        ]

    def answers(
        self,
        encoded: Encoded,
        matches: list[TaskMatch],
        judge: Judge,
        limits: Limits,
        start: float,
        *,
        given: bool = False,
    ) -> tuple[list[Prediction], dict[int, Head]]:
        """Return the answers to B rows for the tasks that they match, and what each row's head said.

        Parameters
        ----------
        limits
            Of the tasks.
        start
            When the call began, of `time.perf_counter`.
        given
            The task was.

        Raises
        ------
        InputError
            A score of a row is not finite.
        """
        chosen = [self.tasks[match.task] for match in matches]
        if len(matches) == 1 and not judge.has_tail(0) and judge.is_open(0, matches[0].task):
            self.heads.run_both(encoded, 0, chosen[0], judge)
        scores = judge.scores([match.task for match in matches])
        heads = self.heads(encoded, dict(enumerate(chosen)), judge)
        ms = (time.perf_counter() - start) * 1e3 / len(matches)
        found = [
            predicted(
                row,
                chosen[row],
                None if match.runner_up < 0 else self.tasks[match.runner_up],
                match,
                heads[row],
                Strangeness(scores[row], *limits[match.task]),
                self.meanings,
                given=given,
                truncated=encoded.truncated[row],
                ms=ms,
            )
            for row, match in enumerate(matches)
        ]
        return found, heads

    def _with_further(
        self, row: int, answer: Prediction, match: TaskMatch, asking: _Asking
    ) -> Prediction:
        """An answer with what is wanted beside it; what it says stays as it is."""
        from cfedge.lookup.shares import shares  # which ordinary answers do without
        from cfedge.runtime.choices import Choices

        encoded, judge, heads, evidence, wanted = asking

        def ask(place: int) -> list[float]:
            if place == match.task:  # its head has said it already
                return softmax(heads[row].scores)
            return softmax(self.heads(encoded, {row: self.tasks[place]}, judge)[row].scores)

        if evidence is None:
            probable = np.zeros(len(self.tasks))
            probable[match.task] = 1.0
        else:
            scores = self.router.task_scores(evidence[row])
            probable = shares(self.tasks[match.task].calibration.odds, match, scores)
        first = Choice(answer.task, answer.label, answer.probability)
        choices = Choices(self.tasks, self.meanings, first, probable, ask)
        return dataclasses.replace(
            answer,
            top=None if wanted.top is None else choices.top(wanted.top),
            coverage=wanted.coverage,
            label_set=None if wanted.coverage is None else choices.covering(wanted.limits),
        )


class _Asking(NamedTuple):
    """What further answers to B rows are made of: what is known of the rows already, the heads that
    were asked, and what is wanted. Without `evidence` the task was given.
    """

    encoded: Encoded
    judge: Judge
    heads: Mapping[int, Head]
    evidence: Sequence[Evidence] | None
    wanted: Wanted
