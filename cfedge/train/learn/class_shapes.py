"""What the shapes of a task's own classes add to a label's scores behind the trunk: the log-density of
class Gaussians, in closed form.

The covariance that the classes share is the task's own, so that a label with the task given never
depends on other tasks (`cfedge.lookup.class_gaussians` has the formulas, and
docs/decisions/0060-class-shapes.md what it brings). A class's mean and shape are of all its
examples, as in the lookup's statistics.

Letters: N held-out examples, W width, C classes, Q directions of a class's shape.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics
from cfedge.lookup.class_gaussians import OF_ALL_VIEWS, OF_ONE_VIEW, ClassShape, Shared
from cfedge.lookup.lda import Pooled, shrunk
from cfedge.train.features.signature import exact_statistics, leading
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.features.sums import added

__all__ = ["ClassShapes", "SHAPE_RANK", "shapes_of"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Directions of a class's own shape that a head has: in 8 bits a task of 15 classes takes 46 kB.
SHAPE_RANK = 8
#: Where the lookup reads all views of a trunk one direction would take 14 kB of ten classes, so there
#: the covariance that they share is all.
_ALL_VIEWS_RANK = 0


class ClassShapes(NamedTuple):
    """The scores of x [W] are x ``linear`` + ``offsets``, and for each class the sum of the squares
    of x ``directions`` + ``centers`` in its columns.

    Attributes
    ----------
    linear, offsets
        float64 [W, C] and [C].
    directions, centers
        float64 [W, C Q] and [C Q].
    """

    linear: Doubles
    offsets: Doubles
    directions: Doubles
    centers: Doubles

    @classmethod
    def of(cls, exact: ClusterStatistics, shared: Shared, rank: int) -> ClassShapes:
        """Make them of one task's exact statistics [W], with so many directions of each class.

        A class whose examples vary in fewer directions has zeros in the others. What all classes
        have in common is left out of ``linear``, which has to be stored in few bits.
        """
        factor, owners = leading(exact, rank)
        few = dataclasses.replace(exact, factor=factor, factor_classes=owners)
        count, width = exact.means.shape
        directions, centers = np.zeros((count, rank, width)), np.zeros((count, rank))
        shapes = [ClassShape.of(few, place, shared) for place in range(count)]
        for place, one in enumerate(shapes):
            rows = len(one.directions)
            directions[place, :rows], centers[place, :rows] = one.directions, one.centers
        half = math.sqrt(0.5)
        linear = np.stack([one.linear for one in shapes], axis=1)
        return cls(
            linear - linear.mean(axis=1, keepdims=True),
            np.array([one.offset for one in shapes]),
            half * directions.reshape(count * rank, width).T,
            -half * centers.reshape(-1),
        )

    def times(self, weight: float) -> ClassShapes:
        """Return those whose scores are so many times as large; `weight` > 0."""
        root = math.sqrt(weight)
        return ClassShapes(
            self.linear * weight, self.offsets * weight, self.directions * root, self.centers * root
        )

    def scores(self, features: Floats) -> Doubles:
        """Return the scores of features [N, W], float64 [N, C]."""
        seen = features.astype(np.float64)
        squares = (seen @ self.directions + self.centers) ** 2
        scores: Doubles = seen @ self.linear + self.offsets
        scores += squares.reshape(*scores.shape, len(squares.T) // scores.shape[1]).sum(axis=2)
        return scores


def shapes_of(
    statistics: TaskStatistics, held_out: Floats, classes: NDArray[np.int64]
) -> ClassShapes:
    """Return the shapes of all examples of a task of two classes or more.

    Parameters
    ----------
    statistics
        Of those that heads learn from.
    held_out, classes
        The others: float32 [N, F], of which the first W count, and int64 [N].
    """
    return _made(statistics, _shared(statistics), held_out, classes)


def _shared(statistics: TaskStatistics) -> Shared:
    """What the classes have in common, of the examples that heads learn from: where some classes
    leave, it stays as it was (`TaskStatistics.taken`).
    """
    near = statistics.near
    rows = statistics.trunk.factor[:, : near.means.shape[1]].astype(np.float64)
    examples = float(near.counts.sum())
    pooled = Pooled([], [], rows.T @ rows, examples, near.quartic, 0)
    strength = OF_ONE_VIEW if statistics.slices is None else OF_ALL_VIEWS
    return Shared.of(pooled.scatter / examples, shrunk(pooled, None)[1], strength)


def _made(
    statistics: TaskStatistics, shared: Shared, held_out: Floats, classes: NDArray[np.int64]
) -> ClassShapes:
    near = statistics.near
    if len(classes):
        known, places = np.unique(classes, return_inverse=True)
        more = exact_statistics(held_out[:, : near.means.shape[1]], places.astype(np.int64))
        near = added(near, more, known)
    rank = SHAPE_RANK if statistics.slices is None else _ALL_VIEWS_RANK
    return ClassShapes.of(near, shared, rank)
