"""init --scheme and --profile, export --merged, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import UsageError
from cfedge_export.schemes import SCHEMES


def _init(folder: Path, target: Path, *more: str) -> str:
    done = CliRunner().invoke(app, ["init", str(target), "--backbone", "local", "--folder", str(folder), *more])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_auto_measures_every_scheme_picks_one_and_says_why(tiny_folder: Path, tmp_path: Path) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--scheme", "auto", "--json"))
    assert [one["scheme"] for one in made["scheme"]["measured"]] == list(SCHEMES)
    assert made["scheme"]["scheme"] == made["backbone"]["scheme"]
    assert "of float32's time at mean cosine" in made["scheme"]["why"]
    assert sum(made["bytes_by_part"].values()) == made["bytes"]


def test_a_profile_picks_by_rules_and_says_why(tiny_folder: Path, tmp_path: Path) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--profile", "x86-64-avx2", "--json"))
    assert made["backbone"]["scheme"] == "int8-row-7bit"
    assert made["scheme"]["measured"] == []
    shown = _init(tiny_folder, tmp_path / "other", "--profile", "rpi-5")
    assert "int8-row: rpi-5 is aarch64, which adds in 32 bits" in shown
    assert "to ship: word embeddings" in shown


def test_without_either_the_default_is_made_as_before(tiny_folder: Path, tmp_path: Path) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--json"))
    assert made["backbone"]["scheme"] == "int8-row"


def test_what_cannot_be_is_refused_before_anything_is_made(tiny_folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "ws"
    with pytest.raises(UsageError, match="scheme int8-row: expected one that x86-64-avx2 computes exactly"):
        _init(tiny_folder, target, "--scheme", "int8-row", "--profile", "x86-64-avx2")
    with pytest.raises(UsageError, match=r"profile: expected one of .*, found 'nope'"):
        _init(tiny_folder, target, "--profile", "nope")
    with pytest.raises(UsageError, match="--like: expected no --scheme or --profile with it"):
        _init(tiny_folder, target, "--like", str(tiny_bundle), "--scheme", "float32")
    assert not target.exists()
    target.mkdir()
    with pytest.raises(UsageError, match="expected a new name for the workspace"):  # before weights are looked for and measured
        _init(tmp_path / "no weights", target, "--scheme", "auto")


def test_a_task_is_exported_as_one_file(tiny_workspace: Path, tmp_path: Path) -> None:
    arguments = ["export", str(tiny_workspace), str(tmp_path / "colors.onnx"), "--merged", "colors"]
    done = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert done["labels"] == ["blue", "green", "red"]
    assert done["size_bytes"] == (tmp_path / "colors.onnx").stat().st_size
    assert Path(done["tokenizer"]).is_file()
    shown = CliRunner().invoke(app, [*arguments, "--replace"]).stdout
    assert "input_ids -> scores of 3 labels" in shown
