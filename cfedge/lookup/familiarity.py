"""How far is an input from one task's classes, against a background of everything else? In one
space, behind the trunk or behind the frozen tail, for one task.

With P of `cfedge.lookup.class_gaussians` and L L' = P, m_c the means of the task's classes and n_c
their counts, d_c = L' (m_c - m_0), and Q, lambda the eigenvectors and eigenvalues of the
background's spread in the space of L' (x - m_0)::

    z             = Q' L' (x - m_0)
    inside(x)     = sum_i z_i^2 lambda_i / (1 + lambda_i)
    background(x) = |z|^2 - inside(x)
    relative(x)   = min_c (|z - Q' d_c|^2 - 2 e / n_c) - background(x)
    density(x)    = |L' x|^2 / (2 (1 - a)) - max_c (g_c(x) + e / (2 (1 - a) n_c))
                    - background(x) / 2
    cosine(x)     = 1 - max_c x . m_c / (|m_c|^2 - tr(S) / n_c)^1/2

`relative` is the relative Mahalanobis distance (Ren et al. 2021, arXiv 2106.09022), `density` the
same with each class's own shape, of the `NEAREST` classes by `relative`. Half of the background's
spread, and of its centre m_0, is that of the class means of all tasks, half that of a broad corpus
(`cfedge.lookup.background`); without one all of it is the class means'. A mean of few examples is
itself off by S / n_c, with e = tr(P S) by e / n_c in a distance; twice that is taken off (once is in
g_c already), else rare classes look strange to themselves (docs/decisions/0041-unknown.md).

Letters: D width, C classes of one task.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from operator import sub
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.class_rows import ERRORS, class_rows
from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.kept import Keep, Records
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.whitened import Whitened

__all__ = ["Familiarity", "KEPT_BYTES", "NEAREST", "Terms"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Of the tasks' classes in one space, about; those that were made first make room.
KEPT_BYTES = 16 << 20
#: Classes whose own shapes are asked.
NEAREST = 4
#: Bytes of classes that a processor's cache holds: more are read from memory for every input, so
#: several inputs are compared with them at once, about so many scores of them.
_CACHED_BYTES, _AT_ONCE = 1 << 21, 1 << 21
#: Of all classes in one space: where their shapes take no more in float32 they are kept so, and one
#: product scores one of them (docs/decisions/0061-around-the-network.md).
_SPREAD_BYTES = 8 << 20


class Terms(NamedTuple):
    """How far one input is from one task, large for the unfamiliar."""

    cosine: float
    relative: float
    density: float


class _Classes(NamedTuple):
    """One task's classes: `ClassRows` and 2 P m_0 in one product [2 C + 1, D], the offsets [C], and
    what is added to g [C]; of few classes in all `ClassTable.spread_out`, each class as one row.
    """

    rows: Floats
    offsets: list[float]
    bonus: Floats
    shapes: list[Floats]
    shifts: list[list[float]]


class Familiarity:
    """All tasks' classes, ready to compare with.

    Parameters
    ----------
    signatures
        By task name, of one space; a task's is asked for when it is first compared with.
    lookup, table
        Of the same signatures.
    background
        Centres of a broad corpus, float32 [G, D]; None: the class means alone.
    keep
        Gives what was computed of these very parts before, or has it computed.
    records
        Gives records of a size, in bytes: there classes are left when they are made, and read when
        their task is compared with again.

    Attributes
    ----------
    width
        D, of an input.
    """

    def __init__(
        self,
        signatures: Mapping[str, ClusterStatistics],
        lookup: Lookup,
        table: ClassTable,
        background: Floats | None = None,
        keep: Keep[Whitened] | None = None,
        records: Callable[[int], Records] | None = None,
    ) -> None:
        self._signatures, self._lookup, self._table = signatures, lookup, table
        self.width = lookup.width
        shared = table.shared
        #: tr S and tr(P S).
        self._level, self._doubt = float(np.trace(lookup.within)), shared.doubt
        self._twice_rest = 2 * (1 - shared.own)

        def made() -> Whitened:
            return Whitened.of(shared.precision, lookup.class_means, background)

        lower, self._center, self._project, shares = made() if keep is None else keep(made)
        self._lower = lower
        self._shift = (self._project.astype(np.float64) @ self._center).astype(np.float32)
        #: Of squares of z: what of them is inside, and all.
        self._sums = np.stack([shares, np.ones(len(shares))]).astype(np.float32)
        white = lower.T @ self._center
        self._linear_shift = (2 * (lower @ white)).astype(np.float32)
        self._square_shift = float(white @ white)
        #: Of a class its two rows, its offset and its bonus.
        self._numbers = 2 * lookup.width + 2
        shapes = 4 * len(lookup.task_of) * (lookup.factor_rows + 1) * lookup.width
        self._spread = shapes <= _SPREAD_BYTES
        self._records = None if records is None else records(4 * self._numbers)
        self._classes: dict[int, _Classes] = {}
        self._lock = threading.Lock()

    def __call__(self, row: Floats, task: int) -> Terms:
        """Compare one unit-length vector float32 [D] with the task at position `task`."""
        classes = self._of(task)
        return self._terms(row, task, classes, classes.rows.dot(row))

    def several(self, rows: Floats, task: int) -> list[Terms]:
        """Compare vectors [N, D] likewise; of many classes the scores are of one product for all of
        them, and may differ in rounding.
        """
        classes = self._of(task)
        if classes.rows.nbytes <= _CACHED_BYTES:
            return [self(row, task) for row in rows]
        found: list[Terms] = []
        step = max(1, _AT_ONCE // len(classes.rows))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            pairs = zip(some, some @ classes.rows.T, strict=True)
            found += [self._terms(row, task, classes, products) for row, products in pairs]
        return found

    def _terms(self, row: Floats, task: int, classes: _Classes, products: Floats) -> Terms:
        """The terms of one vector, with its products with the task's rows [2 C + 1].

        Plain numbers: in a trunk's wake each kind of step that NumPy takes is read from memory
        first, which takes longer than the arithmetic of some dozen numbers.
        """
        z = self._project.dot(row)
        z -= self._shift
        z *= z
        inside, square = self._sums.dot(z).tolist()
        *numbers, linear = products.tolist()
        scores = list(map(sub, numbers, classes.offsets))
        if len(scores) > NEAREST:
            near = sorted(sorted(range(len(scores)), key=scores.__getitem__)[-NEAREST:])
        else:
            near = list(range(len(scores)))
        # |L' x|^2 from |L' (x - m_0)|^2
        whole = square + linear - self._square_shift
        return Terms(
            cosine=1.0 - max(numbers[len(scores) :]),
            relative=inside - 2.0 * max(scores),
            density=whole / self._twice_rest
            - self._shaped(row, task, classes, near)
            - (square - inside) / 2,
        )

    def _shaped(self, row: Floats, task: int, classes: _Classes, near: list[int]) -> float:
        """The largest g of the classes `near` of a task, with what is added to it."""
        if not classes.shapes:
            places = np.array(near)
            g = self._table.scores(row, places + self._lookup.spans[task].start)
            g += classes.bonus.take(places)
            return float(g.max())
        found: list[float] = []
        for one in near:
            *apart, linear = map(sub, classes.shapes[one].dot(row).tolist(), classes.shifts[one])
            found.append(sum([number * number for number in apart]) + linear)
        return max(found)

    def _of(self, task: int) -> _Classes:
        """One task's classes, made when they are asked for and not kept."""
        found = self._classes.get(task)
        if found is None:
            numbers = self._read(task)
            found = self._together(task, self._made(task) if numbers is None else numbers)
            with self._lock:
                self._classes[task] = found
                while len(self._classes) > max(1, KEPT_BYTES // found.rows.nbytes):
                    del self._classes[next(iter(self._classes))]
        return found

    def _made(self, task: int) -> Floats:
        statistics = self._signatures[self._lookup.tasks[task]]
        means, counts = statistics.means.astype(np.float64), statistics.counts
        error = self._doubt / counts
        # what a class that is a task of its own has for being found says nothing of its inputs
        given = self._doubt * self._table.given(task)
        bonus = ((ERRORS - 1) * error - given) / self._twice_rest
        rows = class_rows(means, counts, self._center, self._lower, self._level, error)
        numbers = np.column_stack([rows.linear, rows.directions, rows.offsets, bonus])
        numbers = numbers.astype(np.float32)
        if self._records is not None:
            for one, row in zip(self._numbered(task), numbers, strict=True):
                self._records.write(one, row.tobytes())
        return numbers

    def _read(self, task: int) -> Floats | None:
        """One task's classes as they were made before; None where one is not there."""
        found: list[bytes] = []
        for one in self._numbered(task):
            row = None if self._records is None else self._records.read(one)
            if row is None:
                return None
            found.append(row)
        numbers = np.frombuffer(b"".join(found), np.float32)
        return numbers.reshape(len(found), self._numbers)

    def _numbered(self, task: int) -> range:
        span = self._lookup.spans[task]
        return range(span.start, span.stop)

    def _together(self, task: int, numbers: Floats) -> _Classes:
        width = self.width
        linear, directions = numbers[:, :width], numbers[:, width : 2 * width]
        products = np.concatenate([linear, directions, self._linear_shift[None]])
        offsets, bonus = numbers[:, -2].tolist(), numbers[:, -1].copy()
        if not self._spread:
            return _Classes(products, offsets, bonus, [], [])
        shapes, shifts = self._table.spread_out(np.array(self._numbered(task)))
        shifts[:, -1] -= bonus
        return _Classes(products, offsets, bonus, list(shapes), shifts.tolist())
