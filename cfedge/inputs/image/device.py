"""Pictures -> ``pixels``, uint8 [1, 3, H, W]: from a path, a file's bytes, a camera frame or an
opened picture. How the encoder scales them is inside its graph.

Letters: H height, W width, of the picture or of what the backbone sees.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cfedge.errors import InputError, UsageError
from cfedge.inputs.image.decode import MOST_BYTES, versions
from cfedge.inputs.image.fitted import fitted
from cfedge.inputs.image.sources import encoded, is_file, is_opened, path_of
from cfedge.inputs.image.spec import Image
from cfedge.inputs.image.stored import StoredImages
from cfedge.inputs.modality import Input, Legibility, Prepared, Tensor
from cfedge.inputs.several import a_folder_in, as_array, json_kind, listed

__all__ = ["ImageInputs", "SUFFIXES", "opened", "stored", "versions"]

#: Of the files that a folder's pictures are looked for among.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)


#: Characters that a path has at most, and a picture in base64 at least.
_PATH = 60


class ImageInputs(StoredImages):
    """Pictures for one backbone: a `cfedge.inputs.modality.Modality`."""

    noun = "image"
    example: object = "BASE64"
    golden_vectors = 4
    media: str | None = "image/"
    body_bytes = 16 << 20
    json_schema: Mapping[str, object] = {
        "type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]+={0,2}$",
        "maxLength": MOST_BYTES * 4 // 3,
    }  # fmt: skip

    def __init__(self, spec: Image) -> None:
        super().__init__(spec)
        self.tensors: Mapping[str, Tensor] = {
            "pixels": ("uint8", (None, 3, spec.height, spec.width))
        }

    def several(self, given: object) -> list[Input]:
        """Return pictures as a list; one path, file, frame or opened picture alone is one of them.

        An array uint8 [N, H, W, 3] is N frames, and one of one axis the bytes of a file.
        """
        if isinstance(given, io.BufferedIOBase) and not is_file(given):
            given = given.read()  # a file that was opened: once, as it is read once
        if isinstance(given, str | os.PathLike) or is_file(given) or is_opened(given):
            return [given]
        given = as_array(given)
        if isinstance(given, np.ndarray) and given.ndim and given.dtype.kind in "biufc":
            return [given] if given.ndim < 4 else list(given)
        return listed(given, "picture")

    def prepare(self, value: Input, position: int = 0) -> Prepared:
        """Decode, crop and resize one picture: ``pixels`` uint8 [1, 3, H, W].

        Raises
        ------
        InputError
            It is none, or one that is refused; see `cfedge.inputs.image.decode`.
        MissingExtraError
            It is a file, and Pillow is not installed.
        """
        pixels = np.ascontiguousarray(
            fitted(value, self._spec, f"input {position}").transpose(2, 0, 1)
        )
        return Prepared({"pixels": pixels[None]}, (), truncated=False)

    def legibility(self, value: Input) -> Legibility:
        """All of a picture is read, as large as the encoder sees it."""
        return Legibility()

    def largest(self, value: Input) -> Input:
        """Return the picture: the backbone sees all of them in one size."""
        return value

    def mirrored(self, value: Input) -> Input:
        """Return the frame that the backbone sees of a picture, its columns in reverse."""
        return np.ascontiguousarray(fitted(value, self._spec, "picture")[:, ::-1])

    def warm_up(self) -> list[Input]:
        """Return a frame, and where Pillow is installed a file for which it is imported."""
        black = np.zeros((self._spec.height, self._spec.width, 3), np.uint8)
        if importlib.util.find_spec("PIL") is None:
            return [black]
        return [black, encoded(black, "PNG")]

    def parse(self, value: object, where: str, *, local: bool = False) -> Input:
        """Read a picture in base64; who runs this program may also give ``{"path": ...}``.

        Raises
        ------
        UsageError
            It is none of these.
        InputError
            It is too large.
        """
        if local and isinstance(value, dict) and set(value) == {"path"}:
            return path_of(value["path"], where)
        if not isinstance(value, str):
            raise UsageError(
                f"{where}: expected a picture in base64, found {json_kind(value)}; give the file's"
                " bytes in base64 as one string"
            )
        if len(value) > MOST_BYTES * 4 // 3:
            raise InputError(
                f"{where}: expected at most {MOST_BYTES >> 20} MB, found more; shrink the picture"
            )
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(
                f"{where}: expected a picture in base64, found {value[:20]!r}; {_step(value)}"
            ) from error

    def words(self, value: str, where: str) -> list[Input]:
        """Return the picture at a path, or all pictures in a folder, by name."""
        if not os.path.isdir(value):  # noqa: PTH112 - pathlib raises for a name that is too long
            return [path_of(value, where)]
        pictures = sorted(
            path
            for path in Path(value).iterdir()
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not pictures:
            raise InputError(
                f"{where}: expected pictures in the folder, found none of {', '.join(SUFFIXES)} in"
                f" {value!r}; name {a_folder_in(value)}"
            )
        return list(pictures)

    def name(self, value: Input) -> str:
        """Return the file's path, or what else it is."""
        if isinstance(value, str | os.PathLike):
            return repr(os.fspath(value))[:200]
        if isinstance(value, bytes):
            return f"a picture of {len(value)} bytes"
        return f"a frame {list(getattr(value, 'shape', ()))}"

    def shared(self, group: Sequence[Input], others: Sequence[Input]) -> str:
        """Nothing: what pictures show has no words."""
        return ""

    def picture(self, value: Input) -> bytes:
        """Return a PNG of what the backbone sees of a picture, decoded and encoded anew."""
        return encoded(fitted(value, self._spec, "picture"), "PNG")


def _step(value: str) -> str:
    """Say what to do with a string that is no base64."""
    if value.startswith("data:"):
        return "leave out what stands before the comma, and the comma"
    if len(value) > _PATH and any(letter.isspace() for letter in value):
        return "write it in one line, without spaces"
    if len(value) > _PATH and ("-" in value or "_" in value):
        return "write + and / for - and _, as plain base64 has them"
    if len(value) > _PATH and len(value) % 4:
        return "end it with = up to a multiple of four characters"
    return 'of a file on this machine give predict {"path": ...}'


def opened(spec: Image, files: Mapping[str, bytes], *, verified: bool = False) -> ImageInputs:
    """Open a backbone's pictures; see `cfedge.inputs.of`."""
    return ImageInputs(spec)


def stored(spec: Image) -> StoredImages:
    """Return how files hold pictures; see `cfedge.inputs.stored`."""
    return StoredImages(spec)
