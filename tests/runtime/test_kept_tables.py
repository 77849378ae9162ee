"""What the lookup among many tasks computes, kept for the next opening."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.errors import IncompatibleError
from cfedge.lookup.fitted import Fitted
from cfedge.runtime import kept_tables

TEXTS = [text for task in ("colors", "animals", "food") for text, _ in make_texts(task, 8, seed=3)]


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of them; two classes are many."""
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_tables, "KEPT_FROM", 2)
    return tmp_path / "cache" / "tables"


def answers(bundle: Path, **more: object) -> list[dict[str, object]]:
    engine = Engine.open(bundle, **more)  # type: ignore[arg-type]
    engine.warm_up()
    return [dataclasses.asdict(one) | {"ms": 0} for one in engine.predict(TEXTS)]


def computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Fitted:
        raise AssertionError("it was computed again")

    monkeypatch.setattr(Fitted, "of", refuse)


def test_what_was_computed_once_is_not_again_and_the_answers_are_the_same(
    tables: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answers(tiny_bundle)
    assert len(list(tables.iterdir())) == 2
    computes_nothing(monkeypatch)
    assert answers(tiny_bundle) == first
    assert answers(tiny_bundle, adapter_bytes=0) == first


def test_of_few_classes_nothing_is_kept(
    tables: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("CFEDGE_CACHE", str(tables.parent))
    answers(tiny_bundle)
    assert not tables.exists()


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def of_other_arrays(path: Path) -> None:
    whole(path, lambda arrays: {**arrays, "clusters": arrays["clusters"][:, :-1].copy()})


def of_fewer_classes(path: Path) -> None:
    cut = {"counts": -1, "clusters": -1, "offsets": -1}

    def fewer(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        sizes = arrays["sizes"].copy()
        sizes[0] -= 1
        shorter = {name: arrays[name][:end].copy() for name, end in cut.items()}
        return {**arrays, **shorter, "sizes": sizes}

    whole(path, fewer)


def without_a_name(path: Path) -> None:
    whole(path, lambda arrays: {name: one for name, one in arrays.items() if name != "mean"})


def whole(path: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    content = dump_arrays(change(load_arrays(path.read_bytes()[32:], "tables")))
    path.write_bytes(hashlib.sha256(content).digest() + content)


def for_all_to_write(path: Path) -> None:
    path.chmod(0o666)


def in_a_folder_for_all(path: Path) -> None:
    path.parent.chmod(0o777)


def a_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.skipif(os.name == "nt", reason="modes and FIFOs are POSIX's")
@pytest.mark.parametrize(
    "change",
    [
        flipped,
        of_other_arrays,
        of_fewer_classes,
        without_a_name,
        for_all_to_write,
        in_a_folder_for_all,
        a_link,
        a_fifo,
        empty,
    ],
)
def test_what_is_damaged_or_could_be_somebody_elses_is_computed_again(
    change: Callable[[Path], None],
    tables: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = answers(tiny_bundle)
    for path in list(tables.iterdir()):
        change(path)
    made, times = Fitted.of, []
    monkeypatch.setattr(
        Fitted, "of", lambda *given, **more: times.append(1) or made(*given, **more)
    )
    assert answers(tiny_bundle) == first
    assert len(times) == 2


def test_those_of_the_last_two_bundles_stay(tables: Path, tiny_bundle: Path) -> None:
    answers(tiny_bundle)
    ours = set(tables.iterdir())
    for path in ours:
        path.unlink()
    for age in range(1, 7):
        (tables / f"old-{age}").write_bytes(b"x")
        os.utime(tables / f"old-{age}", (1_000_000 - age, 1_000_000 - age))
    answers(tiny_bundle)
    assert set(tables.iterdir()) == ours | {tables / "old-1", tables / "old-2"}


def test_a_bundle_that_was_not_verified_here_reads_and_leaves_nothing(
    tables: Path, tiny_bundle: Path
) -> None:
    from cfedge.bundle.files import read

    Engine(read(tiny_bundle)).predict(TEXTS)
    assert not tables.exists()


def test_arrays_of_something_else_are_refused() -> None:
    with pytest.raises(IncompatibleError, match="expected"):
        Fitted.from_arrays({"sizes": np.zeros(1, np.int64)}, "kept tables")
