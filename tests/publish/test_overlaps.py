"""Where tasks of two sites meet, and which of their labels they have in common."""

from __future__ import annotations

from cfedge.publish.overlaps import overlaps_of
from cfedge.publish.restate_golden import Restated


def test_a_pair_is_told_with_the_labels_of_both_and_those_that_mean_the_same() -> None:
    restated = Restated(
        made={},
        golden={},
        moved={("shop", "store"): 2},
        inputs={"shop": 16, "store": 16, "far": 16},
        confusions={("shop", "store"): 0.3, ("store", "shop"): 0.2, ("far", "shop"): 0.001},
    )
    classes = {"shop": ("bike", "boat", "car"), "store": ("car", "bike"), "far": ("bike",)}
    first, second = overlaps_of({"shop"}, restated, classes, ["bike", "far"])
    assert (first.task, first.rival, first.moved) == ("shop", "store", 2)
    assert (first.labels, first.same) == (("bike", "car"), ("bike",))
    assert (second.task, second.labels) == ("store", ("car", "bike"))
