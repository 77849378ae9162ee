"""The table of the lookups that can be shipped: name -> where its rule is. Plain values, so that a
command names them before anything is loaded; `cfedge.lookup.rules` loads them.

A lookup is one file in ``cfedge/lookup/rules/`` and one line here. `cfedge init`, `export` and
`compare`, the manifest's reader, a channel's index and the contract suite
(``tests/lookup/test_rules.py``) read this table.
"""

from __future__ import annotations

__all__ = ["DEFAULT", "LOOKUPS"]

#: What ships unless another is asked for.
DEFAULT = "class-clusters"

#: From the simplest to the costliest.
LOOKUPS = {
    "nearest-mean": "cfedge.lookup.rules.nearest_mean:NearestMean",
    "lda": "cfedge.lookup.rules.discriminants:Discriminants",
    DEFAULT: "cfedge.lookup.rules.class_clusters:ClassClusters",
}
