"""How often is the whole answer right, task and label? From held-out examples, with confidence
bounds, per class where there are enough, and against always answering the commonest class. Pure.

Letters: N held-out examples of a task, T tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Certificate
from cfedge.confidence import lower_bound, upper_bound

__all__ = ["Answers", "ClassAnswers", "certified_answers"]


@dataclass(frozen=True)
class ClassAnswers:
    """One class's held-out examples: how many there are, how many got the right task and label, how
    many were called unknown, and how many got the right ones and were not.
    """

    held_out: int
    right: int
    unknown: int
    answered: int


@dataclass(frozen=True)
class Answers:
    """One task's whole answers on its held-out examples, with all tasks of the workspace together.

    Attributes
    ----------
    held_out
        Examples.
    right
        Of them, those whose task and label were right.
    known
        Those whose label was right with the task given.
    wrong_answer_at_most, wrong_answer_at_least
        Clopper and Pearson's confidence bounds on the rate of wrong answers: the upper bounds of
        all tasks hold together with probability >= 1 - alpha, and so do the lower ones.
    majority
        Examples of the commonest class: what always answering it would get right.
    majority_label
        That class.
    classes
        By label.
    """

    held_out: int
    right: int
    known: int
    wrong_answer_at_most: float
    wrong_answer_at_least: float
    majority: int
    majority_label: str
    classes: dict[str, ClassAnswers]

    @property
    def learned_nothing(self) -> bool:
        """Whether chance alone could explain the labels that were right with the task given: the
        lower confidence bound of their share is not above the commonest class's.
        """
        if len(self.classes) < 2:
            return False
        share = 1 - upper_bound(self.held_out - self.known, self.held_out, 0.05)
        return share <= self.majority / self.held_out

    @property
    def too_few(self) -> bool:
        """Whether no result on so few examples could show that anything was learned."""
        if len(self.classes) < 2:
            return False
        return 1 - upper_bound(0, self.held_out, 0.05) <= self.majority / self.held_out


def certified_answers(
    labels: Sequence[str],
    truth: NDArray[np.int64],
    *,
    known: NDArray[np.bool_],
    right: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
    certificate: Certificate,
) -> Answers:
    """Count a task's whole answers and bound the rate of wrong ones.

    Parameters
    ----------
    labels
        Of the task's classes.
    truth
        Class of each held-out example, int64 [N], N >= 1.
    known, right, unknown
        Of each, bool [N]: the label was right with the task given; task and label were; it was
        called unknown.
    certificate
        The task's, which counted and bounded the wrong ones.
    """
    held_out, wrong = len(truth), certificate.wrong
    assert wrong == int((~right).sum())
    counts = np.bincount(truth, minlength=len(labels))
    commonest = int(counts.argmax())
    return Answers(
        held_out=held_out,
        right=held_out - wrong,
        known=int(known.sum()),
        wrong_answer_at_most=certificate.wrong_answer_at_most,
        wrong_answer_at_least=lower_bound(wrong, held_out, certificate.alpha / certificate.tasks),
        majority=int(counts[commonest]),
        majority_label=labels[commonest],
        classes={
            label: ClassAnswers(
                int(counts[index]),
                int(right[truth == index].sum()),
                int(unknown[truth == index].sum()),
                int((right & ~unknown)[truth == index].sum()),
            )
            for index, label in enumerate(labels)
        },
    )
