"""Where inputs lie among the classes: a map of two directions, made of the signatures alone.

The class means are taken to the lookup's space, in which the spread within classes is one in every
direction, and shown along the two directions in which they differ most. How much of their differences
that shows is said with it: a map of many classes is a rough one.

Letters: C classes, K directions of the lookup.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.charts import Markup, Point, point_map
from cfedge.inputs.modality import Input
from cfedge.runtime.engine import Engine
from cfedge.runtime.task_files import Signatures

__all__ = ["ClusterMap", "drawn", "made", "place"]

Floats = NDArray[np.float32]
#: Classes that are drawn; of more, those of the largest counts.
_DRAWN = 400


class ClusterMap(NamedTuple):
    """Axes float32 [K, 2] and center [K] of a map, the classes on it, and the share of the class
    means' differences that it shows.
    """

    axes: Floats
    center: Floats
    points: list[Point]
    shown: float


def made(engine: Engine) -> ClusterMap:
    """Make the map of an engine's tasks."""
    first = engine.router.first
    signatures = Signatures(engine.opened.tasks, engine.manifest.backbone)
    rows, names, weights = [], [], []
    for task in engine.manifest.tasks:
        trunk = signatures[task.name].trunk
        for index, mean in enumerate(trunk.means):
            rows.append(first.scored(mean.astype(np.float32)).z)
            label = task.classes[index] if index < len(task.classes) else str(index)
            names.append((task.name, label))
            weights.append(float(trunk.counts[index]))
    clusters = np.stack(rows).astype(np.float32)
    center = clusters.mean(axis=0)
    _, values, directions = np.linalg.svd(clusters - center, full_matrices=False)
    axes = np.zeros((clusters.shape[1], 2), np.float32)
    axes[:, : min(2, len(directions))] = directions[:2].T
    total = float((values**2).sum())
    shown = float((values[:2] ** 2).sum()) / total if total > 0 else 1.0
    flat = (clusters - center) @ axes
    order = np.argsort(weights, kind="stable")[::-1][:_DRAWN]
    points = [
        Point(
            float(flat[at, 0]), float(flat[at, 1]), names[at][0], names[at][1], weight=weights[at]
        )
        for at in sorted(order.tolist())
    ]
    return ClusterMap(axes, center.astype(np.float32), points, shown)


def place(engine: Engine, on: ClusterMap, value: Input) -> tuple[float, float]:
    """Return where an input lies on the map."""
    (row,) = engine.opened.encode([value]).features
    first = engine.router.first
    x, y = (first.scored(row[: first.width]).z - on.center) @ on.axes
    return float(x), float(y)


def drawn(on: ClusterMap, at: tuple[float, float] | None = None) -> Markup:
    """Draw a map, and an input on it where one is given."""
    groups = sorted({point.group for point in on.points})
    ring = [] if at is None else [Point(*at, group="", name="this input", ring=True)]
    return point_map(
        [*on.points, *ring], groups, title="Where the input lies among the classes", height=420
    )
