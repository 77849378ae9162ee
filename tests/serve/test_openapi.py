"""The OpenAPI document is what the server does: Schemathesis asks it all kinds of things by the
document, and takes no other status, header or body than it states.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clients import ask, get
from served import Served

from cfedge.calibration import COVERAGES
from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.serve.limits import Limits
from cfedge.serve.openapi import STATUSES, document

DOC = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
#: Statuses that no single path has.
NOWHERE = {404}


def _responses(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each path."""
    return {
        path: {status: one for operation in operations.values() for status, one in operation["responses"].items()}
        for path, operations in content["paths"].items()
    }  # fmt: skip


def test_it_names_every_path_that_is_answered(served: Served) -> None:
    content = get(served.url, "/openapi.json").body
    listed = ask(served.url, path="/none", method="GET", headers={}).body["error"]
    assert re.findall(r"(/[\w/.]+)", listed)[:-1] == list(content["paths"])
    for path, operations in content["paths"].items():
        refused = ask(served.url, path=path, method="DELETE", headers={})
        methods = {method.strip().lower() for method in refused.headers["allow"].split(",")}
        assert (refused.status, methods - {"head"}) == (405, set(operations))


def test_it_names_the_statuses_of_the_documentation(served: Served) -> None:
    found = _responses(get(served.url, "/openapi.json").body)
    errors = {int(status) for one in found.values() for status in one} - {200}
    table = DOC.partition("| status | when |")[2].partition("**Limits**")[0]
    listed = {
        int(status)
        for row in re.findall(r"^\| ([\d, ]+) \|", table, re.M)
        for status in row.split(",")
    }
    assert listed == set(STATUSES) == errors | NOWHERE


def test_it_says_how_pictures_are_sent() -> None:
    modality = ImageInputs(Image("image", 32, 32, "squash"))
    body = document(modality, Limits(), "text/plain")["paths"]["/predict"]["post"]["requestBody"]
    assert set(body["content"]) == {"application/json", "image/*", "multipart/form-data"}
    form = body["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {"image", "task", "top", "coverage"}


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None,
    reason="schemathesis is not installed: pip install 'cfedge[dev]'",
)
@pytest.mark.parametrize("examples", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_schemathesis_finds_nothing_that_it_does_not_state(
    served: Served, tmp_path: Path, examples: int
) -> None:
    """Requests are counted, of a kind for each operation and beside those that are listed: a busy
    machine makes fewer in a time.
    """
    generated = 0
    for content in _documents(served):
        written = tmp_path / "openapi.json"
        written.write_text(json.dumps(content), "utf-8")
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(written)]
        command += ["--url", served.url, "--continue-on-failure", "--checks", "all", "--no-color"]
        command += ["--generation-deterministic", "--max-examples", str(examples)]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        asked = re.search(r"^\s+(\d+) generated", done.stdout, re.M)
        assert asked is not None
        generated += int(asked[1])
    assert generated >= 50
    assert not served.said


def _documents(served: Served) -> list[dict[str, Any]]:
    """The document without sessions; and that of a session alone, since OpenAPI cannot say that a
    header and a part of a body do not go together.
    """
    found = []
    for sessions in (False, True):
        content = get(served.url, "/openapi.json").body
        if sessions:
            content["paths"] = {"/predict": content["paths"]["/predict"]}
        predict = content["paths"]["/predict"]["post"]
        predict["parameters"] = predict["parameters"][:1] if sessions else []
        body = predict["requestBody"]["content"]["application/json"]
        for one in body["schema"]["oneOf"]:
            if sessions:
                for name in ("task", "top", "coverage"):
                    del one["properties"][name]
            else:  # else nearly every task asked for would be none, and some shares not promised
                one["properties"]["task"] = {"enum": [None, *served.engine.tasks]}
                one["properties"]["coverage"]["maximum"] = _promised(served)
        found.append(content)
    return found


def _promised(served: Served) -> float:
    """The largest coverage that every task can promise."""
    tasks = served.engine.manifest.tasks
    return min(COVERAGES[len(task.calibration.odds.limits) - 1] for task in tasks)
