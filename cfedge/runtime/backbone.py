"""Run the frozen encoder: inputs -> `Trunk` -> hidden states and features; hidden states + slots ->
`Tail` -> features.

Rows of equal shape share a run, in the tail each with its own slots where these are of one rank;
nothing is padded, so that a row's result does not depend on its batch. Of a scheme whose rows would
not be independent (`cfedge.runtime.row_groups.ROWS_MEET`) each is run alone.

Letters: B batch, D width of the tail, F width of the trunk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.large_weights import without_large_weights
from cfedge.bundle.manifest import Backbone
from cfedge.errors import IncompatibleError
from cfedge.inputs.modality import Input, Modality, Tensor
from cfedge.runtime.row_groups import grouped, most_rows
from cfedge.runtime.session import check_interface, not_run, not_taken, open_session
from cfedge.runtime.signed_weights import with_signed_weights

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Encoded", "Slots", "Tail", "Trunk", "no_adapter"]

Floats = NDArray[np.float32]
Slots = Mapping[str, Floats]
Feeds = Mapping[str, NDArray[np.generic]]

#: Rows of one shape and task from which on a run of their own costs less than copying their slots
#: (docs/decisions/0016-gathered.md).
_OWN_RUN = 4
_TRUNK_OUTPUTS, _TAIL_OUTPUTS = ["hidden", "features"], ["features"]
_NOTHING = np.empty(0, np.float32)


class Encoded(NamedTuple):
    """What the trunk makes of B inputs: of each whether it was longer than the backbone reads, its
    hidden states [1, ...], and features [F], the trunk's views side by side.
    """

    truncated: list[bool]
    hidden: list[Floats]
    features: list[Floats]

    def of(self, rows: Sequence[int]) -> Encoded:
        """Return some of the inputs."""
        return Encoded(
            [self.truncated[row] for row in rows],
            [self.hidden[row] for row in rows],
            [self.features[row] for row in rows],
        )


class Trunk:
    """The shared, never adapted blocks, with what prepares the inputs before them.

    Parameters
    ----------
    model
        ONNX bytes, which may be changed (`with_signed_weights`).
    modality
        What prepares the inputs.
    backbone
        Its record.
    """

    def __init__(
        self, model: BytesIO, modality: Modality, backbone: Backbone, *, threads: int = 1
    ) -> None:
        self._modality = modality
        self._session = _opened(model, "trunk", threads)
        self._hidden, self._features = backbone.hidden, sum(backbone.views)
        check_interface(
            self._session,
            "trunk",
            inputs=modality.tensors,
            outputs={
                "hidden": ("float", (None, *self._hidden)),
                "features": ("float", (None, self._features)),
            },
        )
        self._most = most_rows(backbone)

    def __call__(self, inputs: Sequence[Input]) -> Encoded:
        """Encode B inputs.

        Raises
        ------
        InputError
            One is none of the backbone's kind, or a user's own graph fails on it.
        """
        ready = [self._modality.prepare(value, position) for position, value in enumerate(inputs)]
        truncated = [row.truncated for row in ready]
        if len(ready) == 1:
            states, directions = self._run(ready[0].feeds, [0])
            return Encoded(truncated, [states], [directions[0]])
        hidden: list[Floats] = [_NOTHING] * len(ready)
        features: list[Floats] = [_NOTHING] * len(ready)
        positions = [max(array.size for array in row.feeds.values()) for row in ready]
        for rows in grouped([row.shape for row in ready], positions, self._most):
            feeds = {
                name: np.concatenate([ready[row].feeds[name] for row in rows])
                for name in ready[rows[0]].feeds
            }
            states, directions = self._run(feeds, rows)
            for place, row in enumerate(rows):
                hidden[row], features[row] = states[place : place + 1], directions[place]
        return Encoded(truncated, hidden, features)

    def _run(self, feeds: Feeds, rows: Sequence[int]) -> tuple[Floats, Floats]:
        try:
            states, directions = self._session.run(_TRUNK_OUTPUTS, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            if self._modality.may_fail and len(rows) == 1:
                raise not_taken(self._modality.noun, rows[0], error) from error
            for place, row in enumerate(
                rows if self._modality.may_fail else ()
            ):  # which of them is it?
                self._run({name: array[place : place + 1] for name, array in feeds.items()}, [row])
            raise not_run("trunk", error) from error
        fits = _fits(states.shape, (len(rows), *self._hidden))
        if not (fits and directions.shape == (len(rows), self._features)):
            raise _misshapen("trunk", len(rows), [states.shape, directions.shape])
        return states, directions


def _fits(shape: tuple[int, ...], sizes: tuple[int | None, ...]) -> bool:
    return len(shape) == len(sizes) and all(
        size is None or size == length for length, size in zip(shape, sizes, strict=True)
    )


class Tail:
    """The blocks with low-rank slots.

    Parameters
    ----------
    verified
        This machine has opened these bytes before: they are opened again when an answer first needs
        them, which most do not. Otherwise now.
    """

    def __init__(
        self, model: bytes, backbone: Backbone, *, threads: int = 1, verified: bool = False
    ) -> None:
        self._model, self._backbone, self._threads = model, backbone, threads
        self._most, self._width = most_rows(backbone), backbone.width
        if not verified:
            self.open()

    def open(self) -> None:
        """Open the session, if it is not yet."""
        _ = self._session

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        backbone = self._backbone
        session = _opened(BytesIO(self._model), "tail", self._threads)
        inputs: dict[str, Tensor] = {"hidden": ("float", (None, *backbone.hidden))}
        for slot in backbone.slots:
            inputs[f"a.{slot.name}"] = ("float", (None, slot.rows, None))
            inputs[f"b.{slot.name}"] = ("float", (None, None, slot.columns))
        check_interface(
            session, "tail", inputs=inputs, outputs={"features": ("float", (None, backbone.width))}
        )
        return session

    def __call__(self, hidden: Sequence[Floats], slots: Sequence[Slots]) -> list[Floats]:
        """Return the unit-length features [D] of each row's hidden states [1, ...] under its
        slots.
        """
        if len(hidden) == 1:
            return [self._run(hidden[0], slots[0])[0]]
        features: list[Floats] = [_NOTHING] * len(hidden)
        for rows in self._runs([states.shape[1:] for states in hidden], slots):
            found = self._run(
                np.concatenate([hidden[row] for row in rows]),
                _gathered([slots[row] for row in rows]),
            )
            for row, one in zip(rows, found, strict=True):
                features[row] = one
        return features

    def _runs(self, shapes: Sequence[tuple[int, ...]], slots: Sequence[Slots]) -> list[list[int]]:
        """Rows of each run: of one shape, and of the same slots or of slots of the same shapes."""
        runs, few = [], []
        positions = [math.prod(shape[:-1]) for shape in shapes]
        of_one_task = [(shape, id(own)) for shape, own in zip(shapes, slots, strict=True)]
        for rows in grouped(of_one_task, positions, self._most):
            if len(rows) < _OWN_RUN:
                few += rows
            else:
                runs.append(rows)
        keys = [(shapes[row], *[one.shape for one in slots[row].values()]) for row in few]
        groups = grouped(keys, [positions[row] for row in few], self._most)
        return runs + [[few[place] for place in places] for places in groups]

    def _run(self, states: Floats, slots: Slots) -> Floats:
        try:
            found: Floats = self._session.run(_TAIL_OUTPUTS, {"hidden": states, **slots})[0]
        except Exception as error:  # as in Trunk
            raise not_run("tail", error) from error
        if found.shape != (len(states), self._width):
            raise _misshapen("tail", len(states), [found.shape])
        return found


def _opened(model: BytesIO, what: str, threads: int) -> onnxruntime.InferenceSession:
    """Open a graph, which reads its large weights where they stand in the bytes."""
    graph, weights = without_large_weights(with_signed_weights(model, what), what)
    return open_session(graph, what, threads=threads, weights=weights)


def no_adapter(backbone: Backbone, rank: int = 0) -> dict[str, Floats]:
    """Slots that change nothing: the tail as it was pretrained, to the bit whatever the rank."""
    slots: dict[str, Floats] = {}
    for slot in backbone.slots:
        slots[f"a.{slot.name}"] = np.zeros((1, slot.rows, rank), np.float32)
        slots[f"b.{slot.name}"] = np.zeros((1, rank, slot.columns), np.float32)
    return slots


def _gathered(slots: Sequence[Slots]) -> Slots:
    """Slots of B rows, [B, ...] each; [1, ...], for all rows together, where they are the same.

    But for rank 1: by one column, ONNX Runtime multiplies all rows of a run at once in another
    order than those of one row.
    """
    first = slots[0]
    if all(own is first for own in slots) and all(array.shape[2] != 1 for array in first.values()):
        return first
    return {name: np.concatenate([own[name] for own in slots]) for name in first}


def _misshapen(what: str, rows: int, found: list[tuple[int, ...]]) -> IncompatibleError:
    shapes = " and ".join(str(list(shape)) for shape in found)
    return IncompatibleError(
        f"{what}: expected results of the backbone's shapes for {rows} rows, found {shapes}; export"
        " the bundle again"
    )
