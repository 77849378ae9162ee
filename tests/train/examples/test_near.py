"""Inputs that are nearly the same on both sides of a split: found, counted and told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from every import cases

from cfedge.inputs import reader
from cfedge.inputs.image import data, likeness
from cfedge.inputs.image.data import ImageReader
from cfedge.train.examples.examples import Examples
from cfedge.train.examples.near import near_each_other, near_learned


def scene(seed: int) -> np.ndarray:
    """A made photograph: smooth fields of colour, uint8 [120, 160, 3]."""
    rng = np.random.default_rng(seed)
    coarse = PIL.Image.fromarray(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((160, 120), PIL.Image.Resampling.BICUBIC))


def compressed(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(frame).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def brighter(frame: np.ndarray) -> np.ndarray:
    return np.clip(frame * 1.1 + 10, 0, 255).astype(np.uint8)


def noisy(frame: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(frame + rng.normal(0, 8, frame.shape), 0, 255).astype(np.uint8)


def smaller(frame: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(frame).resize((100, 80)))


@cases("changed", [compressed, brighter, noisy, smaller])
def test_a_picture_is_near_itself_changed_and_no_other(changed: object) -> None:
    known = reader("image")
    others = [scene(seed) for seed in range(12)]
    found = known.near([changed(scene(3)), scene(99)], others)  # type: ignore[operator]
    assert found.tolist() == [True, False]
    assert not known.near(others).any()
    assert known.near([*others, changed(others[5])]).nonzero()[0].tolist() == [5, 12]  # type: ignore[operator]


def test_pictures_of_one_colour_are_near_none() -> None:
    flat = [np.full((30, 30, 3), value, np.uint8) for value in (0, 90, 255)]
    assert not reader("image").near(flat).any()
    assert not reader("image").near(flat, [scene(0)]).any()


def test_looks_are_compared_in_parts_as_all_at_once() -> None:
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (2_500, 432)).astype(np.uint8)
    looks[2_400] = looks[7]
    assert likeness.near(looks).nonzero()[0].tolist() == [7, 2_400]
    assert likeness.near(looks[2_390:], looks[:100]).nonzero()[0].tolist() == [10]
    assert not likeness.near(looks[:3], looks[:0]).any()


def test_texts_that_differ_in_digits_and_signs_are_near() -> None:
    known = reader("text")
    texts = ["set it to 21 degrees", "Set it to 22 degrees!", "open the door", "17:30", "18:45"]
    assert known.near(texts).tolist() == [True, True, False, False, False]
    assert known.near(["set it, to 5 degrees", "close the door"], texts).tolist() == [True, False]


def test_what_is_wholly_the_same_or_of_another_label_is_not_counted() -> None:
    learned = Examples(("turn it to 21", "what is it"), ("heat", "ask"), "here")
    texts = ("Turn it to  21", "turn it to 22", "turn it to 23", "what is it 2")
    held_out = Examples(texts, ("heat", "heat", "ask", "ask"), "here")
    assert near_learned(learned, held_out) == [1, 3]
    assert near_each_other(held_out) == [0, 1]
    twice = Examples(("turn it to 21", "turn it to 21", "x"), ("a", "a", "a"), "here")
    assert near_each_other(twice) == []


def test_arrays_are_near_none() -> None:
    assert reader("array").near([np.zeros(3), np.zeros(3)]).tolist() == [False, False]


def test_a_file_is_decoded_anew_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(scene(1)).save(path)
    first = reader("image").key(path)
    assert first == reader("image").key(path) == reader("image").key(scene(1))
    PIL.Image.fromarray(scene(2)[:, :100]).save(path)
    assert reader("image").key(path) == reader("image").key(scene(2)[:, :100]) != first


def test_a_picture_is_decoded_once_while_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    known = ImageReader()
    whole = known._small.prepare
    monkeypatch.setattr(known._small, "prepare", lambda one: decoded.append(one) or whole(one))
    frame, photo, path = scene(1), compressed(scene(2)), tmp_path / "a.png"
    PIL.Image.fromarray(scene(3)).save(path)
    for value in (frame, frame[:, ::-1], photo, path, str(path)):
        before = len(decoded)
        keys = [known.key(value) for _ in range(3)]
        assert known.exact(value) == keys[0] == keys[1] == keys[2]
        known.near([value])
        assert len(decoded) - before == (not isinstance(value, str))
    before = known.key(frame := frame.copy())
    frame[:60] = 0  # a camera that fills the same memory again
    assert known.key(frame) != before
    opened = PIL.Image.fromarray(frame)
    assert known.key(opened) == known.key(frame)


def test_so_many_pictures_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_MOST_KNOWN", 3)
    known = ImageReader()
    keys = [known.key(scene(seed)) for seed in range(6)]
    assert len(known._known) == 3
    assert [known.key(scene(seed)) for seed in range(6)] == keys
