"""How much of a manifest a reader accepts."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LIMITS", "Limits"]


class Limits(NamedTuple):
    """Bounds on what a reader accepts; far above any use, far below what hurts.

    A manifest of ten thousand tasks has some 15 MB and 770,000 values.
    """

    manifest_bytes: int = 16 << 20
    values: int = 1 << 20  # commas and opening brackets: a value takes 80 bytes of memory or so
    tasks: int = 12_000
    labels: int = 1 << 18  # of all tasks together
    slots: int = 1 << 12
    versions: int = 64
    name_characters: int = 200
    axes: int = 8  # of hidden states
    axis: int = 1 << 24  # sizes of hidden states, views and features
    held_out: int = 1 << 17  # examples behind a certificate: its bound is computed again


LIMITS = Limits()
