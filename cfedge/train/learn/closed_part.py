"""What of a head is in closed form: shares of the discriminants of the trunk's features, of the
log-density of the classes' own shapes in what the lookup reads, and of the discriminants of the
features behind the tail.

It is made of all examples, held-out ones too, so each of these is judged by what is made of all but
its part (`cfedge.train.learn.finished_head`, docs/decisions/0063-all-of-a-head.md). The workspace
keeps the shares and what of the tail's part was trained, since classes that leave or come change
all that is in closed form. How large the shares are was chosen on held-out examples
(docs/decisions/0009-few-shot.md, docs/decisions/0060-class-shapes.md).

Letters: N examples, F width of the trunk's features, W of what the lookup reads of them, D of the
tail's, C classes, Q directions of a class's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.train.features.signature import exact_statistics
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.features.sums import added
from cfedge.train.learn.class_shapes import shapes_of

__all__ = ["Seen", "no_head", "shape_share", "shares", "trunk_share", "whole"]

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

#: What of the discriminants' scores, in nats by their own model, is added to an adapter's, and to
#: the closed form's behind the tail: at least, for each example of a class, and at most. The fewer
#: they are the surer it is of itself, and the less it knows.
_WITH_ADAPTER = 0.0, 1 / 1000, 0.05
_WITH_TAIL = 0.2, 1 / 50, 2.0
#: What of the log-density is added to an adapter's, for each share of the discriminants', and to a
#: closed form's.
_SHAPE_WITH_ADAPTER, _SHAPE_WITH_TAIL = 4.0, 2.0


class Seen(NamedTuple):
    """Held-out examples that count: what a head reads of them behind the trunk and behind the tail,
    float32 [N, F] and [N, D], and their classes int64 [N].
    """

    trunk: Floats
    behind: Floats
    classes: Labels

    def some(self, rows: NDArray[np.bool_]) -> Seen:
        """Return some of them, bool [N]."""
        return Seen(self.trunk[rows], self.behind[rows], self.classes[rows])


def trunk_share(examples: int, classes: int, *, adapter: bool) -> np.float32:
    """Return what of the discriminants' scores behind the trunk goes into a head of a task with so
    many examples and classes.
    """
    least, each, most = _WITH_ADAPTER if adapter else _WITH_TAIL
    return np.float32(min(most, max(least, each * examples / classes)))


def shape_share(examples: int, classes: int, *, adapter: bool) -> np.float32:
    """Return what of the log-density goes into it."""
    if adapter:
        return np.float32(_SHAPE_WITH_ADAPTER * trunk_share(examples, classes, adapter=True))
    return np.float32(_SHAPE_WITH_TAIL)


def shares(examples: int, classes: int, *, adapter: bool) -> dict[str, Floats]:
    """Return ``base.share`` [3]: of the discriminants behind the trunk, of the log-density, and of
    the discriminants behind the tail.

    Parameters
    ----------
    adapter
        The part beside it is behind an adapter, and was trained.
    """
    trunk = trunk_share(examples, classes, adapter=adapter)
    shape, tail = shape_share(examples, classes, adapter=adapter), np.float32(not adapter)
    return {"base.share": np.array([trunk, shape, tail], np.float32)}


def no_head(arrays: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return slots alone, with parts of a head that say nothing."""
    slots = {name: array for name, array in arrays.items() if name[:2] in ("a.", "b.")}
    empty = np.zeros((0, 0), np.float32)
    parts = {f"{part}.{name}": empty for part in ("head", "trunk") for name in ("weight", "bias")}
    return {**slots, **parts}


def whole(
    arrays: Mapping[str, Floats], statistics: TaskStatistics, seen: Seen
) -> dict[str, Floats]:
    """Return arrays with both parts of the head: ``trunk.weight`` float32 [F, C], ``trunk.bias``
    [C], ``shape.weight`` [W, C Q] and ``shape.bias`` [C Q], ``head.weight`` [D, C] and
    ``head.bias`` [C], as of `cfedge.runtime.adapter.Adapter`.

    Parameters
    ----------
    arrays
        Slots, ``base.share`` as of `shares`, and what of the tail's part was trained:
        ``base.weight`` [D, C] and ``base.bias`` [C].
    statistics
        Of the examples to learn from; `seen` counts besides.
    """
    names = ("head.", "trunk.", "shape.")
    kept = {name: array for name, array in arrays.items() if not name.startswith(names)}
    trunk, shape, tail = (float(share) for share in arrays["base.share"])
    count = len(statistics.trunk.counts)
    weight = np.zeros((statistics.trunk.means.shape[1], count), np.float32)
    made = {"trunk.weight": weight, "trunk.bias": np.zeros(count, np.float32)}
    made |= {f"head.{name}": arrays[f"base.{name}"] for name in ("weight", "bias")}
    if count == 1:  # there is nothing to tell apart
        return {**kept, **made}
    _add(made, "trunk", trunk, statistics.trunk, seen.trunk, seen.classes)
    _add(made, "head", tail, statistics.adapted, seen.behind, seen.classes)
    if not shape:
        return {**kept, **made}
    own = shapes_of(statistics, seen.trunk, seen.classes).times(shape)
    made["trunk.weight"][: len(own.linear)] += own.linear.astype(np.float32)
    made["trunk.bias"] += own.offsets.astype(np.float32)
    if own.centers.size:
        made["shape.weight"] = own.directions.astype(np.float32)
        made["shape.bias"] = own.centers.astype(np.float32)
    return {**kept, **made}


def _add(
    made: dict[str, Floats],
    part: str,
    share: float,
    known: ClusterStatistics,
    more: Floats,
    classes: Labels,
) -> None:
    """Add a share of the discriminants of all examples to a part of the head."""
    if not share:
        return
    if len(classes):
        labels, places = np.unique(classes, return_inverse=True)
        counted = exact_statistics(more, places.astype(np.int64), together=True)
        known = added(known, counted, labels)
    weight, bias = Lookup({"": known}, min_spread=0.0).linear()
    made[f"{part}.weight"] = made[f"{part}.weight"] + weight * np.float32(share)
    made[f"{part}.bias"] = made[f"{part}.bias"] + bias * np.float32(share)
