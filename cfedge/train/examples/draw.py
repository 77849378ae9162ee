"""Which of more examples than a task is learned of are taken. Pure.

Every class gets as many as the others, where it has them: of 100,000 examples of one class and 3 of
another all three are taken. What is held out is drawn before and in proportion
(`cfedge.train.examples.examples.split_held_out`), since it must look like the inputs to come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from cfedge.train.examples.examples import Examples

__all__ = ["drawn", "even_share"]


def even_share(counts: Collection[int], most: int) -> int:
    """Return the largest number of each class, at least 1, with which all together are at most
    `most`: sum(min(count, share)) <= most.
    """
    left, share = most, 0
    for place, count in enumerate(sorted(counts)):
        share = left // (len(counts) - place)
        if count > share:
            break
        left, share = left - count, count
    return max(1, share)


def drawn(examples: Examples, most: int, rng: np.random.Generator) -> Examples:
    """Return at most `most` of the examples, and at least one of each class, in their order; all
    where there are no more.
    """
    if len(examples) <= most:
        return examples
    share = even_share(Counter(examples.labels).values(), most)
    left = Counter[str]()
    taken = []
    for row in rng.permutation(len(examples)).tolist():
        label = examples.labels[row]
        if left[label] < share:
            left[label] += 1
            taken.append(row)
    return examples.take(sorted(taken))
