"""The command at a Unix shell: pipes that close, disks that are full, letters of other encodings."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run as here
from every import cases
from test_storage import Disk

from cfedge.cli.show import print_table
from cfedge.cli.streams import LINE_BYTES, lines
from cfedge.errors import InputError, StorageError, UsageError

CFEDGE = [sys.executable, "-c", "from cfedge.cli import main; main()"]
UTF8, ASCII = {"PYTHONIOENCODING": "utf-8"}, {"PYTHONIOENCODING": "ascii"}


def run(
    *arguments: object, given: bytes = b"", out: Any = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CFEDGE, *map(str, arguments)], input=given, stdout=out, stderr=subprocess.PIPE,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip


@cases(
    "given",
    [
        "one\ntwo\n".encode("utf-8-sig"),
        "one\ntwo".encode("utf-8-sig"),
        "one\ntwo\n".encode("utf-16"),
        "one\ntwo".encode("utf-16"),
        b"\xfe\xff" + "one\ntwo\n".encode("utf-16-be"),
        b"one\ntwo\n",
    ],
)
def test_lines_are_read_whatever_mark_they_begin_with(given: bytes) -> None:
    assert [line.rstrip(b"\n") for line in lines(io.BytesIO(given))] == [b"one", b"two"]


def test_lines_end_where_letters_say_so() -> None:
    given = "\u0a0a\u0d0a\u200a\nzwei\n".encode("utf-16")
    assert [line.decode() for line in lines(io.BytesIO(given))] == [
        "\u0a0a\u0d0a\u200a\n",
        "zwei\n",
    ]

    # Nothing and a mark alone are no lines.
    for given in (b"", b"\xef\xbb\xbf", b"\xff\xfe"):
        assert list(lines(io.BytesIO(given))) == []
    with pytest.raises(InputError, match="line 1: expected UTF-16, as the first bytes say"):
        list(lines(io.BytesIO(b"\xff\xfea")))


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    for start in (b"", b"one\n", b"\xff\xfe"):
        endless = io.BytesIO(start + b"a" * (LINE_BYTES + 10))
        with pytest.raises(InputError, match=r"line \d: expected at most 64 MB, found more"):
            list(lines(endless))
        assert endless.tell() <= LINE_BYTES + 5


def test_marked_lines_are_answered(tiny_bundle: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        words = ["-"] if encoding == "utf-16" else []  # which says standard input too
        given = "crimson\nkitten\n".encode(encoding)
        done = here("predict", tiny_bundle, "--json", *words, content=given)
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["task"] for line in done.stdout.splitlines()] == [
            "colors",
            "animals",
        ]


def test_who_sits_before_the_terminal_is_told_what_is_waited_for(tiny_bundle: Path) -> None:
    ours, theirs = os.openpty()
    try:
        os.write(ours, b"crimson\n\x04")
        done = subprocess.run(
            [*CFEDGE, "predict", str(tiny_bundle)], stdin=theirs, capture_output=True, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stderr == b"reading lines from standard input; end with Ctrl-D\n"
    assert done.stdout.startswith(b"'crimson': colors/")
    assert run("predict", tiny_bundle, given=b"crimson\n").stderr == b""


def test_a_word_that_names_a_file_is_answered_and_told_of(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    named = tmp_path / "texts.csv"
    named.write_text("crimson\n", encoding="utf-8")
    done = here("predict", tiny_bundle, named, "crimson")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.decode().splitlines()
    assert line == (
        f"note: {str(named)!r} is the name of a file; the name itself was answered. To answer its"
        f" lines: cfedge predict {tiny_bundle} < {named}"
    )
    assert len(done.stdout.splitlines()) == 2
    # A table's lines are no texts: neither its name nor its lines are answered without a word.
    table = b"id,text\n1,crimson\n"
    steps = {
        table: f"It is a table. To answer one of its columns: cfedge predict {tiny_bundle} --data",
        gzip.compress(table): "It is a gzip archive",
    }
    for content, step in steps.items():
        named.write_bytes(content)
        assert step in here("predict", tiny_bundle, named).stderr.decode()
    piped = here("predict", tiny_bundle, content=table)
    assert (piped.returncode, len(piped.stdout.splitlines())) == (0, 2)
    assert piped.stderr.startswith(b"note: line 1 names columns, as a table does;")
    assert here("predict", tiny_bundle, content=b"text\ncrimson, text me\n").stderr == b""
    odd = here("predict", tiny_bundle, content="crimson".encode("utf-16-le"))
    assert (odd.returncode, odd.stdout) == (10, b"")
    assert b"line 1: expected letters in UTF-8, found NUL characters, as UTF-16" in odd.stderr
    picture = here("predict", tiny_bundle, content=b"\x89PNG\r\n\x1a\n\xe6\n\xb9\n")
    assert (picture.returncode, picture.stdout, picture.stderr.count(b"\n")) == (2, b"", 1)
    assert b"expected lines, found a picture (PNG); give the file's name" in picture.stderr
    both = here("predict", tiny_bundle, "-", "crimson", content=table)
    assert (both.returncode, both.stdout) == (2, b"")
    assert both.stderr.startswith(b"cfedge: -: expected it alone, for lines of standard input")
    image = tmp_path / "crimson.PNG"
    image.write_bytes(b"")
    (line,) = here("predict", tiny_bundle, image).stderr.decode().splitlines()
    assert line.endswith("This bundle answers inputs of the kind text: ask one of the kind image")


def test_a_column_of_a_table_is_answered_beside_it(tiny_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "asked.csv"
    table.write_text('id,words,label\n1,"crimson, scarlet",x\n2,,y\n3,a,b,c\n4,lion\n', "utf-8")
    out = tmp_path / "answered.csv"
    done = here("predict", tiny_bundle, "--data", table, "--text-column", "words", "--out", out)
    assert (done.returncode, done.stdout) == (10, b"")
    assert done.stderr.count(b"\n") == 3
    piped = here("predict", tiny_bundle, "--data", table, "--text-column", "words")
    assert piped.stdout == out.read_bytes()
    header, *rows = csv.reader(io.StringIO(out.read_text("utf-8")))
    assert header == ["id", "words", "label", "predicted_task", "predicted_label", "probability",
                      "unknown", "error"]  # fmt: skip
    assert [row[:3] for row in rows] == [
        ["1", "crimson, scarlet", "x"], ["2", "", "y"], ["", "", ""], ["4", "lion", ""]
    ]  # fmt: skip
    assert [row[7].partition(":")[0] for row in rows] == ["", "line 3", "line 4", ""]
    alone = here("predict", tiny_bundle, "crimson, scarlet", "lion", "--json").stdout.splitlines()
    for row, answer in zip((rows[0], rows[3]), map(json.loads, alone), strict=True):
        known = [answer["task"], answer["label"], f"{answer['probability']:.4f}", "false"]
        assert row[3:7] == (["", "", "", "true"] if answer["unknown"] else known)
    rows_of = tmp_path / "asked.jsonl"  # each row names its own columns
    rows_of.write_text('{"text": "lion"}\n{"text": "crimson", "n": [1]}\n', "utf-8")
    found = here("predict", tiny_bundle, "--data", rows_of).stdout.decode().splitlines()
    assert found[0].startswith("text,n,predicted_task")
    assert found[2].startswith("crimson,[1],")
    listed = here("predict", tiny_bundle, "--data", rows_of, "--json").stdout.splitlines()
    assert [json.loads(line)["row"] for line in listed] == [1, 2]
    odd = tmp_path / "odd.jsonl"  # half a character, and what a spreadsheet program reckons with
    cells = ("\ud800", "=1+1", "-1", "+x")
    odd.write_text(
        "".join(json.dumps({"text": "lion", "n": cell}) + "\n" for cell in cells), "utf-8"
    )
    with Disk(tmp_path) as disk:
        done = here("predict", tiny_bundle, "--data", odd, "--out", tmp_path / "odd.csv")
    assert [call for call in disk.calls if "sync" in call or call == "replace"] == [
        "fsync", "replace", "fsync folder"
    ]  # fmt: skip
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 1)
    assert done.stderr.startswith(b"note: 2 rows with a cell that begins with =, +, - or @, which")
    shown = (tmp_path / "odd.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[1] for line in shown] == ["n", "\\ud800", "=1+1", "-1", "+x"]
    wide = tmp_path / "wide.jsonl"  # a column of its own in each row
    wide.write_text("".join(f'{{"text": "lion", "c{at}": 1}}\n' for at in range(17_000)), "utf-8")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "lion"\n', "utf-8")
    refused = {
        ("--data", broken): (3, "line 1: expected a JSON object"),
        ("--data", wide): (3, "expected at most 16,384 columns, found more by line 16384"),
        ("--data", table): (3, "expected a column 'text', found 'id', 'words', 'label'; name the one"),
        ("--data", out, "--text-column", "words"): (3, "expected no column of the names that answers"),
        ("--data", table, "--out", out): (2, "expected a new file"),
        ("--encoding", "cp1252"): (2, "--encoding: expected --data beside it"),
        ("--text-column", "words"): (2, "--input-column: expected --data beside it"),
        ("--data", table, "--top", "2"): (2, "expected --json where several answers are asked for"),
        ("--out", tmp_path / "new.csv"): (2, "--out: expected --data beside it"),
        ("--data", tmp_path): (2, f"--data: expected a table, found the folder '{tmp_path}'; to"),
        ("--plain", "--data", table): (2, "--plain: expected lines of standard input, found --data"),
        ("crimson", "--data", table): (2, "--data: expected no inputs beside it"),
        ("--data", rows_of, "--out", tmp_path / "no" / "x.csv"): (2, "expected a folder"),
    }  # fmt: skip
    for words, (code, said) in refused.items():
        done = here("predict", tiny_bundle, *words)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (code, b"", 1)
        assert said in done.stderr.decode()
    assert {path.suffix for path in tmp_path.iterdir()} == {"", ".csv", ".jsonl"}


#: A shell that starts the tests in the background has its children ignore Ctrl-C.
_PRESSED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "cfedge.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Pressed())
from cfedge.__main__ import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_ctrl_c_while_modules_are_loaded_ends_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", _PRESSED], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
    whole = [sys.executable, "-m", "cfedge", "--version"]
    assert subprocess.run(whole, capture_output=True, check=True).stdout.startswith(b"cfedge ")


@pytest.mark.parametrize("command", [["--help"], ["add", "--help"], ["devices"]])
def test_a_reader_that_is_gone_ends_the_command_with_success(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*command, out=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_has_had_enough_ends_predict_with_success(tiny_bundle: Path) -> None:
    process = subprocess.Popen(
        [*CFEDGE, "predict", str(tiny_bundle)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"crimson\n")
    process.stdin.flush()
    assert b"crimson" in process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"crimson\n" * 10)
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("command", ["predict", "help", "list"])
def test_a_full_disk_is_said_in_one_line_with_the_code_of_the_disk(
    tiny_bundle: Path, tiny_workspace: Path, command: str
) -> None:
    arguments: list[object] = {
        "predict": ["predict", tiny_bundle, "crimson"],
        "help": ["--help"],
        "list": ["list", tiny_workspace],
    }[command]
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, out=full)
    assert done.returncode == StorageError.exit_code
    assert done.stderr.decode().splitlines() == [
        "cfedge: could not write to standard output: No space left on device; make room and run it"
        " again"
    ]


def test_a_closed_standard_input_is_said_in_one_line(tiny_bundle: Path) -> None:
    code = f"import os, sys; os.close(0); os.execv(sys.executable, {CFEDGE!r} + sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(tiny_bundle)], capture_output=True, check=False
    )
    assert done.returncode == UsageError.exit_code
    assert b"standard input: expected lines, found it closed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_letters_that_the_terminal_cannot_show_are_escaped(tiny_bundle: Path) -> None:
    shown = {"ascii": rb"'crimson \xe4 \U0001f408'", "utf-8": "'crimson ä \N{CAT}'".encode()}
    for environment in (ASCII, UTF8):
        done = run("predict", tiny_bundle, given="crimson ä \N{CAT}\n".encode(), **environment)
        assert done.returncode == 0, done.stderr
        assert shown[environment["PYTHONIOENCODING"]] in done.stdout
    done = run("predict", tiny_bundle, "--json", given=b"\xff\n", **ASCII)
    assert "error" in json.loads(done.stdout)
    assert "error" in json.loads(here("predict", tiny_bundle, "--json", content=b"\xff\n").stdout)


def test_a_tables_rows_are_lines_in_a_pipe_and_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    widths = {}
    for asked in ("40", "", "0", "-3", "wide"):
        monkeypatch.setenv("COLUMNS", asked)
        print_table("a title", ("task", "words"), [("lighting", "word " * 60), ("rooms", "x" * 90)])
        printed = capsys.readouterr().out
        widths[asked] = max(map(len, printed.splitlines()))
        assert printed.count("word") == 61
        assert ("x" * 90 in printed) == (asked != "40")
    assert widths.pop("40") == 40
    assert len(set(widths.values())) == 1
