"""What the lookup computes of all statistics, kept for the next opening."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import make_texts

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, view_arrays
from cfedge.bundle.files import Bundle, read, write
from cfedge.errors import IncompatibleError
from cfedge.lookup import familiarity
from cfedge.lookup.class_gaussians import ClassShape, Shared
from cfedge.lookup.fitted import Fitted
from cfedge.lookup.router import Router
from cfedge.lookup.whitened import Whitened
from cfedge.runtime import kept_tables

#: What is computed and held here is counted: not what the child computes.
pytestmark = pytest.mark.usefixtures("verified_by_a_child")

#: Of the trunk and of the tail.
KINDS = Fitted, Shared, Whitened
TEXTS = [text for task in ("colors", "animals", "food") for text, _ in make_texts(task, 8, seed=3)]


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of them."""
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tables"


def answers(bundle: Path, **more: object) -> list[dict[str, object]]:
    engine = Engine.open(bundle, **more)  # type: ignore[arg-type]
    engine.warm_up()
    return [dataclasses.asdict(one) | {"ms": 0} for one in engine.predict(TEXTS)]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is computed from here on, single classes too."""
    found: list[str] = []
    for kind in (*KINDS, ClassShape):

        def made(*given: object, kind: type = kind, of: object = kind.of, **more: object) -> object:
            found.append(kind.__name__)
            return of(*given, **more)  # type: ignore[operator]

        monkeypatch.setattr(kind, "of", made)

    def rows(*given: Any, before: Any = familiarity.class_rows) -> object:
        found.append("class_rows")
        return before(*given)

    monkeypatch.setattr(familiarity, "class_rows", rows)
    return found


def test_what_was_computed_once_is_not_again_and_the_answers_are_the_same(
    tables: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # a cache need not outlast a power cut: nobody waits
        patch.setattr("cfedge.storage.os.fsync", lambda handle: pytest.fail("waits for the disk"))
        first = answers(tiny_bundle)
    assert len(list(tables.iterdir())) == 2 * len(KINDS)
    computed = counted(monkeypatch)
    assert answers(tiny_bundle) == first
    assert answers(tiny_bundle, adapter_bytes=0) == first
    bundle = read(tiny_bundle)  # a new bundle of the same signatures needs nothing either
    margins = dataclasses.replace(bundle.manifest.margins, tail_share=0.123)
    manifest = dataclasses.replace(bundle.manifest, margins=margins)
    other = tables.parent.parent / "other"
    write(Bundle(manifest, bundle.objects), other)
    assert read(other).manifest.digest != bundle.manifest.digest
    answers(other)
    assert computed == []


def test_what_is_kept_has_the_very_bits_of_what_is_computed(
    tables: Path, tiny_bundle: Path
) -> None:
    computed, kept = (_routers(tiny_bundle) for _ in range(2))
    for one, other in zip(computed, kept, strict=True):
        for name, array in one.arrays().items():
            assert other.arrays()[name].tobytes() == array.tobytes(), name


def _routers(bundle: Path) -> list[Shared | Whitened]:
    """Both looks' tables, of an engine that was opened anew."""
    router = Engine.open(bundle).router
    assert isinstance(router, Router)
    router.warm_up()
    found: list[Shared | Whitened] = []
    for part in ("trunk", "tail"):
        table, familiar = router._made.table(part), router._made.familiar(part)
        space = Whitened(familiar._lower, familiar._center, familiar._project, familiar._sums[0])
        found += [table.shared, space]
    return found


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def of_other_arrays(path: Path) -> None:
    def narrower(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        name = min(name for name, array in arrays.items() if array.ndim == 2)
        return {**arrays, name: arrays[name][:, :-1].copy()}

    whole(path, narrower)


def of_fewer(path: Path) -> None:
    """Classes; or features, where no classes are counted."""
    cut = {"counts": -1, "clusters": -1, "offsets": -1}

    def fewer(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if "sizes" not in arrays:
            width = max(map(len, arrays.values())) - 1
            return {name: one[(slice(width),) * one.ndim].copy() for name, one in arrays.items()}
        sizes = arrays["sizes"].copy()
        sizes[0] -= 1
        shorter = {name: arrays[name][:end].copy() for name, end in cut.items()}
        return {**arrays, **shorter, "sizes": sizes}

    whole(path, fewer)


def without_a_name(path: Path) -> None:
    whole(path, lambda arrays: {name: arrays[name] for name in sorted(arrays)[1:]})


def whole(path: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    content = dump_arrays(change(load_arrays(path.read_bytes()[8:], "tables")))
    path.write_bytes(zlib.crc32(content).to_bytes(8, "little") + content)


#: Changes of tables alone: what single classes are left in has no arrays.
OF_TABLES = of_other_arrays, of_fewer, without_a_name


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
        of_fewer,
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
    first, records = answers(tiny_bundle), tables.parent / "records"
    assert len(list(records.iterdir())) == 4
    for folder in (tables, records):
        for path in list(folder.iterdir()):
            if folder == tables or change not in OF_TABLES:
                change(path)
    computed = counted(monkeypatch)
    assert answers(tiny_bundle) == first
    classes = sum(len(task.classes) for task in read(tiny_bundle).manifest.tasks)
    singles = 0 if change in OF_TABLES else 1 if change is flipped else classes
    names = [kind.__name__ for kind in KINDS] + singles * [ClassShape.__name__]
    assert sorted(set(computed) - {*names}) == ([] if change in OF_TABLES else ["class_rows"])
    assert sorted(one for one in computed if one != "class_rows") == sorted(2 * names)


def test_those_of_the_last_two_bundles_stay_and_of_more_while_they_are_small(
    tables: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(tiny_bundle)
    ours = set(tables.iterdir())
    size = sum(path.stat().st_size for path in ours)
    for room, left in ((0, 10), (4 * size, 12)):
        for path in tables.iterdir():
            path.unlink()
        for age in range(1, 15):
            (tables / f"old-{age}").write_bytes(b"x" * (size // 4))
            os.utime(tables / f"old-{age}", (1_000_000 - age, 1_000_000 - age))
        monkeypatch.setattr(kept_tables, "_ALL_BYTES", room)
        answers(tiny_bundle)
        assert set(tables.iterdir()) == ours | {tables / f"old-{one + 1}" for one in range(left)}


def test_a_bundle_that_was_not_verified_here_reads_and_leaves_nothing(
    tables: Path, tiny_bundle: Path
) -> None:
    Engine(read(tiny_bundle)).predict(TEXTS)
    assert not tables.exists()
    assert not (tables.parent / "records").exists()


def test_arrays_of_something_else_are_refused() -> None:
    for kind in KINDS:
        with pytest.raises(IncompatibleError, match="expected"):
            kind.from_arrays({"sizes": np.zeros(1, np.int64)}, "kept tables")
    for data in (bytes(64), b"", b"\x02" + bytes(7) + b"[]", dump_arrays({"x": np.zeros(3)})[:-1]):
        with pytest.raises(IncompatibleError, match="expected arrays"):
            view_arrays(memoryview(data), "kept tables")
