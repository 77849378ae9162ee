"""Which task is an input of? Pure NumPy: what a task leaves (signature), scores (clusters), up to
three looks (router), and how little an input looks like any task (novelty).
"""

from __future__ import annotations

from cfedge.lookup.clusters import Found, Lookup, Retrieval
from cfedge.lookup.novelty import is_plainly_known, novelty
from cfedge.lookup.router import Router
from cfedge.lookup.signature import VIEWS, Looks, Pair, Signature

__all__ = [
    "Found",
    "Looks",
    "Lookup",
    "Pair",
    "Retrieval",
    "Router",
    "Signature",
    "VIEWS",
    "is_plainly_known",
    "novelty",
]
