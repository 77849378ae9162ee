"""The classes of all tasks, ready to score: made when an input first needs them, and kept in as few
bytes as their number allows.

A class's directions are kept in 8 bits with a step for each row: a row v is d q + e with integers q
and |e_k| <= d / 2, so that v . x is wrong by d |x|_1 / 2 at most. On real features g is then wrong
by .1 nats, where the evidence's temperature is 4. Where all classes together exceed
`KEPT_BYTES`, those that were not needed for longest make room; a score never depends on what is in
memory, nor on whether a class was made before and is read back (`cfedge.lookup.kept.Records`).

Inputs are scored one by one, as in `cfedge.lookup.lookup`. Safe to use from several threads.

Letters: D width, C classes, R factor rows, N classes that an input is scored by.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.class_gaussians import OF_ONE_VIEW, ClassShape, Shared, Strength, alone
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.finite import finite
from cfedge.lookup.kept import Keep, Records
from cfedge.lookup.lookup import Lookup

__all__ = ["ClassTable", "KEPT_BYTES"]

Floats = NDArray[np.float32]

#: Of the classes of one stage. With twelve rows of 384 numbers a class takes 6 kB, so this holds
#: 2,600 of them: those of 170 tasks of fifteen.
KEPT_BYTES = 16 << 20
#: Classes that are kept at least, so that those of one input never make room for each other.
_LEAST = 64
#: Of how many classes that are in memory one makes room at a time.
_AT_ONCE = 32
_LARGEST = 127
#: Of what is squared: g has half of the square.
_HALF = math.sqrt(0.5)


class ClassTable:
    """Scores single classes of all tasks by their own shapes.

    Parameters
    ----------
    signatures
        By task name, those of `lookup`; one is asked for when a class of it is needed.
    lookup
        Of the same signatures: their shared covariance, and where their classes are.
    kept_bytes
        See `KEPT_BYTES`.
    keep
        Gives what was computed of this very lookup before, or has it computed.
    records
        Gives records of a size, in bytes: there classes are left when they are made, and read when
        they are needed again.
    strength
        Of the classes' own shapes.

    Attributes
    ----------
    shared
        What all classes have in common.
    """

    def __init__(
        self,
        signatures: Mapping[str, ClusterStatistics],
        lookup: Lookup,
        *,
        kept_bytes: int = KEPT_BYTES,
        keep: Keep[Shared] | None = None,
        records: Callable[[int], Records] | None = None,
        strength: Strength = OF_ONE_VIEW,
    ) -> None:
        self._signatures, self._tasks, self._spans = signatures, lookup.tasks, lookup.spans
        self._lookup, self._task_of = lookup, lookup.task_of

        def made() -> Shared:
            return Shared.of(lookup.within, lookup.shrinkage, strength)

        self.shared = made() if keep is None else keep(made)
        count, rows, width = len(self._task_of), lookup.factor_rows, lookup.width
        size = rows * width + 4 * (width + 2 * rows + 1)
        self._records = None if records is None else records(size)
        places = min(count, max(_LEAST, kept_bytes // size))
        self._all_fit = places == count
        self._lock = threading.Lock()
        #: Where each class is kept; -1: nowhere.
        self._place = np.full(count, -1, np.int32)
        #: Which class is at each place (-1: none), and when it was needed last.
        self._class = np.full(places, -1, np.int32)
        self._needed = np.zeros(places, np.int64)
        self._clock = 0
        #: Places of no class.
        self._free = list(range(places - 1, -1, -1))
        self._rows = np.zeros((places, rows, width), np.int8)
        #: Of each class u, its steps and centers by `_HALF`, and its offset: read together.
        self._rest = np.zeros((places, width + 2 * rows + 1), np.float32)
        #: All classes are made, each at its own place: nothing changes any more.
        self._whole = False

    def scores(self, row: Floats, classes: NDArray[np.intp], position: int = 0) -> Floats:
        """Return g of the `classes`, positions among those of all tasks, float32 [N], for one
        unit-length vector [D].

        Raises
        ------
        InputError
            It holds NaN or infinity; `position` names the input.
        """
        rows, rest = self._taken(classes)
        count, each, width = rows.shape
        apart = rows.reshape(count * each, width).astype(np.float32).dot(row).reshape(count, each)
        apart *= rest[:, width : width + each]
        apart -= rest[:, width + each : -1]
        apart *= apart
        g: Floats = rest[:, :width].dot(row)
        g += np.add.reduce(apart, axis=1)
        g += rest[:, -1]
        finite(g.item(0), position)  # a number that is not makes every score so
        return g

    def spread_out(self, classes: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return what makes g of the `classes` in one product: A float32 [N, R + 1, D] and a [N, R +
        1] with g = |y_1..R|^2 + y_(R + 1) of y = A x - a, but for rounding.
        """
        rows, rest = self._taken(classes)
        count, each, width = rows.shape
        together = np.empty((count, each + 1, width), np.float32)
        steps = rest[:, width : width + each, None]
        np.multiply(rows, steps, out=together[:, :each])
        together[:, each] = rest[:, :width]
        shifts = rest[:, width + each :].copy()
        shifts[:, each] *= -1
        return together, shifts

    def _taken(self, classes: NDArray[np.intp]) -> tuple[NDArray[np.int8], Floats]:
        """What is kept of `classes`: the rows, and the rest."""
        if self._whole:
            return self._rows.take(classes, axis=0), self._rest.take(classes, axis=0)
        with self._lock:
            places = self._places(classes)
            return self._rows.take(places, axis=0), self._rest.take(places, axis=0)

    def given(self, task: int) -> float:
        """Return what the class of the task at position `task` is given beforehand, of tr(P S);
        nothing where the task has several, or no other is there.
        """
        span = self._spans[task]
        if span.stop - span.start > 1 or len(self._tasks) == 1:
            return 0.0
        squares = self._lookup.squares(span.start)
        squares[span] = np.inf
        examples = int(self._lookup.counts[task][0])
        return alone(float(squares.min()), self._lookup.directions, examples)

    def warm_up(self) -> None:
        """Make all classes, where all fit."""
        if self._all_fit:
            with self._lock:
                self._places(np.arange(len(self._place)))

    def _places(self, classes: NDArray[np.intp]) -> NDArray[np.int32]:
        """Where `classes` are kept, made first where they are not; the lock is held."""
        places = self._place.take(classes)
        if places.min(initial=0) < 0:
            self._make(classes, classes[places < 0])
            places = self._place.take(classes)
        if not self._all_fit:
            self._clock += 1
            self._needed[places] = self._clock
        return places

    def _make(self, needed: NDArray[np.intp], missing: NDArray[np.intp]) -> None:
        """Make the `missing` of the classes that are `needed`, where all fit with the others of
        their tasks: these will be needed soon, and the signature is there.
        """
        tasks = sorted(set(self._task_of[missing].tolist()))  # np.unique imports numpy.ma
        if not self._all_fit and len(self._free) < len(missing):
            self._make_room(needed, len(missing))
        for task in tasks:
            span = self._spans[task]
            inside = (missing >= span.start) & (missing < span.stop)
            chosen = range(span.start, span.stop) if self._all_fit else missing[inside].tolist()
            places = {one: one if self._all_fit else self._free.pop() for one in chosen}
            self._fill(task, {one: at for one, at in places.items() if not self._read(one, at)})
            for one, place in places.items():
                self._class[place], self._place[one] = one, place
        self._whole = self._all_fit and bool((self._place >= 0).all())

    def _fill(self, task: int, places: Mapping[int, int]) -> None:
        """Make classes of a task, each at its place."""
        if not places:
            return
        statistics, given = self._signatures[self._tasks[task]], self.given(task)
        start = self._spans[task].start
        for one, place in places.items():
            self._keep(ClassShape.of(statistics, one - start, self.shared, given), place)
            if self._records is not None:
                content = self._rows[place].tobytes() + self._rest[place].tobytes()
                self._records.write(one, content)

    def _read(self, one: int, place: int) -> bool:
        """Put a class at a place as it was made before, if it was."""
        content = None if self._records is None else self._records.read(one)
        if content is None:
            return False
        rows = self._rows[place]
        rows.reshape(-1)[:] = np.frombuffer(content, np.int8, rows.size)
        self._rest[place] = np.frombuffer(content, np.float32, offset=rows.size)
        return True

    def _make_room(self, needed: NDArray[np.intp], count: int) -> None:
        """Free `count` places at least, and some more so that this is not done for every input, of
        the classes that were needed longest ago; none of a class that is needed now.
        """
        age = self._needed.copy()
        held = self._place.take(needed)
        age[held[held >= 0]] = np.iinfo(np.int64).max
        age[self._class < 0] = -1
        count = max(count, len(age) // _AT_ONCE)
        freed = np.argpartition(age, count - 1)[:count]
        gone = self._class[freed]
        self._place[gone[gone >= 0]] = -1
        self._class[freed] = -1
        self._free = freed.tolist()

    def _keep(self, shape: ClassShape, place: int) -> None:
        count = len(shape.directions)
        limit = np.abs(shape.directions).max(axis=1, initial=0.0)
        steps = np.where(limit > 0, limit / _LARGEST, 1.0)
        self._rows[place] = 0
        self._rows[place, :count] = np.rint(shape.directions / steps[:, None])
        rest, (_, each, width) = self._rest[place], self._rows.shape
        rest[:] = 0
        rest[:width], rest[-1] = shape.linear, shape.offset
        rest[width : width + count] = steps * _HALF
        rest[width + each : width + each + count] = shape.centers * _HALF
