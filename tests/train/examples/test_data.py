from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from cfedge.errors import DataError
from cfedge.train.examples.data import load, load_file
from cfedge.train.examples.examples import Examples, LabelledData, repeated, split_held_out
from cfedge.train.examples.inputs_alone import load_inputs

TWO = Examples(("it is cold", "open the door"), ("heat", "door"), "any")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    """The one line with which `path` is refused; it begins with the path."""
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


# --- CSV
# --------------------------------------------------------------------------------------------------------------


@cases(
    "content",
    [
        "text,label\nit is cold,heat\nopen the door,door\n",
        "text,label\nit is cold,heat\nopen the door,door",
        "text,label\r\nit is cold,heat\r\nopen the door,door\r\n",
        "\ufefftext,label\nit is cold,heat\nopen the door,door\n",
        '"text","label"\n"it is cold","heat"\n"open the door","door"\n',
        "label,text\nheat,it is cold\ndoor,open the door\n",
        "id,text,label,note\n1,it is cold,heat,\n2,open the door,door,loud\n",
        "text,label\n\nit is cold,heat\n\n\nopen the door,door\n\n",
        "text,label\nit is cold, heat \nopen the door,door\t\n",
    ],
)
def test_a_csv_file_is_read(content: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rooms.csv", content)
    assert load(path) == LabelledData(Examples(TWO.inputs, TWO.labels, str(path)))


def test_quoted_commas_quotes_and_newlines_stay_in_the_text(tmp_path: Path) -> None:
    content = (
        'text,label\n"cold, very",heat\n"first\nsecond",door\n"third\r\nfourth",door\n"the ""red""'
        ' door",door\n'
    )
    examples = load_file(written(tmp_path / "rooms.csv", content))
    assert examples.inputs == ("cold, very", "first\nsecond", "third\r\nfourth", 'the "red" door')
    assert examples.labels == ("heat", "door", "door", "door")


def test_texts_of_any_script_are_read_as_they_are(tmp_path: Path) -> None:
    texts = ("es ist kälter", "寒いです", "🥶 brr", " padded ")
    path = written(
        tmp_path / "rooms.csv", "text,label\n" + "".join(f"{text},heat\n" for text in texts)
    )
    assert load_file(path).inputs == texts


# --- JSON lines
# -------------------------------------------------------------------------------------------------------

JSON_ROWS = [
    {"text": "it is cold", "label": "heat"},
    {"label": "door", "id": 7, "text": "open the door"},
]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(map(json.dumps, JSON_ROWS)),
        "\r\n".join(map(json.dumps, JSON_ROWS)) + "\r\n",
        "\ufeff" + "\n\n \n".join(map(json.dumps, JSON_ROWS)) + "\n",
    ],
    ids=["plain", "CRLF", "BOM and blank lines"],
)
def test_a_jsonl_file_is_read(content: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rooms.jsonl", content)
    assert load(path) == LabelledData(Examples(TWO.inputs, TWO.labels, str(path)))


def test_only_a_newline_ends_a_json_line(tmp_path: Path) -> None:
    # U+2028 and U+0085 end a line for str.splitlines and may stand in a JSON string as they are.
    row = json.dumps({"text": "one\u2028two\u0085three", "label": "heat"}, ensure_ascii=False)
    assert load_file(written(tmp_path / "rooms.jsonl", row)).inputs == ("one\u2028two\u0085three",)


# --- refusals of a file
# -----------------------------------------------------------------------------------------------


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "rooms.csv")
        == ": expected a file or a folder of data, found nothing; check the path"
    )


@cases(
    ("name", "found"),
    [
        ("rooms.doc", "'.doc'; save it as CSV"),
        ("rooms", "'no suffix'; save it as CSV"),
        ("rooms.gz", "'.gz'; unpack it"),
        ("rooms.xls", "'.xls'; save it as .xlsx"),
    ],
)
def test_a_file_of_another_kind_is_refused_naming_its_suffix(
    name: str, found: str, tmp_path: Path
) -> None:
    path = written(tmp_path / name, "text,label\nit is cold,heat\n")
    message = refusal(path)
    assert message.startswith(": expected one of .csv, .tsv, .tab, .jsonl, ")
    assert f", found {found}" in message


@cases(
    ("name", "content", "expected"),
    [
        ("a.csv", "", ": expected rows, found an empty file; add a header and rows"),
        ("a.csv", "\ufeff", ": expected a header with the columns 'text' and 'label', found none"),
        (
            "a.csv",
            "text,intent\nit is cold,heat\n",
            ": expected the columns 'text' and 'label', found 'text', 'intent'; say which is meant"
            " with --label-column intent",
        ),
        (
            "a.csv",
            "id,Label \n1,heat\n",
            ": expected the columns 'text' and 'label', found 'id', 'Label '; say which is meant"
            " with --input-column id",
        ),
        (
            "a.csv",
            "a,b,c\n1,heat,x\n",
            ": expected the columns 'text' and 'label', found 'a', 'b', 'c'; say which is meant"
            " with --input-column NAME and --label-column NAME",
        ),
        ("a.csv", "text,label\n", ": expected examples, found none; add rows"),
        ("a.csv", "text,label\n\n\n", ": expected examples, found none; add rows"),
        ("a.jsonl", "", ": expected rows, found an empty file"),
        ("a.jsonl", " \n\n", ": expected examples, found none"),
        (
            "a.jsonl",
            '{"text": "a", "label": "x"}\n{"text": "b", "intent": "x"}',
            ", line 2: expected the columns 'text' and 'label', found 'text', 'intent'; say which",
        ),
        (
            "a.jsonl",
            "{}",
            ", line 1: expected the columns 'text' and 'label', found none; add text and label",
        ),
    ],
)
def test_missing_columns_and_rows_are_refused_naming_what_is_there(
    name: str, content: str, expected: str, tmp_path: Path
) -> None:
    assert refusal(written(tmp_path / name, content)).startswith(expected)


@cases(
    ("content", "expected"),
    [
        ("text,label\nit is cold,heat\n,door\n", ", line 3: expected a text, found ''"),
        ("text,label\n  ,door\n", ", line 2: expected a text, found '  '"),
        ("text,label\nit is cold,\n", ", line 2: expected a label, found ''"),
        ("text,label\nit is cold, \t\n", ", line 2: expected a label, found ' \\t'"),
        (
            "text,label\nit is cold,heat\nopen the door\n",
            ", line 3: expected a label, found nothing",
        ),
        ("label,text\nheat\n", ", line 2: expected a text, found nothing"),
        ('text,label\n"two\nlines",heat\n,door\n', ", line 4: expected a text, found ''"),
    ],
)
def test_an_empty_cell_or_a_short_row_is_refused_naming_its_line(
    content: str, expected: str, tmp_path: Path
) -> None:
    assert refusal(written(tmp_path / "a.csv", content)).startswith(f"{expected}; fill it in or ")


@cases(
    ("row", "expected"),
    [
        ({"text": "", "label": "x"}, "expected a text, found ''"),
        ({"text": None, "label": "x"}, "expected a text, found nothing"),
        (
            {"text": ["a"], "label": "x"},
            "expected a text, found a list ['a']; write it as a string",
        ),
        ({"text": 3, "label": "x"}, "expected a text, found the number 3; write it as a string"),
        ({"text": "a", "label": " "}, "expected a label, found ' '"),
    ],
)
def test_a_json_value_that_is_no_text_is_refused_naming_its_line(
    row: dict[str, object], expected: str, tmp_path: Path
) -> None:
    content = f'{{"text": "a", "label": "x"}}\n\n{json.dumps(row)}\n'
    assert refusal(written(tmp_path / "a.jsonl", content)).startswith(f", line 3: {expected}")


@cases(
    ("line", "found"),
    [
        ('{"text": "a", "label": "x"', "its end in column 27, where something is missing"),
        ("text,label", "'text,label' in column 1, which is no JSON"),
        ('["a", "x"]', "a list"),
        ('"a"', "the string"),
        ("null", "nothing"),
        ('{"text": "a", "label": "x"} {}', "'{}' in column 29, which is no JSON"),
    ],
)
def test_a_broken_json_line_is_refused_naming_its_line(
    line: str, found: str, tmp_path: Path
) -> None:
    message = refusal(written(tmp_path / "a.jsonl", f'{{"text": "a", "label": "x"}}\n{line}\n'))
    assert message.startswith(f", line 2: expected a JSON object, found {found}")


@cases(
    ("name", "content"),
    [
        ("a.csv", "text,label\nit is\x00 cold,heat\n"),
        ("a.csv", "text,label\nit is cold,he\x00at\n"),
        ("a.jsonl", '{"text": "it is\\u0000 cold", "label": "heat"}\n'),
        ("a.jsonl", '{"text": "it is cold", "label": "he\\u0000at"}\n'),
    ],
)
def test_nul_characters_are_refused(name: str, content: str, tmp_path: Path) -> None:
    assert re.search(r", line \d: expected .*\bNUL\b", refusal(written(tmp_path / name, content)))


def test_an_open_quote_is_refused(tmp_path: Path) -> None:
    # Read leniently, it would take the rest of the file as one text.
    content = 'text,label\n"it is cold,heat\nopen the door,door\nmore,door\n'
    assert "expected CSV, found a quote that is never closed" in refusal(
        written(tmp_path / "a.csv", content)
    )


def test_a_folder_named_as_a_file_is_refused(tmp_path: Path) -> None:
    for name, what in (("workspace.json", "a workspace"), ("manifest.json", "a bundle")):
        (tmp_path / what).mkdir()
        (tmp_path / what / name).write_text("{}")
        with pytest.raises(DataError, match=rf"expected data, found {what}; give the examples"):
            load(tmp_path / what)
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match="could not read"):
        load_file(tmp_path / "a.csv")


@settings(derandomize=True, deadline=None)
@given(
    content=st.binary(max_size=200),
    suffix=st.sampled_from([".csv", ".jsonl"]),
    header=st.booleans(),
)
def test_whatever_bytes_a_file_holds_it_is_read_or_refused(
    content: bytes, suffix: str, header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start = (
        b""
        if not header
        else b"text,label\n"
        if suffix == ".csv"
        else b'{"text": "a", "label": "x"}\n'
    )
    path = written(tmp_path_factory.getbasetemp() / f"any{suffix}", start + content)
    try:
        examples = load_file(path)
    except DataError:
        return
    assert len(examples.inputs) == len(examples.labels) == len(examples) >= 1
    assert all(cell.strip() and "\x00" not in cell for cell in (*examples.inputs, *examples.labels))


# --- folders
# ----------------------------------------------------------------------------------------------------------


def test_a_folder_of_splits_is_read(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", "text,label\nit is cold,heat\n")
    written(tmp_path / "validation.jsonl", '{"text": "colder", "label": "heat"}\n')
    written(tmp_path / "test.csv", "text,label\nfreezing,heat\n")
    written(tmp_path / "notes.txt", "not data")
    assert load(tmp_path) == LabelledData(
        train=Examples(("it is cold",), ("heat",), str(tmp_path / "train.csv")),
        held_out=Examples(("colder",), ("heat",), str(tmp_path / "validation.jsonl")),
        test=Examples(("freezing",), ("heat",), str(tmp_path / "test.csv")),
    )


def test_a_folder_needs_the_train_file_alone(tmp_path: Path) -> None:
    written(tmp_path / "train.jsonl", '{"text": "it is cold", "label": "heat"}\n')
    found = load(tmp_path)
    assert found.train.inputs == ("it is cold",)
    assert found.held_out is None
    assert found.test is None


def test_a_folder_without_train_is_refused_naming_what_is_there(tmp_path: Path) -> None:
    expected = ": expected train.csv (or another format) or a saved datasets folder, found "
    step = "; call the file to learn from train, or give it alone"
    assert refusal(tmp_path) == f"{expected}nothing{step}"
    for name in ("test.csv", "training.csv"):
        written(tmp_path / name, "text,label\nit is cold,heat\n")
    assert refusal(tmp_path) == f"{expected}test.csv, training.csv{step}"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_two_files_of_one_split_are_refused(split: str, tmp_path: Path) -> None:
    written(tmp_path / "train.csv", "text,label\nit is cold,heat\n")
    for suffix in ("csv", "jsonl"):
        written(tmp_path / f"{split}.{suffix}", "text,label\nit is cold,heat\n")
    assert (
        refusal(tmp_path)
        == f": expected one {split} file, found {split}.csv and {split}.jsonl; keep one"
    )


def test_a_bad_file_of_a_folder_is_refused_by_its_own_name(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", "text,label\nit is cold,heat\n")
    written(tmp_path / "test.csv", "text,label\nfreezing\n")
    with pytest.raises(
        DataError, match=re.escape(f"{tmp_path / 'test.csv'}, line 2: expected a label")
    ):
        load(tmp_path)


# --- saved datasets folders
# -------------------------------------------------------------------------------------------


def saved(
    path: Path, splits: dict[str, dict[str, list[object]]], names: list[str] | None = None
) -> Path:
    """What `datasets` saves of `splits`: one dataset where the only split is named "", labels as
    classes where `names` are given.
    """
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    made = {}
    for split, columns in splits.items():
        made[split] = datasets.Dataset.from_dict(columns)
        if names is not None:
            features = datasets.Features(
                {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
            )
            made[split] = datasets.Dataset.from_dict(columns, features=features)
    (made[""] if list(made) == [""] else datasets.DatasetDict(made)).save_to_disk(str(path))
    return path


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "rooms",
        {"": {"text": list(TWO.inputs), "label": list(TWO.labels), "id": [1, 2]}},
    )
    assert load(path) == LabelledData(Examples(TWO.inputs, TWO.labels, f"{path}:train"))


def test_a_saved_dataset_of_splits_is_read(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "rooms",
        {
            "train": {"text": list(TWO.inputs), "label": list(TWO.labels)},
            "validation": {"text": ["colder"], "label": ["heat"]},
            "test": {"text": ["freezing"], "label": ["heat"]},
        },
    )
    assert load(path) == LabelledData(
        train=Examples(TWO.inputs, TWO.labels, f"{path}:train"),
        held_out=Examples(("colder",), ("heat",), f"{path}:validation"),
        test=Examples(("freezing",), ("heat",), f"{path}:test"),
    )


def test_class_labels_are_read_by_their_names(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "rooms",
        {"": {"text": ["a", "b", "c"], "label": [1, 0, 1]}},
        names=["door", "heat"],
    )
    assert load(path).train.labels == ("heat", "door", "heat")


def test_plain_numbers_as_labels_are_read_as_text(tmp_path: Path) -> None:
    path = saved(tmp_path / "rooms", {"": {"text": ["a", "b"], "label": [10, 2]}})
    assert load(path).train.labels == ("10", "2")


def test_a_saved_dataset_without_train_is_refused(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "rooms",
        {"test": {"text": ["a"], "label": ["x"]}, "dev": {"text": ["a"], "label": ["x"]}},
    )
    said = ": expected a split named train, found test, dev; rename the one to learn from"
    assert refusal(path) == said


def test_a_saved_dataset_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "rooms", {"train": {"sentence": ["a"], "label": ["x"]}})
    assert refusal(path) == (
        ":train: expected the columns 'text' and 'label', found 'sentence', 'label'; say which is"
        " meant with --input-column sentence"
    )


def test_an_empty_text_of_a_saved_dataset_is_refused_naming_its_row(tmp_path: Path) -> None:
    path = saved(tmp_path / "rooms", {"": {"text": ["a", " "], "label": ["x", "x"]}})
    assert refusal(path).startswith(":train, row 2: expected a text, found ' '")


# --- splitting
# --------------------------------------------------------------------------------------------------------


def make_examples(sizes: dict[str, int]) -> Examples:
    rows = [(f"{label} {index}", label) for label, size in sizes.items() for index in range(size)]
    np.random.default_rng(0).shuffle(rows)
    return Examples(tuple(text for text, _ in rows), tuple(label for _, label in rows), "rooms.csv")


def test_classes_are_distinct_and_sorted() -> None:
    assert Examples(("1", "2", "3", "4"), ("b", "c", "b", "a"), "rooms.csv").classes == (
        "a",
        "b",
        "c",
    )


@cases("fraction", [0.01, 0.1, 0.25, 0.5, 0.99])
def test_the_held_out_part_has_its_share_of_each_class(fraction: float) -> None:
    sizes = {"heat": 40, "door": 20, "lift": 3, "lamp": 2}
    kept, held_out = split_held_out(make_examples(sizes), fraction, np.random.default_rng(1))
    for label, size in sizes.items():
        taken = held_out.labels.count(label)
        assert taken == min(max(1, round(fraction * size)), size - 1)
        assert kept.labels.count(label) == size - taken >= 1


def test_nothing_is_lost_doubled_or_relabelled_and_the_order_stays() -> None:
    examples = make_examples({"heat": 30, "door": 11})
    whole = list(zip(examples.inputs, examples.labels, strict=True))
    kept, held_out = split_held_out(examples, 0.2, np.random.default_rng(2))
    parts = [list(zip(part.inputs, part.labels, strict=True)) for part in (kept, held_out)]
    assert Counter(parts[0] + parts[1]) == Counter(whole)
    assert all(part == [row for row in whole if row in set(part)] for part in parts)
    assert kept.source == held_out.source == "rooms.csv"


def test_the_split_follows_from_the_seed() -> None:
    examples = make_examples({"heat": 30, "door": 30})
    one, same, other = (
        split_held_out(examples, 0.3, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert one == same
    assert one != other


def test_equal_texts_stay_on_one_side() -> None:
    texts = tuple(f"text {index % 12}" for index in range(60))
    examples = Examples(texts, ("heat",) * 60, "rooms.csv")
    for seed in range(20):
        kept, held_out = split_held_out(examples, 0.3, np.random.default_rng(seed))
        assert not set(kept.inputs) & set(held_out.inputs)
        assert len(set(held_out.inputs)) == round(0.3 * 12)
        assert len(kept) + len(held_out) == 60


def test_texts_that_are_equal_but_for_case_and_spaces_stay_on_one_side() -> None:
    texts = tuple(
        text for index in range(10) for text in (f"turn on {index}", f"Turn  On {index} ")
    )
    kept, held_out = split_held_out(
        Examples(texts, ("lamp",) * 20, "a.csv"), 0.2, np.random.default_rng(0)
    )
    assert (len(kept), len(held_out)) == (16, 4)
    assert repeated(kept, held_out) == []


def test_a_class_whose_texts_all_have_other_labels_too_is_refused_saying_so() -> None:
    examples = Examples(
        ("one", "two", "three") * 2 + ("four",), ("heat",) * 3 + ("door",) * 4, "rooms.csv"
    )
    with pytest.raises(
        DataError,
        match=(
            "expected a text of label 'heat' alone, to be held out, found other labels too of all 3"
        ),
    ):
        split_held_out(examples, 0.2, np.random.default_rng(0))


@cases("texts", [("only one",), ("the same", "the same"), ("the same", "The  same")])
def test_a_class_with_one_text_is_refused_by_its_label(texts: tuple[str, ...]) -> None:
    examples = Examples((*texts, "a", "b"), ("lone",) * len(texts) + ("door", "door"), "rooms.csv")
    expected = (
        r"^rooms\.csv: expected at least 2 different texts of label 'lone' .*found 1; .*--held-out"
    )
    with pytest.raises(DataError, match=expected):
        split_held_out(examples, 0.2, np.random.default_rng(0))


def test_a_class_with_one_text_that_may_be_a_slip_is_asked_about() -> None:
    examples = Examples(("a", "b", "c"), ("doors", "door", "door"), "rooms.csv")
    with pytest.raises(DataError, match=r"label 'doors' \(did you mean 'door'\?\) \(one to learn"):
        split_held_out(examples, 0.2, np.random.default_rng(0))


# --- broken rows and damaged folders
# --------------------------------------------------------------------------------------


def test_a_row_with_too_many_columns_is_refused_naming_its_line(tmp_path: Path) -> None:
    message = refusal(
        written(tmp_path / "a.csv", "text,label\nit is cold,heat\nopen, please, the door,door\n")
    )
    assert message.startswith(", line 3: expected 2 columns")


def test_a_broken_csv_row_is_refused_naming_its_own_line(tmp_path: Path) -> None:
    content = 'text,label\nit is cold,heat\n"open" the door,door\n'
    assert refusal(written(tmp_path / "a.csv", content)).startswith(", line 3: expected CSV")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "label" in refusal(
        written(tmp_path / "a.csv", "text,label,label\nit is cold,heat,door\n")
    )


@pytest.mark.parametrize(
    "line",
    ['{"text": ' * 100_000, '{"text": "a", "label": ' + "1" * 5000 + "}"],
    ids=["deep", "long number"],
)
def test_a_json_line_beyond_the_parsers_limits_is_refused(line: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.jsonl", line)).startswith(
        ", line 1: expected a JSON object"
    )


@pytest.mark.parametrize(
    "row", ['{"text": "cold \\ud800", "label": "heat"}', '{"text": "cold", "label": "\\udfff"}']
)
def test_half_a_surrogate_pair_is_refused(row: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.jsonl", row)).startswith(", line 1: expected a ")


@pytest.mark.parametrize(
    ("labels", "names"), [(["heat", None], None), ([0, None], ["heat"]), ([0, -1], ["heat"])]
)
def test_a_missing_label_of_a_saved_dataset_is_refused_naming_its_row(
    labels: list[object], names: list[str] | None, tmp_path: Path
) -> None:
    path = saved(tmp_path / "rooms", {"": {"text": ["a", "b"], "label": labels}}, names=names)
    assert refusal(path).startswith(":train, row 2: expected a label, found nothing")


def test_splits_of_other_names_are_left_alone(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"text": ["a", "b"], "label": [0, 0]}
    path = saved(
        tmp_path / "rooms",
        {"train": columns, "unsupervised": {**columns, "label": [-1, -1]}},
        names=["heat"],
    )
    assert load(path).train.labels == ("heat", "heat")


@pytest.mark.parametrize(
    "damaged", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"]
)
def test_a_damaged_saved_dataset_is_refused(damaged: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "rooms", {"": {"text": ["a"], "label": ["x"]}})
    written(path / damaged, b"{")
    assert "expected a saved datasets folder" in refusal(path)


def test_an_empty_saved_dataset_is_refused(tmp_path: Path) -> None:
    assert "expected" in refusal(saved(tmp_path / "rooms", {"": {"text": [], "label": []}}))


def test_a_text_with_two_labels_stays_on_one_side() -> None:
    texts = tuple(f"text {index}" for index in [*range(10), *range(7, 17)])
    examples = Examples(texts, ("heat",) * 10 + ("door",) * 10, "rooms.csv")
    for seed in range(20):
        kept, held_out = split_held_out(examples, 0.4, np.random.default_rng(seed))
        assert not set(kept.inputs) & set(held_out.inputs)
        assert Counter(held_out.labels) == {"heat": 4, "door": 4}


def test_texts_that_are_also_learned_from_are_found_but_for_case_and_spaces() -> None:
    train = Examples(("Turn it on", "stop", "stra\u00dfe"), ("a", "b", "a"), "train.csv")
    others = Examples(
        ("turn  IT on ", "stops", "STOP\n", "turn iton", "STRASSE"),
        ("a", "b", "b", "a", "a"),
        "held.csv",
    )
    assert repeated(train, others) == [0, 2, 4]
    assert repeated(others, others) == [0, 1, 2, 3, 4]


# --- labels that are no texts
# ----------------------------------------------------------------------------------------------


@cases(
    ("labels", "expected"),
    [
        ([0, 1], ("0", "1")),
        ([False, True], ("False", "True")),
        ([0.0, 2.5], ("0.0", "2.5")),
        (["0", 1], ("0", "1")),
    ],
)
def test_a_number_or_a_boolean_is_a_label_and_the_same_in_every_file(
    labels: list[object], expected: tuple[str, ...], tmp_path: Path
) -> None:
    rows = [{"text": f"text {at}", "label": label} for at, label in enumerate(labels)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert load_file(written(tmp_path / "a.jsonl", lines)).labels == expected
    assert load_file(written(tmp_path / "a.json", json.dumps(rows))).labels == expected
    table = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows)
    assert load_file(written(tmp_path / "a.csv", table)).labels == expected
    if len({type(label) for label in labels}) == 1:
        columns = {"text": [row["text"] for row in rows], "label": labels}
        assert load(saved(tmp_path / "rooms", {"": columns})).train.labels == expected


def test_several_labels_are_refused_in_every_file(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": [1, 2]}, {"text": "b", "label": [1, 3]}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert (
        "expected one label, found several, [1, 2] in the first of them; an input has one label:"
        in refusal(written(tmp_path / "a.jsonl", lines))
    )
    columns = {"text": ["a", "b"], "label": [[1, 2], [1, 3]]}
    assert ":train, rows 1 and 2: expected one label, found several" in refusal(
        saved(tmp_path / "rooms", {"": columns})
    )


def test_inputs_alone_may_be_a_folder_of_pictures_or_arrays(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "deep/c.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    expected = [str(tmp_path / name) for name in ("a.JPG", "b.png", "deep/c.jpg")]
    assert list(load_inputs(tmp_path, kind="image")) == expected
    for kind, wanted in (("array", r"files of \.npy in it"), ("text", "a file of text inputs")):
        with pytest.raises(DataError, match=f"expected {wanted}, found a folder without"):
            load_inputs(tmp_path, kind=kind)


def test_inputs_alone_without_their_column_are_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "unknown.csv"
    path.write_text("image,kind\na.png,near\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_inputs(path)
    assert str(caught.value).endswith(
        ": expected a column 'text', found 'image', 'kind'; call the column of the inputs 'text'"
    )
    lines = tmp_path / "unknown.txt"
    for content in ("what is it\n\nwho are you\n", "text\nwhat is it\nwho are you\n"):
        lines.write_text(content, encoding="utf-8")
        assert load_inputs(lines) == ("what is it", "who are you")
