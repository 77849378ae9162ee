"""docs/how-to/own-encoder.md runs as it stands there: sound from WAV files, windows of a motion sensor
from a CSV file, both made here.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cfedge import Engine
from cfedge.cli import app

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "own-encoder.md"


def _recordings(folder: Path) -> None:
    """A saw, a whistle and a fan: a sawtooth, a sine, and noise that comes and goes."""
    rng, time = np.random.default_rng(0), np.arange(8_000) / 16_000
    for label in ("saw", "whistle", "fan"):
        (folder / label).mkdir(parents=True)
        for number in range(24):
            pitch, phase = rng.uniform(0.9, 1.1), rng.uniform(0, 1)
            sounds = {
                "saw": (180 * pitch * time + phase) % 1 - 0.5,
                "whistle": np.sin(2 * np.pi * (1_500 * pitch * time + phase)),
                "fan": rng.normal(size=8_000) * (1 + np.sin(2 * np.pi * (8 * time + phase))) / 4,
            }
            samples = sounds[label] * rng.uniform(0.3, 0.9) + 0.02 * rng.normal(size=8_000)
            length = int(rng.integers(7_000, 8_001))
            with wave.open(str(folder / label / f"{number:02}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(np.clip(samples[:length] * 20_000, -32768, 32767).astype("<i2"))


def _motion(path: Path) -> None:
    """Somebody rests, walks and runs, twice each, 20 seconds at a time."""
    rng = np.random.default_rng(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["ax", "ay", "az", "gx", "gy", "gz", "activity"])
        for activity, force, steps in 2 * [("rest", 0.02, 0), ("walk", 1, 1.8), ("run", 3, 2.8)]:
            for row in range(2_000):
                swing = force * np.sin(2 * np.pi * steps * row / 100 + np.arange(6))
                values = swing + 0.05 * rng.normal(size=6) + np.eye(6)[2] * 9.8
                table.writerow([*np.round(values, 4), activity])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch, while it exports
def test_the_page_runs_from_its_first_block_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _recordings(tmp_path / "recordings")
    _motion(tmp_path / "motion.csv")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed = io.StringIO()
    for kind, block in re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        if kind == "python":
            with contextlib.redirect_stdout(printed):
                exec(block, names)
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)[1:]
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, f"{line}\n{done.output}{done.exception!r}"
    assert printed.getvalue().splitlines()[-1] == "rest"  # the first window
    right = total = 0
    for bundle, data in (("sound-bundle", "sounds"), ("motion-bundle", "windows")):
        engine = Engine.open(bundle)
        with (tmp_path / "windows" / "train.csv").open(newline="") as file:
            labels = {row["array"]: row["label"] for row in csv.DictReader(file)}
        paths = sorted((tmp_path / data).rglob("*.npy"))
        truth = [labels.get(path.name, path.parent.name) for path in paths]
        for answer, label in zip(engine.predict(paths), truth, strict=True):
            right, total = right + (answer.label == label), total + 1
    assert total > 150
    assert right / total > 0.97
