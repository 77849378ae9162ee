"""A bundle's report: nothing that the bundle does not hold, and the same everywhere."""

from __future__ import annotations

import getpass
import json
import platform
import shutil
from pathlib import Path

import pytest
from made import make_texts

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.files import Bundle, read, reference
from cfedge.errors import CfedgeError, DamagedError
from cfedge.report import contents_of, dumped, page
from cfedge.report.of_bundle import of_bundle
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build


def golden_texts(bundle: Bundle) -> set[str]:
    return {
        text
        for task in bundle.manifest.tasks
        for text in load_note(bundle[task.golden], "golden")["inputs"]  # type: ignore[attr-defined]
    }


def test_nothing_is_told_that_the_bundle_does_not_hold(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = make_texts("food", 120, seed=0)
    settings = Settings(method="closed-form", threads=1)
    examples = Examples([text for text, _ in rows], [label for _, label in rows], "food")
    learn(workspace, "food", examples, settings=settings)
    bundle = build(workspace)
    told = page(of_bundle(bundle)).decode("utf-8")
    held_out = {text for name in workspace.tasks for text in workspace.held_out(name).inputs}
    golden = golden_texts(bundle)
    assert len(held_out - golden) > 10, "without others nothing would show that they are left out"
    for text in held_out - golden:
        assert f'"{text}"' not in told
        assert f">{text}<" not in told
    assert all(text in told for text in golden)
    for foreign in (platform.node(), platform.release(), str(tiny_workspace), getpass.getuser()):
        assert f">{foreign}<" not in told
        assert f'"{foreign}"' not in told


def test_every_word_and_number_comes_from_the_manifest_or_the_files(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    found = contents_of(tiny_bundle)
    manifest = json.loads((tiny_bundle / "manifest.json").read_bytes())
    assert found.machine is None
    assert (found.confusion, found.thresholds, found.bench, found.parity, found.drift) == (None, None, None, (), None)  # fmt: skip
    assert found.versions == manifest["versions"]
    assert found.digest == bundle.manifest.digest
    for task, stated in zip(
        found.tasks, sorted(manifest["tasks"], key=lambda one: one["name"]), strict=True
    ):
        assert (task.method, task.examples) == (None, None)
        assert (task.name, list(task.classes), task.threshold) == (stated["name"], stated["classes"], stated["threshold"])  # fmt: skip
        assert task.certificate.wrong == stated["certificate"]["wrong"]


def test_the_same_bundle_gives_the_same_page_wherever_it_lies(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    elsewhere = shutil.copytree(tiny_bundle, tmp_path / "<b>another place</b>")
    assert page(contents_of(elsewhere)) == page(contents_of(tiny_bundle))


def test_a_damaged_bundle_has_no_report(tiny_bundle: Path) -> None:
    name = read(tiny_bundle).manifest.tasks[0].golden.sha256
    path = tiny_bundle / "objects" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError):
        contents_of(tiny_bundle)


def test_golden_vectors_without_their_answers_are_refused(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    task = bundle.manifest.tasks[0]
    note = {**load_note(bundle[task.golden], "golden"), "labels": "none"}
    odd = dump_arrays(load_arrays(bundle[task.golden], "golden"), note)
    objects = {**bundle.objects, task.golden.sha256: odd}
    assert reference(odd) != task.golden
    with pytest.raises(CfedgeError, match="expected a list as labels, found str"):
        of_bundle(Bundle(bundle.manifest, objects))


def test_what_is_neither_workspace_nor_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="expected a bundle"):
        contents_of(tmp_path)


def test_the_report_reads_back(tiny_bundle: Path) -> None:
    found = contents_of(tiny_bundle)
    assert json.loads(dumped(found))["of"] == "bundle"
