"""Which task is an input of? Pure NumPy: what a task leaves (signature), scores (clusters), up to
three stages (router), and how little an input looks like any task (ood_score).
"""

from __future__ import annotations

from cfedge.lookup.clusters import Lookup, TaskMatch, TaskMatches
from cfedge.lookup.ood import is_plainly_known, ood_score
from cfedge.lookup.router import Router
from cfedge.lookup.signature import VIEWS, ClusterStatistics, Features, TaskSignature

__all__ = [
    "ClusterStatistics",
    "Features",
    "Lookup",
    "Router",
    "TaskMatch",
    "TaskMatches",
    "TaskSignature",
    "VIEWS",
    "is_plainly_known",
    "ood_score",
]
