"""A bundle is read only when every byte of it is the one that was written, and written whole or not
at all.
"""

from __future__ import annotations

import dataclasses
import errno
import gzip
import io
import itertools
import json
import os
import shutil
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import safetensors.numpy
from every import cases
from hypothesis import strategies as st
from test_storage import Disk, tree

from cfedge import plain_files
from cfedge.bundle import files, objects
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, read, reference, write
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Backbone, Certificate, Manifest, Slot, Task, serialize
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.errors import BundleError, DamagedError, IncompatibleError, SchemaError, StorageError
from cfedge.inputs.text.spec import Text

PARTS = ("trunk", "tail", "tokenizer", "adapter", "signature", "golden")


def small(version: str = "1") -> Bundle:
    """A bundle of one task; what its files hold is nothing to `read` and `write`."""
    data = {
        part: f"{part} of version {version}".encode() * (at + 1) for at, part in enumerate(PARTS)
    }
    refs = {part: reference(one) for part, one in data.items()}
    backbone = Backbone(
        name="tiny", source_sha256="0" * 64, scheme="int8", blocks=3, split=2, width=4, hidden=(None, 4), views=(4, 4, 4),
        slots=(Slot("l2.qkv", 4, 12),), trunk=refs["trunk"], tail=refs["tail"], input=Text("text", 16, refs["tokenizer"]),
    )  # fmt: skip
    certificate = Certificate(
        held_out=12,
        errors=1,
        wrong_task_at_most=0.39,
        alpha=0.05,
        tasks=1,
        rival=None,
        rival_errors=0,
        wrong=2,
        wrong_answer_at_most=0.49,
    )
    task = Task(
        "lights", ("on", "off"), 8, 2.5, 0.05, NOTHING_UNKNOWN, certificate,
        adapter=refs["adapter"], signature=refs["signature"], golden=refs["golden"],
    )  # fmt: skip
    return Bundle(
        Manifest(backbone, (task,)), {refs[part].sha256: one for part, one in data.items()}
    )


SMALL = small()


def object_of(folder: Path, part: str) -> Path:
    refs: dict[str, FileRef] = {
        role.split()[0]: ref for role, ref in SMALL.manifest.files().items()
    }
    return folder / "objects" / refs[part].sha256


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write(SMALL, tmp_path / "bundle")
    return tmp_path / "bundle"


def refusal(folder: Path, kind: type[Exception] = DamagedError) -> str:
    with pytest.raises(kind) as caught:
        read(folder)
    assert caught.type is kind
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    return message


# Read


def test_whether_a_file_is_named_is_told_without_reading_it(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle, keep_adapters=False)
    name = bundle.manifest.tasks[0].adapter.sha256
    (tiny_bundle / "objects" / name).unlink()
    assert name in bundle.objects
    assert "0" * 64 not in bundle.objects
    with pytest.raises(DamagedError):
        bundle.objects[name]


def test_a_bundle_is_read_as_it_was_written(bundle: Path) -> None:
    found = read(bundle)
    assert found == SMALL
    assert found[found.manifest.backbone.tail] == b"tail of version 1" * 2
    assert read(bundle, known=found.manifest).manifest is found.manifest
    assert read(bundle, known=small("2").manifest).manifest == SMALL.manifest
    assert tree(bundle) == {
        "manifest.json": serialize(SMALL.manifest),
        "objects": None,
        **{f"objects/{digest}": data for digest, data in SMALL.objects.items()},
    }


def test_two_roles_may_share_one_file(tmp_path: Path) -> None:
    (task,) = SMALL.manifest.tasks
    shared = Bundle(
        dataclasses.replace(
            SMALL.manifest, tasks=(dataclasses.replace(task, golden=task.adapter),)
        ),
        {digest: data for digest, data in SMALL.objects.items() if digest != task.golden.sha256},
    )
    write(shared, tmp_path / "bundle")
    assert read(tmp_path / "bundle") == shared


def flips(
    path: Path, reading: Callable[[], object], mask: Callable[[int], int], *, apart: int = 1
) -> list[int]:
    """Positions of `path`, so far `apart`, at which `reading` does not notice a byte XORed with
    `mask` of its position.
    """
    data = path.read_bytes()
    missed: list[int] = []
    with path.open("r+b", buffering=0) as file:
        for at in range(0, len(data), apart):
            assert mask(at) % 256
            file.seek(at)
            file.write(bytes([data[at] ^ mask(at) % 256]))
            try:
                reading()
            except BundleError:
                pass
            else:
                missed.append(at)
            file.seek(at)
            file.write(data[at : at + 1])
    assert path.read_bytes() == data
    return missed


#: Which bit it is makes no difference to a digest: the others are for `make soak`.
@pytest.mark.parametrize(
    "bit",
    [bit if bit in (0, 5, 7) else pytest.param(bit, marks=pytest.mark.soak) for bit in range(8)],
)
def test_every_flipped_bit_of_a_small_bundle_is_noticed(bundle: Path, bit: int) -> None:
    for path in [bundle / "manifest.json", *(bundle / "objects").iterdir()]:
        assert flips(path, lambda: read(bundle), lambda at: 1 << bit) == []
    assert read(bundle) == SMALL


#: How far apart the flipped bytes are: that it is any byte, the small bundle shows.
@pytest.mark.parametrize("apart", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_every_flipped_byte_of_every_file_of_a_real_bundle_is_noticed(
    tiny_bundle: Path, apart: int
) -> None:
    before = read(tiny_bundle)
    # Each file is read alone: that a bundle is read file by file is what the small one shows.
    readings: dict[Path, Callable[[], object]] = {
        tiny_bundle / "objects" / ref.sha256: partial(
            objects._object, tiny_bundle / "objects" / ref.sha256, role, ref
        )
        for role, ref in before.manifest.files().items()
    }
    readings[tiny_bundle / "manifest.json"] = partial(files.read_manifest, tiny_bundle)
    assert readings.keys() == {path for path in tiny_bundle.rglob("*") if path.is_file()}
    for path, reading in readings.items():
        assert flips(path, reading, lambda at: 1 + at * 101 % 255, apart=apart) == [], path
    assert read(tiny_bundle) == before


@pytest.mark.parametrize("part", PARTS)
def test_a_file_cut_at_any_length_is_named_with_both_sizes(bundle: Path, part: str) -> None:
    path = object_of(bundle, part)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        message = refusal(bundle)
        assert str(path) in message
        assert part in message
        assert f"expected {len(data)} bytes, found {size};" in message


def test_a_manifest_cut_at_any_length_is_refused(bundle: Path) -> None:
    path = bundle / "manifest.json"
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert refusal(bundle, SchemaError).startswith(f"{path}: manifest: ")


def test_files_of_a_real_bundle_cut_at_many_lengths_are_refused(tiny_bundle: Path) -> None:
    for path in [path for path in sorted(tiny_bundle.rglob("*")) if path.is_file()]:
        data = path.read_bytes()
        for size in {0, 1, 7, 8, 9, len(data) // 2, len(data) - 1, *range(0, len(data), 997)} - {
            len(data)
        }:
            path.write_bytes(data[:size])
            with pytest.raises(BundleError, match=path.name):
                read(tiny_bundle)
        path.write_bytes(data)
    read(tiny_bundle)


@cases(("part", "more"), list(itertools.product(PARTS, [b"\0", b"\n", b"x" * 100_000])))
def test_an_appended_byte_is_noticed(bundle: Path, part: str, more: bytes) -> None:
    path = object_of(bundle, part)
    data = path.read_bytes()
    path.write_bytes(data + more)
    message = refusal(bundle)
    assert f"{path} ({part}" in message
    assert f"expected {len(data)} bytes, found more" in message
    path.write_bytes(data)
    read(bundle)


def test_a_byte_appended_to_the_manifest_is_noticed(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert "expected canonical JSON" in refusal(bundle, SchemaError)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named(bundle: Path, part: str) -> None:
    path = object_of(bundle, part)
    path.unlink()
    message = refusal(bundle)
    assert f"{path} ({part}" in message
    assert "expected a file, found none" in message


def test_a_bundle_without_its_objects_is_refused(bundle: Path) -> None:
    shutil.rmtree(bundle / "objects")
    assert "expected a file, found none" in refusal(bundle)


@cases(
    "kind",
    [
        "missing",
        "empty folder",
        "file",
        "folder in its place",
        "broken link",
        "archive",
        "manifest",
    ],
)
def test_what_has_no_manifest_is_not_a_bundle(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "bundle"
    if kind == "file":
        folder.write_bytes(b"")
    elif kind == "archive":
        folder.write_bytes(gzip.compress(b"x"))
    elif kind == "manifest":
        folder = folder / "manifest.json"
    elif kind != "missing":
        folder.mkdir()
    if kind == "folder in its place":
        (folder / "manifest.json").mkdir()
    if kind == "broken link":
        (folder / "manifest.json").symlink_to(tmp_path / "nowhere")
    message = refusal(folder)
    told = {
        "archive": "found an archive; unpack it, and give the folder that it holds",
        "manifest": f"found the file alone; give the folder that it is in: {folder.parent}",
    }
    if kind in told:
        assert told[kind] in message
        return
    found = {"missing": "none; check the path", "file": "a file without it"}
    instead = found.get(kind, "a folder without it; make a bundle under a new name")
    assert f"{folder}: expected a bundle with manifest.json, found {instead}" in message
    assert "cfedge export" in message


def test_two_files_swapped_are_noticed(bundle: Path) -> None:
    for one, other in itertools.combinations(PARTS, 2):
        first, second = object_of(bundle, one), object_of(bundle, other)
        content = first.read_bytes(), second.read_bytes()
        first.write_bytes(content[1])
        second.write_bytes(content[0])
        refusal(bundle)
        first.write_bytes(content[0])
        second.write_bytes(content[1])
    assert read(bundle) == SMALL


def test_two_files_of_one_size_swapped_are_noticed(tiny_bundle: Path) -> None:
    first, second = (task.signature for task in read(tiny_bundle).manifest.tasks)
    assert first.size == second.size
    paths = [tiny_bundle / "objects" / ref.sha256 for ref in (first, second)]
    content = [path.read_bytes() for path in paths]
    for path, data in zip(paths, reversed(content), strict=True):
        path.write_bytes(data)
    message = refusal(tiny_bundle)
    assert f"expected SHA-256 {first.sha256}, found {second.sha256}" in message


def test_a_file_of_another_bundle_is_noticed(bundle: Path, tmp_path: Path) -> None:
    write(small("2"), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "manifest.json", bundle / "manifest.json")
    assert "expected a file, found none" in refusal(bundle)


@pytest.mark.parametrize(
    "kind", ["file", "empty file", "hidden file", "folder", "link", "broken link", "digest"]
)
def test_something_more_among_the_objects_is_named(bundle: Path, kind: str) -> None:
    extra = bundle / "objects" / {"hidden file": ".hidden", "digest": "0" * 64}.get(kind, "extra")
    if kind == "folder":
        extra.mkdir()
    elif kind == "link":
        extra.symlink_to(bundle / "manifest.json")
    elif kind == "broken link":
        extra.symlink_to("nowhere")
    else:
        extra.write_bytes(b"" if kind == "empty file" else b"x")
    message = refusal(bundle)
    assert str(extra) in message
    assert "expected 6 files that the manifest names, found this one too" in message


def test_the_name_of_something_more_does_not_break_the_message(bundle: Path) -> None:
    (bundle / "objects" / "a\nforged log line").write_bytes(b"")
    refusal(bundle)


@pytest.mark.parametrize("part", PARTS)
def test_a_link_to_the_same_bytes_is_the_same_bundle_and_a_link_to_others_is_refused(
    bundle: Path, tmp_path: Path, part: str
) -> None:
    path = object_of(bundle, part)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert read(bundle) == SMALL
    (tmp_path / "elsewhere").write_bytes(b"x" * len(SMALL.objects[path.name]))
    assert "expected SHA-256" in refusal(bundle)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "expected" in refusal(bundle)
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises((DamagedError, StorageError)):
        read(bundle)


@pytest.mark.parametrize("part", PARTS)
def test_a_folder_in_the_place_of_a_file_is_damage(bundle: Path, part: str) -> None:
    path = object_of(bundle, part)
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(bundle)


def test_a_file_in_the_place_of_the_objects_is_damage(bundle: Path) -> None:
    shutil.rmtree(bundle / "objects")
    (bundle / "objects").write_bytes(b"")
    assert str(bundle / "objects") in refusal(bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_in_the_place_of_a_file_does_not_hang(bundle: Path) -> None:
    path = object_of(bundle, "tail")
    path.unlink()
    os.mkfifo(path)
    caught: list[BaseException] = []

    def reading() -> None:
        try:
            read(bundle)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=reading, daemon=True)
    thread.start()
    thread.join(timeout=2)
    hung = thread.is_alive()
    if hung:
        os.close(os.open(path, os.O_WRONLY))  # lets the reader go
        thread.join()
    assert not hung
    assert [type(error) for error in caught] == [DamagedError]


@cases(
    ("name", "code"),
    list(itertools.product(["manifest.json", *PARTS], [errno.EIO, errno.EACCES])),
)
def test_a_file_that_the_disk_does_not_give_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    refused = bundle / name if name == "manifest.json" else object_of(bundle, name)
    real = os.open

    def open_(path: Any, *rest: Any, **more: Any) -> Any:
        if path == refused:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", open_)
    message = refusal(bundle, StorageError)
    assert str(refused) in message
    assert os.strerror(code) in message


def test_a_disk_that_fails_in_the_middle_of_a_file_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def broken(raw: io.FileIO) -> Broken:
        raw.close()
        return Broken()

    monkeypatch.setattr(plain_files, "_Plain", broken)
    assert os.strerror(errno.EIO) in refusal(bundle, StorageError)


def test_a_folder_that_the_disk_does_not_list_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*rest: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refused)
    monkeypatch.setattr(os, "scandir", refused)
    assert str(bundle) in refusal(bundle, StorageError)


def test_a_name_that_is_too_long_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises((DamagedError, StorageError)):
        read(tmp_path / ("n" * 300))


def test_a_manifest_larger_than_the_limit_is_not_read_to_its_end(bundle: Path) -> None:
    with (bundle / "manifest.json").open("r+b") as file:
        file.truncate(LIMITS.manifest_bytes * 8)
    assert (
        f"expected at most {LIMITS.manifest_bytes} bytes, found {LIMITS.manifest_bytes + 1}"
        in refusal(bundle, SchemaError)
    )


# Write


def test_a_target_that_exists_is_refused_and_kept(bundle: Path) -> None:
    old = tree(bundle.parent)
    with pytest.raises(StorageError, match="expected a name that is free, found something there"):
        write(small("2"), bundle)
    assert tree(bundle.parent) == old


def test_replace_swaps_the_whole_bundle(bundle: Path) -> None:
    (bundle / "objects" / "extra").write_bytes(b"")
    write(small("2"), bundle, replace=True)
    assert read(bundle) == small("2")
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_replace_writes_where_there_is_nothing_too(tmp_path: Path) -> None:
    write(SMALL, tmp_path / "bundle", replace=True)
    assert read(tmp_path / "bundle") == SMALL


def refused_at_each_call(root: Path, target: Path, *, replace: bool, lasting: bool) -> list[str]:
    """Refuse each call of a write in turn; returns the calls after which something else than the
    old state is there.
    """
    wrong: list[str] = []
    for at in itertools.count(1):
        old = tree(root)
        disk = Disk(root, at, lasting=lasting)
        try:
            with disk:
                write(small("2"), target, replace=replace)
        except StorageError:
            if tree(root) != old:
                wrong.append(f"{at} {disk.calls[at - 1]}")
                shutil.rmtree(root)
                root.mkdir()
                if replace:
                    write(SMALL, target)
        else:
            assert read(target) == small("2")
            if not disk.refused:
                return wrong
            shutil.rmtree(target)
            if replace:
                write(SMALL, target)
    raise AssertionError


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_refused_write_leaves_nothing(tmp_path: Path, lasting: bool) -> None:
    assert refused_at_each_call(tmp_path, tmp_path / "bundle", replace=False, lasting=lasting) == []
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_refused_replacement_leaves_the_old_bundle(bundle: Path) -> None:
    assert refused_at_each_call(bundle.parent, bundle, replace=True, lasting=False) == []
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


# Arrays


def test_arrays_are_read_as_they_were_written() -> None:
    arrays = {
        "half": np.array([[1.5, -2.0]], np.float16), "single": np.array(3.25, np.float32), "none": np.zeros((0, 4), np.float32),
        "whole": np.array([-(2**63), 2**63 - 1], np.int64), "small": np.array([-128, 127], np.int8), "bit": np.array([True, False]),
    }  # fmt: skip
    found = load_arrays(dump_arrays(arrays, {"texts": ["zu\u00df", "\U0001f600"]}), "x")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@cases("note", [None, {}, {"texts": ["zu\u00df", "\U0001f600", "\n"], "n": 1}])
def test_a_note_is_read_as_it_was_written(note: dict[str, object] | None) -> None:
    assert load_note(dump_arrays({"a": np.zeros(1, np.float32)}, note)) == (note or {})


def test_equal_content_gives_equal_bytes() -> None:
    wide = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {"b": wide[:, ::2], "a": wide.T, "c": np.arange(3)}
    same = {"c": np.arange(3), "a": wide.T.copy(), "b": np.asfortranarray(wide[:, ::2])}
    assert dump_arrays(arrays, {"x": 1, "y": [2]}) == dump_arrays(same, {"y": [2], "x": 1})
    assert dump_arrays(arrays, {"x": 1}) != dump_arrays(arrays, {"x": 2})
    assert dump_arrays(arrays) != dump_arrays({**arrays, "c": np.arange(1, 4)})


def test_the_bytes_of_arrays_are_those_of_the_first_version() -> None:
    data = dump_arrays(
        {"b": np.array([1.0], np.float32), "a": np.array([2], np.int8)}, {"t": ["x"]}
    )
    header = (
        b'{"__metadata__":{"cfedge":"{\\"t\\":'
        b' [\\"x\\"]}"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"I8","shape":[1],"data_offsets":[4,5]}}'
    )
    header += b" " * (-len(header) % 8)
    assert data == struct.pack("<Q", len(header)) + header + b"\0\0\x80\x3f\x02"


ARRAYS = dump_arrays(
    {"half": np.ones((2, 3), np.float16), "single": np.arange(4, dtype=np.float32)},
    {"texts": ["a", "b"]},
)


def array_refusal(data: bytes) -> str:
    with pytest.raises(IncompatibleError) as caught:
        load_arrays(data, "signature of task 'x'")
    assert str(caught.value).startswith("signature of task 'x': expected ")
    return str(caught.value)


def raw(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype: str, shape: list[int], size: int) -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}


@cases(
    "data",
    [
        b"", b"x", b"\0" * 8, b"\xff" * 8, b"PK\x03\x04", b"\x80\x04]\x94.", b"\x93NUMPY" + b"\0" * 100,
        raw([]), raw({"a": 1}), raw({"a": {}}), raw({"__metadata__": {"cfedge": 3}}),
        raw(one("F32", [1], 4)), raw(one("F32", [2], 4), b"\0" * 4), raw(one("F32", [1], 4), b"\0" * 5),
        raw(one("F99", [1], 4), b"\0" * 4), raw(one("F32", [-1], 4), b"\0" * 4), raw(one("F32", [2**62, 4], 4), b"\0" * 4),
        raw(one("F32", [0, 2**62], 0)), raw(one("F32", [1] * 70, 4), b"\0" * 4),
        raw(one("BF16", [1], 2), b"\0\0"), raw(one("F8_E4M3", [1], 1), b"\0"),
        raw({**one("F32", [1], 4), "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
    ],
)  # fmt: skip
def test_what_is_not_safetensors_is_refused(data: bytes) -> None:
    assert "expected safetensors" in array_refusal(data)


def test_arrays_cut_at_any_length_or_longer_are_refused() -> None:
    for size in range(len(ARRAYS)):
        array_refusal(ARRAYS[:size])
    array_refusal(ARRAYS + b"\0")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_the_arrays_name(
    dtype: type[np.floating[Any]], value: float
) -> None:
    bad = np.zeros((2, 3), dtype)
    bad[1, 2] = value
    message = array_refusal(safetensors.numpy.save({"good": np.zeros(2, dtype), "bad": bad}))
    assert "expected finite numbers in 'bad', found NaN or infinity" in message


def test_nan_among_complex_numbers_is_refused() -> None:
    assert "'bad'" in array_refusal(
        safetensors.numpy.save({"bad": np.array([complex(0, np.nan)], np.complex64)})
    )


def test_a_hostile_header_does_not_break_the_message() -> None:
    assert len(array_refusal(raw(one("F\nforged log line", [1], 4), b"\0" * 4)).splitlines()) == 1


@hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)
@hypothesis.given(
    st.lists(
        st.tuples(st.integers(0, len(ARRAYS) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_random_changes_of_arrays_give_finite_arrays_or_incompatible_error(
    edits: list[tuple[int, int]],
) -> None:
    data = bytearray(ARRAYS)
    for at, byte in edits:
        data[at] = byte
    try:
        arrays = load_arrays(bytes(data), "x")
    except IncompatibleError:
        return
    assert all(np.isfinite(array).all() for array in arrays.values())


@cases(
    "metadata", [{"cfedge": "[1"}, {"cfedge": "[" * 5000}, {"cfedge": "3"}, {"cfedge": "[]"}, None]
)
def test_a_note_that_is_not_a_json_object_is_refused(metadata: object) -> None:
    with pytest.raises(IncompatibleError):
        load_note(raw({"__metadata__": metadata}))


def test_a_file_beside_the_manifest_is_refused_by_name(tiny_bundle: Path) -> None:
    (tiny_bundle / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(
        DamagedError, match=r"run\.sh: expected only manifest\.json and objects/ here"
    ):
        read(tiny_bundle)


def test_replacing_refuses_a_folder_that_is_no_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "one.jpg").write_bytes(b"x")
    with pytest.raises(StorageError, match="expected a bundle to replace, found something else"):
        write(read(tiny_bundle), precious, replace=True)
    assert (precious / "one.jpg").read_bytes() == b"x"
