"""The stream of pictures: real ones that need no download.

Handwritten digits come with scikit-learn (8 x 8 pixels, by 13 people; Alpaydin and Kaynak 1998,
CC BY 4.0). Two tasks learn eight of the ten digits; the other two are inputs of no task that look
like them. Two photographs, also scikit-learn's, are cut into inputs that look like nothing known.
Where Debian's ``dataset-fashion-mnist`` is installed, clothes are a third task.

They are written as files, so that they can be looked at, and given to every command.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.demo import clothes
from cfedge.demo.stream import Stream, Unknown
from cfedge.errors import MissingExtraError
from cfedge.progress import Progress, Quiet

__all__ = ["DIGITS", "stream"]

Pixels = NDArray[np.uint8]
#: The digits that each task learns; those in none are inputs of no task.
DIGITS: Mapping[str, tuple[int, ...]] = {"digits-0-3": (0, 1, 2, 3), "digits-4-7": (4, 5, 6, 7)}
#: What is made of a digit of 8 x 8 pixels, so that people can see it.
_SIDE = 64
#: Of each photograph.
_CUTTINGS, _QUICK_CUTTINGS = 60, 20
_CLOTHES = "clothes"


class _Counts(NamedTuple):
    """Pictures of each class; the rest, at most `test`, is to test."""

    train: int
    validation: int
    test: int

    def splits(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Divide the rows of a class."""
        train, held_out, test = np.split(
            rows[: sum(self)], [self.train, self.train + self.validation]
        )
        return {"train": train, "validation": held_out, "test": test}


_WHOLE, _QUICK, _OF_CLOTHES = _Counts(80, 50, 60), _Counts(24, 15, 8), _Counts(50, 25, 20)


def stream(
    folder: Path,
    *,
    quick: bool = False,
    wardrobe: Path = clothes.FOLDER,
    progress: Progress | None = None,
) -> Stream:
    """Write the pictures into `folder`, and return the stream: two tasks or three, fewer pictures and
    no clothes where it must be `quick`.

    Parameters
    ----------
    folder
        It must not exist yet.
    wardrobe
        Where the pictures of clothes are, if they are anywhere.

    Raises
    ------
    MissingExtraError
        Pillow or scikit-learn is not installed.
    DataError
        Clothes are installed and damaged.
    """
    with (progress or Quiet()).track("writing pictures", 3) as advance:
        rng = np.random.default_rng(0)
        rest = _write_digits(folder, _QUICK if quick else _WHOLE, rng)
        advance(1)
        worn = None if quick else clothes.read(wardrobe)
        if worn is not None:
            _write_clothes(folder, worn, rng)
        advance(1)
        count = _QUICK_CUTTINGS if quick else _CUTTINGS
        unknown = [*((path, "near") for path in rest), *_write_cuttings(folder, count, rng)]
        table = _write_table(folder, unknown)
        advance(1)
    tasks = [*DIGITS, *([_CLOTHES] if worn is not None else [])]
    first = [
        one for name in tasks for one in sorted((folder / name / "test").glob("*/001.png"))[:2]
    ]
    strange = [
        next(path for path, kind in unknown if (path.name, kind) == ("001.png", wanted))
        for wanted in ("near", "far")
    ]
    return Stream(
        title="Pictures: handwritten digits" + (", and clothes" if worn is not None else ""),
        backbone="lite0",
        data={name: folder / name for name in tasks},
        method="closed-form",
        unknown=Unknown(
            inputs=tuple((str(path), kind) for path, kind in unknown),
            file=table,
            words={"near": "of 8 and 9, which no task was taught", "far": "of cut photographs"},
        ),
        live=tuple(map(str, [*first, *strange])),
    )


def _write_digits(folder: Path, counts: _Counts, rng: np.random.Generator) -> list[Path]:
    """Write the digits of the tasks, and return the files of the others."""
    data = _scikit_learn().load_digits()
    pixels = np.round(data.images * (255 / data.images.max())).astype(np.uint8)
    rows = {label: rng.permutation(np.flatnonzero(data.target == label)) for label in range(10)}
    for name, labels in DIGITS.items():
        for label in labels:
            for split, chosen in counts.splits(rows[label]).items():
                _write(folder / name / split / str(label), pixels[chosen], _SIDE)
    rest = sorted(set(rows) - {label for labels in DIGITS.values() for label in labels})
    return [
        path
        for label in rest
        for path in _write(
            folder / "unknown" / str(label), pixels[rows[label][: 2 * counts.test]], _SIDE
        )
    ]


def _write_clothes(folder: Path, worn: clothes.Clothes, rng: np.random.Generator) -> None:
    for label, name in enumerate(clothes.CLASSES):
        rows = rng.permutation(np.flatnonzero(worn.labels == label))
        for split, chosen in _OF_CLOTHES.splits(rows).items():
            _write(folder / _CLOTHES / split / name, worn.pixels[chosen])


def _write_cuttings(folder: Path, count: int, rng: np.random.Generator) -> list[tuple[Path, str]]:
    """Write parts of the two photographs, of many sizes."""
    found: list[tuple[Path, str]] = []
    for photograph, name in zip(
        _scikit_learn().load_sample_images().images, ("temple", "flower"), strict=True
    ):
        height, width = photograph.shape[:2]
        parts = []
        for _ in range(count):
            side = int(rng.integers(96, 320))
            top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
            parts.append(photograph[top : top + side, left : left + side])
        found += [(path, "far") for path in _write(folder / "unknown" / name, parts)]
    return found


def _write_table(folder: Path, unknown: Iterable[tuple[Path, str]]) -> Path:
    """Write which pictures are of no task, as ``--unknown`` takes it."""
    path = folder / "unknown.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "kind"))
        rows.writerows((one.relative_to(folder).as_posix(), kind) for one, kind in unknown)
    return path


def _write(folder: Path, pictures: Iterable[Pixels], side: int | None = None) -> list[Path]:
    """Write pictures, numbered, and return their files; `side` is what they are enlarged to."""
    package = _pillow()
    folder.mkdir(parents=True)
    paths = []
    for number, pixels in enumerate(pictures):
        picture = package.fromarray(np.ascontiguousarray(pixels))
        paths.append(folder / f"{number:03}.png")
        (picture if side is None else picture.resize((side, side))).save(paths[-1])
    return paths


def _scikit_learn() -> Any:
    try:
        import sklearn.datasets
    except ImportError as error:
        raise MissingExtraError(
            "demo: expected scikit-learn, which has the pictures, found none; install cfedge[demo]"
        ) from error
    return sklearn.datasets


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        raise MissingExtraError(
            "demo: expected Pillow, which writes the pictures, found none; install cfedge[demo]"
        ) from error
    return PIL.Image
