"""A new file as the byte-wise difference to one that a device has, for backbones that were trained
on. Pure.

A delta is xz of (new - old) mod 256 where both are, and of the new bytes beyond. int8 weights that
moved a little give almost only zeros, a graph that was cut elsewhere gives nothing
(docs/decisions/0013-deltas.md), so one is made only where it pays. It is no part of what is signed: what
comes of it is checked as the file itself would be, and where it is missing or wrong the file is
fetched.
"""

from __future__ import annotations

import lzma

__all__ = ["MIN_BYTES", "apply", "make", "path_of"]

#: Files below this are fetched whole.
MIN_BYTES = 1 << 20
#: A delta is made where at least this share of the bytes stays, and kept where it is at most this
#: share of the file.
_LEAST_SAME, _MOST_SHARE = 0.4, 0.5


def path_of(old: str, new: str) -> str:
    """Where in a repository the delta between two files is, by their SHA-256."""
    return f"deltas/{old}-{new}"


def make(old: bytes, new: bytes) -> bytes | None:
    """Return the delta, None where it does not pay."""
    import numpy as np  # as in `apply`

    both = min(len(old), len(new))
    if len(new) < MIN_BYTES or not both:
        return None
    difference = np.frombuffer(new, np.uint8, both) - np.frombuffer(old, np.uint8, both)
    if np.count_nonzero(difference == 0) < _LEAST_SAME * len(new):
        return None
    delta = lzma.compress(difference.tobytes() + new[both:], preset=6)
    return delta if len(delta) <= _MOST_SHARE * len(new) else None


def apply(old: bytes, delta: bytes, size: int) -> bytes | None:
    """Return the new file of `size` bytes, None where `delta` gives none; no more than that is ever
    unpacked.
    """
    import numpy as np  # which a sync without a delta need not wait for

    unpacking = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
    try:
        unpacked = unpacking.decompress(delta, max_length=size + 1)
    except lzma.LZMAError:
        return None
    if len(unpacked) != size or not unpacking.eof:
        return None
    both = min(len(old), size)
    new = np.frombuffer(unpacked, np.uint8).copy()
    new[:both] += np.frombuffer(old, np.uint8, both)
    return new.tobytes()
