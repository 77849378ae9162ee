"""A generation is tried in a child before it answers: what kills the child is a sentence, and
installs nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from channels import NOW, Site

from cfedge.bundle.files import read, reference
from cfedge.bundle.manifest import serialize
from cfedge.errors import BundleError, IncompatibleError, MachineError
from cfedge.runtime import child
from cfedge.runtime.engine import Engine
from cfedge.runtime.verified import is_verified
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import PROBE_VECTORS, _shares, probe, probe_here
from cfedge.sync.transport import Folder


@pytest.fixture
def store(tiny_bundle: Path, tmp_path: Path) -> Store:
    """A store whose generation 1 is the tiny bundle, not answering yet."""
    made = Store.create(tmp_path / "store", "stable")
    bundle = read(tiny_bundle)
    for name, data in bundle.objects.items():
        (made.objects / name).write_bytes(data)
    assert made.add(bundle.manifest) == 1
    return made


def spoil(store: Store, change: Callable[[bytes], bytes]) -> None:
    """Change the golden vectors of the first task, and let the manifest name them so."""
    manifest = store.manifest(1)
    first, *others = manifest.tasks
    data = change((store.objects / first.golden.sha256).read_bytes())
    ref = reference(data)
    (store.objects / ref.sha256).write_bytes(data)
    path = store.folder / "generations" / "1.json"
    path.write_bytes(serialize(replace(manifest, tasks=(replace(first, golden=ref), *others))))


_PROBED = """
import sys
from pathlib import Path
from cfedge.store import Store
from cfedge.sync import client
client.probe(Store(Path(sys.argv[1])), 1, {"colors", "animals"})
print(*sorted({"numpy", "onnxruntime"} & sys.modules.keys()))
"""


def test_a_good_generation_passes_in_a_child_and_whoever_syncs_computes_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", _PROBED, str(store.folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []
    assert is_verified(store.manifest(1), 1)


def test_a_generation_that_answers_otherwise_than_its_golden_vectors_is_refused(
    store: Store,
) -> None:
    def other_answer(data: bytes) -> bytes:
        at = data.index(b'"', data.index(b"{"))
        return data[:at] + data[at:].replace(b"cat", b"dog").replace(b"red", b"blu")

    good = store.manifest(1).tasks[0].golden
    spoil(store, other_answer)
    assert store.manifest(1).tasks[0].golden != good
    with pytest.raises(
        IncompatibleError,
        match=r"could not switch to generation 1: .*animals",
    ):
        probe(store, 1, set())
    with pytest.raises(BundleError, match="animals"):
        probe_here(store, 1, set())


def test_a_generation_with_a_file_missing_is_refused(store: Store) -> None:
    (store.objects / store.manifest(1).backbone.tail.sha256).unlink()
    with pytest.raises(IncompatibleError, match="what was installed before goes on") as caught:
        probe(store, 1, set())
    assert "\n" not in str(caught.value)


def test_names_of_a_hundred_thousand_tasks_reach_the_child(store: Store) -> None:
    probe(store, 1, {f"task number {number}" for number in range(100_000)})


@pytest.mark.parametrize("name", ["-c", "--help", "a b", "é", "\n", "'; exit 1 #"])
def test_a_task_of_any_name_reaches_the_child(name: str, store: Store) -> None:
    probe(store, 1, {name})


def replaced(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let another program be this Python."""
    program = folder / "python"
    program.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.skipif(not shutil.which("sh"), reason="no sh")
def test_a_child_that_dies_hangs_or_says_nothing_is_a_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for script, found in (
        ("kill -9 $$", "death by SIGKILL"),
        ("exit 3", "no message"),
        ("echo 'a cause' >&2; exit 7", "a cause"),
        ("true", "no message"),
        ("printf '\\377\\376' >&2; exit 1", "could not answer the golden vectors"),
    ):
        replaced(tmp_path, monkeypatch, script)
        with pytest.raises(IncompatibleError, match=found):
            probe(store, 1, set())
    replaced(tmp_path, monkeypatch, "exec sleep 30")
    monkeypatch.setattr(child, "LIMITS", child.Limits(start_s=0.2, task_s=0.0))
    with pytest.raises(IncompatibleError, match=r"no answer in 0\.2 s"):
        probe(store, 1, set())


def test_a_machine_that_cannot_start_a_child_is_named_and_the_generation_is_not_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(MachineError, match="in a child process: No such file or directory"):
        probe(store, 1, set())


def test_golden_vectors_are_dealt_to_new_tasks_first() -> None:
    assert _shares(["a", "b"], {"b"}) == {"b": PROBE_VECTORS // 2, "a": PROBE_VECTORS // 2}
    many = [f"task {number:04}" for number in range(PROBE_VECTORS + 10)]
    shares = _shares(many, {many[-1]})
    assert shares[many[-1]] == 1
    assert sum(shares.values()) == PROBE_VECTORS


def test_a_real_bundle_is_synced_and_answers(tiny_bundle: Path, tmp_path: Path) -> None:
    from here import publish

    site = Site(tmp_path / "site")
    shutil.rmtree(site.repo)
    publish(tiny_bundle, site.repo, site.keys, now=NOW)
    store = site.store(tmp_path / "device")
    assert sync(store, Folder(site.repo), now=lambda: NOW).added == ("animals", "colors")
    engine = Engine.open(store.folder)
    assert engine.predict(["crimson please"], task="colors")[0].task == "colors"
    assert json.loads((store.folder / "current").read_bytes())["generation"] == 1
