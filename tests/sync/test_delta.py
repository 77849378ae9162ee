"""Deltas: they pay for weights that moved a little, and never make a device unpack or believe more than the file."""

from __future__ import annotations

import lzma

import numpy as np
import pytest

from cfedge.sync.delta import MIN_BYTES, apply, make


def moved(old: bytes, share: float, rng: np.random.Generator) -> bytes:
    weights = np.frombuffer(old, np.int8)
    return (weights + (rng.random(len(weights)) < share) * rng.choice(np.array([-1, 1], np.int8), len(weights))).tobytes()


@pytest.mark.parametrize("more", [-5000, 0, 5000])
def test_weights_that_moved_a_little_come_back_byte_for_byte_from_a_small_delta(more: int) -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(0, 30, 2 * MIN_BYTES).astype(np.int8).tobytes()
    new = moved(old, 0.05, rng)
    new = new + rng.bytes(more) if more >= 0 else new[:more]
    delta = make(old, new)
    assert delta is not None
    assert len(delta) < len(new) / 5
    assert apply(old, delta, len(new)) == new


def test_a_delta_that_does_not_pay_is_not_made() -> None:
    rng = np.random.default_rng(0)
    old = rng.bytes(2 * MIN_BYTES)
    assert make(old, rng.bytes(2 * MIN_BYTES)) is None
    half = bytearray(old)
    half[::2] = rng.bytes(MIN_BYTES)
    assert make(old, bytes(half)) is None  # half of the bytes stay, and the rest says too much
    assert make(old, old[: MIN_BYTES - 1]) is None
    assert make(b"", old) is None


def test_a_delta_that_unpacks_to_more_than_the_file_is_given_up_early() -> None:
    bomb = lzma.compress(bytes(1 << 28))
    assert len(bomb) < 1 << 16
    assert apply(b"x" * 100, bomb, 100) is None


@pytest.mark.parametrize(
    "delta",
    [b"", b"no xz", lzma.compress(b"short"), lzma.compress(bytes(100))[:-1], lzma.compress(bytes(100), format=lzma.FORMAT_ALONE)],
)
def test_what_is_no_delta_gives_nothing(delta: bytes) -> None:
    assert apply(b"x" * 100, delta, 100) is None
