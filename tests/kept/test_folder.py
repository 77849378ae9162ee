"""What is kept, and what of it can be read, bounded, marked and erased."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfedge.errors import DamagedError, InputError, StorageError, UsageError
from cfedge.inputs.text.stored import StoredTexts
from cfedge.kept.folder import KeptInputs
from cfedge.kept.records import Counted, Limits, Marked
from cfedge.kept.seal import Seal, read_key


def opened(folder: Path, **limits: Any) -> KeptInputs:
    return KeptInputs(
        folder / "kept", StoredTexts(), limits=Limits(**limits), key=folder / "key" / "keep.key"
    )


def fill(kept: KeptInputs, count: int) -> list[int]:
    kept.keep_several([(f"secret text {row}", {"row": row}) for row in range(count)])
    return kept.numbers(["waiting"], limit=count)


def test_what_was_kept_is_read_again_the_newest_first(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    numbers = fill(kept, 3)
    found = kept.read(numbers)
    assert [(one.value, one.answer, one.label) for one in found] == [
        (f"secret text {row}", {"row": row}, None) for row in (2, 1, 0)
    ]
    kept.close()
    assert [one.value for one in opened(tmp_path).read(numbers)] == [one.value for one in found]


def test_an_input_is_kept_once(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    assert [kept.keep("same", {}), kept.keep("same", {}), kept.keep("other", {})] == [
        True,
        False,
        True,
    ]


def test_nothing_readable_reaches_the_disk(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    numbers = fill(kept, 5)
    kept.mark([Marked(numbers[0], "labelled", "a private label")])
    kept.close()
    found = b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())
    assert b"inputs" in found
    assert b"secret" not in found
    assert b"private" not in found
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "kept").glob("kept.sqlite"))


def test_another_key_reads_nothing_and_a_change_is_noticed(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    (number,) = fill(kept, 1)
    other = KeptInputs(tmp_path / "kept", StoredTexts(), key=tmp_path / "other.key")
    with pytest.raises(DamagedError, match="this key sealed"):
        other.read([number])
    with sqlite3.connect(tmp_path / "kept" / "kept.sqlite") as database:
        database.execute("UPDATE inputs SET sealed = zeroblob(length(sealed))")
    with pytest.raises(DamagedError, match="this key sealed"):
        kept.read([number])


def test_a_sealed_label_fits_its_own_input_alone(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    one, two = fill(kept, 2)
    kept.mark([Marked(one, "labelled", "a")])
    with sqlite3.connect(tmp_path / "kept" / "kept.sqlite") as database:
        database.execute(
            "UPDATE inputs SET label = (SELECT label FROM inputs WHERE number = ?) WHERE number = ?",
            (one, two),
        )
    with pytest.raises(DamagedError, match="this key sealed"):
        kept.read([two])


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "keep.key"
    assert len(read_key(key)) == 32
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(UsageError, match=r"expected a key that its owner alone may read.*0644"):
        read_key(key)
    key.chmod(0o600)
    key.write_text("no key")
    with pytest.raises(UsageError, match="expected 32 bytes in hexadecimal"):
        read_key(key)
    key.unlink()
    os.mkfifo(key)
    with pytest.raises(UsageError, match="expected a key file"):
        read_key(key)


def test_two_that_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(read_key(tmp_path / "k" / "keep.key")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {read_key(tmp_path / "k" / "keep.key")}
    assert len(found) == 8
    assert Seal(found[0]).open(Seal(found[0]).close(b"x", b"y"), b"y") == b"x"


def test_the_oldest_go_where_there_are_too_many_or_too_large_ones(tmp_path: Path) -> None:
    kept = opened(tmp_path, inputs=3)
    fill(kept, 5)
    assert [one.value for one in kept.read(kept.numbers(["waiting"], limit=9))] == [
        f"secret text {row}" for row in (4, 3, 2)
    ]
    small = opened(tmp_path / "small", size_bytes=2_000)
    for row in range(40):
        small.keep(f"text {row}", {})
    numbers = small.numbers(["waiting"], limit=100)
    assert 0 < len(numbers) < 40
    assert small.read(numbers[:1])[0].value == "text 39"
    assert not small.keep("x" * (Limits().input_bytes + 1), {})


def test_marks_are_undone_by_what_they_return(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    numbers = fill(kept, 3)
    before = kept.mark([Marked(number, "labelled", "ä label") for number in numbers[:2]])
    assert [one.label for one in kept.read(numbers)] == ["ä label", "ä label", None]
    assert kept.counts() == {"waiting": 1, "labelled": 2, "aside": 0, "taught": 0}
    kept.mark(before)
    assert kept.counts()["waiting"] == 3
    assert kept.read(numbers)[0].label is None
    assert kept.mark([Marked(10_000, "aside")]) == []
    with pytest.raises(UsageError, match="expected waiting"):
        kept.mark([Marked(numbers[0], "<script>")])


def test_what_is_erased_is_gone_from_the_file(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    numbers = fill(kept, 20)
    with sqlite3.connect(tmp_path / "kept" / "kept.sqlite") as database:
        (sealed,) = database.execute(
            "SELECT sealed FROM inputs WHERE number = ?", numbers[:1]
        ).fetchone()
    assert kept.erase(numbers[:1]) == 1
    files = b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())
    assert sealed not in files
    assert kept.erase() == 19
    assert kept.counts()["waiting"] == 0


def test_counts_by_minute_add_up_over_writers(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    for kept in (one, two):
        kept.minutes.add([("a", True, False), ("a", False, True), ("b", False, False)], at=600.0)
        kept.minutes.write()
    one.minutes.add([("a", False, False)], at=661.0)
    one.minutes.write()
    assert two.minutes.since(0) == [
        Counted(10, "a", 4, 2, 2),
        Counted(10, "b", 2, 0, 0),
        Counted(11, "a", 1, 0, 0),
    ]
    assert two.minutes.since(11) == [Counted(11, "a", 1, 0, 0)]
    one.minutes.add([("a", False, False)], at=60.0 * (Limits().minutes + 100))
    one.minutes.write()
    assert [row.minute for row in two.minutes.since(0)] == [Limits().minutes + 100]


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    fill(kept, 1)
    with kept._database.reading() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"could not write the kept inputs.*full.*nothing was"):
        kept.keep_several([(f"{row} " + "x" * 5_000, {}) for row in range(20)])
    assert kept.counts()["waiting"] == 1


def test_a_folder_of_another_format_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "kept" / "kept.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(UsageError, match="expected kept inputs of format 1, found 9"):
        opened(tmp_path)
    with sqlite3.connect(tmp_path / "kept" / "kept.sqlite") as database:  # one that never ends
        database.executescript(
            "PRAGMA user_version = 1; CREATE TRIGGER more AFTER INSERT ON inputs BEGIN INSERT INTO minutes"
            " WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, x, 1, 1, 1 FROM"
            " c; END;"
        )
    with pytest.raises(UsageError, match="expected tables of kept inputs, found 'more', which is"):
        opened(tmp_path)
    for path in (tmp_path / "kept").iterdir():
        path.unlink()
    (tmp_path / "kept" / "kept.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="could not"):
        opened(tmp_path)


def test_a_queue_of_100_000_inputs_is_bounded_and_paged_quickly(tmp_path: Path) -> None:
    kept = opened(tmp_path, size_bytes=1 << 40, inputs=100_000)
    start = time.monotonic()
    kept.keep_several([(f"text {row}", {}) for row in range(100_050)])
    filled = time.monotonic() - start
    assert sum(kept.counts().values()) == 100_000
    start = time.monotonic()
    page = kept.read(kept.numbers(["waiting"], limit=200, offset=99_700))
    assert [one.value for one in page][:2] == ["text 349", "text 348"]
    assert time.monotonic() - start < max(1.0, filled)


def test_arrays_and_pictures_are_kept_as_their_kind_stores_them(tmp_path: Path) -> None:
    from cfedge.inputs import stored
    from cfedge.inputs.image.spec import Image

    pytest.importorskip("PIL")
    spec = Image(kind="image", height=32, width=32, resize="crop")
    kept = KeptInputs(tmp_path / "kept", stored(spec), key=tmp_path / "key")
    frame = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    assert kept.keep(frame, {"task": "a"})
    (found,) = kept.read(kept.numbers(["waiting"], limit=1))
    assert found.answer == {"task": "a"}
    assert found.value is not None
    with pytest.raises(InputError):
        kept.keep(b"no picture", {})
