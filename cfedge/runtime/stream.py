"""A stream of inputs whose task seldom changes: evidence about the task is kept from one to the
next.

**Assumption.** Before each input the stream's task is drawn anew, all tasks alike, with probability
`switch`; otherwise it stays. Where inputs of several tasks come mixed this is false, and answers
get worse than without it (docs/decisions/0017-streams.md).

The tasks are the states of a hidden Markov chain. With s_k the lookup's scores of an input after
its stages (`Router.scores`), T tasks, h = `switch` and a temperature t, the posterior p of the
chain's task is filtered forward::

    prior_k = (1 - h) p_k + h / T        p_k = prior_k exp(s_k / t) / sum over tasks of the same

and the input is answered for the task of the largest p; it is unknown where it is too far from that
task. With h = 1 nothing is kept, and answers are those of `Engine.predict`. An input that alone is
unknown is answered likewise, and leaves p as it was.

**Temperature.** As log-likelihoods the scores are over-confident: they add up features that are far
from independent. t is the one at which they would be wrong as often as the lookup was on the
held-out examples. Of these the share q, the manifest's `margins.second_share`, has a margin
below its `margins.second`; with margins m spread evenly there, the mean of 1 / (1 + exp(m / t)) is q t ln 2 /
`margins.second`, and this is the certificates' share of errors where t is what `temperature`
returns.

Letters: T tasks.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.arguments import checked
from cfedge.bundle.manifest import Manifest
from cfedge.errors import InputError, UsageError
from cfedge.inputs.modality import Input
from cfedge.lookup.rules import RULES
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.steady import SteadyLabel

__all__ = ["SWITCH", "Session", "filtered", "temperature"]

Scores = NDArray[np.float32]
Posterior = NDArray[np.float64]

#: Probability that the task is drawn anew before an input: once in twenty inputs.
SWITCH = 0.05


class Session:
    """One stream, for one thread; several may share an engine.

    Parameters
    ----------
    engine
        The engine that answers.
    switch
        The probability, in (0, 1], that the stream's task is drawn anew before an input. 0.05 means
        that it changes about once in twenty inputs; 1 keeps no evidence from input to input.
    label_switch
        The same probability for the label, in (0, 1], where the label changes seldom too, as in a
        camera's frames (`cfedge.runtime.steady`). None gives each input a label of its own.

    Attributes
    ----------
    temperature
        The number, in nats, that the lookup's scores are divided by before they count as evidence:
        the larger it is, the less one input says.

    Raises
    ------
    UsageError
        `switch` or `label_switch` is not in (0, 1].
    """

    @checked
    def __init__(
        self, engine: Engine, *, switch: float = SWITCH, label_switch: float | None = None
    ) -> None:
        if not 0 < switch <= 1:
            raise UsageError(
                f"switch: expected a probability in (0, 1], found {switch}; the default is {SWITCH}"
            )
        self.engine, self.switch, self.label_switch = engine, switch, label_switch
        self._label = None if label_switch is None else SteadyLabel(label_switch)
        self.temperature = temperature(engine.manifest)
        self._posterior: Posterior = np.full(len(engine.tasks), 1 / len(engine.tasks))

    @property
    def posterior(self) -> dict[str, float]:
        """The probability of each task, given the inputs so far."""
        return dict(zip(self.engine.tasks, self._posterior.tolist(), strict=True))

    @checked
    def predict(self, value: Input) -> Prediction:
        """Answer the stream's next input.

        Where the stream's task is not the one that the lookup finds for this input alone, the
        answer is that of `Engine.predict` with the stream's task given. With a `label_switch` the
        label is the stream's, and its probability too; an input that is unknown changes neither.

        Raises
        ------
        InputError
            The input cannot be answered (`Engine.predict`); the stream is as it was.
        """
        after = self._posterior

        def choose(scores: Scores, unknown: bool) -> int:
            nonlocal after
            own = filtered(after, scores, switch=self.switch, temperature=self.temperature)
            if not unknown:
                after = own
            return int(own.argmax())

        answer = self.engine.opened.predict_by(value, choose, self.engine.false_reject)
        self._posterior = after
        if self._label is None or answer.unknown:
            return answer
        classes = self.engine.opened.named(answer.task).classes
        label, probability = self._label.see(answer.task, classes, answer.label, answer.probability)
        return dataclasses.replace(answer, label=label, probability=probability)

    @checked
    def predict_all(
        self, values: Sequence[Input]
    ) -> tuple[list[Prediction], list[dict[str, object]]]:
        """Answer the stream's next inputs in their order, all or none of them.

        Returns
        -------
        tuple
            The answers, and what `evidence` said after each.

        Raises
        ------
        InputError
            An input cannot be answered. The error names the first such input by its position, from
            0, and the stream is as it was.
        """
        posterior, label = self._posterior, copy.copy(self._label)
        answers: list[Prediction] = []
        evidence: list[dict[str, object]] = []
        try:
            for value in values:
                answers.append(self.predict(value))
                evidence.append(self.evidence(answers[-1]))
        except BaseException as error:
            self._posterior, self._label = posterior, label
            if isinstance(error, InputError):
                where = f"input {len(answers)}"
                raise InputError(str(error).replace("input 0", where, 1)) from error
            raise
        return answers, evidence

    @checked
    def evidence(self, answer: Prediction) -> dict[str, object]:
        """Return the latest answer as JSON types, as `Engine.evidence` does.

        The task's probability in the stream stands there as ``posterior``, beside the stream's
        settings. Both limits are None, since certificates are about single inputs.
        """
        evidence = self.engine.evidence(answer) | {
            "wrong_task_at_most": None,
            "wrong_answer_at_most": None,
            "posterior": self.posterior[answer.task],
            "switch": self.switch,
        }
        if self.label_switch is not None:
            evidence["label_switch"] = self.label_switch
        return evidence


def filtered(
    posterior: Posterior, scores: Scores, *, switch: float, temperature: float
) -> Posterior:
    """Return the posterior after one more input, float64 [T], of that before it and the input's
    scores, float32 [T] in nats.
    """
    with np.errstate(under="ignore"):
        prior = (1 - switch) * posterior + switch / len(posterior)
        after = np.log(prior) + scores.astype(np.float64) / temperature
        after = np.exp(after - after.max())
        shares: Posterior = after / after.sum()
    return shares


def temperature(manifest: Manifest) -> float:
    """Return the temperature, in the unit of its scores, that a bundle's certificates ask for: at
    least its lookup's least one, and that where nothing was held out.
    """
    held_out = sum(task.certificate.held_out for task in manifest.tasks)
    errors = sum(task.certificate.errors for task in manifest.tasks)
    least = RULES[manifest.lookup].least_temperature
    if not held_out:
        return least
    share = (errors + 1) / (held_out + 2)  # none seen does not mean none
    margins = manifest.margins
    if not margins.second_share:  # no margin is thin
        return least
    return max(least, share * margins.second / (margins.second_share * math.log(2)))
