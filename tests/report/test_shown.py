"""How inputs are shown: short, printable, and what cannot be shown is said."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image

from cfedge.bundle.fileref import FileRef
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.spec import Image
from cfedge.inputs.text.spec import Text
from cfedge.report.shown import LETTERS, shown

TEXT = Text("text", 64, FileRef("0" * 64, 1))
IMAGE = Image("image", 160, 160, "crop")


def test_a_text_is_cut_and_what_cannot_be_printed_is_escaped() -> None:
    assert shown("turn it on", TEXT, 1) == ("turn it on", None)
    long = shown("x" * 100_000, TEXT, 1).words
    assert len(long) == LETTERS
    assert long.endswith("\u2026")
    assert shown("a\x1b[2J\u202eb\nc", TEXT, 1).words == "a\\x1b[2J\\u202eb\\nc"


def test_a_picture_is_a_thumbnail_of_what_the_backbone_sees() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:, 150:] = 255
    found = shown(pixels, IMAGE, 7)
    assert found.words == "image 7"
    assert found.picture is not None
    head, _, data = found.picture.partition(",")
    assert head == "data:image/jpeg;base64"
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        seen = np.asarray(picture.convert("L"))
    assert seen.shape == (64, 64)
    assert seen[:, :28].max() < 40
    assert seen[:, 36:].min() > 215


def test_a_damaged_picture_is_said_to_be_one() -> None:
    found = shown(b"\xff\xd8 no picture", IMAGE, 3)
    assert found.picture is None
    assert found.words.startswith("image 3, which cannot be shown here: ")
    assert len(found.words) <= LETTERS


def test_an_array_has_its_shape_for_a_name() -> None:
    assert shown(np.zeros((3, 80), np.float32), Array("array", "float32", (3, 80)), 2) == ("array 2 (3 x 80)", None)  # fmt: skip
