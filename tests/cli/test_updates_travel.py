"""An updated task travels as small signed files like everything else, and rolls back."""

from __future__ import annotations

import json
from pathlib import Path

import here
import pytest
from made import make_texts, write_csv
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.runtime.engine import Engine
from cfedge.train.workspace.folder import WorkspaceFolder

TEXTS = [text for text, _ in make_texts("colors", 8, 3)]


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def answers(store: Path) -> list[tuple[str, str, float]]:
    return [(one.task, one.label, one.probability) for one in Engine.open(store).predict(TEXTS)]


def test_an_update_is_published_synced_as_what_changed_and_rolled_back(
    tiny_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here.use(monkeypatch)
    store = tmp_path / "store"
    run("keys", "init", "keys", "--site", "hq")

    def publish_and_sync() -> dict[str, object]:
        run("export", tiny_workspace, "bundle", "--replace")
        run("publish", "bundle", "repo", "--keys", "keys")
        root = "repo/metadata/1.root.json"
        found: dict[str, object] = json.loads(
            run("sync", "store", "--from", "repo", "--root", root, "--json").splitlines()[-1]
        )
        return found

    first = publish_and_sync()
    before = answers(store)
    more = write_csv(tmp_path / "more.csv", make_texts("colors", 12, 7))
    run("update", tiny_workspace, "colors", "--data", more, "--max-drop", "100")
    second = publish_and_sync()
    assert second["generation"] == 2
    # of an update the task's own files alone travel, and no backbone
    assert second["fetched_bytes"] < first["fetched_bytes"] / 2  # type: ignore[operator]
    updated = answers(store)
    assert updated != before
    run("rollback", "store")
    assert answers(store) == before
    run("rollback", "store", "--to", "2")
    assert answers(store) == updated
    run("rollback", "store", "--unpin")

    run("split", tiny_workspace, "colors", "sky", "--class", "blue")
    publish_and_sync()
    assert {one.label for one in Engine.open(store).predict(TEXTS, task="sky")} == {"blue"}
    run("join", tiny_workspace, "sky", "colors", "--as", "paint", "--max-drop", "100")
    publish_and_sync()
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "paint")
    found = {one.label for one in Engine.open(store).predict(TEXTS, task="paint")}
    assert found == {"red", "green", "blue"}
