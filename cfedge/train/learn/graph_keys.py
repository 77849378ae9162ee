"""What a tail's graph says of itself to whoever trains it: keys of its metadata. Without torch, which
the exporter that writes them does not need.
"""

from __future__ import annotations

__all__ = ["KEEP_POSITIONS"]

#: The first so many positions are never left out while training; where it is not stated none are.
KEEP_POSITIONS = "cfedge.keep_positions"
