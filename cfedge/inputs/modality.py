"""What a kind of input is to the rest: the seam that all kinds stand behind.

Behind the trunk nothing knows a kind. A kind is one folder beside this file: ``spec.py`` (pure,
stands in the manifest), ``device.py`` (a `Modality`, made by ``opened``) and ``data.py`` (a
`cfedge.inputs.reader.Reader`, made by ``reader``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dumped", "Input", "Legibility", "Modality", "Prepared", "Stored", "Tensor"]

#: One input: a string, the path or the bytes of a picture, an array. Each kind checks what it gets.
Input: TypeAlias = Any
Array: TypeAlias = NDArray[Any]
#: An input or output of a graph: its element type as ONNX Runtime names it, and its sizes, None
#: where any will do.
Tensor: TypeAlias = tuple[str, tuple[int | None, ...]]


class Prepared(NamedTuple):
    """One input, ready for the trunk.

    Attributes
    ----------
    feeds
        [1, ...] by the names of the trunk's inputs.
    shape
        Inputs of one shape may share a run.
    truncated
        The input was longer than the backbone reads; the rest is ignored.
    """

    feeds: dict[str, Array]
    shape: Hashable
    truncated: bool


class Legibility(NamedTuple):
    """What of one input the encoder cannot read.

    Attributes
    ----------
    truncated
        It is longer than the encoder reads: the rest is ignored.
    unread
        At least half of it stands for what the encoder does not know.
    spelled
        It is read piece by piece, as what the encoder was not made for.
    """

    truncated: bool = False
    unread: bool = False
    spelled: bool = False


class Dumped(NamedTuple):
    """Inputs as files hold them: arrays by name, and of each input a note of JSON types."""

    arrays: dict[str, Array]
    notes: list[Any]


class Stored(Protocol):
    """How files hold one kind of input. It needs nothing but the spec.

    Attributes
    ----------
    written
        An input is a string that people write and read as it stands.
    visible
        An input can be seen: it has a thumbnail and a picture.
    may_fail
        The trunk is a user's own graph, which may fail on an input of the right form.
    """

    written: bool
    visible: bool
    may_fail: bool

    def dump(self, inputs: Sequence[Input]) -> Dumped:
        """Return inputs as files hold them: golden vectors and held-out evidence."""
        ...

    def load(self, arrays: Mapping[str, Array], notes: Sequence[Any], what: str) -> list[Input]:
        """Return what `dump` was given.

        Raises
        ------
        IncompatibleError
            `what` holds something else.
        """
        ...

    def thumbnail(self, value: Input) -> bytes | None:
        """Return a small JPEG of what the backbone sees of an input; None where nothing can be seen.

        Raises
        ------
        InputError
            It is none of its kind.
        MissingExtraError
            Pillow is not installed.
        """
        ...


class Modality(Stored, Protocol):
    """How a device treats one kind of input.

    Attributes
    ----------
    tensors
        The trunk's inputs, by name.
    noun
        What one input is called, such as ``image``. Requests and files name it so.
    example
        One input as a request's JSON writes it, for pages and help.
    golden_vectors
        How many inputs of a task travel with it.
    media
        What the media type of a request begins with whose body is one input: ``image/``. None where
        only JSON is taken.
    body_bytes
        Of one request's body.
    json_schema
        How a request's JSON writes one input, as JSON Schema. What JSON Schema cannot say of it is
        for `prepare`.
    """

    tensors: Mapping[str, Tensor]
    noun: str
    example: object
    golden_vectors: int
    media: str | None
    body_bytes: int
    json_schema: Mapping[str, object]

    def several(self, given: object) -> list[Input]:
        """Return what `Engine.predict` was given as a list of inputs; one alone is a list of one.

        Raises
        ------
        InputError
            It is no such sequence.
        """
        ...

    def prepare(self, value: Input, position: int = 0) -> Prepared:
        """Make one input ready.

        Raises
        ------
        InputError
            It is none; naming its position.
        """
        ...

    def legibility(self, value: Input) -> Legibility:
        """Return what of an input that `prepare` takes the encoder cannot read."""
        ...

    def largest(self, value: Input) -> Input:
        """Return an input as large as the backbone reads, or larger, made from `value`."""
        ...

    def mirrored(self, value: Input) -> Input | None:
        """Return an input as it would be in a mirror, left for right; None of a kind that has no
        left and right.

        Raises
        ------
        InputError
            It is none of its kind.
        """
        ...

    def warm_up(self) -> list[Input]:
        """Return inputs after which nothing waits to be read for the first time."""
        ...

    def made_up(self, rng: np.random.Generator, count: int) -> list[Input]:
        """Return `count` inputs that show nobody and nothing, for golden vectors where held-out ones
        must not travel; none of a kind that nothing can be made up of.
        """
        ...

    def remark(self, inputs: Sequence[Input], notes: Sequence[Any]) -> str:
        """Return what may explain that loaded inputs are answered otherwise here: that they decode
        to something else than where they were dumped. Empty where they do not.
        """
        ...

    def parse(self, value: object, where: str, *, local: bool = False) -> Input:
        """Read a JSON value.

        Parameters
        ----------
        local
            It comes from whoever runs this program, who may name files, rather than from a client.

        Raises
        ------
        UsageError
            It is of another type.
        InputError
            It asks for too much.
        """
        ...

    def words(self, value: str, where: str) -> list[Input]:
        """Return the inputs that a word of the command line, or a line that is no JSON, is or
        names.

        Raises
        ------
        InputError
            It names none.
        """
        ...

    def name(self, value: Input) -> str:
        """Return how tables and errors call an input."""
        ...

    def shared(self, group: Sequence[Input], others: Sequence[Input]) -> str:
        """Return what a group of inputs may be called: what its members share and the others have
        not. Empty where nothing is shared, or the kind has no words for it.
        """
        ...

    def picture(self, value: Input) -> bytes | None:
        """Return a PNG of what the backbone sees of an input; None where nothing can be seen.

        Raises
        ------
        InputError
            It is none of its kind.
        """
        ...
