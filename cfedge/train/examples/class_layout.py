"""Which split and which label a file is of, by the folders that it lies in. Pure: paths decide.

``LABEL/FILE`` and ``SPLIT/LABEL/FILE`` are known, in one folder more or in several, as archives have
them. A split's folder is called ``train``, ``validation`` or ``test``, or has one such word in its
name (``20news-bydate-train``, ``test_set``, ``train2017``) where another one is the one to learn
from. What is inside the folders is for `cfedge.train.examples.class_folders`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from cfedge.train.examples.labels_in_names import labels_in_names

__all__ = ["ALL", "Layout", "Place", "SPLITS", "are_splits", "laid_out", "split_of"]

#: What a folder of a split may be called.
SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
#: What folders of all pictures are called: no labels.
ALL = ("files", "frames", "image", "images", "img", "imgs", "jpegimages", "photos", "pictures")
#: What folders of files without a label are called.
_NO_LABELS = ("unlabeled", "unlabelled", "unsup")
_WORD = re.compile(r"[a-z]+")


class Place(NamedTuple):
    """The split and the label that a file is of."""

    split: str
    label: str


class Layout(NamedTuple):
    """Where files lie.

    Attributes
    ----------
    places
        Of each file that lies in a folder of a label.
    strays
        Files that lie in none.
    may_stray
        There are splits, with which such files come: lists of addresses, pictures to be answered.
        Elsewhere they are a mistake.
    tasks
        The folders that hold folders of labels, where all files lie so and these are no splits:
        those of several tasks.
    in_names
        Labels stand in the names of files, as no folder says them.
    """

    places: Mapping[PurePosixPath, Place]
    strays: tuple[PurePosixPath, ...]
    may_stray: bool
    tasks: tuple[str, ...]
    in_names: bool = False


def laid_out(paths: Iterable[PurePosixPath]) -> Layout:
    """Tell splits and labels of files by their paths, relative to the data."""
    folders = {path: _folders(path) for path in paths}
    depth = _common(list(folders.values()))
    folders = {path: names[depth:] for path, names in folders.items()}
    if named := _in_names(folders):
        strays = tuple(path for path in folders if path not in named)
        return Layout(named, strays, True, (), True)
    holders = {names[-2] for names in folders.values() if _in_all(names)}
    if len(holders) > 1:  # LABEL/images/FILE
        folders = {path: names[:-1] if _in_all(names) else names for path, names in folders.items()}
    inside: dict[str, set[str]] = {}
    for names in folders.values():
        if len(names) == 2:
            inside.setdefault(names[0], set()).add(names[1])
    # train/train/cat.0.jpg: a folder was packed in its own name, and holds no labels
    splits = _splits([head for head, labels in inside.items() if labels != {head}])
    labels = {label for of in inside.values() for label in of}
    # val/images: all pictures of a split, which another one has by their labels
    bare = {head for head, of in inside.items() if of < labels and {*map(str.lower, of)} <= {*ALL}}
    places: dict[PurePosixPath, Place] = {}
    for path, names in folders.items():
        if splits and names and names[-1].lower() in _NO_LABELS:
            continue
        if len(names) == 2 and names[0] in splits and names[0] not in bare:
            places[path] = Place(splits[names[0]], names[1])
        elif len(names) == 1 and not splits:
            places[path] = Place("train", names[0])
    strays = tuple(path for path in folders if path not in places)
    several = len(inside) > 1 and all(len(names) == 2 for names in folders.values())
    tasks = tuple(inside) if several and not splits else ()
    return Layout(places, strays, bool(splits), tasks)


def _in_names(folders: Mapping[PurePosixPath, tuple[str, ...]]) -> dict[PurePosixPath, Place]:
    """Return the places of files whose names say their labels, where folders say but splits."""
    heads = {names[0] for names in folders.values() if names}
    if any(len(names) > 1 for names in folders.values()) or not all(map(_says_no_label, heads)):
        return {}
    splits = {head: _by_word(head) or "train" for head in heads}
    of_split: dict[str, list[PurePosixPath]] = {}
    for path, names in folders.items():
        of_split.setdefault(splits[names[0]] if names else "train", []).append(path)
    learned = set(labels_in_names(of_split.get("train", ())).values())
    places: dict[PurePosixPath, Place] = {}
    for split, of in of_split.items() if learned else ():
        labels = labels_in_names(of)  # those to be answered have none
        if set(labels.values()) <= learned:
            places |= {path: Place(split, label) for path, label in labels.items()}
    return places


def _says_no_label(folder: str) -> bool:
    return folder.lower() in ALL or _by_word(folder) is not None


def _in_all(names: tuple[str, ...]) -> bool:
    """Whether the last folder is one of all pictures, in another one than a split's."""
    return len(names) > 1 and names[-1].lower() in ALL and names[-2].lower() not in SPLITS


def are_splits(labels: Iterable[str]) -> bool:
    """Whether what would be labels are folders of splits, all of them."""
    names = sorted(labels)
    strict = all(name.lower() in SPLITS for name in names)
    return bool(names) and (strict or (len(names) > 1 and len(_splits(names)) == len(names)))


def split_of(parts: Iterable[str]) -> str:
    """Return the split that folders or the name of a shard say, ``train`` where they say none."""
    return next((split for split in map(_by_word, parts) if split is not None), "train")


def _splits(names: Sequence[str]) -> dict[str, str]:
    """Return the split of each folder that is called as one: as a word of its name says only where
    there is one to learn from, and none of them is there twice.
    """
    strict = {name: SPLITS[name.lower()] for name in names if name.lower() in SPLITS}
    loose = {name: split for name in names if (split := _by_word(name)) is not None}
    told = list(loose.values())
    return loose if "train" in told and len(set(told)) == len(told) else strict


def _by_word(name: str) -> str | None:
    words = {SPLITS[word] for word in _WORD.findall(name.lower()) if word in SPLITS}
    return words.pop() if len(words) == 1 else None


def _folders(path: PurePosixPath) -> tuple[str, ...]:
    """Return the folders of a file; one that was packed in its own name counts once."""
    *names, _ = path.parts
    if len(names) > 2 and names[-3] == names[-2]:
        del names[-3]
    return tuple(names)


def _common(folders: Sequence[tuple[str, ...]]) -> int:
    """How many folders all files share, beside a split's and a label's. Files may lie right in the
    last one where splits do, too, or several labels with more of them.
    """
    depth = 0
    while all(len(names) > depth for names in folders):
        heads = {names[depth] for names in folders}
        deeper = [names for names in folders if len(names) > depth + 1]
        if len(heads) != 1 or heads.pop().lower() in SPLITS or not deeper:
            return depth
        beside = len(folders) - len(deeper)
        below = {names[depth + 1] for names in deeper if len(names) > depth + 2}
        labels = {names[depth + 1] for names in deeper}
        if beside and not _splits(sorted(below)) and (len(labels) < 2 or len(deeper) <= beside):
            return depth
        depth += 1
    return depth
