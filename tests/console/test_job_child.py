"""The process of a job: without torch, and what it says of its progress."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made import make_texts

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays
from cfedge.console.job_child import FileProgress

# Its low priority is noted, not taken: beside other work it would hardly run.
_BARRED = """
import importlib.abc, os, sys
tried = []
class Barrier(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "optimum", "peft"):
            tried.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Barrier())
from cfedge.console.job_child import main
from cfedge.console.routes_teach import has_torch
assert not has_torch()
tried.clear()
nice = []
os.nice = nice.append
main()
assert nice == [15], nice
if '"rename"' in open(sys.argv[1] + "/request.json").read():
    assert not tried, tried
"""


def _run(
    folder: Path, workspace: Path, change: dict[str, str], content: bytes, **more: object
) -> dict[str, object]:
    folder.mkdir(parents=True)
    request = {"change": change, "begun": time.time(), **more}
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-c", _BARRED, str(folder), str(workspace)]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads((folder / "result.json").read_bytes()))


@pytest.mark.slow
def test_without_torch_a_closed_form_is_taught_exported_and_answers(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    rows = make_texts("food", 24, seed=0)
    note = {"inputs": [text for text, _ in rows], "labels": [label for _, label in rows]}
    change = {"kind": "new task", "task": "food", "method": "closed-form"}
    folder = tmp_path / "job"
    result = _run(folder, tiny_workspace, change, dump_arrays({}, note))
    assert "error" not in result, result
    assert result["method"] == "closed-form"
    engine = Engine.open(folder / "bundle")
    assert engine.tasks == ("animals", "colors", "food")
    told = _run(
        tmp_path / "made-up",
        tiny_workspace,
        {"kind": "remove", "task": "colors"},
        b"",
        synthetic_golden=True,
    )
    assert "found one of texts" in str(told["error"])  # the export is asked for what was chosen
    assert engine.predict(["broth ladle"])[0].task == "food"
    renamed = {"kind": "rename", "task": "colors", "new": "hues"}
    assert "error" not in _run(tmp_path / "renamed", tiny_workspace, renamed, b"")
    adapter = {**change, "task": "meals", "method": "adapter"}
    refused = _run(tmp_path / "other", tiny_workspace, adapter, dump_arrays({}, note))
    assert "learning an adapter needs torch" in str(refused["error"])


def test_progress_is_told_with_the_time_that_is_left(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    with FileProgress(path).track("adapter", 4) as advance:
        assert json.loads(path.read_bytes())["left_s"] is None
        time.sleep(0.02)
        advance(1)
        told = json.loads(path.read_bytes())
        assert (told["stage"], told["done"], told["total"]) == ("adapter", 1, 4)
        assert told["left_s"] > 0.03
        advance(3)
    assert json.loads(path.read_bytes())["left_s"] == 0
    with FileProgress(tmp_path / "gone" / "progress.json").track("adapter", 1) as advance:
        advance(1)  # a disk that refuses stops nothing
