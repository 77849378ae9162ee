"""One contract for every kind of input: a new one is a line in `CASES`, and arrives tested."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import PIL.Image
import pytest
import torch
from made import WORDS

import cfedge.inputs
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.files import reference
from cfedge.errors import DataError, IncompatibleError, InputError, SchemaError, UsageError
from cfedge.inputs import KINDS, Spec
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Input, Modality
from cfedge.inputs.text.spec import Text


@dataclass(frozen=True)
class Case:
    """What the contract needs of a kind.

    Attributes
    ----------
    spec, files
        Of a backbone.
    inputs
        Some that can be answered, of different shapes where a kind has these.
    garbage
        What is none, as a caller passes it, with a part of what is said of it.
    beyond
        Specs that contradict themselves.
    values, odd_values
        JSON values of `inputs`, and JSON values of none with the error's class.
    word
        Makes a word of the command line that names the first input.
    cells
        Makes cells of a table that hold `inputs`, in a folder.
    odd_cells
        Cells that hold none.
    equal
        Makes two cells of equal inputs and one of another.
    """

    spec: Spec
    files: dict[str, bytes]
    inputs: list[Input]
    garbage: list[tuple[Any, str]]
    beyond: list[Spec]
    values: list[Any]
    odd_values: list[tuple[Any, type[Exception]]]
    word: Callable[[Path], str]
    cells: Callable[[Path], list[Any]]
    odd_cells: list[Any]
    equal: Callable[[Path], tuple[Any, Any, Any]]


def _text() -> Case:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", *(word for classes in WORDS.values() for word in classes)]
    tokenizer = Tokenizer(
        models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    data = tokenizer.to_str().encode()
    texts = ["red", "green blue", "z\u00fcrich \U0001f600", "the very red cat of all"]
    return Case(
        spec=Text("text", 4, reference(data)),
        files={"tokenizer": data},
        inputs=texts,
        garbage=[
            (None, "None"),
            (float("nan"), "NaN"),
            (b"red", "bytes"),
            (3, "int"),
            ("", "an empty one"),
            (" \t", "white space only"),
            ("\ud800", "lone surrogate"),
            (["red"], "list"),
            (np.zeros((2, 2, 3), np.uint8), "ndarray"),
        ],
        beyond=[Text("text", 0, reference(data)), Text("text", 1 << 20, reference(data))],
        values=texts,
        odd_values=[
            (3, UsageError),
            (None, UsageError),
            (["red"], UsageError),
            ("a" * 8_001, InputError),
        ],
        word=lambda folder: texts[0],
        cells=lambda folder: list(texts),
        odd_cells=["", "  ", None, 3, "a\x00b", "\ud800"],
        equal=lambda folder: ("Red  cat", "red CAT", "red dog"),
    )


def _picture(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """A smooth picture, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / 9.0
    waves = [
        np.sin(rows * rng.uniform() + rng.uniform()) * np.cos(columns * rng.uniform())
        for _ in range(3)
    ]
    return (127 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


def _file(pixels: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def _closed() -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(_file(_picture(0))))
    picture.close()
    return picture


def _written(folder: Path, name: str, data: bytes) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return name


def _image() -> Case:
    files = [_file(_picture(0)), _file(_picture(1, 64, 48), "JPEG"), _file(_picture(2, 12, 90))]
    return Case(
        spec=Image("image", 32, 48, "crop"),
        files={},
        inputs=files,
        garbage=[
            (None, "None"),
            (float("nan"), "NaN"),
            (3, "int"),
            (b"", "an empty file"),
            (b"<html><body>not found</body></html>", "an HTML page"),
            ("no such file.jpg", "No such file"),
            (files[0][:200], "input 7: expected a whole picture"),
            (_picture(0).transpose(2, 0, 1), "move the colours last"),
            (_picture(0)[:, :, 0], "repeat the grey"),
            (np.full((4, 4, 3), np.nan), "float64"),
            (np.full((4, 4, 3), 0.5), "scale it: (frame * 255)"),
            (np.zeros((4, 5, 4), np.uint8), "leave the fourth value of each pixel out"),
            (np.zeros((4, 5, 3), np.uint16), "keep the upper 8 bits"),
            (np.zeros((4, 5, 3), bool), "astype(np.uint8) * 255"),
            (np.ma.masked_greater(_picture(0), 9), "found masked pixels"),
            (
                torch.zeros(3, 4, 5),
                "of a tensor frame.permute(1, 2, 0); then scale it: (frame * 255)",
            ),
            (torch.zeros(5), "[5]; pass what the camera gives, 0 to 255"),
            (
                "https://a.b/c.jpg",
                "expected a picture at 'https://a.b/c.jpg', found an address; download it",
            ),
            (_closed(), "input 7: expected a whole picture"),
            (b"\0\0\0\x18ftyphevc" + bytes(9), "HEIC"),
            (b"version https://git-lfs.github.com", "a pointer of Git LFS"),
            (bytes(128) + b"DICM", "a DICOM file; convert it"),
            (b"Pf\n2 2\n-1.0\n" + bytes(16), "floating point; scale it to 8 bits"),
            (np.zeros((0, 4, 3), np.uint8), "4 x 0 pixels"),
        ],
        beyond=[Image("image", 0, 32, "crop"), Image("image", 32, 1 << 20, "squash")],
        values=[base64.b64encode(data).decode() for data in files],
        odd_values=[
            (3, UsageError),
            (None, UsageError),
            ("no base64!", UsageError),
            ({"path": "a"}, UsageError),
        ],
        word=lambda folder: str(folder / _written(folder, "a.png", files[0])),
        cells=lambda folder: [
            _written(folder, "pictures/0.png", files[0]),
            {"bytes": files[1], "path": None},
            {"bytes": None, "path": _written(folder, "pictures/2.png", files[2])},
        ],
        odd_cells=[
            "",
            None,
            3,
            "none.png",
            "../a.png",
            "/etc/hostname",
            "a\x00b",
            "pictures",
            b"no picture",
        ],
        equal=lambda folder: (
            _written(folder, "a.png", files[0]),
            _written(folder, "b/a.bmp", _file(_picture(0), "BMP")),
            _written(folder, "c.png", files[2]),
        ),
    )


def _array() -> Case:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(3)]

    def written(folder: Path, name: str, row: int) -> str:
        buffer = io.BytesIO()
        np.save(buffer, rows[row])
        return _written(folder, name, buffer.getvalue())

    return Case(
        spec=Array("array", "float32", (3, 4)),
        files={},
        inputs=list(rows),
        garbage=[
            (None, "None"),
            (float("nan"), "NaN"),
            (b"", "an empty file"),
            (np.full((3, 4), np.nan, np.float32), "finite numbers"),
            (np.full((3, 4), 1e300), "finite numbers"),
            (rows[0].T, "found shape [4, 3]"),
            (np.array([["a"] * 4] * 3), "<U1"),
            (rows[0].astype(complex), "complex128"),
            (np.ma.masked_greater(rows[0], 0), "found masked ones"),
            (torch.zeros(4, 3), "found shape [4, 3]"),
            (np.array([[None] * 4] * 3), "object"),
            ([[1, 2], [3]], "lists of one length"),
            ("none.npy", "No such file"),
        ],
        beyond=[
            Array("array", "float32", ()),
            Array("array", "float32", (0, 3)),
            Array("array", "uint8", (1 << 13, 1 << 13)),
        ],
        values=[row.tolist() for row in rows],
        odd_values=[
            (3, UsageError),
            (None, UsageError),
            ("a", UsageError),
            ([["a"]], InputError),
            ([[1, 2], [3]], InputError),
        ],
        word=lambda folder: str(folder / written(folder, "a.npy", 0)),
        cells=lambda folder: [
            written(folder, "0.npy", 0),
            rows[1].tolist(),
            rows[2],
        ],
        odd_cells=[
            "",
            None,
            3,
            "none.npy",
            "../a.npy",
            "a\x00b",
            [[1, 2], [3]],
            ["a"],
            [float("nan")],
            rows[0].astype(complex),
            rows[0][:0],
        ],
        equal=lambda folder: (
            written(folder, "a.npy", 0),
            written(folder, "b/a.npy", 0),
            written(folder, "c.npy", 1),
        ),
    )


#: By kind.
CASES: dict[str, Callable[[], Case]] = {"text": _text, "image": _image, "array": _array}


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


@pytest.fixture
def modality(case: Case) -> Modality:
    return cfedge.inputs.of(case.spec, case.files)


def test_a_spec_stands_in_the_manifest_and_comes_back(case: Case) -> None:
    stated = json.loads(canonical_json(dataclasses.asdict(case.spec)))
    assert typed(Spec, stated, "input") == case.spec
    assert set(case.spec.files()) == set(case.files)
    case.spec.check()


def test_a_spec_that_contradicts_itself_is_refused(case: Case) -> None:
    for spec in case.beyond:
        with pytest.raises(SchemaError, match=r"manifest\.backbone\.input: expected"):
            spec.check()


def test_what_is_prepared_fits_the_stated_tensors(case: Case, modality: Modality) -> None:
    for value in case.inputs:
        feeds, _, truncated = modality.prepare(value)
        assert isinstance(truncated, bool)
        assert feeds.keys() == modality.tensors.keys()
        for name, (element, sizes) in modality.tensors.items():
            assert feeds[name].dtype == {"float": np.float32}.get(
                element, np.dtype(element.replace("float", "float32"))
            )
            assert len(feeds[name]) == 1
            assert len(feeds[name].shape) == len(sizes)
            assert all(
                size is None or size == length
                for size, length in zip(sizes, feeds[name].shape, strict=True)
            )


def test_the_json_schema_takes_what_can_be_answered(case: Case, modality: Modality) -> None:
    validator = pytest.importorskip("jsonschema_rs", reason="comes with schemathesis")
    schema = dict(modality.json_schema)
    validator.meta.validate(schema)
    assert all(validator.is_valid(schema, value) for value in case.values)
    for value, _ in case.odd_values:
        assert not validator.is_valid(schema, value), value


def test_inputs_of_one_shape_can_share_a_run(case: Case, modality: Modality) -> None:
    by_shape: dict[Any, list[dict[str, Any]]] = {}
    for value in case.inputs:
        ready = modality.prepare(value)
        by_shape.setdefault(ready.shape, []).append(ready.feeds)
    for feeds in by_shape.values():
        for name in feeds[0]:
            assert len({one[name].shape for one in feeds}) == 1


def test_preparing_depends_on_nothing_before_it(case: Case, modality: Modality) -> None:
    first = [modality.prepare(value, row) for row, value in enumerate(case.inputs)]
    fresh = cfedge.inputs.of(case.spec, case.files, verified=True)
    for value, one in reversed(list(zip(case.inputs, first, strict=True))):
        other = fresh.prepare(value)
        assert other.shape == one.shape
        for name in one.feeds:
            np.testing.assert_array_equal(other.feeds[name], one.feeds[name])


def test_garbage_is_an_input_error_with_its_position(case: Case, modality: Modality) -> None:
    for value, said in case.garbage:
        with pytest.raises(InputError) as refusal:
            modality.prepare(value, 7)
        assert str(refusal.value).startswith("input 7: expected "), value
        assert said in str(refusal.value), value
        assert "\n" not in str(refusal.value)


def test_several_inputs_and_one_alone_are_a_list(case: Case, modality: Modality) -> None:
    def alike(left: list[Any], right: list[Any]) -> bool:
        return len(left) == len(right) and all(
            modality.name(one) == modality.name(other)
            for one, other in zip(left, right, strict=True)
        )

    assert alike(modality.several(case.inputs), case.inputs)
    assert alike(modality.several(tuple(case.inputs)), case.inputs)
    assert alike(modality.several(value for value in case.inputs), case.inputs)
    assert alike(modality.several(case.inputs[0]), case.inputs[:1])
    for odd in (None, {"a": case.inputs[0]}, 3):
        with pytest.raises(InputError, match="inputs: expected"):
            modality.several(odd)


def test_what_is_dumped_comes_back_through_a_file(case: Case, modality: Modality) -> None:
    arrays, notes = modality.dump(case.inputs)
    data = dump_arrays({"embeddings": np.zeros(1, np.float32), **arrays}, {"inputs": notes})
    kept = {name: one for name, one in load_arrays(data, "x").items() if name != "embeddings"}
    note = load_note(data, "x")["inputs"]
    assert isinstance(note, list)
    loaded = modality.load(kept, note, "x")
    assert len(loaded) == len(case.inputs)
    again = modality.dump(loaded)
    assert again.notes == notes
    for value, other in zip(case.inputs, loaded, strict=True):
        one, two = modality.prepare(value), modality.prepare(other)
        assert one.shape == two.shape
        for name in one.feeds:
            np.testing.assert_array_equal(one.feeds[name], two.feeds[name])


def test_a_dump_of_something_else_is_refused(case: Case, modality: Modality) -> None:
    arrays, notes = modality.dump(case.inputs)
    for odd_arrays, odd_notes in (
        (arrays, [3] * len(notes)),
        (arrays, [None, *notes[1:]]),
        ({**arrays, "more": np.zeros(1, np.uint8)}, notes),
    ):
        with pytest.raises(IncompatibleError, match=r"^x: expected"):
            modality.load(odd_arrays, odd_notes, "x")


def test_the_largest_input_and_a_mirror_image_are_inputs(case: Case, modality: Modality) -> None:
    for value in case.inputs:
        largest = modality.prepare(modality.largest(value))
        size = sum(array.size for array in modality.prepare(value).feeds.values())
        assert sum(array.size for array in largest.feeds.values()) >= size
        if (other := modality.mirrored(value)) is not None:  # twice in a mirror it is as it was
            seen, back = (modality.prepare(one) for one in (value, modality.mirrored(other)))
            for name, array in modality.prepare(other).feeds.items():
                np.testing.assert_array_equal(array, seen.feeds[name][..., ::-1])
                np.testing.assert_array_equal(back.feeds[name], seen.feeds[name])


def test_warming_up_takes_inputs(modality: Modality) -> None:
    assert modality.warm_up()
    for value in modality.warm_up():
        modality.prepare(value)


def test_json_values_are_inputs_and_others_are_refused_where_they_stand(
    case: Case, modality: Modality
) -> None:
    for value, one in zip(case.values, case.inputs, strict=True):
        found, expected = modality.prepare(modality.parse(value, "input 0")), modality.prepare(one)
        for name in expected.feeds:
            np.testing.assert_array_equal(found.feeds[name], expected.feeds[name])
    for odd, error in case.odd_values:
        with pytest.raises(error, match=r"^input 3: expected"):
            modality.parse(odd, "input 3")


def test_a_word_of_the_command_line_is_an_input(
    case: Case, modality: Modality, tmp_path: Path
) -> None:
    (value,) = modality.words(case.word(tmp_path), "argument 1")
    found = modality.prepare(value)
    for name, array in modality.prepare(case.inputs[0]).feeds.items():
        np.testing.assert_array_equal(found.feeds[name], array)
    if not modality.written:  # what is no path is told so, however long it is
        for odd in ("a" * 5000, f"[{'1, ' * 2000}1]"):
            with pytest.raises(InputError, match=r"(argument|input) 1: expected"):
                modality.prepare(modality.words(odd, "argument 1")[0], 1)


def test_inputs_have_names_of_one_line(case: Case, modality: Modality) -> None:
    for value in case.inputs:
        assert modality.name(value)
        assert "\n" not in modality.name(value)
    words = modality.shared(case.inputs, case.inputs[1:])
    assert bool(words) == modality.written
    assert "\n" not in words
    if modality.written:
        assert modality.parse(modality.example, "x") == modality.example


def test_a_thumbnail_is_a_small_jpeg_of_what_is_seen(case: Case, modality: Modality) -> None:
    for value in case.inputs:
        data = cfedge.inputs.stored(case.spec).thumbnail(value)
        assert (data is None) == (modality.picture(value) is None) == (not modality.visible)
        if data is not None:
            with PIL.Image.open(io.BytesIO(data)) as picture:
                assert (picture.format, max(picture.size) <= 64) == ("JPEG", True)
            assert len(data) < 4000


def test_cells_of_a_table_are_inputs(case: Case, modality: Modality, tmp_path: Path) -> None:
    reader = cfedge.inputs.reader(case.spec.kind)
    assert modality.noun == case.spec.kind  # also the column's name
    for cell, value in zip(case.cells(tmp_path), case.inputs, strict=True):
        found = modality.prepare(reader.read(cell, tmp_path, "data.csv, line 2"))
        for name, array in modality.prepare(value).feeds.items():
            np.testing.assert_array_equal(found.feeds[name], array)
    for cell in case.odd_cells:
        with pytest.raises(DataError, match=r"data\.csv, line 2"):
            reader.read(cell, tmp_path, "data.csv, line 2")


def test_equal_inputs_have_one_key_and_only_what_is_written_is_doubtful(
    case: Case, tmp_path: Path
) -> None:
    reader = cfedge.inputs.reader(case.spec.kind)
    read = [reader.read(cell, tmp_path, "x") for cell in case.equal(tmp_path)]
    one, same, other = map(reader.key, read)
    assert one == same != other
    exact = list(map(reader.exact, read))
    assert exact == list(map(reader.exact, read))  # the same at every call
    assert len({*exact}) == len(
        {str(value) for value in read} if _is_written(case) else {one, other}
    )
    assert reader.doubts(read) == []
    if _is_written(case):
        found = reader.doubts([*read, "N/A", "caf\u00c3\u00a9", "nan", "a &amp; b"])
        assert [rows for rows, _ in found] == [[3, 5], [4], [6]]


def _is_written(case: Case) -> bool:
    return cfedge.inputs.stored(case.spec).written


def test_versions_of_what_decides_bits_are_known(case: Case) -> None:
    found = cfedge.inputs.versions(case.spec.kind)
    assert all(name and version for name, version in found.items())


def test_what_is_made_up_can_be_answered_and_each_is_another(
    case: Case, modality: Modality
) -> None:
    made = modality.made_up(np.random.default_rng(0), 16)
    if case.spec.kind == "text":
        assert made == []
        return
    assert len({np.asarray(one).tobytes() for one in made}) == 16
    for row, one in enumerate(made):
        modality.prepare(one, row)
    assert len(modality.dump(made).notes) == 16


def test_what_says_that_it_is_an_array_is_one() -> None:
    modality = cfedge.inputs.of(Array("array", "float32", (4,)), {})
    row = np.arange(4.0)
    learned = torch.zeros(4, requires_grad=True)
    for one in (row, row.tolist(), torch.arange(4.0), memoryview(row), pandas.Series(row)):
        (only,) = modality.several(one)
        np.testing.assert_array_equal(modality.prepare(only).feeds["array"], [row])
    for given in ([row] * 2, torch.zeros(2, 4), pandas.DataFrame([row] * 2), [learned] * 2):
        assert [len(modality.prepare(one).feeds["array"]) for one in modality.several(given)] == [
            1,
            1,
        ]
    square = cfedge.inputs.of(Array("array", "float32", (2, 2)), {})
    rows = np.arange(4.0).reshape(2, 2)
    written = io.BytesIO()
    np.save(written, rows)
    for one in (rows.tolist(), written.getvalue(), io.BytesIO(written.getvalue())):
        (only,) = square.several(one)
        np.testing.assert_array_equal(square.prepare(only).feeds["array"], [rows])
    (short,) = square.several(row)  # refused as it is, and not number by number
    with pytest.raises(InputError, match=r"found shape \[4\]"):
        square.prepare(short)
    assert len(square.several([rows, rows])) == len(square.several([rows.tolist()] * 2)) == 2
    read = cfedge.inputs.reader("array")
    (doubt,) = read.doubts([row, row, row[:3]])
    assert doubt[0] == [2]
    assert "found [3] where most have [4]" in doubt[1]


@pytest.mark.parametrize("dtype", ["float64", "int8", "int16", "int32", "int64", "uint8"])
def test_arrays_of_each_dtype_can_be_made_up(dtype: str) -> None:
    spec = Array("array", dtype, (3, 4))  # type: ignore[arg-type]
    modality = cfedge.inputs.of(spec, {})
    for row, one in enumerate(modality.made_up(np.random.default_rng(0), 8)):
        assert modality.prepare(one, row).feeds["array"].dtype == np.dtype(dtype)
