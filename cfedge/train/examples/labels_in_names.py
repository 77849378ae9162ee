"""Labels in the names of files, where no folder says them: ``cat.001.jpg``, ``great_dane_12.jpg``, as
Kaggle's cats and dogs and Oxford's pets come. Pure: paths decide.

The label is what stands before the number. It counts where all files are called so, by two labels
or more, each of several files: pictures of a camera (``IMG_0001.jpg``) have none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["labels_in_names"]

_NAMED = re.compile(r"(?P<label>[^\W\d_]+(?:[ _-][^\W\d_]+)*)[ ._-]*\(?\d+\)?").fullmatch
#: What cameras and programs call files, and splits: no labels.
_NO_LABELS = frozenset(
    [
        "capture",
        "dcim",
        "dsc",
        "dscf",
        "dscn",
        "file",
        "frame",
        "gopr",
        "image",
        "img",
        "mvimg",
        "p",
        "photo",
        "pic",
        "picture",
        "pxl",
        "sample",
        "scan",
        "screenshot",
        "snapshot",
        "train",
        "training",
        "test",
        "testing",
        "val",
        "valid",
        "validation",
        "video",
        "wp",
    ]
)
#: Files of a label, at least.
_LEAST = 2


def labels_in_names(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Return the label of each file by its name; of none where not all of them have one."""
    found: dict[PurePosixPath, str] = {}
    for path in paths:
        named = _NAMED(path.stem)
        if named is None or named["label"].lower() in _NO_LABELS:
            return {}
        found[path] = named["label"]
    counts = Counter(found.values())
    several = len(counts) > 1 and min(counts.values()) >= _LEAST
    return found if several else {}
