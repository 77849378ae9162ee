"""Writing a report: whole or not at all, never over something else, and read back by the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from channels import NOW
from reports import made_contents
from tiny import new_store
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import CfedgeError, DamagedError, StorageError, UsageError
from cfedge.report import dumped, page, parsed, read_old
from cfedge.report.earlier import is_comparable, is_report
from cfedge.report.files import write_report
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder


def test_the_command_writes_the_page_and_the_same_data(tiny_bundle: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "report.html", tmp_path / "report.json"
    words = ["report", str(tiny_bundle), "--out", str(out), "--json", str(data)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "open it in a browser" in done.stdout
    assert read_old(out) == read_old(data)
    told = json.loads(data.read_bytes())
    assert told["changes"] is None
    done = CliRunner().invoke(app, [*words, "--against", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(data.read_bytes())["changes"] == []
    assert b"Nothing changed since the other report." in out.read_bytes()


def test_a_report_replaces_a_report_and_nothing_else(tiny_bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "thesis.html"
    other.write_text("<!doctype html><p>years of work")
    for given in ({"out": other}, {"out": tmp_path / "r.html", "json": other}):
        with pytest.raises(
            UsageError, match="expected no file or an earlier report, found another file"
        ):
            write_report(tiny_bundle, **given)
    assert other.read_text() == "<!doctype html><p>years of work"
    assert not (tmp_path / "r.html").exists()
    manifest = tiny_bundle / "manifest.json"
    with pytest.raises(UsageError, match=r"found the bundle .* around it"):
        write_report(tiny_bundle, manifest)
    with pytest.raises(UsageError, match="expected a folder"):
        write_report(tiny_bundle, tmp_path / "none" / "r.html")
    with pytest.raises(UsageError, match="found the folder"):
        write_report(tiny_bundle, tmp_path)


def test_a_report_replaces_one_that_is_too_large_to_be_compared_with(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "large.html"
    before, _, after = page(made_contents()).partition(b'"machine":"word"')
    path.write_bytes(before + b'"machine":"' + b"x" * 8_000_000 + b'"' + after)
    with pytest.raises(UsageError, match="expected a report with at most 8 MB of data, found more"):
        read_old(path)
    assert is_report(path)
    write_report(tiny_bundle, path)
    assert len(path.read_bytes()) < 1_000_000


def test_what_is_written_of_many_tasks_with_long_labels_is_read_again(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """The page is larger than its data, and these begin late in it."""
    made = made_contents("w" * 170, tasks=80, classes=8)
    filler = b"<p>" + b"w" * 9_000_000 + b"</p>"
    large = page(made).replace(b"<main>", b"<main>" + filler)
    assert large.index(b"report-data") > 8_000_000
    path = tmp_path / "large.html"
    path.write_bytes(large)
    assert read_old(path) == made
    assert write_report(tiny_bundle, path, against=path).comparable
    assert not is_comparable(dumped(made).replace(b"w" * 170, b"w" * 8_000_000, 1))


def test_what_is_no_report_is_not_compared_with(tiny_bundle: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.html"
    whole = page(made_contents())
    bad = {
        "empty": b"",
        "another page": b"<!doctype html>",
        "cut": whole[: len(whole) // 2],
        "another version": dumped(made_contents()).replace(b'"schema":1', b'"schema":99'),
        "a field more": dumped(made_contents()).replace(b'{"backbone"', b'{"a":1,"backbone"', 1),
        "words for numbers": dumped(made_contents()).replace(b'"blocks":6', b'"blocks":"6"'),
        "deep": b"[" * 200_000,
        "no text": b"\xff\xfe\x00",
    }
    for name, data in bad.items():
        odd.write_bytes(data)
        with pytest.raises(UsageError, match="expected a report of this version of cfedge"):
            write_report(tiny_bundle, tmp_path / "r.html", against=odd)
        assert not (tmp_path / "r.html").exists(), name
    odd.write_bytes(b" " * 8_000_001)
    with pytest.raises(UsageError, match="at most 8 MB"):
        read_old(odd)
    odd.write_bytes(b"<" * 64_000_001)
    with pytest.raises(UsageError, match="at most 8 MB"):
        read_old(odd)
    assert not is_report(odd)
    with pytest.raises(StorageError, match="could not read"):
        read_old(tmp_path / "none.html")


def test_unknown_inputs_are_for_a_workspace_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    texts = tmp_path / "unknown.csv"
    texts.write_text("text\na\n")
    with pytest.raises(UsageError, match="--unknown: expected a workspace"):
        write_report(tiny_bundle, tmp_path / "r.html", unknown=texts)


@pytest.mark.parametrize("kind", ["nothing", "a file"])
def test_what_is_no_folder_of_ours_is_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    if kind == "a file":
        folder.write_text("x")
    with pytest.raises(DamagedError, match=r"expected a (workspace, a )?bundle"):
        write_report(folder, tmp_path / "r.html")
    with pytest.raises(CfedgeError):
        write_report(Path("x" * 5000), tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_store_reports_on_what_answers_of_it(tiny_site: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    made = new_store(tiny_site, store)
    sync(made, Folder(tiny_site / "repo"), now=lambda: NOW, probing=lambda *_: None)
    write_report(store, tmp_path / "r.html")
    found = read_old(tmp_path / "r.html")
    assert (found.of, [task.name for task in found.tasks]) == ("store", ["animals", "colors"])


def test_data_with_changes_reads_back(tmp_path: Path) -> None:
    value = {"changes": [{"what": "x"}], **json.loads(dumped(made_contents()))}
    assert parsed(json.dumps(value).encode(), "x") == made_contents()
