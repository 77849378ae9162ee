"""The command line as a user meets it: processes, streams, exit codes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import run as _run
from every import cases
from made import make_texts, write_csv
from typer.models import CommandInfo
from typer.testing import CliRunner

from cfedge import bench
from cfedge.cli import app, main
from cfedge.cli.shown_answer import show_answer
from cfedge.errors import CfedgeError
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.version import __version__

KEYS = {
    "task",
    "label",
    "probability",
    "score",
    "margin",
    "runner_up",
    "early_exit",
    "unknown",
    "reason",
    "ms",
}

#: Said in addition where a task is learned.
QUICK = ("--rank", "2", "--threads", "1", "--epochs", "1", "--min-steps", "10")


def _process(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from cfedge.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


def _refused(arguments: list[object], code: int, pattern: str, content: bytes = b"") -> str:
    """Run it in this process: that another says and returns the same is shown by the first below."""
    done = _run(*arguments, content=content)
    return _one_line(done.returncode, done.stderr.decode(), code, pattern)


def _one_line(found: object, error: str, code: int, pattern: str) -> str:
    assert found == code, error
    assert re.search(pattern, error), error
    last = error.strip().splitlines()[-1]
    assert last.startswith("cfedge: ")
    assert "Traceback" not in error
    return last


def test_a_process_says_what_is_wrong_and_ends_with_its_code(tmp_path: Path) -> None:
    done = _process("list", tmp_path / "none")
    _one_line(done.returncode, done.stderr.decode(), 6, "expected a workspace")


def test_a_newcomers_path_from_a_folder_of_weights_to_an_answer(
    tiny_folder: Path, tmp_path: Path
) -> None:
    ws, out = tmp_path / "ws", tmp_path / "bundle"
    made = _run("init", ws, "--backbone", "local", "--folder", tiny_folder, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["backbone"]["split"] == 1
    for task in ("colors", "animals"):
        data = write_csv(tmp_path / f"{task}.csv", make_texts(task, 12, 0))
        added = _run("add", ws, task, "--data", data, *QUICK, "--json")
        assert added.returncode == 0, added.stderr
        row = json.loads(added.stdout)
        assert (row["task"], row["classes"], row["held_out"]) == (task, 3, 6)
    listed = json.loads(_run("list", ws, "--json").stdout)
    assert [row["task"] for row in listed] == ["animals", "colors"]
    assert all(row["tasks"] == 2 and 0 < row["wrong_task_at_most"] <= 1 for row in listed)
    assert "animals" in _run("list", ws).stdout.decode()
    exported = _run("export", ws, out, "--max-drop", 100, "--max-error-ratio", 1000, "--json")
    assert exported.returncode == 0, exported.stderr
    assert {one["task"] for one in json.loads(exported.stdout)["parity"]} == {"animals", "colors"}
    answer = json.loads(_process("predict", out, "crimson please", "--json").stdout)
    assert set(answer) >= KEYS
    test = write_csv(tmp_path / "test.csv", make_texts("colors", 5, 1))
    measured = json.loads(_run("evaluate", ws, "--test", f"colors={test}", "--json").stdout)
    assert measured["tasks"][0]["examples"] == 15
    assert measured["unknown"] is None
    out_of_domain = write_csv(
        tmp_path / "out_of_domain.csv",
        [("zebra moon", "none"), ("of my one", "none"), ("the very now", "none")],
    )
    measured = json.loads(
        _run(
            "evaluate", ws, "--test", f"colors={test}", "--unknown", out_of_domain, "--json"
        ).stdout
    )
    assert set(measured["unknown"]["detection"]) == {"auroc", "fpr95", "detected", "false_rejects"}
    assert len(measured["unknown"]["risk_coverage"]["risk"]) == 18
    said = _run(
        "evaluate", ws, "--test", f"colors={tmp_path / 'colors.csv'}", "--unknown", out_of_domain
    ).stdout.decode()
    assert "inputs of no task: AUROC" in said
    assert "colors: it was learned from 30 of these 36 test examples, so its shares look" in said
    inspected = json.loads(_run("inspect", ws, "--json").stdout)
    assert [row["task"] for row in inspected] == ["animals", "colors"]
    assert {row["model"]["nearest"] for row in inspected} == {"animals", "colors"}
    assert all(
        row["model"]["status"] in ("holds", "undecided", "violated", "vacuous") for row in inspected
    )
    assert "separation" in _run("inspect", ws, "--model").stdout.decode()
    assert json.loads(_run("remove", ws, "animals", "--json").stdout)["tasks"] == ["colors"]
    assert _run("predict", out, "crimson please").stdout.decode().startswith("'crimson please': ")


def test_the_split_can_be_measured_on_labelled_texts(tiny_folder: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "sample.csv", make_texts("colors", 20, 0))
    made = _run(
        "init",
        tmp_path / "ws",
        "--backbone",
        "local",
        "--folder",
        tiny_folder,
        "--measure",
        data,
        "--json",
    )
    assert json.loads(made.stdout)["backbone"]["split"] in (1, 2)


def test_standard_input_is_answered_line_by_line_in_order(tiny_bundle: Path) -> None:
    lines = [
        "crimson please",
        json.dumps({"text": "tabby purr"}),
        json.dumps({"text": "navy\nazure", "other": 1}),
    ]
    done = _run("predict", tiny_bundle, "--json", content="\n".join(lines).encode())
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    alone = [
        json.loads(_run("predict", tiny_bundle, "--json", text).stdout)
        for text in ("crimson please", "tabby purr", "navy\nazure")
    ]
    assert len(answers) == 3
    for one, other in zip(answers, alone, strict=True):
        assert {key: one[key] for key in one if key != "ms"} == {
            key: other[key] for key in other if key != "ms"
        }
        assert set(one) >= KEYS
        assert isinstance(one["unknown"], bool)


def test_answers_stream_before_the_input_ends(tiny_bundle: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from cfedge.cli import main; main()",
        "predict",
        str(tiny_bundle),
        "--json",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for text in (b"crimson", b"tabby"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["task"]
        process.stdin.close()
        assert process.wait(timeout=60) == 0


@cases(
    ("bad", "message"),
    [
        (b"", "expected a text, found an empty one"),
        (b"   ", "white space only"),
        (b"caf\xe9", "expected UTF-8, found byte 0xe9 at 3"),
        (b"{broken", "expected a JSON object"),
        (b'{"text": ' + b"1" * 5_000 + b"}", "found a number of thousands of digits"),
        (b'{"text": ' + b"[" * 100_000, "found brackets that are nested too deep"),
        (b'{"label": "x"}', "found no text"),
        (b'{"text": 3}', "found a number"),
        (b'{"text": ""}', "found an empty one"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
    ],
)
def test_a_bad_line_gets_an_error_in_its_place_and_the_rest_is_answered(
    tiny_bundle: Path, bad: bytes, message: str
) -> None:
    done = _run("predict", tiny_bundle, "--json", content=b"crimson\n" + bad + b"\ntabby purr\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 10
    assert len(rows) == 3
    assert rows[0]["task"]
    assert rows[2]["task"]
    assert message in rows[1]["error"]
    assert rows[1]["line"] == 2


def test_a_line_that_begins_with_a_brace_is_an_input_where_it_is_said_to_be(
    tiny_bundle: Path,
) -> None:
    line = b"{crimson} please"
    refused = _run("predict", tiny_bundle, "--json", content=line)
    assert refused.returncode == 10
    assert "use --plain" in json.loads(refused.stdout)["error"]
    taken = _run("predict", tiny_bundle, "--json", "--plain", content=line)
    assert taken.returncode == 0, taken.stderr
    alone = json.loads(_run("predict", tiny_bundle, "--json", line.decode()).stdout)
    assert json.loads(taken.stdout) | {"ms": 0} == alone | {"ms": 0}


def test_an_answer_that_is_more_likely_wrong_says_that_it_is_not_sure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = {"task": "dogs", "label": "food", "unknown": False, "margin": 3.2, "runner_up": "tax"}
    for probability, unknown, said in (
        (0.01, False, "'x': not sure: dogs/food (1%); margin 3.2 over tax"),
        (0.5, False, "'x': dogs/food (50%); margin"),
        (0.01, True, "'x': unknown: far; closest is dogs/food; margin"),
    ):
        more = {"probability": probability, "unknown": unknown, "reason": "far", "ms": 1.0}
        show_answer("'x'", answer | more, json=False)
        assert capsys.readouterr().out.startswith(said)


def test_every_refusal_is_one_line_with_its_exit_code(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    one_class = write_csv(tmp_path / "one.csv", [("broth", "soup"), ("ladle", "soup")])
    no_label = tmp_path / "columns.csv"
    no_label.write_text("text,intent\nbroth,soup\n", encoding="utf-8")
    clash = write_csv(
        tmp_path / "clash.csv",
        [(text, "red" if label == "soup" else label) for text, label in make_texts("food", 4, 0)],
    )
    _refused(
        ["list", tmp_path / "none"],
        6,
        "none: expected a workspace, found none; make one with: cfedge init",
    )
    (tmp_path / "shapes").mkdir()
    _refused(
        ["list", tmp_path / "shapes"],
        6,
        "shapes: expected a workspace, found a folder that is none; make one under a new name",
    )
    _refused(
        ["add", tiny_workspace, "food", "--data", tmp_path / "no.csv"],
        3,
        "no.csv: expected a file or a folder of data",
    )
    _refused(
        ["add", tiny_workspace, "food", "--data", one_class, "--train"],
        2,
        "expected a task of at least 2 classes, found 1",
    )
    _refused(
        ["add", tiny_workspace, "food", "--data", no_label],
        3,
        "say which is meant with --label-column intent",
    )
    _refused(
        ["add", tiny_workspace, "Bad Name", "--data", clash], 4, "task name: expected lower-case"
    )
    endless = tmp_path / ("a" * 300)
    _refused(["check", endless], 3, "expected a file or a folder of data, found nothing")
    _refused(["add", tiny_workspace, "x", "--data", endless], 3, "found nothing; check the path")
    _refused(["init", endless], 2, "expected a name of at most 255 bytes, found 300")
    _refused(["remove", tiny_workspace, "nope"], 4, "found 'nope'")
    _refused(
        ["init", tiny_workspace, "--backbone", "local"], 2, "expected a new name for the workspace"
    )
    _refused(
        ["init", tmp_path / "new", "--backbone", "nope"],
        5,
        "expected one of minilm-l6, .*local.*, found 'nope'",
    )
    _refused(["init", tmp_path / "new", "--scheme", "int3"], 2, "scheme: expected one of")
    _refused(["export", tiny_workspace, tiny_bundle], 9, "expected a new name for the bundle")
    _refused(["predict", tmp_path / "none", "x"], 7, "expected a bundle")
    _refused(
        ["predict", tiny_workspace, "x"], 7, "found a workspace; export it first: cfedge export"
    )
    for command in ("serve", "bench"):
        _refused([command, tiny_workspace], 7, "found a workspace; export it first: cfedge export")
    empty = tmp_path / "empty"
    shutil.copytree(tiny_workspace, empty)
    *others, last = WorkspaceFolder(empty).tasks
    for task in others:
        WorkspaceFolder(empty).remove(task)
    for command in ("list", "inspect"):  # a lone task has no limit on wrong tasks
        shown = _run(command, empty).stdout.decode()
        assert f"{last} is the only task: there is no other that its" in shown
        assert ("wrong, at" in " ".join(shown.split())) == (command == "list")
        assert "wrong task" not in " ".join(shown.split())
    WorkspaceFolder(empty).remove(last)
    shown, inspected = (_run(name, empty).stdout.decode() for name in ("list", "inspect"))
    assert shown == inspected
    assert shown == f"{empty}: no task yet; add one with: cfedge add {empty} NAME --data FILE\n"
    for command in ("list", "inspect"):
        _refused([command, tiny_bundle], 6, "found a bundle; give the workspace that it was")
    for command in ("generations", "rollback"):
        _refused([command, tiny_bundle], 7, "expected a store, found a bundle; a store is what")
        _refused([command, tiny_workspace], 7, "expected a store, found a workspace; a store is")
    _refused(["predict", tiny_bundle, ""], 10, "input 1: expected a text, found an empty one")
    words = ["predict", tiny_bundle, "red", "", "dog"]  # one that is refused holds up no other
    assert _refused(words, 10, "cfedge: input 2: expected a text, found an").startswith(
        "cfedge: inputs: expected every one to be answerable, found 1 that was not"
    )
    assert len(_run(*words).stdout.splitlines()) == 2
    found = [json.loads(line) for line in _run(*words, "--json").stdout.splitlines()]
    assert [one.get("input") for one in found] == [None, 2, None]
    _refused(["predict", tiny_bundle, "x", "--task", "nope"], 4, "found 'nope'")
    for count in ("0", "100000"):
        _refused(["predict", tiny_bundle, "x", "--threads", count], 2, "threads: expected 1 to 256")
        assert _run("bench", tiny_bundle, "--threads", count).returncode == 2
    _refused(["predict", tiny_bundle, "x", "--profile", "nope"], 2, "profile: expected one of")
    (tiny_bundle / "manifest.json").write_bytes((tiny_bundle / "manifest.json").read_bytes()[:-2])
    _refused(["predict", tiny_bundle, "x"], 7, "manifest.json")
    assert not (tmp_path / "new").exists()


def test_exit_codes_in_the_help_are_those_of_the_errors() -> None:
    def tree(kind: type[CfedgeError]) -> set[int]:
        return {kind.exit_code}.union(*(tree(child) for child in kind.__subclasses__()))

    text = CliRunner().invoke(app, ["--help"]).output
    stated = {
        int(number) for number in re.findall(r"(\d+)\s+[a-z]", text[text.index("Exit codes") :])
    }
    assert stated == tree(CfedgeError) | {0}


def test_every_command_has_help_with_an_example_and_json() -> None:
    for command in (
        "init", "add", "list", "inspect", "remove", "evaluate", "compare", "export", "predict", "bench", "demo",
    ):  # fmt: skip
        done = _run(command, "--help")
        text = done.stdout.decode()
        assert (done.returncode, done.stderr) == (0, b"")
        assert f"Example: cfedge {command}" in text
        assert "--json" in text


def test_the_version_is_told() -> None:
    done = _process("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"cfedge {__version__}\n")
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "Teach a deployed model new tasks" in shown
    assert "--version" in shown


def test_bench_states_machine_counts_and_sizes(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(_run("bench", tiny_bundle, "--runs", 20, "--json").stdout)
    assert found["latency_ms"]["n"] == 20
    assert found["latency_ms"]["p50"] <= found["latency_ms"]["p90"] <= found["latency_ms"]["p99"]
    assert found["cold_start_ms"]["n"] >= 3
    assert found["peak_rss_bytes"] > 10_000_000
    assert set(found["task_bytes"]) == {"animals", "colors"}
    assert found["machine"]["cores"] >= 1
    assert (found["adapters"]["kept"], found["adapters"]["limit_bytes"]) == (2, None)
    assert found["adapters"]["hits"] + found["adapters"]["misses"] >= 40
    monkeypatch.setattr(bench, "measure", partial(bench.measure, cold_starts=1))
    shown = _run("bench", tiny_bundle, "--runs", 10, "--adapter-memory", "1B").stdout.decode()
    assert "p50 / p90 / p99" in shown
    assert re.search(r"uses that found theirs there\W+0\.0%", shown)


def test_answers_are_the_same_with_little_memory_for_adapters(tiny_bundle: Path) -> None:
    texts = b"crimson please\nkitten please\nnavy now\n"
    whole, little = (
        [
            json.loads(line) | {"ms": 0}
            for line in _run(
                "predict", tiny_bundle, *options, "--json", content=texts
            ).stdout.splitlines()
        ]
        for options in ([], ["--adapter-memory", "0.002MB"])
    )
    assert len(whole) == 3
    assert little == whole


def test_a_memory_that_is_no_size_is_refused(tiny_bundle: Path) -> None:
    last = _refused(
        ["predict", tiny_bundle, "crimson", "--adapter-memory=16 cows"],
        2,
        "--adapter-memory: expected a number above 0",
    )
    assert "'16 cows'" in last


def test_main_builds_the_one_command_and_turns_an_error_into_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str | None] = []
    build = typer.main.get_command_from_info

    def one(command_info: CommandInfo, **rest: Any) -> Any:
        built.append(command_info.name)
        return build(command_info, **rest)

    monkeypatch.setattr(typer.main, "get_command_from_info", one)
    with pytest.raises(SystemExit) as stopped:
        main(["list", str(tmp_path)])
    assert stopped.value.code == 6
    assert capsys.readouterr().err.count("\n") == 1
    assert built == ["list"]
    with pytest.raises(SystemExit):
        main(["keys", "init", "--help"])
    assert built == ["list", "init", "rotate"]  # those of the group


def test_a_monitor_counts_over_calls(tiny_bundle: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    for content in (b"", b"navy please\nkitten please\n"):
        texts = [] if content else ["crimson please"]
        done = _run("predict", tiny_bundle, *texts, "--monitor", counts, "--json", content=content)
        assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert 0 <= line["wrong_task_at_most"] <= line["wrong_answer_at_most"] <= 1
    assert len(line["bundle"]) == 64
    counters = json.loads(_run("drift", tiny_bundle, counts, "--json").stdout)["counters"]
    assert counters["thin margins"]["inputs"] == 3
    assert "thin margins" in _run("drift", tiny_bundle, counts).stdout.decode()
    content = json.loads(counts.read_bytes())
    counts.write_text(json.dumps({**content, "bundle": "0" * 64}))
    _refused(["drift", tiny_bundle, counts], 2, "expected counts of .*, found those of another")
    done = _run("predict", tiny_bundle, "navy", "--monitor", counts)
    assert b"held counts of another bundle; they are begun anew" in done.stderr
    assert b"begun anew" not in _run("predict", tiny_bundle, "navy", "--monitor", counts).stderr


def test_inputs_that_changed_are_told_of_on_standard_error(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    done = _run(
        "predict", tiny_bundle, "--monitor", tmp_path / "counts.json", content=b"q w e r t y\n" * 40
    )
    assert done.returncode == 0, done.stderr
    assert "the inputs changed" in done.stderr.decode()


def test_counts_that_are_not_there_are_refused_by_name(tiny_bundle: Path, tmp_path: Path) -> None:
    _refused(
        ["drift", tiny_bundle, tmp_path / "none.json"],
        2,
        r"none\.json: expected counts, found none; make them with",
    )


def test_a_session_reads_one_stream_and_says_what_it_assumes(tiny_bundle: Path) -> None:
    texts = [text for task in ("colors", "animals") for text, _ in make_texts(task, 3, 2)]
    content = "\n".join([*texts[:2], "", *texts[2:]]).encode()
    done = _run("predict", tiny_bundle, "--session", "--json", content=content)
    assert done.returncode == 10
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert "expected a text, found an empty one" in rows.pop(2)["error"]
    assert all((row["wrong_task_at_most"], row["switch"]) == (None, 0.05) for row in rows)
    assert all(0 < row["posterior"] <= 1 for row in rows)
    alone = [
        json.loads(line)
        for line in _run("predict", tiny_bundle, "--json", content=content).stdout.splitlines()
    ]
    kept = [
        json.loads(line)
        for line in _run(
            "predict", tiny_bundle, "--session", "--switch", 1, "--json", *texts
        ).stdout.splitlines()
    ]
    fields = KEYS - {"ms"}
    assert [{key: row[key] for key in fields} for row in kept] == [
        {key: row[key] for key in fields} for row in alone if "task" in row
    ]
    assert "posterior" not in alone[0]
    assert "% by the stream" in _run("predict", tiny_bundle, "--session", *texts).stdout.decode()
    shown = _run("predict", "--help").stdout.decode()
    assert "assumes that the task seldom changes" in " ".join(shown.split())


def test_what_a_session_cannot_be_combined_with_is_refused(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    _refused(
        ["predict", tiny_bundle, "--session", "--task", "colors", "a"],
        2,
        "--session: expected no --task beside it",
    )
    _refused(
        ["predict", tiny_bundle, "--session", "--monitor", tmp_path / "c", "a"],
        2,
        "--monitor: expected no --session beside it",
    )
    _refused(
        ["predict", tiny_bundle, "--task", "colors", "--monitor", tmp_path / "c", "a"],
        2,
        "expected no --task beside it",
    )
    _refused(
        ["predict", tiny_bundle, "--switch", "0.1", "a"],
        2,
        "--switch: expected --session beside it, found none",
    )
    _refused(
        ["predict", tiny_bundle, "--session", "--switch", "0", "a"],
        2,
        r"switch: expected a probability in \(0, 1\], found 0",
    )


def test_serve_refuses_what_it_cannot_open(tmp_path: Path) -> None:
    _refused(
        ["serve", tmp_path / "nothing"], 7, "expected a bundle or a store, found nothing of that"
    )
