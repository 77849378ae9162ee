"""What pictures become: resizing equal to Pillow's, and every form of file converted or refused."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from cfedge.errors import InputError
from cfedge.inputs.image.bicubic import by_numpy, resized
from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.inputs.of_file import of_file

SMALL = ImageInputs(Image("image", 8, 8, "squash"))


def encoded(picture: PIL.Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def seen(value: Any, modality: ImageInputs = SMALL) -> np.ndarray:
    """Pixels uint8 [H, W, 3]."""
    return modality.prepare(value).feeds["pixels"][0].transpose(1, 2, 0)


def flat(colour: Any, mode: str = "RGB") -> PIL.Image.Image:
    return PIL.Image.new(mode, (8, 8), colour)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_each_pass_of_resizing_equals_pillows_to_the_bit(
    height: int, width: int, tall: int, wide: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    across = PIL.Image.fromarray(pixels).resize((wide, height), PIL.Image.Resampling.BICUBIC)
    expected = np.asarray(across.resize((wide, tall), PIL.Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(by_numpy(pixels, tall, wide), expected)
    np.testing.assert_array_equal(resized(pixels, tall, wide), expected)


def test_a_frame_and_the_same_picture_in_a_file_become_the_same_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    modality = ImageInputs(Image("image", 160, 160, "crop"))
    data = encoded(PIL.Image.fromarray(pixels))
    np.testing.assert_array_equal(seen(pixels, modality), seen(data, modality))
    np.testing.assert_array_equal(
        seen(pixels, modality), seen(PIL.Image.fromarray(pixels), modality)
    )


def test_crop_takes_the_middle_and_squash_all_of_it() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    assert (seen(pixels, ImageInputs(Image("image", 8, 8, "crop"))) == 255).all()
    squashed = seen(pixels)
    assert squashed[:, 0].max() == 0
    assert squashed[:, 3:5].min() > 200
    tall = ImageInputs(Image("image", 16, 8, "crop"))
    assert (seen(pixels.transpose(1, 0, 2), ImageInputs(Image("image", 8, 8, "crop"))) == 255).all()
    assert seen(pixels, tall).shape == (16, 8, 3)


CONVERTED: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "grey": (encoded(flat(100, "L")), (100, 100, 100)),
    "black and white": (encoded(flat(1, "1")), (255, 255, 255)),
    "16 bits of grey, not clipped": (
        encoded(PIL.Image.fromarray(np.full((8, 8), 0x4100, np.uint16))),
        (0x41, 0x41, 0x41),
    ),
    "a palette": (encoded(flat((200, 10, 30)).quantize(4)), (200, 10, 30)),
    "a GIF": (encoded(flat((200, 10, 30)), "GIF"), (200, 10, 30)),
    "a BMP": (encoded(flat((200, 10, 30)), "BMP"), (200, 10, 30)),
    "a PPM, as of GTSRB": (encoded(flat((200, 10, 30)), "PPM"), (200, 10, 30)),
    "a TIFF": (encoded(flat((200, 10, 30)), "TIFF"), (200, 10, 30)),
    "a WebP": (encoded(flat((200, 10, 30)), "WEBP", lossless=True), (200, 10, 30)),
    "transparent black over white": (encoded(flat((0, 0, 0, 0), "RGBA")), (255, 255, 255)),
    "half transparent grey over white": (encoded(flat((0, 128), "LA")), (127, 127, 127)),
    "a transparent colour over white": (
        encoded(flat((9, 9, 9)), transparency=(9, 9, 9)),
        (255, 255, 255),
    ),
    "16 bits of grey in a TIFF": (
        encoded(PIL.Image.fromarray(np.full((8, 8), 0x4100, np.uint16)), "TIFF"),
        (0x41, 0x41, 0x41),
    ),
}


@cases("kind", CONVERTED)
def test_every_form_becomes_red_green_and_blue(kind: str) -> None:
    data, colour = CONVERTED[kind]
    assert (seen(data) == np.array(colour, np.uint8)).all()


def test_colours_of_print_become_those_of_a_screen() -> None:
    cyan = seen(encoded(flat((255, 0, 0, 0), "CMYK"), "JPEG"))
    assert cyan[0, 0, 0] < 30
    assert cyan[0, 0, 1:].min() > 200


@cases("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(orientation: int) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:4, :8] = 255  # upper left
    turned = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1],
        5: pixels.transpose(1, 0, 2), 6: np.rot90(pixels, 1), 7: pixels[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(pixels, -1),
    }[orientation]  # fmt: skip
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = encoded(PIL.Image.fromarray(np.ascontiguousarray(turned)), exif=exif)
    modality = ImageInputs(Image("image", 16, 16, "squash"))
    np.testing.assert_array_equal(seen(data, modality), pixels)


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size_and_looks_the_same() -> None:
    rows, columns = np.mgrid[0:1200, 0:1600] / 200.0
    pixels = (
        127 + 100 * np.stack([np.sin(rows), np.cos(columns), np.sin(rows * columns)], 2)
    ).astype(np.uint8)
    modality = ImageInputs(Image("image", 100, 100, "squash"))
    data = encoded(PIL.Image.fromarray(pixels), "JPEG", quality=95)
    with PIL.Image.open(io.BytesIO(data)) as whole:
        expected = seen(np.asarray(whole.convert("RGB")), modality)
    difference = np.abs(seen(data, modality).astype(int) - expected.astype(int))
    assert 0 < difference.max() <= 3


def test_a_picture_of_a_phone_with_a_preview_behind_it_is_its_first(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    flat((200, 10, 30)).save(path, "MPO", save_all=True, append_images=[flat((0, 0, 0))])
    assert abs(int(seen(path)[0, 0, 0]) - 200) < 5


def test_several_frames_are_as_many_inputs(tmp_path: Path) -> None:
    frames = np.zeros((5, 6, 7, 3), np.uint8)
    assert len(SMALL.several(frames)) == 5
    assert len(SMALL.several(frames[0])) == 1
    assert SMALL.several("a.jpg") == ["a.jpg"]
    data = encoded(flat((200, 10, 30)))
    for file in (
        bytearray(data),
        memoryview(data),
        np.frombuffer(data, np.uint8),
        io.BytesIO(data),
    ):
        (only,) = SMALL.several(file)
        assert (seen(only) == np.array((200, 10, 30), np.uint8)).all()
    (tmp_path / "opened").write_bytes(data)
    with (tmp_path / "opened").open("rb") as opened:
        assert SMALL.several(opened) == [data]
    with (tmp_path / "opened").open() as letters, pytest.raises(InputError, match=r"mode 'rb'$"):
        SMALL.several(letters)
    (tmp_path / "opened").unlink()
    assert len(SMALL.several(frames[0, :, :, 0])) == 1  # refused as grey, and not row by row
    (tmp_path / "b.PNG").write_bytes(encoded(flat(0, "L")))
    (tmp_path / "a.jpg").write_bytes(encoded(flat(0, "L"), "JPEG"))
    (tmp_path / "notes.txt").write_text("none")
    assert SMALL.words(str(tmp_path), "argument 1") == [tmp_path / "a.jpg", tmp_path / "b.PNG"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="argument 2: expected pictures in the folder, found none"):
        SMALL.words(str(tmp_path / "empty"), "argument 2")
    (tmp_path / "empty" / "cat").mkdir()
    with pytest.raises(InputError, match=r"; name a folder in it, such as '.*empty/cat'$"):
        SMALL.words(str(tmp_path / "empty"), "argument 2")


def test_golden_pictures_are_kept_small_and_say_where_they_decode_otherwise() -> None:
    modality = ImageInputs(Image("image", 160, 160, "crop"))
    large = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    small = encoded(flat((1, 2, 3)))
    arrays, notes = modality.dump([large, small, np.zeros((8, 8, 3), np.uint8)])
    assert [note["form"] for note in notes] == ["file", "file", "frame"]
    assert arrays["input.1"].tobytes() == small
    assert sum(array.nbytes for array in arrays.values()) < 40_000
    loaded = modality.load(arrays, notes, "golden vectors")
    assert modality.remark(loaded, notes) == ""
    notes[1] = notes[1] | {"pixels": "0" * 64}
    assert "picture 1 decodes to other pixels here, with {'pillow'" in modality.remark(
        loaded, notes
    )


def test_a_path_that_is_json_of_a_client_is_never_opened(tmp_path: Path) -> None:
    from cfedge.errors import UsageError

    (tmp_path / "a.png").write_bytes(encoded(flat(7, "L")))
    asked = {"path": str(tmp_path / "a.png")}
    assert SMALL.parse(asked, "line 1", local=True) == tmp_path / "a.png"
    text = base64.b64encode(encoded(PIL.Image.effect_noise((9, 9), 90))).decode()
    for value, step in (
        (f"data:image/png;base64,{text}", "leave out what stands before the comma"),
        (f"{text[:76]}\n{text[76:]}", "write it in one line"),
        (f"{text[:80]}_-{text[82:]}", "write + and / for - and _"),
        (f"{text[:81]}", "end it with ="),
        ("photo.jpg", 'give predict {"path": ...}'),
    ):
        with pytest.raises(UsageError, match="input 0: expected a picture in base64") as refusal:
            SMALL.parse(value, "input 0")
        assert step in str(refusal.value)
    with pytest.raises(
        UsageError, match=r"found an object; give the file's bytes in base64 as one"
    ):
        SMALL.parse(asked, "input 0")
    said = InputError("features of input 1: expected finite numbers")
    named = of_file(SMALL, ["a.png", Path("b: c.png")], said)
    assert str(named) == "features of input 1 ('b: c.png'): expected finite numbers"
    for inputs in (["a.png", b"x"], ["a.png"]):
        assert of_file(SMALL, inputs, said) is said
