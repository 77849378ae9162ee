"""Files that are made to hurt, or were made by mistake: each is refused by name, at a bounded cost."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import openpyxl
import pyarrow
import pytest
from every import cases
from pyarrow import parquet

from cfedge.doors import reading
from cfedge.errors import DataError, MissingExtraError
from cfedge.train.examples.data import INPUT_AND_LABEL, load, load_file
from cfedge.train.examples.rows import Columns

#: What asks for a gigabyte to be unpacked, and takes one to be packed.
GIGABYTE = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]


def refusal(path: Path, columns: Columns = INPUT_AND_LABEL, encoding: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load(path, columns, encoding)
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message
    return message


def text_file(content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


def workbook(*rows: list[object]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)

    return make


def bomb(path: Path) -> None:
    """A workbook whose sheet is 160 MiB of zeros once it is unpacked."""
    workbook(["text", "label"], ["a", "x"])(path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/worksheets/sheet2.xml", "w", force_zip64=True) as member,
    ):
        for _ in range(160):
            member.write(bytes(1 << 20))


def far_row(path: Path) -> None:
    """A workbook that says a row is number two billion."""
    plain = path.with_suffix(".plain.xlsx")
    workbook(["text", "label"], ["a", "x"], ["b", "y"])(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("sheet1.xml"):
                data = data.replace(b'r="3"', b'r="2000000000"').replace(
                    b'r="A3"', b'r="A2000000000"'
                )
                data = data.replace(b'r="B3"', b'r="B2000000000"')
            new.writestr(name, data)


def columns_file(**columns: object) -> Callable[[Path], None]:
    return lambda path: parquet.write_table(pyarrow.table(columns), path)


def packed_bomb(path: Path) -> None:
    """160 MiB of zeros, packed by gzip: one of them, again and again."""
    path.write_bytes(gzip.compress(bytes(1 << 20)) * 160)


def tar_bomb(size_bytes: int, form: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    """A tar archive of one file of zeros, or of another member, packed by gzip."""

    def make(path: Path) -> None:
        member = tarfile.TarInfo("x.csv")
        member.size, member.type = size_bytes, form
        zeros = gzip.compress(bytes(1 << 20)) * (size_bytes >> 20)
        path.write_bytes(gzip.compress(member.tobuf()) + zeros + gzip.compress(bytes(1024)))

    return make


def xz_bomb(path: Path) -> None:
    """A tar archive of a file of 160 MiB of zeros, packed by xz."""
    member = tarfile.TarInfo("x.csv")
    member.size = 160 << 20
    zeros = lzma.compress(bytes(1 << 20), preset=0) * 160
    path.write_bytes(lzma.compress(member.tobuf()) + zeros)


def archive(names: Sequence[str], size_bytes: int = 4) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for name in names:
                file.writestr(name, bytes(size_bytes))

    return make


LAUGHS = "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10) if at else 'x'}]\n" for at in range(12)
)
ATTACKS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a zip bomb": ("x.xlsx", bomb, "expected a workbook of at most 134,217,728 bytes once it is"),
    "no archive": ("x.xlsx", text_file("PK\x03\x04"), "expected an Excel workbook"),
    "an archive of something else": (
        "x.xlsx",
        lambda path: zipfile.ZipFile(path, "w").close(),
        "expected an Excel workbook",
    ),
    "an empty workbook": ("x.xlsx", workbook(), "expected a sheet with a header and rows"),
    "a number for a text": (
        "x.xlsx",
        workbook(["text", "label"], [12, "x"]),
        "row 2: expected a text, found the number 12; write it as a string",
    ),
    "other columns": (
        "x.xlsx",
        workbook(["frage", "antwort"], ["a", "x"]),
        "found 'frage', 'antwort'; say which is meant with --input-column NAME and --label-column",
    ),
    "a billion laughs": ("x.yml", text_file(LAUGHS + "nlu: *a11\n"), "line 1: expected plain values"),
    "an anchor": (
        "x.yml",
        text_file("nlu:\n- intent: &one heat\n  examples: |\n    - a\n"),
        "line 2: expected plain values, found a YAML anchor or alias 'one'",
    ),
    "a tag": ("x.yml", text_file("nlu: !!python/object/apply:os.system [ls]\n"), "expected "),
    "YAML of something else": ("x.yml", text_file("on: push\n"), "with a list 'nlu', found none"),
    "broken YAML": ("x.yml", text_file("nlu: [\n- a: b: c"), "expected YAML, found"),
    "deep YAML": ("x.yml", text_file("nlu: " + "[" * 50_000), "expected YAML"),
    "an intent without examples": (
        "x.yml",
        text_file("nlu:\n- intent: heat\n- intent: door\n  examples: |\n    - a\n"),
        "line 2: expected examples of the intent",
    ),
    "no parquet": ("x.parquet", text_file("PAR1PAR1"), "expected Parquet, found"),
    "parquet of another schema": (
        "x.parquet",
        columns_file(sentence=["a"], label=["x"]),
        "found 'sentence', 'label'; say which is meant with --input-column sentence",
    ),
    "lists of labels in parquet": (
        "x.parquet",
        columns_file(text=["a", "b"], label=[["x"], ["x", "y"]]),
        "row 2: expected one label, found several, ['x', 'y']",
    ),
    "missing labels in parquet": (
        "x.parquet",
        columns_file(text=["a", "b", "c"], label=[1.0, None, float("nan")]),
        "rows 2 and 3: expected a label, found nothing in the first of them; fill it in",
    ),
    "texts that are bytes": (
        "x.parquet",
        columns_file(text=[b"a"], label=["x"]),
        "row 1: expected a text, found bytes b'a'; write it as a string",
    ),
    "deep JSON": ("x.json", text_file("[" * 100_000), "expected a JSON array of objects"),
    "JSON of something else": ("x.json", text_file('{"a": {"b": 1}}'), "expected a JSON array"),
    "a JSON array cut short": ("x.json", text_file('[{"text": "a",'), "line 1: expected a JSON"),
    "a text file of something else": ("x.txt", text_file("hello\n"), "expected lines of fastText"),
    "several fastText labels": (
        "x.txt",
        text_file("__label__a __label__b cold\n"),
        "line 1: expected one label, found several",
    ),
    "a separator that is none": ("x.csv", text_file("sep=x\na,b\n"), "line 1: expected one of ','"),
    "two columns of one name": (
        "x.csv",
        text_file("Text,TEXT,label\na,b,x\n"),
        "expected one column 'text', found 'Text', 'TEXT'",
    ),
    "a cell of two megabytes": (
        "x.csv",
        text_file("text,label\n" + "a" * (2 << 20) + ",x\n"),
        "expected cells of at most 1,048,576 characters",
    ),
    "a quote that never ends": (
        "x.csv",
        text_file('text,label\n"a,x\nb,y\n'),
        "line 3: expected CSV, found a quote that is never closed; put cells",
    ),
    "no header": (
        "x.csv",
        text_file("close my account,close\npay it,pay\n"),
        "--label-column NAME, or add a first line that names the columns",
    ),
    "texts alone": (
        "x.csv",
        text_file("text\nclose it\n"),
        "found 'text'; there is no label column; add it",
    ),
    "no labels, but something else": (
        "x.csv",
        text_file("text,id\nclose it,7\n"),
        "there is no label column; add it, or say which is meant with --label-column id",
    ),
    "columns of other names": (
        "x.csv",
        text_file("id,Utterance,my intent,Intent\n1,a,b,c\n"),
        "say which is meant with --input-column Utterance and --label-column Intent",
    ),
    "columns of other names in parquet": (
        "x.parquet",
        columns_file(sentence=["a"], category=["x"], id=[1]),
        "say which is meant with --input-column sentence and --label-column category",
    ),
    "words between spaces": (
        "x.tsv",
        text_file("text    label\nclose it   close\n"),
        "found 'text    label'; it is separated by something else: save it with commas",
    ),
    "single quotes for JSON": (
        "x.jsonl",
        text_file("{'text': 'a', 'label': 'b'}\n"),
        "in column 2, which is no JSON (JSON has double quotes); write the row again",
    ),
    "a login page": (
        "x.csv",
        text_file("\n<!DOCTYPE html>\n<html>"),
        "found a web page, such as a site shows before somebody logs in; open the address",
    ),
    "a workbook called CSV": ("x.csv", text_file(b"PK\x03\x04abc"), "name it .xlsx if Excel wrote"),
    "an old workbook called xlsx": (
        "x.xlsx",
        text_file(b"\xd0\xcf\x11\xe0abc"),
        "expected .xlsx, as its name says, found an Excel workbook that is old or has a password; save it as",
    ),
    "a packed file called JSON": ("x.json", text_file(b"\x1f\x8babc"), "a gzip archive; unpack it"),
    "a pointer to a file": (
        "x.parquet",
        text_file("version https://git-lfs.github.com/spec/v1\n"),
        "found a pointer of Git LFS to a file that is not here; fetch it with: git lfs pull",
    ),
    "UTF-16 cut short": ("x.csv", text_file(b"\xff\xfet\x00e\x00x"), "expected UTF-16, found bytes"),
    "another alphabet": (
        "x.csv",
        text_file("text,label\nочень холодно здесь,тепло\n".encode("cp1251")),
        "line 2: expected UTF-8, found byte 0xee; save it as UTF-8, or say which encoding it has",
    ),
    "a bomb of gzip": ("x.csv.gz", packed_bomb, "expected at most 200 times its 16"),
    "a bomb of a table": (
        "x.zip",
        archive(["x.csv"], 160 << 20),
        "bytes unpacked, found 160 MB or more; unpack it, and look at what it holds",
    ),
    "a packed file cut short": (
        "x.csv.gz",
        text_file(gzip.compress(b"text,label\na,x\n")[:-9]),
        "expected a file that gzip packed, found: ",
    ),
    "no packed file": ("x.csv.gz", text_file("text,label\na,x\n"), "expected a file that gzip packed"),
    "faults of a packed table": (
        "x.csv.gz",
        text_file(gzip.compress(b"text,label\na,\n")),
        "x.csv.gz, line 2: expected a label, found ''",
    ),
    "a packed table of another encoding": (
        "x.csv.gz",
        text_file(gzip.compress("text,label\nочень холодно здесь,тепло\n".encode("cp1251"))),
        "x.csv.gz, line 2: expected UTF-8",
    ),
    "a million columns": (
        "x.csv",
        lambda path: path.write_text(",".join(map("c{}".format, range(1_000_000))) + "\n1,2\n"),
        "expected at most 16,384 columns, found 1,000,000; leave those out that are not needed",
    ),
    "xz cut short": (
        "x.csv.xz",
        text_file(lzma.compress(b"text,label\na,x\n", preset=0)[:-9]),
        "expected a file that xz packed, found: its end is missing",
    ),
    "xz that asks for a gigabyte": (
        "x.csv.xz",
        lambda path: path.write_bytes(lzma.compress(b"x", filters=GIGABYTE)),
        "expected a file that xz packed, found: Memory usage limit exceeded",
    ),
    "a bomb of xz": ("x.tar.xz", xz_bomb, "expected at most 200 times its "),
    "Zstandard": ("x.csv.zst", text_file("x"), "found '.zst'; unpack it: zstd -d FILE"),
    "7-Zip": ("x.7z", text_file("x"), "found '.7z'; unpack it: 7z x FILE"),
    "gzip of nothing that is known": ("x.gz", text_file("x"), "found '.gz'; unpack it"),
    "no archive of tables": ("x.zip", text_file("x"), "expected a ZIP file, found"),
    "a bomb in a tar archive": ("x.tar.gz", tar_bomb(160 << 20), "expected at most 200 times its 16"),
    "a header of a tar archive without end": (
        "x.tgz",
        tar_bomb(160 << 20, tarfile.XHDTYPE),
        "expected a tar archive, found: a header without end; pack it again",
    ),
    "a tar archive cut short": (
        "x.tar",
        lambda path: tar_bomb(0)(path) or path.write_bytes(gzip.decompress(path.read_bytes())[:700]),
        "expected ",
    ),
    "no tar archive": ("x.tar.bz2", text_file("text,label\na,x\n"), "expected a tar archive, found: "),
    "a table of MNIST": (
        "train-images.gz", text_file(gzip.compress(b"\0\0\x08\3")), "found '.gz' (a gzip archive); unpack it",
    ),
    "a pickle": ("x.pkl", text_file(b"\x80\x04K\x01."), "found '.pkl' (a pickle of Python or an older PyTorch file); none is opened"),
    "several tables": (
        "x.zip",
        archive(["a.csv", "b.csv", "sample.csv"]),
        "found 'a.csv', 'b.csv', 'sample.csv'; unpack it, and give the table to learn from",
    ),
    "an archive of archives": (
        "x.zip",
        archive(["a.zip", "b.bin"]),
        "expected one table (.csv, .tsv, .tab, .jsonl, ...) or one folder a label, found 'a.zip', 'b.bin'",
    ),
    "a name that leads out": ("x.zip", archive(["../../x.csv"]), "x.zip: expected the columns"),
    "an old workbook": ("x.xls", text_file("x"), "found '.xls'; save it as .xlsx"),
}  # fmt: skip


@cases("name", ATTACKS)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    file, make, expected = ATTACKS[name]
    make(tmp_path / file)
    message = refusal(tmp_path / file)
    assert message.startswith(str(tmp_path / file))
    assert expected in message
    assert len(message) < 600


def test_a_row_beyond_the_last_that_there_can_be_is_not_waited_for(tmp_path: Path) -> None:
    far_row(tmp_path / "x.xlsx")
    assert load_file(tmp_path / "x.xlsx").inputs == ("a",)


def test_a_format_that_is_read_as_one_piece_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(reading.LIMITS, json_bytes=100, yaml_bytes=100)
    monkeypatch.setattr("cfedge.doors.json_rows.LIMITS", small)
    monkeypatch.setattr("cfedge.doors.text.rasa.LIMITS", small)
    rows = [{"text": f"text {at}", "label": "x"} for at in range(9)]
    (tmp_path / "x.json").write_text(json.dumps(rows), "utf-8")
    assert "write one object a line (JSONL), which has no limit" in refusal(tmp_path / "x.json")
    (tmp_path / "x.yml").write_text("nlu:\n" + "- intent: heat\n" * 9, "utf-8")
    assert "expected at most 100 bytes, found 140" in refusal(tmp_path / "x.yml")


def test_an_encoding_that_is_told_is_used_and_one_that_is_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("text,label\nочень холодно,тепло\n".encode("cp1251"))
    assert load(path, encoding="cp1251").train.labels == ("тепло",)
    assert "line 2: expected UTF-8, found bytes that are none" in refusal(path, encoding="utf-8")
    for none in (
        "klingon",
        "rot13",
        "zlib_codec",
        "undefined",
        "idna",
        "unicode-escape",
        "\0",
        "x" * 9_999,
    ):
        said = refusal(path, encoding=none)
        assert "expected the name of an encoding" in said
        assert len(said) < 300


def test_other_columns_are_read_where_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,Satz,Absicht\n1,kalt,heizen\n", "utf-8")
    found = load(path, Columns("satz", "Absicht")).train
    assert (found.inputs, found.labels) == (("kalt",), ("heizen",))
    assert found.notes == ("column 'Satz' was read as 'satz'",)


def test_faults_of_a_kind_stand_in_one_message_with_their_lines(tmp_path: Path) -> None:
    rows = [f"text {at},{'' if at % 3 == 0 else 'x'}" for at in range(30)]
    (tmp_path / "x.csv").write_text("text,label\n" + "\n".join(rows) + "\n,y\n", "utf-8")
    message = refusal(tmp_path / "x.csv")
    assert "lines 2, 5, 8, 11, 14 and 5 more: expected a label, found ''" in message
    assert "one of 2 kinds of faults; cfedge check" in message


def test_what_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['openpyxl'] = None\nfrom pathlib import Path\n"
        "from cfedge.train.examples.data import load\nload(Path(sys.argv[1]))"
    )
    workbook()(tmp_path / "x.xlsx")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.xlsx")], capture_output=True, text=True
    )
    assert MissingExtraError.__name__ in done.stderr
    assert "openpyxl is not installed; pip install 'cfedge[data]', or save it as CSV" in done.stderr


_PEAK = """
import resource, sys
from pathlib import Path
import cfedge.doors.delimited
from cfedge.train.examples.data import load_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = load_file(Path(sys.argv[1]))
print(len(found), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_many_rows_take_some_300_bytes_each_and_are_read_one_by_one(tmp_path: Path) -> None:
    count = 100_000
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for at in range(count):
            file.write(f"this is text number {at} of very many,class {at % 100}\n")
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
    )
    rows, peak = map(int, done.stdout.split())
    assert rows == count
    assert peak < 400 * count
