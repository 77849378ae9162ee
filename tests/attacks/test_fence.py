"""No engine is built from foreign bytes in a process that matters: publishing, merging and the
doctor have children with limits, and nothing else opens a graph.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from bounded import bounded
from channels import NOW
from test_hostile_bundles import doubling, graph, toiling

import cfedge
from cfedge.bundle.files import read, read_manifest
from cfedge.doctor.child import try_out
from cfedge.errors import IncompatibleError
from cfedge.publish import restate_child
from cfedge.publish.channel import publish
from cfedge.publish.keys import Keys
from cfedge.publish.restate_child import restate_here, restate_in_child
from cfedge.publish.restate_golden import Restated
from cfedge.runtime.child import Limits

LISTED = "a graph of plain operators"
GREEDY = {
    "a trunk that doubles while it is loaded": graph("trunk", doubling("features", 40)),
    "a tail that doubles while it is loaded": graph("tail", doubling("features", 40)),
}
UNLISTED: dict[str, Callable[[Path], None]] = {
    "an adapter that doubles": graph("adapter", doubling("head.bias", 32)),
    "an adapter that toils": graph("adapter", toiling("head.bias")),
}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.create(tmp_path / "keys", site="hq", root_keys=2, root_threshold=1)


@pytest.mark.parametrize("name", [*GREEDY, *UNLISTED])
def test_a_greedy_bundle_is_not_published(
    name: str, tiny_bundle: Path, tmp_path: Path, keys: Keys
) -> None:
    {**GREEDY, **UNLISTED}[name](tiny_bundle)
    with bounded(), pytest.raises(IncompatibleError, match=f"{LISTED}|trunk|tail|no answer|death"):
        publish(tiny_bundle, tmp_path / "repo", keys, now=NOW)
    assert not list((tmp_path / "repo").glob("targets/*index*"))


def test_a_bundle_that_takes_for_ever_is_not_published(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph("trunk", toiling("features"))(tiny_bundle)
    monkeypatch.setattr(restate_child, "_LIMITS", Limits(start_s=3, task_s=0))
    with bounded(), pytest.raises(IncompatibleError, match=r"no answer in 3 s|SIGXCPU"):
        restate_in_child(read(tiny_bundle))


def test_the_child_restates_as_this_process_does(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    spare = {task.name: task.golden for task in bundle.manifest.tasks}
    there, here = restate_in_child(bundle, spare), restate_here(bundle, spare)
    assert there == here
    assert isinstance(there, Restated)


def test_the_doctor_gives_a_greedy_bundle_a_childs_memory(tiny_bundle: Path) -> None:
    GREEDY["a trunk that doubles while it is loaded"](tiny_bundle)
    with bounded():
        found = try_out(tiny_bundle, timeout_s=120)
    assert found.stopped == "bundle"
    assert found.peak_bytes is None
    assert read_manifest(tiny_bundle).tasks


def test_the_doctor_refuses_what_is_not_listed(tiny_bundle: Path) -> None:
    def random(model: onnx.ModelProto) -> None:
        model.graph.node.append(onnx.helper.make_node("RandomNormal", [], ["n"], shape=[1]))

    graph("tail", random)(tiny_bundle)
    found = try_out(tiny_bundle, timeout_s=120)
    assert (found.stopped, "RandomNormal" in (found.how or "")) == ("bundle", True)


#: Who may build an engine or open a session, and why no foreign bytes do harm there.
BUILDERS = {
    "cfedge.runtime.coarse_table": "opens a graph that it makes itself",
    "cfedge.runtime.verify_here": "runs in a child, or in tests",
    "cfedge.publish.restate_child": "runs in a child, or in tests",
    "cfedge.doctor.trial": "is a child",
    "cfedge.runtime.backbone": "an engine's and the workshop's, by who builds these",
    "cfedge.runtime.session": "opens what others hand it",
    "cfedge.runtime.adapter": "an engine's",
    "cfedge.demo.running": "of a workspace of this machine",
    "cfedge.study.fresh": "of a workspace of this machine",
    "cfedge.train.jobs.answering": "of a workspace that may run any program on the worker",
}
_CALLS = {"Engine", "InferenceSession", "constants", "open_session"}


def _called(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            found.add(node.func.id if isinstance(node.func, ast.Name) else name or "")
    return found


def test_nothing_else_opens_a_graph() -> None:
    root = Path(cfedge.__file__).parent
    builders = set()
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if _called(ast.parse(path.read_text("utf-8"))) & _CALLS:
            builders.add(module)
    assert builders == set(BUILDERS)


def test_publish_and_sync_open_nothing_by_another_name() -> None:
    """Not `Engine.open` either, which is for devices; it verifies, but in their name."""
    root = Path(cfedge.__file__).parent
    for room in ("publish", "sync", "catalogue", "store"):
        for path in (root / room).rglob("*.py"):
            if path.stem in ("restate_child", "restate_golden"):
                continue
            text = path.read_text("utf-8")
            assert "onnxruntime" not in text, path
            assert "runtime.engine" not in text, path
