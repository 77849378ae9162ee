"""The commands of the how-to pages run as they stand there, on an encoder of seconds."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from functools import partial, partialmethod
from pathlib import Path

import here
import pytest
from made import WORDS, make_encoder, make_texts, write_csv
from typer.testing import CliRunner

from cfedge import Workspace, bench
from cfedge.cli import app

#: But for those that need more than an encoder: tests/test_own_encoder_page.py and
#: tests/test_deploy_page.py run them.
PAGES = [
    page
    for page in sorted((Path(__file__).parent.parent / "docs" / "how-to").glob("*.md"))
    if page.stem not in ("own-encoder", "deploy")
]
#: What the pages call the tasks of the tiny encoder.
NAMES = {"billing": "colors", "travel": "animals", "lighting": "food"}
#: Said in addition, so that the tiny encoder is found, and that it takes seconds.
LOCAL = "--backbone local --folder my-encoder"
QUICK = "--epochs 1 --min-steps 10"
ALSO = {
    "init": LOCAL,
    "add": QUICK,
    "compare": f"{LOCAL} {QUICK} --orders 1 --models cfedge,nearest-mean",
}
#: Two processes are started for scale-out.md, which is about them.
ALONE = {"teach": ("--jobs 2", "--jobs 1")}
#: Said in addition where `make soak` waits: `compare` takes the real encoder.
WHOLE = {"init": LOCAL}
#: `serve` answers until it is stopped (tests/serve); this machine may be another than the doctor's
#: example, which is its exit code 13.
NOT_RUN, ALLOWED = {"serve", "console"}, {"doctor": {0, 13}}
#: Refused here, as there is nothing to repair.
REFUSED = {"init again --repair ws": "pass with every layer quantised"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has before the first command, and a workspace of two tasks beside it."""
    desk = tmp_path_factory.mktemp("desk")
    make_encoder(desk / "my-encoder")
    tasks = desk / "tasks"
    for name, words in NAMES.items():
        rows = make_texts(words, 24, seed=0)
        write_csv(desk / f"{name}.csv", rows)
        (tasks / f"more-{name}").mkdir(parents=True)
        write_csv(
            tasks / f"more-{name}" / "train.csv", [(text, f"{label} too") for text, label in rows]
        )
    write_csv(desk / "test.csv", make_texts("colors", 8, seed=1))
    write_csv(desk / "intents.csv", _ten_labels())
    (desk / "unknown.csv").write_text("text\nbroth please\nan icing\n", encoding="utf-8")
    (desk / "inputs.txt").write_text("the red one\nmy kitten\n", encoding="utf-8")
    made, encoder = str(desk / "made-ws"), str(desk / "my-encoder")
    _do("init", made, "--backbone", "local", "--folder", encoder)
    for name in NAMES:
        _do("add", made, name, "--data", str(desk / f"{name}.csv"), "--head-only")
    _do("export", made, str(desk / "made-bundle"))
    return desk


def _do(*words: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"cfedge {shlex.join(words)}\n{done.output}{done.exception!r}"


def _ten_labels() -> list[tuple[str, str]]:
    """Two labels for each of five tasks: every word of the tiny encoder is one of them."""
    labels = [label for words in WORDS.values() for label in words]
    rows = [row for words in WORDS for row in make_texts(words, 12, seed=2)]
    halves = [(text, f"{label} {number % 2}") for number, (text, label) in enumerate(rows)]
    kept = {f"{label} {half}" for label in labels[:5] for half in (0, 1)}
    return [(text, label) for text, label in halves if label in kept]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["answer", "teach"])
def test_its_python_runs(
    page: str, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(place)
    if page == "answer":
        _need_bundle(place)
    text = (PAGES[0].parent / f"{page}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    monkeypatch.setattr(Workspace, "add", partialmethod(Workspace.add, epochs=1, min_steps=10))
    for block in blocks:
        tiny = '.create("ws", "local", weights="my-encoder")'
        exec(block.replace('.create("ws")', tiny), {})


#: Pages on what starts processes or measures for long: tests/cli/test_workshop.py and
#: tests/train/jobs try the same with less.
LONG = ("export", "scale-out")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.soak if page.stem in LONG else pytest.mark.slow)
        for page in PAGES
    ],
    ids=lambda page: page.stem,
)
def test_its_commands_run(
    page: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(page, desk, tmp_path, monkeypatch, ALSO)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["compare", "teach"])
def test_what_trains_for_minutes_runs_as_it_stands(
    name: str, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (page,) = (page for page in PAGES if page.stem == name)
    _run(page, desk, tmp_path, monkeypatch, WHOLE)


def _run(
    page: Path,
    desk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    also: dict[str, str],
) -> None:
    place = shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(place)
    here.use(monkeypatch)
    monkeypatch.setattr(bench, "measure", partial(bench.measure, cold_starts=1))
    commands = _commands(page)
    assert commands, page
    if not any(command.startswith("init") for command in commands):
        _need_workspace(place)
    if page.stem != "export":
        _need_bundle(place)
    for command in commands:
        command = command.replace(*ALONE.get(page.stem, ("", "")))
        command, _, target = command.partition(" > ")
        words, typed = _words(command, place, also)
        if words[0] in NOT_RUN:
            continue
        BEFORE.get(words[0], _nothing)(place, words)
        done = CliRunner().invoke(app, words, input=typed)
        told = f"{page.stem}: cfedge {command}\n{done.output}{done.exception!r}"
        if command in REFUSED:
            assert REFUSED[command] in str(done.exception), told
            continue
        assert done.exit_code in ALLOWED.get(words[0], {0}), told
        if target:
            (place / target).write_text(done.stdout, encoding="utf-8")


def _commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    return [line.removeprefix("cfedge ").strip() for line in lines if line.startswith("cfedge ")]


def _words(command: str, place: Path, also: dict[str, str]) -> tuple[list[str], str | None]:
    command, _, source = command.partition(" < ")
    words = shlex.split(command)
    more = also.get(words[0], "").split() if "--backbone" not in words else []
    return [*words, *more], (place / source).read_text("utf-8") if source else None


def _nothing(place: Path, words: list[str]) -> None: ...


def _fresh(place: Path, words: list[str]) -> None:
    """A page shows several ways to make one thing: each begins anew."""
    target = place / words[1 if words[0] == "init" else 2]
    shutil.rmtree(target, ignore_errors=True)
    if words[0] == "export" or "--repair" in words:
        _need_workspace(place)


def _forget(place: Path, words: list[str]) -> None:
    """So it is with one task that is learned in several ways."""
    if words[2] in NAMES:
        CliRunner().invoke(app, ["remove", words[1], words[2]])


def _need_workspace(place: Path) -> None:
    shutil.rmtree(place / "ws", ignore_errors=True)
    shutil.copytree(place / "made-ws", place / "ws")


def _need_bundle(place: Path) -> None:
    shutil.copytree(place / "made-bundle", place / "bundle")


def _one_generation_more(place: Path, words: list[str]) -> None:
    """There is one before to go back to."""
    _need_workspace(place)
    _do("remove", "ws", "travel")
    _do("export", "ws", "fewer")
    _do("publish", "fewer", "repo", "--keys", "keys")
    _do("sync", "store", "--from", "repo")


def _other_site(place: Path, words: list[str]) -> None:
    """Another site publishes one task."""
    _need_workspace(place)
    for name in ("billing", "travel"):
        _do("remove", "ws", name)
    _do("export", "ws", "one")
    _do("keys", "init", "other-keys", "--site", "other")
    _do("publish", "one", "OTHER", "--keys", "other-keys")
    shutil.copy(place / "OTHER" / "metadata" / "1.root.json", place / "other-root.json")


BEFORE: dict[str, Callable[[Path, list[str]], None]] = {
    "init": _fresh,
    "add": _forget,
    "export": _fresh,
    "rollback": _one_generation_more,
    "merge": _other_site,
}
