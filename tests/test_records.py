"""Records are to their users what frozen dataclasses are."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from cfedge.records import record


@record(frozen=True)
class Record:
    """Text."""

    name: str
    sizes: list[int] = field(default_factory=list)
    kind: ClassVar[str] = "x"
    count: int = 1


@record(frozen=True, slots=True)
class Slotted:
    """Text."""

    name: str
    count: int = 1


@dataclass(frozen=True)
class Reference:
    """What Python makes of the same fields as `Record`'s."""

    name: str
    sizes: list[int] = field(default_factory=list)
    kind: ClassVar[str] = "x"
    count: int = 1


def test_a_record_answers_and_refuses_as_a_frozen_dataclass() -> None:
    for given, named in [(("a",), {}), (("a", [2], 3), {}), ((), {"count": 4, "name": "b"})]:
        ours, theirs = Record(*given, **named), Reference(*given, **named)  # type: ignore[arg-type]
        assert repr(ours) == repr(theirs).replace("Reference", "Record")
        assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
        assert dataclasses.astuple(dataclasses.replace(ours, count=9))[-1] == 9
        for one in (ours, Slotted("a", 2)):
            for same in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
                assert same == one
            for change in (
                lambda one=one: setattr(one, "name", "c"),
                lambda one=one: delattr(one, "name"),
            ):
                with pytest.raises(dataclasses.FrozenInstanceError, match="name"):
                    change()
    assert Record("a").sizes is not Record("a").sizes
    assert Record("a") != Record("b")
    assert Slotted("a", 1) != Reference("a", count=1)
    assert len({Slotted("a"), Slotted("a", 1), Slotted("b")}) == 2
    assert not hasattr(Slotted("a"), "__dict__")
    shown = "(name: 'str', sizes: 'list[int]' = [], count: 'int' = 1)"
    assert str(inspect.signature(Record)) == shown
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}), (("a", [], 1, 2), {}), (("a",), {"name": "b"}), (("a",), {"other": 1}),
        ((), {"count": 1}),
    ]  # fmt: skip
    for given, named in wrong:
        for kind in (Record, Reference):
            with pytest.raises(TypeError, match=kind.__name__):
                kind(*given, **named)
