"""The map of all classes, and how far it may be believed."""

from __future__ import annotations

from cfedge.charts import Point, figure, percent, point_map, table
from cfedge.report.contents import Contents
from cfedge.report.evidence import ClusterMap
from cfedge.report.sections.section import Section, paragraph, section

__all__ = ["clusters"]

#: Places in the table; the data hold them all.
_TOLD = 400


def clusters(contents: Contents) -> Section:
    """Return the map."""
    found = contents.clusters
    groups = [task.name for task in contents.tasks]
    chart = point_map(
        [Point(one.x, one.y, one.task, one.label, one.examples) for one in found.points],
        groups,
        title="Map of the classes of all tasks; the table holds their places",
    )
    behind = table(
        ["class", "task", "examples", "x", "y"],
        [
            [one.label, one.task, one.examples, f"{one.x:.2f}", f"{one.y:.2f}"]
            for one in found.points[:_TOLD]
        ],
        caption="Places on the map",
        numbers=[2, 3, 4],
    )
    return section(
        "map",
        "Where the classes lie",
        paragraph(
            "Every marker is a class; a larger one was learned from more examples. Point at one to"
            " read its name. Classes that the lookup finds alike lie near each other. The map is made"
            " from the tasks' signatures alone: no example is needed for it."
        ),
        figure(chart, caption=_caption(found), behind=behind),
    )


def _caption(found: ClusterMap) -> str:
    """Say in words how far the map may be believed."""
    if len(found.points) == 1:
        return "There is one class, so it has no neighbours."
    said = f"Projection: {found.method}. A plane cannot keep all distances."
    faith = found.faithfulness
    if faith is None:
        return said
    said += (
        f" Of each class's {faith.neighbours} nearest classes,"
        f" {percent(faith.kept_neighbours)} are among its {faith.neighbours} nearest here"
    )
    if faith.nearest_task is not None:
        said += (
            f"; of {percent(faith.nearest_task)} of the classes the nearest other task is the nearest"
            " here too"
        )
    return (
        f"{said}. Over all pairs the rank correlation of distances is {faith.rank_correlation:.2f}:"
        " trust what lies close together more than what lies far apart."
    )
