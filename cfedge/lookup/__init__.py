"""Which task is an input of? Pure NumPy: what a task leaves (signature), the directions in which
tasks differ (lda), scores (lookup), up to three stages (router) that add to one evidence, and how
little an input looks like any task (ood).
"""

from __future__ import annotations

from cfedge.lookup.background import Background
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.evidence import Evidence, decide
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.router import Router
from cfedge.lookup.signature import (
    VIEWS,
    Features,
    Slices,
    StoredSignature,
    TaskSignature,
)

__all__ = [
    "Background",
    "ClusterStatistics",
    "Evidence",
    "Features",
    "Lookup",
    "Router",
    "Slices",
    "StoredSignature",
    "TaskMatch",
    "TaskMatches",
    "TaskSignature",
    "VIEWS",
    "decide",
]
