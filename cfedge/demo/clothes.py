"""Pictures of clothes, where the machine has them: Fashion-MNIST (Zalando SE, MIT) as Debian's
package ``dataset-fashion-mnist`` installs it.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError

__all__ = ["CLASSES", "Clothes", "FOLDER", "read"]

FOLDER = Path("/usr/share/datasets/fashion-mnist")
#: By label, as the set numbers them.
CLASSES = (
    "t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip
_NAMES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_SIDE = 28
#: Of the files of the IDX format: of images magic, count, rows, columns; of labels magic, count.
_IMAGES, _LABELS = 16, 8
_PACKAGE = "install dataset-fashion-mnist again"


class Clothes(NamedTuple):
    """uint8 [N, 28, 28], white on black, and labels uint8 [N], 0 to 9."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def read(folder: Path) -> Clothes | None:
    """Return the pictures to learn from; None where the package is not installed.

    Raises
    ------
    DataError
        A file is damaged.
    """
    paths = [folder / name for name in _NAMES]
    if not all(path.is_file() for path in paths):
        return None
    images, labels = map(_unpacked, paths)
    pixels = np.frombuffer(images, np.uint8, offset=min(_IMAGES, len(images)))
    known = np.frombuffer(labels, np.uint8, offset=min(_LABELS, len(labels)))
    if not len(known) or len(pixels) != len(known) * _SIDE**2 or known.max() >= len(CLASSES):
        raise DataError(
            f"{folder}: expected a picture of {_SIDE} x {_SIDE} bytes and one of {len(CLASSES)} labels"
            f" each, found {len(pixels)} bytes and {len(known)} labels; {_PACKAGE}"
        )
    return Clothes(pixels.reshape(-1, _SIDE, _SIDE), known)


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"could not read {path}: {error}; {_PACKAGE}") from error
