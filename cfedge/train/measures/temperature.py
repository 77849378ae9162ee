"""By what must a head's scores be multiplied so that their softmax is a probability? From held-out
examples, when the task is learned: other tasks never change it. Pure.

A head that was trained is surer than it is right (Guo et al. 2017, arXiv 1706.04599). The factor
is the reciprocal of their temperature; it changes no label.

Letters: N held-out examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["HeadProbabilities", "factor", "probabilities", "scaled"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Factors that are tried; the steps are finer than any calibration error that shows.
_FACTORS = np.geomspace(0.1, 10.0, 93)
#: Examples' worth of belief in a factor of 1, for each unit of its logarithm squared: few examples
#: do not move it far.
_BELIEF = 5.0
_HEAD = ("base.weight", "base.bias", "base.share")

#: Of N examples the probability of the class that is answered, and of the right one, float32 [N].
HeadProbabilities = tuple[Floats, Floats]


def factor(scores: NDArray[np.floating], classes: NDArray[np.int64]) -> np.float32:
    """Return the factor on scores [N, C] with the least cross entropy on held-out classes [N], and
    as near to 1 as few of them ask for.
    """
    if scores.shape[1] == 1 or not len(scores):
        return np.float32(1.0)
    losses = [
        -log_softmax(scores.astype(np.float64) * one)[np.arange(len(classes)), classes].sum()
        + _BELIEF * np.log(one) ** 2
        for one in _FACTORS
    ]
    return np.float32(_FACTORS[int(np.argmin(losses))])


def scaled(arrays: Mapping[str, Floats], by: np.float32) -> dict[str, Floats]:
    """Return arrays whose head's scores will be so many times as large: of it what it is made of
    (`cfedge.train.learn.closed_part`).
    """
    return {**arrays, **{name: arrays[name] * by for name in _HEAD}}


def probabilities(scores: Floats, classes: NDArray[np.int64]) -> HeadProbabilities:
    """Return what the softmax of scores [N, C] gives to the answer and to the right class."""
    shares = np.exp(log_softmax(scores.astype(np.float64)))
    right = shares[np.arange(len(classes)), classes]
    return shares.max(axis=1).astype(np.float32), right.astype(np.float32)


def log_softmax(scores: Doubles) -> Doubles:
    """Return the logarithms of the softmax of each row [..., C]."""
    apart = scores - scores.max(axis=-1, keepdims=True)
    with np.errstate(under="ignore"):
        return np.asarray(apart - np.log(np.exp(apart).sum(axis=-1, keepdims=True)))
