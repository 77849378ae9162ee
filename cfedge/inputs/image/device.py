"""Pictures -> ``pixels``, uint8 [1, 3, H, W]: from a path, a file's bytes, a camera frame or an opened
picture. How the encoder scales them is inside its graph.

Letters: H height, W width, of the picture or of what the backbone sees.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import io
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.inputs.image.bicubic import resized
from cfedge.inputs.image.decode import MOST_BYTES, MOST_PIXELS, decoded, package, pixels_of
from cfedge.inputs.image.sources import content, encoded, frame, is_opened, middle, path_of
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Array, Dumped, Input, Prepared, Tensor
from cfedge.inputs.several import described, json_kind, listed

__all__ = ["ImageInputs", "SUFFIXES", "opened", "stored", "versions"]

Pixels = NDArray[np.uint8]
#: Of the files that a folder's pictures are looked for among.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
#: Bytes up to which a golden picture travels as it is; a larger one is made anew at what the
#: backbone sees.
_SMALL, _MADE = 10_000, 64_000


class ImageInputs:
    """Pictures for one backbone: a `cfedge.inputs.modality.Modality`."""

    noun = "image"
    golden_vectors = 4
    media: str | None = "image/"
    body_bytes = 16 << 20
    json_schema: Mapping[str, object] = {
        "type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]+={0,2}$",
        "maxLength": MOST_BYTES * 4 // 3,
    }  # fmt: skip

    def __init__(self, spec: Image) -> None:
        self._spec = spec
        self.tensors: Mapping[str, Tensor] = {
            "pixels": ("uint8", (None, 3, spec.height, spec.width))
        }

    def several(self, given: object) -> list[Input]:
        """Return pictures as a list; one path, file, frame or opened picture alone is one of them.

        An array uint8 [N, H, W, 3] is N frames.
        """
        if isinstance(given, str | os.PathLike | bytes) or is_opened(given):
            return [given]
        if isinstance(given, np.ndarray) and given.ndim > 1:
            return [given] if given.ndim == 3 else list(given)
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
        pixels = np.ascontiguousarray(self._fitted(value, f"input {position}").transpose(2, 0, 1))
        return Prepared({"pixels": pixels[None]}, (), truncated=False)

    def _fitted(self, value: Input, where: str) -> Pixels:
        """The pixels that the backbone sees, uint8 [H, W, 3]."""
        pixels = self._pixels(value, where)
        height, width = pixels.shape[:2]
        if height * width == 0:
            raise InputError(
                f"{where}: expected a picture, found one of {width} x {height} pixels; leave it out"
            )
        if self._spec.resize == "crop":
            pixels = middle(pixels, self._spec.height, self._spec.width)
        return resized(pixels, self._spec.height, self._spec.width)

    def _pixels(self, value: Input, where: str) -> Pixels:
        if isinstance(value, np.ndarray):
            return frame(value, where)
        if is_opened(value):
            if value.size[0] * value.size[1] > MOST_PIXELS:
                raise InputError(
                    f"{where}: expected at most {MOST_PIXELS // 10**6} million pixels, found"
                    f" {value.size[0]} x {value.size[1]}; shrink it"
                )
            return pixels_of(value, where)
        if isinstance(value, str | os.PathLike):
            value = content(value, where)
        if not isinstance(value, bytes):
            raise InputError(
                f"{where}: expected a picture (a path, a file's bytes, or a frame uint8 [H, W, 3]),"
                f" found {described(value)}; pass one of these"
            )
        return decoded(value, where, needed=max(self._spec.height, self._spec.width))

    def largest(self, value: Input) -> Input:
        """Return the picture: the backbone sees all of them in one size."""
        return value

    def warm_up(self) -> list[Input]:
        """Return a frame, and where Pillow is installed a file for which it is imported."""
        black = np.zeros((self._spec.height, self._spec.width, 3), np.uint8)
        if importlib.util.find_spec("PIL") is None:
            return [black]
        return [black, encoded(black, "PNG")]

    def dump(self, inputs: Sequence[Input]) -> Dumped:
        """Return small files as they are, small frames too, and of the rest a JPEG of what the
        backbone sees; of each the SHA-256 of the pixels that it is to become.
        """
        arrays: dict[str, Array] = {}
        notes: list[Any] = []
        for row, value in enumerate(inputs):
            kept = self._kept(value, f"input {row}")
            arrays[f"input.{row}"] = (
                np.frombuffer(kept, np.uint8) if isinstance(kept, bytes) else kept
            )
            form = "file" if isinstance(kept, bytes) else "frame"
            notes.append({"form": form, "pixels": self._digest(kept, f"input {row}")})
        return Dumped(arrays, notes)

    def _kept(self, value: Input, where: str) -> bytes | Pixels:
        if isinstance(value, np.ndarray) and value.nbytes <= _SMALL:
            return frame(value, where)
        if isinstance(value, str | os.PathLike):
            value = content(value, where)
        if isinstance(value, bytes) and len(value) <= (_MADE if self._is_made(value) else _SMALL):
            return value
        return encoded(self._fitted(value, where), "JPEG", quality=90)

    def _is_made(self, data: bytes) -> bool:
        """Whether it is a JPEG of what the backbone sees."""
        if not data.startswith(b"\xff\xd8"):
            return False
        with package().open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return bool(picture.size == (self._spec.width, self._spec.height))

    def _digest(self, value: Input, where: str) -> str:
        return hashlib.sha256(self._fitted(value, where).tobytes()).hexdigest()

    def load(self, arrays: Mapping[str, Array], notes: Sequence[Any], what: str) -> list[Input]:
        """Return the pictures that `dump` kept.

        Raises
        ------
        IncompatibleError
            They are none.
        """
        names = [f"input.{row}" for row in range(len(notes))]
        forms = {"file": 1, "frame": 3}
        if set(arrays) != set(names) or not all(
            isinstance(note, dict)
            and set(note) == {"form", "pixels"}
            and arrays[name].dtype == np.uint8
            and arrays[name].ndim == forms.get(note["form"])
            for name, note in zip(names, notes, strict=True)
        ):
            raise IncompatibleError(
                f"{what}: expected pictures as inputs, found others; export the bundle again"
            )
        return [
            arrays[name].tobytes() if note["form"] == "file" else arrays[name]
            for name, note in zip(names, notes, strict=True)
        ]

    def remark(self, inputs: Sequence[Input], notes: Sequence[Any]) -> str:
        """Say which of the loaded pictures become other pixels here than where they were dumped."""
        odd = [
            row
            for row, (value, note) in enumerate(zip(inputs, notes, strict=True))
            if self._digest(value, f"input {row}") != note["pixels"]
        ]
        if not odd:
            return ""
        return f"; picture {odd[0]} decodes to other pixels here, with {versions()}"

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
            raise UsageError(f"{where}: expected a picture in base64, found {json_kind(value)}")
        if len(value) > MOST_BYTES * 4 // 3:
            raise InputError(
                f"{where}: expected at most {MOST_BYTES >> 20} MB, found more; shrink the picture"
            )
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(
                f"{where}: expected a picture in base64, found {value[:20]!r}"
            ) from error

    def words(self, value: str, where: str) -> list[Input]:
        """Return the picture at a path, or all pictures in a folder, by name."""
        if not Path(value).is_dir():
            return [path_of(value, where)]
        found = sorted(
            path
            for path in Path(value).iterdir()
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not found:
            raise InputError(
                f"{where}: expected pictures in the folder, found none of {', '.join(SUFFIXES)} in"
                f" {value!r}; name another"
            )
        return list(found)

    def name(self, value: Input) -> str:
        """Return the file's path, or what else it is."""
        if isinstance(value, str | os.PathLike):
            return repr(os.fspath(value))[:200]
        if isinstance(value, bytes):
            return f"a picture of {len(value)} bytes"
        return f"a frame {list(getattr(value, 'shape', ()))}"


def opened(spec: Image, files: Mapping[str, bytes], *, verified: bool = False) -> ImageInputs:
    """Open a backbone's pictures; see `cfedge.inputs.of`."""
    return ImageInputs(spec)


def stored(spec: Image) -> ImageInputs:
    """Return how files hold inputs; see `cfedge.inputs.stored`."""
    return ImageInputs(spec)


def versions() -> dict[str, str]:
    """Return the version of Pillow, where it is installed: frames need none."""
    try:
        return {"pillow": version("pillow")}
    except PackageNotFoundError:
        return {}
