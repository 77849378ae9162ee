"""The label of a stream's inputs, where that seldom changes: frames of a camera that looks at one
thing.

**Assumption.** Before each input the label is drawn anew, all C classes of the task alike, with
probability h; otherwise it stays. Where every input has a label of its own this is false.

The classes are the states of a hidden Markov chain, filtered forward::

    prior_c = (1 - h) p_c + h / C        p_c = prior_c l_c / sum over classes of the same

Of an input that the engine gives the label a with the probability q, l_a is q and every other l_c
is (1 - q) / (C - 1). Frames share their errors, so no single one is believed more than q = 1 - h:
then l_a / l_c is at most (1 - h) (C - 1) / h, and one input alone never outweighs a label that is
certain, as that would take (1 - h) C / h. From h = 1 - 1 / C on labels change so often that those
before say nothing: each input keeps its own.

Letters: C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import UsageError

__all__ = ["SteadyLabel"]


class SteadyLabel:
    """The label of one stream.

    Parameters
    ----------
    switch
        h, in (0, 1].

    Raises
    ------
    UsageError
        `switch` is no such probability.
    """

    def __init__(self, switch: float) -> None:
        if not 0 < switch <= 1:
            raise UsageError(
                f"label switch: expected a probability in (0, 1], found {switch}; 0.05 is one change"
                " in twenty inputs"
            )
        self.switch = switch
        self._task = ""
        self._posterior: NDArray[np.float64] = np.zeros(0)

    def see(
        self, task: str, classes: tuple[str, ...], label: str, probability: float
    ) -> tuple[str, float]:
        """Take the next input's label in, and return the stream's, and its probability.

        Parameters
        ----------
        task, classes
            The stream's task now; where it is another one than before, nothing is known yet.
        label, probability
            What the engine says of the input alone.
        """
        count, h = len(classes), self.switch
        if 1 - h <= 1 / count:
            self._task = ""
            return label, probability
        if task != self._task or count != len(self._posterior):
            self._task, self._posterior = task, np.full(count, 1 / count)
        believed = min(max(probability, 1 / count), 1 - h)
        likely = np.full(count, (1 - believed) / (count - 1))
        likely[classes.index(label)] = believed
        after = ((1 - h) * self._posterior + h / count) * likely
        self._posterior = after / after.sum()
        best = int(self._posterior.argmax())
        return classes[best], float(self._posterior[best])
