"""Where an input lies among the classes: the report's map, made of the signatures alone, and the
input on it near the classes that say most for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.charts import Markup, Point, point_map
from cfedge.inputs.modality import Input
from cfedge.lookup.rules import RULES
from cfedge.report.clusters import cluster_map, place
from cfedge.runtime.engine import Engine
from cfedge.runtime.task_files import Signatures

__all__ = ["ClassMap", "class_map_of", "drawn", "placed"]


class ClassMap(NamedTuple):
    """The points of a map, the same float64 [C, 2], and the share of each class's nearest classes
    that are its nearest on the map too.
    """

    points: list[Point]
    places: NDArray[np.float64]
    faithful: float


def class_map_of(engine: Engine) -> ClassMap:
    """Make the map of an engine's tasks."""
    tasks = engine.manifest.tasks
    signatures = Signatures(engine.opened.tasks, engine.manifest)
    rule = RULES[engine.manifest.lookup]
    found = cluster_map(
        {task.name: rule.clusters(signatures[task.name]) for task in tasks},
        {task.name: task.classes for task in tasks},
    )
    points = [Point(one.x, one.y, one.task, one.label, one.examples) for one in found.points]
    faith = found.faithfulness
    places = np.array([(one.x, one.y) for one in found.points])
    return ClassMap(points, places, 1.0 if faith is None else faith.kept_neighbours)


def placed(engine: Engine, on: ClassMap, value: Input) -> tuple[float, float]:
    """Return where an input lies on the map."""
    encoded = engine.opened.encode([value])
    scores = engine.router.class_scores(
        encoded.features[0], lambda: engine.opened.encoder.frozen(encoded)[0]
    )
    if len(scores) != len(on.places):  # a point for each task
        scores = np.array([scores[span].max() for span in engine.router.spans])
    return place(scores, on.places)


def drawn(on: ClassMap, at: tuple[float, float]) -> Markup:
    """Draw a map, and an input on it."""
    groups = sorted({point.group for point in on.points})
    ring = Point(*at, group="", name="this input", ring=True)
    return point_map(
        [*on.points, ring], groups, title="Where the input lies among the classes", height=420
    )
