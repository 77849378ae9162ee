"""Power cuts, kills and refused calls at every point of a sync: what is left works, and the next
sync ends at the newest state.

A few of each here: every state, every step and every error is what benchmarks/crash.py looks at
(``make soak``).
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from crashes import (
    HISTORIES,
    Change,
    History,
    State,
    fault_of,
    left_out,
    recorded,
    states,
    sync_labels,
)
from every import cases
from powercut import Model, Op, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the calls are those of POSIX")

#: What a power cut would break if this were not synced: which history shows it.
CAUGHT: dict[str, str] = {
    "file current": "rolled back",
    "file generations/*.json": "rolled back",
    "file objects/*": "killed early",
    "file store.json": "first",
    "file trust/root.json": "rotated",
    "file trust/snapshot.json": "killed early",
    "file trust/targets.json": "killed early",
    "file trust/timestamp.json": "killed early",
    "folder .": "rolled back",
    "folder generations": "rolled back",
    "folder objects": "killed early",
    "folder partial": "killed early",
    "folder boot_attempts": "killed early",
    "folder trust": "first",
    "file vouched/*": "updates",
    "folder vouched": "updates",
}
#: What may be left unsynced in these histories without harm, and why; synced all the same, so that
#: what was fetched is kept.
REDUNDANT: dict[str, str] = {
    "file log/done": "damaged, it is another state, and the next sync looks at everything",
    "file log/entries": "its digests are signed: what does not agree is fetched again",
    "file log/index.json": "damaged, it is fetched again",
    "file log/refused": "lost, what was refused is tried once more",
    "file boot_attempts/*": (
        "it is empty, and empty it stays; that a start is counted before it goes on is shown in"
        " test_boot_attempts.py"
    ),
    "file trust/root_history/*.root.json": (
        "damaged, it is fetched again; the root that counts is trust/root.json"
    ),
    "folder log": "what is gone is fetched again",
    "folder trust/root_history": "what is gone is fetched again",
}


# The model


def test_bytes_are_safe_once_the_file_was_synced_and_names_once_the_folder_was() -> None:
    model = Model()
    seen = []
    for op in (
        Op("create", "file", node=1),
        Op("write", "", node=1, data=b"word"),
        Op("sync", "", node=1),
        Op("sync", "", node=0),
        Op("unlink", "file"),
    ):
        model.apply(op)
        seen.append({one.get("file") for one in model.cuts(random.Random(0))})
    assert seen == [
        {None, b""},
        {None, b"", b"wo", bytes(4), b"word"},
        {None, b"word"},
        {b"word"},
        {None, b"word"},
    ]


def test_the_two_names_of_a_rename_are_on_their_own_until_the_folder_is_synced() -> None:
    model = Model({"a": b"new", "b": b"old"})
    model.apply(Op("rename", "a", "b"))
    both = [(one.get("a"), one.get("b")) for one in model.cuts(random.Random(0))]
    assert sorted(both, key=repr) == [
        (None, b"new"),
        (None, b"old"),
        (b"new", b"new"),
        (b"new", b"old"),
    ]
    model.apply(Op("sync", "", node=0))
    assert list(model.cuts(random.Random(0))) == [{"b": b"new"}]


def test_a_folder_whose_name_is_lost_takes_what_is_in_it_along() -> None:
    model = Model()
    for op in (
        Op("mkdir", "folder", node=1),
        Op("create", "folder/file", node=2),
        Op("sync", "", node=2),
        Op("sync", "", node=1),
    ):
        model.apply(op)
    assert sorted(map(len, model.cuts(random.Random(0)))) == [0, 2]


@cases("name", HISTORIES)
def test_the_recording_misses_nothing(name: str) -> None:
    history = recorded(name)
    assert recorded(name, 0) is history
    assert history.now().tree() == tree(history.root)
    assert len([op for op in history.ops if op.kind == "sync"]) > 5


# Power cuts


def check_states(history: History, *, count: int | None = None, most: int = 4) -> int:
    """Look at every state that a power cut may leave of a history, or at `count` of them, evenly."""
    found = list(states(history, random.Random(0), most=most))
    chosen = found if count is None else random.Random(1).sample(found, min(count, len(found)))
    for state in chosen:
        wrong = fault_of(state)
        last = history.ops[state.after - 1] if state.after else None
        assert not wrong, (
            f"after {state.after} changes ({last.kind} {last.path if last else ''}): {wrong}"
            if last
            else wrong
        )
    return len(chosen)


@cases("name", HISTORIES)
def test_a_power_cut_leaves_a_store_that_works(name: str) -> None:
    assert check_states(recorded(name), count=4) == 4


def test_a_root_that_is_trusted_is_so_for_good(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.site.teach("cards")
    history.begin(history.publish())
    last = [state for state in states(history, random.Random(0)) if state.facts.begun]
    assert [fault_of(state) for state in last] == [""] * len(last)
    assert last


# Fsyncs, one left out


def is_caught(history: History, label: str, most: int, count: int | None = None) -> bool:
    """Whether some power cut breaks something where the fsyncs of this label are left out."""
    found = list(left_out(history, label, random.Random(0), most))
    # In any order but theirs: the first hundreds are often of a time before the sync mattered.
    chosen = random.Random(1).sample(found, len(found) if count is None else count)
    return any(fault_of(state) for state in chosen)


def test_every_fsync_is_known_to_be_needed_or_not() -> None:
    found = {label for name in HISTORIES for label in sync_labels(recorded(name)).values()}
    assert found == CAUGHT.keys() | REDUNDANT.keys()


@pytest.mark.slow
@cases(("label", "name"), sorted(CAUGHT.items()))
def test_an_fsync_that_is_left_out_breaks_something(label: str, name: str) -> None:
    assert is_caught(recorded(name), label, most=8)


@cases("label", sorted(REDUNDANT))
def test_an_fsync_that_is_called_redundant_is(label: str) -> None:
    assert not is_caught(recorded("updates"), label, most=4, count=4)


@pytest.mark.slow
@cases("at", range(4, 130, 42))
def test_what_a_sync_relied_on_after_a_kill_is_not_taken_back_by_a_power_cut(at: int) -> None:
    check_states(recorded("killed", at), count=8, most=2)


# Kills and refusals


@pytest.fixture(scope="module", params=["first", "update", "refused"])
def change(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Change:
    return Change(tmp_path_factory.mktemp("change"), request.param)


def test_a_kill_at_any_step_leaves_a_store_that_works(change: Change) -> None:
    for at in range(1, len(change.steps) + 1, 61):
        assert change.killed(at) == "", change.steps[at - 1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_a_refused_call_is_told_in_one_line_and_leaves_a_store_that_works(
    change: Change, number: int
) -> None:
    for at in range(1 + (number == errno.EIO), len(change.steps) + 1, 53):
        assert change.refused(at, number, lasting=at % 2 == 0) == "", change.steps[at - 1]


# The checks themselves


def test_a_store_that_is_wrong_is_noticed() -> None:
    history = recorded("updates")
    whole = tree(history.root)
    first_object = next(path for path in whole if path.startswith("store/objects/"))
    wrong = {
        "an object is cut": {**whole, first_object: b"cut"},
        "an object is gone": {path: data for path, data in whole.items() if path != first_object},
        "the pointer is gone": {
            path: data for path, data in whole.items() if path != "store/current"
        },
        "the pointer is cut": {**whole, "store/current": b'{"gen'},
        "the root is gone": {
            path: data for path, data in whole.items() if path != "store/trust/root.json"
        },
        "a timestamp is gone": {
            path: data for path, data in whole.items() if path != "store/trust/timestamp.json"
        },
        "the store is gone": {"store": None},
    }
    assert fault_of(State(0, whole, history.facts)) == ""
    for what, left in wrong.items():
        assert fault_of(State(0, left, history.facts)), what
