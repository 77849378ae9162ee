"""Examples that belong together: frames of one video, windows of one person, pictures of one device.

A split that cut through such a group would ask of a task what it has nearly seen, and its certificate
would promise too much. So a group is learned from whole or held out whole. Inputs that are equal are
one group too.

Letters: N examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from cfedge.errors import DataError

__all__ = ["hold_out_groups", "units"]


def units(keys: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return for N examples the name of what no split may cut through: those that share a key or a
    group, directly or by others, share a name.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for key, group in zip(keys, groups, strict=True):
        one, other = root(("group", group)), root(("key", key))
        parent[max(one, other)] = min(one, other)
    return [" ".join(root(("group", group))) for group in groups]


def hold_out_groups(
    names: Sequence[str],
    labels: Sequence[str],
    barred: Sequence[bool],
    fraction: float,
    rng: np.random.Generator,
    source: str,
    *,
    spared: Collection[str] = (),
) -> list[int]:
    """Return the rows to hold out: whole groups, drawn until of each label about `fraction` of its
    examples are out; at least one group of each label is held out and one stays.

    Parameters
    ----------
    names
        Of N examples their groups, as of `units`.
    barred
        Whether an example must be learned from, and its group with it.
    spared
        Labels of which none need be held out.

    Raises
    ------
    DataError
        Labels have no two groups that can be told apart so.
    """
    inside: dict[str, Counter[str]] = {}
    kept = {name for name, bar in zip(names, barred, strict=True) if bar}
    for name, label in zip(names, labels, strict=True):
        inside.setdefault(name, Counter())[label] += 1
    total = Counter(labels)
    wanted = {label: max(1, round(fraction * count)) for label, count in total.items()}
    out: set[str] = set()
    held: Counter[str] = Counter()
    names_of: dict[str, list[str]] = {label: [] for label in total}
    ordered = sorted(inside)
    for place in rng.permutation(len(ordered)).tolist():
        for label in inside[ordered[place]]:
            names_of[label].append(ordered[place])
    for rare in sorted(total, key=lambda label: (total[label], label)):
        for name in names_of[rare]:
            if name in out or name in kept:
                continue
            leaves_some = all(
                held[label] + count < total[label] for label, count in inside[name].items()
            )
            if held[rare] < wanted[rare] and leaves_some:
                out.add(name)
                held += inside[name]
    without = [label for label in sorted(total) if not held[label] and label not in spared]
    if without:
        raise DataError(_too_few(source, {label: len(names_of[label]) for label in without}))
    return [row for row, name in enumerate(names) if name in out]


def _too_few(source: str, without: Mapping[str, int]) -> str:
    """Say which labels none could be held out of; `without` counts the groups of each."""
    found = [f"{count} with {label[:40]!r}" for label, count in list(without.items())[:5]]
    if (more := len(without) - 5) > 0:
        found.append(f"too few with {more} more")
    return (
        f"{source}: expected at least 2 groups with each label (one to learn, one held out,"
        " none of them with an input of several labels), found"
        f" {' and '.join(filter(None, (', '.join(found[:-1]), found[-1])))}; add groups, or give"
        " held-out examples"
    )
