"""Rows in few bits: what comes back, how far it is off, and that a second rounding changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.packing import (
    FACTOR_BITS,
    MEANS_BITS,
    ORIGIN_BITS,
    from_first,
    on_grid,
    packed,
    planes_shape,
    unpacked,
)
from cfedge.lookup.stored_statistics import check_sizes

BITS = sorted({FACTOR_BITS, MEANS_BITS, ORIGIN_BITS})


def draw(seed: int, rows: int, width: int) -> NDArray[np.float64]:
    """Rows of very different sizes, some of zeros."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(rows, width))
        * 2.0 ** rng.integers(-20, 6, (rows, 1))
        * (rng.random((rows, 1)) < 0.9)
    )


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 5),
    width=st.integers(1, 40),
    bits=st.sampled_from(BITS),
    cut_off=st.booleans(),
)
@settings(deadline=None)
def test_what_was_rounded_comes_back_to_the_bit(
    seed: int, rows: int, width: int, bits: int, cut_off: bool
) -> None:
    drawn = draw(seed, rows, width)
    if cut_off:
        drawn **= 3  # a few numbers far larger than the others
    rounded = on_grid(drawn, bits, cut_off=cut_off)
    planes, steps = packed(rounded, bits)
    assert planes.shape == planes_shape(bits, rows, width)
    assert planes.dtype == np.uint8
    again = unpacked(planes, steps, width, "rows: expected them")
    assert again.tobytes() == rounded.tobytes()
    assert on_grid(again, bits, cut_off=cut_off).tobytes() == rounded.tobytes()
    error = np.square(rounded - drawn).sum(axis=1)
    assert (error <= np.square(on_grid(drawn, bits) - drawn).sum(axis=1)).all()


def test_a_row_of_several_sizes_is_rounded_finer_where_its_largest_number_may_be_cut_off() -> None:
    row = np.array([[1.0, *[0.03] * 3000]])
    assert (on_grid(row)[0, 1:] == 0).all()
    finer = on_grid(row, cut_off=True)[0]
    np.testing.assert_allclose(finer[1:], 0.03, rtol=0.05)
    assert finer[0] == 15 * 2.0**-5  # the largest multiple of the step that the others have
    even = np.array([[1.0, -1.0, 0.75, 0.5]])
    assert on_grid(even, cut_off=True).tobytes() == on_grid(even).tobytes()  # nothing to gain


@given(seed=st.integers(0, 10_000), bits=st.sampled_from(BITS))
@settings(deadline=None)
def test_no_number_is_off_by_more_than_half_a_step_of_its_row(seed: int, bits: int) -> None:
    rows = draw(seed, 4, 9)
    most = 2 ** (bits - 1) - 1
    largest = np.abs(rows).max(axis=1, keepdims=True)
    assert (
        np.abs(on_grid(rows, bits) - rows) <= largest / most + 1e-30
    ).all()  # a step is less than twice the least that reaches


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 6),
    width=st.integers(1, 40),
    cut_off=st.booleans(),
)
@settings(deadline=None)
def test_means_come_back_to_the_bit_and_are_rounded_once(
    seed: int, rows: int, width: int, cut_off: bool
) -> None:
    means = draw(seed, 1, width) + draw(seed + 1, rows, width)
    if seed % 2:
        means[0] = (
            draw(seed, 1, width)[0] * 2.0**-20
        )  # far smaller than its distances to the others
    rounded = from_first(means, cut_off=cut_off)
    origin = rounded[:1]
    parts = (origin, ORIGIN_BITS), (rounded.astype(np.float64) - origin, MEANS_BITS)
    first, apart = (
        unpacked(*packed(one, bits), width, "means: expected them") for one, bits in parts
    )
    assert (first.astype(np.float64) + apart).astype(np.float32).tobytes() == rounded.tobytes()
    assert from_first(rounded, cut_off=cut_off).tobytes() == rounded.tobytes()
    assert not apart[0].any()


def test_planes_are_two_complements_lowest_bit_first() -> None:
    planes, steps = packed(np.array([[1.0, -1.0, 15.0, -15.0, 0.0, 2.0, 4.0, 8.0, -8.0]]), 5)
    numbers = [1, 31, 15, 17, 0, 2, 4, 8, 24]
    expected = [
        [
            sum((number >> plane & 1) << place for place, number in enumerate(numbers[:8]))
            for _ in "1"
        ]
        for plane in range(5)
    ]
    assert planes[:, 0, :1].tolist() == expected
    assert planes[:, 0, 1].tolist() == [24 >> plane & 1 for plane in range(5)]
    assert steps.tolist() == [1.0]


@cases("bits", BITS)
def test_a_number_without_a_negative_and_bits_behind_the_last_are_refused(bits: int) -> None:
    planes, steps = packed(np.ones((2, 9)), bits)
    lowest, behind = planes.copy(), planes.copy()
    lowest[:, 1, 0] = [0] * (bits - 1) + [1]
    behind[0, 0, 1] |= 2
    for wrong in (lowest, behind):
        with pytest.raises(
            IncompatibleError, match=rf"^rows: expected factor in -{2 ** (bits - 1) - 1}\.\."
        ):
            unpacked(wrong, steps, 9, "rows: expected factor")


def test_means_that_are_too_small_to_square_are_read_where_numpy_raises() -> None:
    tiny, none = np.full((1, 4), 1e-30, np.float32), np.zeros((1, 4), np.float32)
    with np.errstate(all="raise"):
        check_sizes(np.array([3]), tiny, tiny, none[0], "the statistics")
