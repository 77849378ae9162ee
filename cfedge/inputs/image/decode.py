"""A picture in a file -> pixels, uint8 [H, W, 3]: all that may be wrong with it is refused or
converted here. Needs Pillow.

Bounds come before decoding: bytes, then the sides that the header states. The picture is turned as
its EXIF says, what is transparent is laid over white, 16 bits become the upper 8, other colours
become red, green and blue. Of a large JPEG no more is decoded than twice what is needed.
"""

from __future__ import annotations

import io
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError, MissingExtraError
from cfedge.first_bytes import FIRST_BYTES, known

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = [
    "FORMATS",
    "MOST_BYTES",
    "MOST_PIXELS",
    "decoded",
    "opened_pixels",
    "package",
    "versions",
]

Pixels = NDArray[np.uint8]
#: Of a file, and of the picture in it: far above a camera's, far below what fills a board's memory.
MOST_BYTES, MOST_PIXELS = 64 << 20, 50_000_000
#: What is read; each needs no more than Pillow's own wheels.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
#: What others begin with, and what helps.
_OTHERS = (
    (b"<svg", "an SVG drawing", "render it to PNG"),
    (b"<!doctype", "an HTML page", "download the picture itself"),
    (b"<html", "an HTML page", "download the picture itself"),
    (b"%pdf", "a PDF", "render its page to PNG"),
    (b'{"', "JSON", "download the picture itself"),
)
#: What those of `FORMATS` begin with: where one cannot be read it is damaged.
_HEADS = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF",
    **dict.fromkeys((b"II*\0", b"MM\0*"), "TIFF, or a camera's raw picture"),
}  # fmt: skip
#: Pixmaps whose numbers are written out: 64 MB of them take half a minute.
_IN_DIGITS = (b"P1", b"P2", b"P3")
#: Where an ISO file states its brand.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
#: Formats of 16 bits a colour at most, which Pillow may open in a mode of 32.
_SHORT = ("PNG", "PPM")
#: How EXIF's orientation is undone, by name of ``PIL.Image.Transpose``.
_TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
    7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip


def package() -> Any:
    """Return Pillow's module ``PIL.Image``.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import PIL.Image
    except ImportError as error:
        raise MissingExtraError(
            "pictures in files need the package Pillow: pip install 'cfedge[image]'; camera frames,"
            " uint8 [H, W, 3], do not"
        ) from error
    return PIL.Image


def versions() -> dict[str, str]:
    """Return the version of Pillow, where it is installed: frames need none."""
    try:
        return {"pillow": version("pillow")}
    except PackageNotFoundError:
        return {}


def decoded(data: bytes, where: str, *, needed: int) -> Pixels:
    """Return the pixels of an encoded picture, uint8 [H, W, 3].

    Parameters
    ----------
    data
        The file's bytes.
    where
        Its position, for errors.
    needed
        Pixels of the longer side that will be made of it: a JPEG whose shorter side has more than
        four times as many is decoded at a half, a quarter or an eighth.

    Raises
    ------
    InputError
        It is no picture, too large, cut, animated, or of a form that has no red, green and blue.
    """
    if len(data) > MOST_BYTES:
        raise _odd(where, f"at most {MOST_BYTES >> 20} MB", f"{len(data) >> 20} MB", "shrink it")
    images = package()
    if data[:2] in _IN_DIGITS:
        raise _foreign(data, where)
    try:
        with images.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise _large(where, f"{width} x {height}")
            _check_frames(picture, where)
            if picture.format in ("JPEG", "MPO"):
                picture.draft(None, (2 * needed, 2 * needed))
            return _pixels_of(picture, where)
    except (images.DecompressionBombError, images.DecompressionBombWarning) as error:
        counted = re.search(r"\((\d+) pixels\)", str(error))
        found = f"{int(counted[1]) // 10**6} million" if counted else "far more"
        raise _large(where, found) from error
    except (images.UnidentifiedImageError, ZeroDivisionError) as error:
        raise _foreign(data, where) from error
    except InputError:
        raise
    except (
        Exception
    ) as error:  # OSError, SyntaxError, ValueError, struct.error...: Pillow has none of its own
        raise _broken(error, where) from error


def opened_pixels(picture: Picture, where: str) -> Pixels:
    """Return the pixels of a picture that a caller opened, uint8 [H, W, 3]; errors as of
    `decoded`.
    """
    try:
        return _pixels_of(picture, where)
    except InputError:
        raise
    except Exception as error:  # as in `decoded`: it may have been closed
        raise _broken(error, where, "open it again, and close it afterwards") from error


def _broken(error: Exception, where: str, step: str = "save it again") -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    if "decoder" in reason:  # of Pillow's own parts
        reason = "a damaged one"
    return _odd(where, "a whole picture", reason, step)


def _pixels_of(picture: Picture, where: str) -> Pixels:
    images = package()
    picture.load()
    orientation = _orientation(picture)
    mode = picture.mode
    if mode == "I" and picture.format not in _SHORT:
        raise _odd(where, "8 or 16 bits a colour", "32 bits", "scale it to 8 bits")
    if mode == "F":
        raise _odd(where, "8 or 16 bits a colour", "floating point", "scale it to 8 bits")
    if mode.startswith("I"):
        picture = images.fromarray(_upper_byte(np.asarray(picture), where))
    elif picture.has_transparency_data:
        picture = _over_white(picture)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if orientation in _TURNS:
        picture = picture.transpose(getattr(images.Transpose, _TURNS[orientation]))
    return np.asarray(picture)


def _check_frames(picture: Picture, where: str) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a phone's JPEG with previews behind the picture
        raise _odd(where, "one frame", f"{frames} frames", "save the frame that counts")


def _orientation(picture: Picture) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # EXIF that cannot be read says nothing
        return 1


def _upper_byte(values: NDArray[Any], where: str) -> Pixels:
    """16 bits -> 8: the upper ones. Clipping would turn all but the darkest white."""
    if values.size and (values.min() < 0 or values.max() > 0xFFFF):
        raise _odd(where, "8 or 16 bits a colour", "32 bits", "scale it to 8 bits")
    return (values.astype(np.uint16) >> 8).astype(np.uint8)


def _over_white(picture: Picture) -> Picture:
    images = package()
    layered = picture.convert("RGBA")
    white = images.new("RGBA", layered.size, (255, 255, 255, 255))
    return images.alpha_composite(white, layered)  # type: ignore[no-any-return]


def _large(where: str, size: str) -> InputError:
    return _odd(where, f"at most {MOST_PIXELS // 10**6} million pixels", size, "shrink it")


def _foreign(data: bytes, where: str) -> InputError:
    """What a file is that is none of `FORMATS`."""
    formats = ", ".join(FORMATS)
    if not any(data[:FIRST_BYTES]):
        found = "zeros alone" if data else "an empty file"
        return _odd(where, "a picture", found, "leave it out")
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        name = _BRANDS[data[8:12]]
        return _odd(where, formats, name, "convert it to JPEG (for example with pillow-heif)")
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, name, remedy in _OTHERS:
        if head.startswith(mark) or (
            mark == b"<svg" and head.startswith(b"<?xml") and mark in head
        ):
            return _odd(where, "a picture", name, remedy)
    for start, name in _HEADS.items():
        if data.startswith(start):
            return _odd(
                where, "a whole picture", f"a damaged {name}", "save it anew, or leave it out"
            )
    convert = "convert it to JPEG or PNG"
    if data[:2] in _IN_DIGITS:
        return _odd(where, formats, "a PPM with its numbers written out", convert)
    other = known(data[:FIRST_BYTES])
    if other is not None:
        return _odd(where, formats, other.what, other.step or convert)
    return _odd(where, formats, f"{data[:8].decode('latin-1')!r}...", convert)


def _odd(where: str, expected: str, found: str, remedy: str) -> InputError:
    return InputError(f"{where}: expected {expected}, found {found}; {remedy}")
