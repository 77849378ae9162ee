"""Names of new files and folders that lie in a folder whose content is cfedge's own: a bundle with a
file more is refused everywhere, and what a store or a workspace does not name is deleted some day.
"""

from __future__ import annotations

from pathlib import Path

from channels import NOW
from command_line import run
from every import every
from test_storage import tree

from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.store import Store


def test_nothing_is_put_into_a_folder_of_cfedges_own(
    tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> None:
    """By no command, in no kind of such a folder, and not through a link to one."""
    own = {"bundle": tiny_bundle / "objects", "workspace": tiny_workspace / "tasks"}
    keys = Keys.create(tmp_path / "keys", root_keys=1, root_threshold=1)
    own |= {"store": Store.create(tmp_path / "store", "stable").folder}
    repo = Repository.create(tmp_path / "repo", keys, NOW).folder
    own |= {"repository": repo / "targets"}
    own |= {"folder of keys": keys.folder}
    (tmp_path / "link").symlink_to(own["workspace"])
    table = tmp_path / "asked.csv"
    table.write_text("text\nlion\n", "utf-8")
    ask = ("predict", tiny_bundle, "--data", table)
    places = [(kind, inside / "new") for kind, inside in own.items()]
    commands = {
        "export": ("export", tiny_workspace),
        "export --merged": ("export", tiny_workspace, "--merged", "animals"),
        "init": ("init",),
        "keys init": ("keys", "init"),
        "publish": ("publish", tiny_bundle, "--keys", tmp_path / "keys"),
        "sync": ("sync", "--from", repo, "--root", repo / "metadata" / "1.root.json"),
        "report": ("report", tiny_workspace, "--out"),
        "demo": ("demo", "--out"),
        "compare": ("compare", table, "--out"),
        "predict --out": (*ask, "--out"),
        "predict --monitor": ("predict", tiny_bundle, "lion", "--monitor"),
        "predict --keep": ("predict", tiny_bundle, "lion", "--keep"),
        "evaluate --plot": ("evaluate", tiny_workspace, "--test", "animals=x", "--plot"),
    }
    before = tree(tmp_path)

    def refused(case: tuple[str, tuple[object, ...], Path]) -> None:
        kind, words, target = case
        suffix = {"--plot": ".svg", "--out": ".html"}.get(str(words[-1]), "")
        done = run(*words, target.with_suffix(suffix))
        said = done.stderr.decode()
        assert (done.returncode, done.stdout, said.count("\n")) == (2, b"", 1), said
        assert f"outside of cfedge's own folders, found the {kind} " in said

    def all_cases() -> list[tuple[str, tuple[str, tuple[object, ...], Path]]]:
        at_home = [
            (f"{name} in a {kind}", (kind, words, target))
            for name, words in commands.items()
            for kind, target in places[: None if name == "keys init" else 2]
        ]
        linked = (
            "export through a link",
            ("workspace", commands["export"], tmp_path / "link" / "x"),
        )
        return [*at_home, linked]

    every(all_cases(), refused)
    assert tree(tmp_path) == before


def test_a_file_that_could_not_be_written_is_refused_before_the_work(
    tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> None:
    """No folder around it, a folder in its place, a name that no disk takes: whoever writes it."""
    table = tmp_path / "asked.csv"
    table.write_text("text\nlion\n", "utf-8")
    gone = tmp_path / "no workspace or bundle is opened"
    commands = {
        "predict --out": ("predict", gone, "--data", table, "--out"),
        "predict --monitor": ("predict", tiny_bundle, "lion", "--monitor"),
        "report": ("report", tiny_workspace, "--out"),
        "compare": ("compare", gone, "--out"),
        "evaluate --plot": ("evaluate", gone, "--test", "animals=x", "--plot"),
    }
    (tmp_path / "there.svg").mkdir()
    places = {
        "expected a folder": tmp_path / "none" / "a.svg",
        "found the folder": tmp_path / "there.svg",
        "expected a name of at most 255 bytes, found 304": tmp_path / f"{'n' * 300}.svg",
    }
    before = tree(tmp_path)

    def refused(case: tuple[tuple[object, ...], str, Path]) -> None:
        words, said, target = case
        done = run(*words, target)
        found = done.stderr.decode()
        assert (done.returncode, done.stdout, found.count("\n")) == (2, b"", 1), found
        assert said in found

    every(
        [
            (f"{name}: {said}", (words, said, target))
            for name, words in commands.items()
            for said, target in places.items()
            if name != "predict --monitor" or said == "expected a folder"  # it is read first
        ],
        refused,
    )
    assert tree(tmp_path) == before
