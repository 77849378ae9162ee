"""Which task is an input of? Pure NumPy: what a task leaves (signature), scores (clusters), and up to three looks (router)."""

from __future__ import annotations

from cfedge.lookup.clusters import Found, Lookup, Retrieval
from cfedge.lookup.router import Router
from cfedge.lookup.signature import Looks, Pair, Signature

__all__ = ["Found", "Looks", "Lookup", "Pair", "Retrieval", "Router", "Signature"]
