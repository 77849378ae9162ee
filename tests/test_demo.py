"""The embedded data keep their promises, and the demo runs whole where the weights are installed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from every import cases

from cfedge.demo import TASKS, data_folder, out_of_domain

SPLITS = ("train", "validation", "test")


def _rows(task: str, split: str) -> list[dict[str, str]]:
    with (data_folder() / task / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


@cases("task", TASKS)
def test_each_task_has_enough_intents_and_utterances(task: str) -> None:
    counts = {split: Counter(row["label"] for row in _rows(task, split)) for split in SPLITS}
    assert 5 <= len(counts["train"]) <= 6
    assert set(counts["train"]) == set(counts["validation"]) == set(counts["test"])
    assert min(counts["train"].values()) >= 30
    assert min(counts["validation"].values()) >= 20
    assert min(counts["test"].values()) >= 12


def test_no_utterance_occurs_twice_and_no_label_in_two_tasks() -> None:
    texts = [
        _plain(row["text"]) for task in TASKS for split in SPLITS for row in _rows(task, split)
    ]
    texts += [_plain(text) for text, _ in out_of_domain()]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    labels = [label for task in TASKS for label in {row["label"] for row in _rows(task, "train")}]
    assert len(labels) == len(set(labels))


def test_half_of_what_is_of_no_task_are_near_misses() -> None:
    kinds = Counter(kind for _, kind in out_of_domain())
    assert kinds["near"] >= 40
    assert kinds["far"] >= 40


def test_the_data_carry_their_licence() -> None:
    assert "CC0 1.0" in (data_folder() / "LICENSE").read_text("utf-8")


def test_the_devices_process_refuses_to_start_where_torch_is_loaded() -> None:
    code = (
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\nfrom"
        " cfedge.demo.device import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "torch came with the import of cfedge" in done.stderr


@pytest.mark.slow
def test_the_demo_learns_exports_and_answers_without_torch(tmp_path: Path) -> None:
    from cfedge.errors import BackboneError
    from cfedge.train.backbones import find

    try:
        find("minilm-l6")
    except BackboneError as error:
        pytest.skip(str(error))
    command = [
        sys.executable,
        "-c",
        "from cfedge.cli import main; main()",
        "demo",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["task"] for row in found["tasks"]] == list(TASKS)
    assert found["task_identification"] > 0.85
    assert found["last_accuracy"] > 0.7
    assert (
        found["task_identification"] + found["known"] - 1 - 1e-9
        <= found["last_accuracy"]
        <= min(found["task_identification"], found["known"]) + 1e-9
    )
    assert found["unknown_auroc"] > 0.8
    assert abs(sum(row["accuracy_float"] - row["accuracy_int8"] for row in found["tasks"])) < 0.15
    assert all(row["added_bytes"] <= 250_000 for row in found["tasks"])
    assert found["backbone_bytes"] < 24_500_000
    matrix = found["accuracy_matrix"]
    assert all(matrix[row][column] == 0 for row in range(5) for column in range(row + 1, 5))
    assert all(row["examples"] == 216 and row["held_out"] == 120 for row in found["tasks"])
    assert all(row["upper_bound"] < 0.2 for row in found["tasks"])
    assert found["unknown_by_kind"].keys() == {"near", "far"}
    assert [answer["unknown"] for answer in found["live"]] == [False, False, False, True]
    assert (tmp_path / "out" / "bundle" / "manifest.json").is_file()
