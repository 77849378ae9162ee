"""Files as people and programs leave them: what can be meant is read and told, the rest is refused in
words that say what to do.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow
import pytest
from every import cases
from pyarrow import parquet

from cfedge.doors.columns import Columns
from cfedge.errors import TaskError
from cfedge.train.examples.data_check import Checked, check
from cfedge.train.examples.labels import check_classes

ROWS = [("turn on the light", "on"), ("light please", "on"), ("dark", "off"), ("lights out", "off")]
LINES = "".join(f"{text},{label}\n" for text, label in ROWS)
CSV = f"text,label\n{LINES}"


def looked(path: Path, content: str | bytes) -> Checked:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return check(path)


def jsonl(*rows: object) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def asked(*answers: dict[str, str]) -> str:
    """What Label Studio writes of these answers by their questions, one a text."""
    results = [
        [{"from_name": name, "value": {"choices": [one]}} for name, one in row.items()]
        for row in answers
    ]
    rows = [
        {"data": {"text": str(at)}, "annotations": [{"result": one}]}
        for at, one in enumerate(results)
    ]
    return json.dumps(rows)


GOOD = {"on": 2, "off": 2}
#: By name: the file, its content, and words of what is noted; all hold `GOOD`.
READ: dict[str, tuple[str, str | bytes, str]] = {
    "two files, one behind the other": ("a.csv", CSV + "text,label\n", "repeats the header"),
    "with a mark between them": ("a.csv", CSV + "\ufefftext,label\n", "(the first in line 6)"),
    "a space behind each comma": (
        "a.csv",
        "text, label\n" + "".join(f'"{text}", "{label}"\n' for text, label in ROWS),
        "",
    ),
    "semicolons in quotes": (
        "a.csv",
        'text;label\n"one; two";on\n"a;b";on\nc;off\nd;off\n',
        "semicolons",
    ),
    "quotes that only begin a cell": (
        "a.tsv", 'text\tlabel\n"on" he said\ton\nsix" pipe\ton\nc\toff\nd\toff\n', "quotes in a.tsv were read as they stand",
    ),
    "line breaks between tabs": ("a.tsv", 'text\tlabel\n"a\nb"\ton\nb\ton\nd\toff\ne\toff\n', ""),
    "line breaks in cells": ("a.csv", 'text,label\n"a\nb",on\n"a\r\nc",on\nd,off\ne,off\n', ""),
    "hard spaces behind labels": ("a.csv", CSV.replace("on\n", "on\u00a0\n", 1), ""),
    "lines of old Macs": ("a.csv", CSV.replace("\n", "\r"), ""),
    "four bytes a letter": ("a.csv", CSV.encode("utf-32"), "UTF-32"),
    "the end of a file of DOS": ("a.csv", CSV + "\x1a", ""),
    "labels of 26 digits": ("a.csv", CSV.replace(",on", ",10000000000000000000000001").replace(",off", ",10000000000000000000000002"), ""),
    "labels in brackets": ("a.csv", CSV.replace(",on", ",[on]"), ""),
    "a mark of fastText without a name": ("a.txt", "__label__on what is __label__ for\n__label__on a\nb __label__off\nc __label__off\n", ""),
    "an index": ("a.csv", CSV.replace("\n", "\n0,").replace("text,", ",text,").removesuffix("0,"), ""),
}  # fmt: skip


@cases("case", READ)
def test_what_can_be_meant_is_read_and_told(case: str, tmp_path: Path) -> None:
    name, content, note = READ[case]
    found = looked(tmp_path / name, content)
    assert not found.faults
    assert tuple(found.classes.values()) == (2, 2)
    assert any(note in one for one in found.notes) or not note


#: By name: the file, its content, and words of the fault.
REFUSED: dict[str, tuple[str, str, str]] = {
    "a heart in red and in black": (
        "a.csv", "text,label\na,\u2764\ufe0f\nb,\u2764\ufe0f\nc,\u2764\nd,\u2764\n", "labels that look different",
    ),
    "a filler of Hangul": ("a.csv", CSV.replace("dark,off", "dark,off\u3164"), "labels that look different"),
    "a soft hyphen": ("a.csv", CSV.replace("dark,off", "dark,o\u00adff"), "labels that look different"),
    "a mark of right to left": ("a.csv", CSV.replace("dark,off", "dark,\u200foff"), "labels that look different"),
    "letters of a page's source": ("a.csv", CSV.replace("dark", "dark &amp; dim"), "HTML's words"),
    "quotes behind backslashes": ("a.csv", CSV + '"a \\"b\\" c",on\n', 'twice ("", not \\")'),
    "a cell of a book": ("a.csv", CSV + "word " * 300_000 + ",on\n", "cells of at most 1,048,576 characters"),
    "one name twice": ("a.jsonl", '{"text": "a", "text": "b", "label": "on"}\n', "'text' twice in one object"),
    "one name twice in an array": ("a.json", '[{"text": "a", "label": "x", "label": "y"}]', "'label' twice"),
    "no end of a number": ("a.jsonl", '{"text": "a", "label": Infinity}\n', "found infinity"),
    "an object for a label": ("a.jsonl", jsonl({"text": "a", "label": {"name": "on"}}), "or name what is in it, such as label.name"),
    "marks for letters that were lost": ("a.csv", CSV.replace("dark", "d\ufffdrk"), "marks for letters"),
    "tabs under a header with commas": ("a.csv", "text,label\na\ton\nb\toff\n", "expected 2 columns with commas between them, as the header has, found tabs"),
    "objects of several lines": ("a.jsonl", '{\n"text": "a",\n"label": "on"\n}\n', "each object stands in one line"),
    "brackets without end": ("a.jsonl", '{"text": "a", "label": ' + "[" * 99_999 + "\n", "found brackets that are nested too deep"),
    "a number without end": ("a.jsonl", '{"text": "a", "label": ' + "9" * 5000 + "}\n", "found a number of thousands of digits"),
    "pairs": ("a.json", '[["a", "on"], ["b", "off"]]', "expected a JSON object, found a list ['a', 'on']"),
    "an empty list of labels": ("a.jsonl", jsonl({"text": "a", "label": []}), "expected a label, found an empty list; fill it in"),
    "a text that shows nothing": ("a.csv", CSV.replace("dark", "\u200b\u2060"), "expected a text, found '\\u200b\\u2060'; fill it in"),
    "commas behind lines of JSON": ("a.jsonl", '{"text": "a", "label": "b"},\n' * 2, "no comma stands behind the last, or a line"),
    "an object for a text": ("a.jsonl", jsonl({"text": {"de": "a"}, "label": "on"}), "expected a text, found an object {'de': 'a'}"),
    "two answers in one chat": ("a.jsonl", jsonl({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "on"}, {"role": "assistant", "content": "off"}]}), "expected one label, found several, ['on', 'off']"),
    "a label in an answer": ("a.jsonl", jsonl({"text": "a", "answer": {"label": "on"}}), "which is meant with --label-column answer.label"),
    "an old or locked workbook": ("a.xlsx", "\xd0\xcf\x11\xe0\xa1", "an Excel workbook that is old or has a password"),
    "Chinese of Windows": ("a.csv", CSV * 3 + "\xb4\xf2\xbf\xaa\xb5\xc6,on\n", "say which encoding it has with --encoding"),
    "errors of a spreadsheet": ("a.csv", "text,label\na,#REF!\nb,#REF!\nc,x\nd,x\n", "found '#REF!', which programs write where there is none"),
    "labels as Python writes lists": ("a.csv", 'text,label\na,"[\'on\']"\nb,"[\'on\']"\nc,x\nd,x\n', "signs around it that a program wrote"),
    "one number written in two ways": ("a.csv", "text,label\na,1.0\nb,1.0\nc,1\nd,1\n", "labels that look different"),
    "quotes around each line": ("a.csv", '"text,label"\n"a,on"\n', "each line stands in quotes, as one cell"),
    "boxes of LabelMe": ("a.json", '{"imagePath": "1.png", "shapes": [{"label": "cat"}]}', "annotations of LabelMe, which are"),
    "boxes of COCO": ("a.json", '{"images": [], "annotations": [], "categories": []}', "annotations of COCO, which are of parts"),
    "intents of LUIS": ("a.json", '{"intents": [{"name": "on"}], "utterances": [{"text": "a", "intent": "on"}]}', "say which is meant with --label-column intent"),
    "two questions": ("a.json", asked({"intent": "on", "mood": "calm"}, {"intent": "off", "mood": "calm"}), "found 'text', 'intent', 'mood'; say which is meant"),
    "another question": ("a.json", asked({"intent": "on"}, {"mood": "calm"}), "an answer to 'intent', as in the rows before, found one to 'mood'"),
    "stories of Rasa": ("a.yml", "version: '3.1'\nstories: []\n", "found its stories; give the file with the examples"),
    "a header of a thousand letters": ("a.csv", "x" * 1000 + ",b\n1,2\n", f"found '{'x' * 60}...', 'b'"),
    "answers of nobody": ("a.json", '[{"text": "a", "q.responses": null, "q.responses.status": ["submitted"]}]', "expected a label, found nothing"),
    "an answer that is no list": ("a.json", '[{"data": {"text": "a"}, "annotations": [{"result": 5}]}]', "expected a label, found nothing"),
    "a text of many labels": ("a.csv", "text,label\n" + "".join(f"a,x{at}\n" for at in range(9)), "found 'x0' and 'x1' and 'x2' and 6 more; keep one"),
    "a row of pandas that is short": ("a.json", '{"columns": ["text", "label"], "data": [["a"], ["b", "x"], ["c", "x"]]}', "found a list ['a']"),
    "comments in JSON": ("a.json", '// notes\n[{"text": "a", "label": "on"}]', "line 1"),
}  # fmt: skip


@cases("case", REFUSED)
def test_what_cannot_be_meant_is_refused_in_words(case: str, tmp_path: Path) -> None:
    name, content, words = REFUSED[case]
    bare = case in ("an old or locked workbook", "Chinese of Windows")  # bytes, and no letters
    given = content.encode("latin-1") if bare else content
    faults = [str(one) for one in looked(tmp_path / name, given).faults]
    assert any(words in one for one in faults), faults
    assert all("; " in one and "\n" not in one for one in faults)


def test_labels_that_only_their_drawing_tells_apart_are_no_two_classes() -> None:
    with pytest.raises(TaskError, match="make them one"):
        check_classes("hearts", ("\u2764", "\u2764\ufe0f"))
    check_classes("hearts", ("\u2764", "\u2765"))


def book(sheets: dict[str, list[list[object]]]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets.items():
            sheet = made.create_sheet(title)
            for row in rows:
                sheet.append(row)
        made.save(path)

    return make


def test_the_sheet_with_the_columns_is_taken(tmp_path: Path) -> None:
    data = [["Text", "Label"], *map(list, ROWS)]
    book({"Notes": [["Read me"]], "Data": data, "More": data})(tmp_path / "a.xlsx")
    found = check(tmp_path / "a.xlsx")
    assert found.classes == GOOD
    (note,) = [note for note in found.notes if "sheet 'Data'" in note]
    assert note.endswith(
        "and not 2 others; 'More' has the columns too: put all rows into one sheet"
    )
    book({"Notes": [["Read me"]], "Other": [["a", "b"]]})(tmp_path / "b.xlsx")
    (fault,) = check(tmp_path / "b.xlsx").faults
    assert "found 'Read me'" in str(fault)


def test_formulas_that_nobody_calculated_are_told(tmp_path: Path) -> None:
    rows: list[list[object]] = [["text", "label"], *([text, f'="{label}"'] for text, label in ROWS)]
    book({"A": rows})(tmp_path / "a.xlsx")
    found = check(tmp_path / "a.xlsx")
    assert "rows 2, 3, 4 and 5: expected a label, found nothing" in str(found.faults[0])
    assert any("open it in a spreadsheet and save it there" in note for note in found.notes)


def test_dates_are_named_as_dates(tmp_path: Path) -> None:
    days = [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2)]
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": days}), tmp_path / "a.parquet")
    book({"A": [["text", "label"], ["a", days[0]], ["b", days[1]]]})(tmp_path / "a.xlsx")
    for name in ("a.parquet", "a.xlsx"):
        (fault,) = check(tmp_path / name).faults
        assert "found a date 2024-01-01 00:00:00 in the first of them; write it as a string" in str(
            fault
        )


def test_labels_from_a_dictionary_are_its_words(tmp_path: Path) -> None:
    texts, labels = zip(*ROWS, strict=True)
    inside = [{"kind": {"name": label}} for label in labels]
    table = pyarrow.table({"text": texts, "said": inside})
    parquet.write_table(table, tmp_path / "inside.parquet")
    rows = [{"text": text, "said": said} for text, said in zip(texts, inside, strict=True)]
    (tmp_path / "inside.jsonl").write_text(jsonl(*rows), "utf-8")
    for name in ("inside.parquet", "inside.jsonl"):
        assert check(tmp_path / name, Columns("text", "said.kind.name")).classes == Counter(GOOD)
    table = pyarrow.table({"text": texts, "label": pyarrow.array(labels).dictionary_encode()})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert check(tmp_path / "a.parquet").classes == Counter(GOOD)
