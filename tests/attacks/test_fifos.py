"""FIFOs where a file is expected, in every folder and under every name that is read: none is waited
for. (Sticks, stores and repositories: tests/attacks/test_held_up.py.)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bounded import bounded

from cfedge.console.job import read_note, why_died
from cfedge.errors import CfedgeError
from cfedge.inputs.array.device import ArrayInputs
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.sources import content
from cfedge.kept.database import Database
from cfedge.kept.seal import read_key
from cfedge.report.earlier import read_old
from cfedge.report.files import _check_free
from cfedge.report.measured import read_bench, read_parity
from cfedge.runtime.drift_file import saved_counters
from cfedge.train.examples.data import load, load_file
from cfedge.train.examples.examples import Examples
from cfedge.train.jobs.cluster import _security
from cfedge.train.jobs.contents import Contents
from cfedge.train.jobs.labelled import dumped_inputs
from cfedge.train.jobs.marks import Marks
from cfedge.train.workspace.backbones import find, kind_of
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.architectures.own_graph import read_own

pytestmark = pytest.mark.skipif(os.name == "nt", reason="FIFOs are POSIX's")

DIGEST = "0" * 64


def held_off(use: Callable[[], object]) -> None:
    """What reads it refuses it as it does other unreadable files, or does without; in time."""
    with bounded(), contextlib.suppress(CfedgeError):
        use()


def array_of(path: Path) -> object:
    return ArrayInputs(Array("array", "float32", (2,))).prepare(path)


#: By what lies there as a FIFO: what reads it.
READERS: dict[str, Callable[[Path], object]] = {
    "a table to learn from.csv": load_file,
    "a table to learn from.tsv": load_file,
    "lines to learn from.jsonl": load_file,
    "an export to learn from.json": load_file,
    "a table to learn from.parquet": load_file,
    "a workbook to learn from.xlsx": load_file,
    "examples to learn from.yml": load_file,
    "lines to learn from.txt": load_file,
    "documents to learn from.spacy": load_file,
    "an archive of pictures.zip": lambda path: load(path, kind="image"),
    "a picture.png": lambda path: content(path, "input 0"),
    "a picture under a name.png": lambda path: content(str(path), "input 0"),
    "an array.npy": array_of,
    "an earlier report.html": read_old,
    "what lies where a report goes.html": _check_free,
    "times.json": read_bench,
    "a parity report.json": read_parity,
    "counters.json": saved_counters,
    "an encoder.onnx": read_own,
    "a certificate.pem": lambda path: _security({"cert": str(path)}),
    "an input of a job.npy": lambda path: dumped_inputs([path], "images", "image"),
    "a key": read_key,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("link", [False, True], ids=["itself", "by a link"])
def test_no_fifo_is_waited_for(name: str, link: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    os.mkfifo(tmp_path / "fifo" if link else path)
    if link:
        path.symlink_to(tmp_path / "fifo")
    with bounded(), pytest.raises(CfedgeError) as refused:
        READERS[name](path)
    assert name in str(refused.value) or "input 1" in str(refused.value)


def test_no_fifo_among_the_data_of_a_task_is_waited_for(tmp_path: Path) -> None:
    for name in ("train.csv", "validation.jsonl", "test.parquet", "dataset_info.json"):
        os.mkfifo(tmp_path / name)
    held_off(lambda: load(tmp_path))
    (tmp_path / "label").mkdir()
    (tmp_path / "label" / "one.png").symlink_to(tmp_path / "train.csv")
    os.mkfifo(tmp_path / "label" / "two.png")
    held_off(lambda: load(tmp_path, kind="image"))


def test_no_fifo_in_a_folder_of_weights_is_waited_for(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        os.mkfifo(tmp_path / name)
    held_off(lambda: kind_of("local", tmp_path))
    held_off(lambda: find("minilm-l6", tmp_path))
    held_off(lambda: find("local", tmp_path))


def test_no_fifo_in_a_workspace_is_waited_for(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    name = workspace.tasks[0]
    files = [path for path in tiny_workspace.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        data = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        held_off(lambda: WorkspaceFolder(tiny_workspace).task(name))
        held_off(lambda: WorkspaceFolder(tiny_workspace).backbone)
        path.unlink()
        path.write_bytes(data)


def test_no_fifo_in_a_cache_of_jobs_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / DIGEST)
    os.mkfifo(tmp_path / "hint")
    with bounded():
        assert Contents(tmp_path).get(DIGEST, str(tmp_path / "hint")) is None


def test_no_fifo_among_marks_is_waited_for(tiny_workspace: Path) -> None:
    (tiny_workspace / "jobs").mkdir(exist_ok=True)
    os.mkfifo(tiny_workspace / "jobs" / DIGEST)
    held_off(lambda: Marks(WorkspaceFolder(tiny_workspace)).prune())


def test_no_fifo_where_inputs_are_kept_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kept.sqlite")
    held_off(lambda: Database(tmp_path, busy_s=0.1))


def test_no_fifo_in_the_folder_of_a_job_is_waited_for(tmp_path: Path) -> None:
    for name in ("state.json", "log.txt"):
        os.mkfifo(tmp_path / name)
    with bounded():
        assert read_note(tmp_path / "state.json") == {}
        assert why_died(tmp_path)


def test_a_plain_file_is_read_as_before(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(2, np.float32))
    (tmp_path / "link.npy").symlink_to(tmp_path / "array.npy")
    for name in ("array.npy", "link.npy"):
        assert array_of(tmp_path / name)
    (tmp_path / "train.csv").write_text("text,label\na b,x\nc d,y\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "train.csv")
    assert isinstance(load_file(tmp_path / "link.csv"), Examples)
