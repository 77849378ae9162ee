"""The part of a head that reads the trunk's features, in closed form: a share of the discriminants of
all views, and a share of the log-density of the classes' own shapes in what the lookup reads.

It is in every head, beside what reads the tail. Both shares are kept apart in the workspace, since
classes that leave take theirs with them. How large the shares are was chosen on held-out
examples (docs/decisions/0009-few-shot.md, docs/decisions/0060-class-shapes.md).

Letters: F width of the trunk's features, W of what the lookup reads of them, C classes, Q directions
of a class's shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.train.learn.class_shapes import ClassShapes

__all__ = ["shape_share", "trunk_part", "trunk_share", "with_shapes"]

Floats = NDArray[np.float32]

#: What of the discriminants' scores, in nats by their own model, is added to an adapter's, and to
#: the closed form's behind the tail: at least, for each example of a class, and at most. The fewer
#: they are the surer it is of itself, and the less it knows.
_WITH_ADAPTER = 0.0, 1 / 1000, 0.05
_WITH_TAIL = 0.2, 1 / 50, 2.0
#: What of the log-density is added to an adapter's, for each share of the discriminants', and to a
#: closed form's.
_SHAPE_WITH_ADAPTER, _SHAPE_WITH_TAIL = 2.0, 2.0


def trunk_share(examples: int, classes: int, *, adapter: bool) -> np.float32:
    """Return what of the discriminants' scores goes into a head of a task with so many examples and
    classes.
    """
    least, each, most = _WITH_ADAPTER if adapter else _WITH_TAIL
    return np.float32(min(most, max(least, each * examples / classes)))


def shape_share(examples: int, classes: int, *, adapter: bool) -> np.float32:
    """Return what of the log-density goes into it."""
    if adapter:
        return np.float32(_SHAPE_WITH_ADAPTER * trunk_share(examples, classes, adapter=True))
    return np.float32(_SHAPE_WITH_TAIL)


def trunk_part(trunk: ClusterStatistics, *, adapter: bool) -> dict[str, Floats]:
    """Return ``base.weight`` float32 [F, C] and ``base.bias`` [C], the share of the discriminants,
    and ``base.share`` [1], that of the log-density, which `with_shapes` adds.

    Parameters
    ----------
    trunk
        Exact statistics of the trunk's features, all classes together.
    adapter
        The part beside it is behind an adapter, and was trained.
    """
    examples, classes = int(trunk.counts.sum()), len(trunk.counts)
    share = trunk_share(examples, classes, adapter=adapter)
    weight, bias = Lookup({"": trunk}, min_spread=0.0).linear()
    own = shape_share(examples, classes, adapter=adapter)
    return {
        "base.weight": weight * share,
        "base.bias": bias * share,
        "base.share": np.array([own], np.float32),
    }


def with_shapes(arrays: Mapping[str, Floats], shapes: ClassShapes | None) -> dict[str, Floats]:
    """Return arrays with what the trunk's part is of both: ``trunk.weight`` float32 [F, C],
    ``trunk.bias`` [C], ``shape.weight`` [W, C Q] and ``shape.bias`` [C Q], as of
    `cfedge.runtime.adapter.Adapter`; without shapes there is nothing to square.
    """
    weight, bias, share = (arrays[f"base.{name}"] for name in ("weight", "bias", "share"))
    arrays = {name: array for name, array in arrays.items() if not name.startswith("shape.")}
    if shapes is None:
        return {**arrays, "trunk.weight": weight, "trunk.bias": bias}
    own, weight = shapes.times(float(share[0])), weight.copy()
    weight[: len(own.linear)] += own.linear.astype(np.float32)
    bias = bias + own.offsets.astype(np.float32)
    made = {**arrays, "trunk.weight": weight, "trunk.bias": bias}
    if not own.centers.size:
        return made
    directions, centers = own.directions.astype(np.float32), own.centers.astype(np.float32)
    return {**made, "shape.weight": directions, "shape.bias": centers}
