"""Hostile and damaged pictures: each is refused by name, in one line, under limits of time and
memory, or converted as the contract says. None may crash, hang or be answered silently.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from bounded import bounded
from every import cases

from cfedge.errors import InputError
from cfedge.inputs.array.device import ArrayInputs
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image

MODALITY = ImageInputs(Image("image", 32, 32, "squash"))
ARRAYS = ArrayInputs(Array("array", "float32", (2, 3)))


def encoded(picture: PIL.Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB", side: int = 40) -> PIL.Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    return PIL.Image.fromarray(pixels).convert(mode)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes = b"", *, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def animated(form: str) -> bytes:
    frames = [PIL.Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 120, 240)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


JPEG, PNG = encoded(noise(), "JPEG"), encoded(noise())
LARGE = "at most 50 million pixels"
WHOLE = "expected a whole picture"
PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "found an empty file"),
    "an HTML page named .jpg": (lambda: b"<!DOCTYPE html><p>404</p>", "found an HTML page"),
    "an HTML page behind white space": (lambda: b"\n\n <html>", "found an HTML page"),
    "an SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "found an SVG drawing"),
    "an SVG with a declaration": (lambda: b'<?xml version="1.0"?><svg/>', "found an SVG drawing"),
    "a PDF": (lambda: b"%PDF-1.7 ...", "found a PDF"),
    "an answer of a site": (lambda: b'{"error": "gone"}', "found JSON; download the picture"),
    "a file that was never written": (lambda: bytes(4096), "found zeros alone; leave it out"),
    "a camera's raw picture": (
        lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(64),
        "found a damaged TIFF, or a camera's raw picture",
    ),
    "a greymap of floats": (lambda: b"Pf\n2 1\n-1.0\n" + bytes(8), "floating point"),
    "a pixmap in digits": (lambda: b"P3\n2 1\n255\n" + b"1 " * 6, "its numbers written out"),
    "an iPhone's HEIC": (lambda: b"\x00\x00\x00\x18ftypheic" + bytes(64), "found HEIC; convert it"),
    "an AVIF": (lambda: b"\x00\x00\x00\x18ftypavif" + bytes(64), "found AVIF; convert it"),
    "a ZIP file": (lambda: b"PK\x03\x04" + bytes(64), "a ZIP archive or a workbook; unpack it"),
    "a program": (lambda: b"\x7fELF" + bytes(64), "convert it to JPEG or PNG"),
    "the head of a PNG alone": (
        lambda: b"\x89PNG\r\n\x1a\nxx",
        "expected a whole picture, found a damaged PNG; save it anew, or leave it out",
    ),
    "text": (lambda: "gr\u00fc\u00dfe".encode() * 9, "convert it to JPEG or PNG"),
    "random bytes": (lambda: np.random.default_rng(1).bytes(4096), "convert it to JPEG or PNG"),
    "PostScript, which runs a program": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "convert it to JPEG or PNG",
    ),
    "a JPEG cut in the middle": (lambda: JPEG[: len(JPEG) // 2], WHOLE),
    "a JPEG's head alone": (lambda: JPEG[:20], "expected"),
    "a PNG cut in the middle": (lambda: PNG[: len(PNG) // 2], WHOLE),
    "a PNG with a changed byte": (lambda: flipped(PNG, len(PNG) // 2), WHOLE),
    "a PNG without pixels": (lambda: png(8, 8), WHOLE),
    "a PNG of a wrong checksum": (lambda: flipped(PNG, 30), "expected"),
    "a PNG of 30,000 x 30,000": (lambda: png(30_000, 30_000), f"{LARGE}, found 900 million"),
    "a PNG of 8,000 x 8,000 in a few bytes": (lambda: png(8_000, 8_000, bytes(9)), LARGE),
    "a PNG of 2^31 columns": (lambda: png(2**31 - 1, 1), "expected"),
    "a PNG of 1 x 50,000,001": (lambda: png(1, 50_000_001), LARGE),
    "a PNG of 0 x 0": (lambda: png(0, 0), "expected"),
    "a PNG of 0 rows": (lambda: png(8, 0), "expected"),
    "a PNG of an unknown depth": (lambda: png(8, 8, bytes(999), depth=77), "expected"),
    "a PNG of an unknown colour": (lambda: png(8, 8, bytes(999), colour=5), "expected"),
    "a text chunk that unpacks to a gigabyte": (
        lambda: PNG[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 26), 9)) + PNG[33:],
        "expected",
    ),
    "an animated GIF": (lambda: animated("GIF"), "expected one frame, found 3 frames"),
    "an animated WebP": (lambda: animated("WEBP"), "expected one frame, found 3 frames"),
    "an animated PNG": (lambda: animated("PNG"), "expected one frame, found 3 frames"),
    "a TIFF of several pages": (lambda: animated("TIFF"), "expected one frame, found 3 frames"),
    "floating point pixels": (
        lambda: encoded(PIL.Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"),
        "found floating point; scale it to 8 bits",
    ),
    "pixels of 32 bits": (
        lambda: encoded(PIL.Image.fromarray(np.full((8, 8), 1 << 20, np.int32)), "TIFF"),
        "found 32 bits; scale it to 8 bits",
    ),
    "few pixels' values, of 32 bits": (  # whose upper byte of two would be black
        lambda: encoded(PIL.Image.fromarray(np.full((8, 8), 200, np.int32)), "TIFF"),
        "found 32 bits; scale it to 8 bits",
    ),
    "a WebP cut in the middle": (lambda: encoded(noise(), "WEBP")[:300], "expected"),
    "a GIF cut in the middle": (lambda: encoded(noise("P"), "GIF")[:300], "expected"),
    "a BMP of a size that it has not": (lambda: encoded(noise(), "BMP")[:200], "expected"),
    "a TIFF that points to itself": (
        lambda: b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
        "expected",
    ),
    "a file of more than 64 MB": (lambda: JPEG + bytes(64 << 20), "expected at most 64 MB"),
}


@cases("name", PICTURES)
def test_a_hostile_picture_is_refused_by_name(name: str) -> None:
    make, said = PICTURES[name]
    data = make()
    with bounded(), pytest.raises(InputError) as refusal:
        MODALITY.prepare(data, 3)
    message = str(refusal.value)
    assert message.startswith("input 3: expected ")
    assert said in message
    assert "\n" not in message
    assert len(message) < 400


CONVERTED = {
    "1 x 1": lambda: encoded(PIL.Image.new("RGB", (1, 1), (9, 8, 7))),
    "1 x 4,000": lambda: encoded(PIL.Image.new("RGB", (1, 4_000), (9, 8, 7))),
    "CMYK": lambda: encoded(noise("CMYK"), "JPEG"),
    "EXIF of garbage": lambda: encoded(noise(), "JPEG", exif=b"Exif\0\0garbage" * 9),
    "an orientation that is none": lambda: encoded(noise(), "PNG", exif=_exif(99)),
    "a palette with transparency": lambda: encoded(noise("RGBA").quantize(8)),
}


def _exif(orientation: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


@cases("name", CONVERTED)
def test_an_odd_picture_is_seen(name: str) -> None:
    assert MODALITY.prepare(CONVERTED[name]()).feeds["pixels"].shape == (1, 3, 32, 32)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a folder": (lambda folder: folder, "Is a directory"),
    "a file that is not there": (lambda folder: folder / "none.jpg", "No such file"),
    "a name with NUL": (lambda folder: "a\0b.jpg", "null byte"),
    "a name that is too long": (lambda folder: "a" * 5_000, "too long"),
    "a link to itself": (lambda folder: _loop(folder), "symbolic links"),
    "an address": (lambda folder: "https://example.com/a.jpg", "found an address; download it"),
}


def _loop(folder: Path) -> Path:
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    return folder / "loop.jpg"


@cases("name", FILES)
def test_a_path_that_names_no_picture_is_refused(name: str, tmp_path: Path) -> None:
    make, said = FILES[name]
    with pytest.raises(InputError, match=f"^input 0: expected a picture at .*{said}"):
        MODALITY.prepare(make(tmp_path))


FRAMES: dict[str, tuple[Callable[[], Any], str]] = {
    "colours first": (lambda: np.zeros((3, 8, 9), np.uint8), "frame.transpose(1, 2, 0)"),
    "a grey camera": (lambda: np.zeros((8, 9), np.uint8), "repeat the grey"),
    "a grey camera of one channel": (lambda: np.zeros((8, 9, 1), np.uint8), "repeat the grey"),
    "four channels": (lambda: np.zeros((8, 9, 4), np.uint8), "found uint8 [8, 9, 4]"),
    "NaN": (lambda: np.full((8, 9, 3), np.nan, np.float32), "found float32 [8, 9, 3]"),
    "floats from 0 to 1": (lambda: np.zeros((8, 9, 3)), "found float64 [8, 9, 3]"),
    "16 bits": (lambda: np.zeros((8, 9, 3), np.uint16), "found uint16 [8, 9, 3]"),
    "16 bits of another byte order": (
        lambda: np.zeros((8, 9, 3), ">u2"),
        "keep the upper 8 bits: (frame >> 8)",
    ),
    "12 bits in 16": (
        lambda: np.full((8, 9, 3), 4_000, np.uint16),
        "keep the upper 8 of 12 bits: (frame >> 4)",
    ),
    "what was normalised": (
        lambda: np.array([[[-1.0, 0, 1]]]),
        "what the camera gives, 0 to 255, before anything is normalised",
    ),
    "several grey frames": (lambda: np.zeros((7, 8, 9), np.uint8), "frames[..., None], 3, axis=3"),
    "a list of batches": (lambda: np.zeros((2, 8, 9, 3), np.uint8), "; pass frames [N, H, W, 3]"),
    "signed bytes": (lambda: np.zeros((8, 9, 3), np.int8), "found int8 [8, 9, 3]"),
    "Python objects": (lambda: np.zeros((8, 9, 3), object), "found object [8, 9, 3]"),
    "no rows": (lambda: np.zeros((0, 9, 3), np.uint8), "found one of 9 x 0 pixels"),
    "no columns": (lambda: np.zeros((9, 0, 3), np.uint8), "found one of 0 x 9 pixels"),
    "more than 50 million pixels": (
        lambda: np.broadcast_to(np.zeros(3, np.uint8), (8_000, 8_000, 3)),
        LARGE,
    ),
    "nothing": (lambda: None, "found None"),
    "a number": (lambda: 7, "found int"),
    "a list of numbers": (lambda: [[[0, 0, 0]]], "found list"),
}


@cases("name", FRAMES)
def test_a_frame_that_is_none_is_refused_by_name(name: str) -> None:
    make, said = FRAMES[name]
    with bounded(), pytest.raises(InputError) as refusal:
        MODALITY.prepare(make(), 5)
    message = str(refusal.value)
    assert message.startswith("input 5: expected ")
    assert said in message
    assert "\n" not in message


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


NPY: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "expected a .npy file of numbers"),
    "no header": (lambda: b"\x93NUMPY\x01\x00", "expected a .npy file of numbers"),
    "Python objects, which would run code": (
        lambda: npy(np.array([print, print], dtype=object), allow_pickle=True),
        "expected a .npy file of numbers, found objects of Python; save numbers alone",
    ),
    "fewer numbers than it says": (
        lambda: npy(np.zeros((2, 3), np.float32))[:-4],
        "expected a .npy",
    ),
    "far more numbers than it holds": (
        lambda: npy(np.zeros((2, 3), np.float32)).replace(b"(2, 3)", b"(2, 9)"),
        "expected a .npy file of numbers",
    ),
    "a shape of no numbers": (
        lambda: npy(np.zeros((2, 3))).replace(b"(2, 3)", b"(x, 3)"),
        "expected a .npy",
    ),
    "another shape": (
        lambda: npy(np.zeros((3, 2), np.float32)),
        "found shape [3, 2]; move its axes: array.transpose(1, 0)",
    ),
    "a batch": (
        lambda: npy(np.zeros((5, 2, 3), np.float32)),
        "found shape [5, 2, 3]; pass its parts",
    ),
    "one axis": (lambda: npy(np.zeros(6, np.float32)), "array.reshape(2, 3)"),
    "a number less": (lambda: npy(np.zeros((2, 2), np.float32)), "; cut or fill it"),
    "text": (lambda: npy(np.array([["a"] * 3] * 2)), "found <U1"),
    "NaN": (lambda: npy(np.full((2, 3), np.nan, np.float32)), "expected finite numbers"),
}


@cases("name", NPY)
def test_a_hostile_array_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make, said = NPY[name]
    (tmp_path / "a.npy").write_bytes(make())
    with pytest.raises(InputError) as refusal:
        ARRAYS.prepare(tmp_path / "a.npy", 2)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("input 2: expected ")
