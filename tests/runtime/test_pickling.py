"""An engine is pickled by path and digest, and another process opens the same bundle."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cfedge import Engine
from cfedge.bundle.files import Bundle, read, write
from cfedge.errors import IncompatibleError, UsageError

ASK = (
    "import pickle, sys; engine = pickle.load(sys.stdin.buffer);"
    " print(engine.predict(['crimson please'])[0].label, engine.manifest.digest)"
)


def test_another_process_opens_a_pickled_engine_and_answers_alike(tiny_bundle: Path) -> None:
    engine = Engine.open(tiny_bundle)
    data = pickle.dumps(engine)
    assert len(data) < 1000
    done = subprocess.run(
        [sys.executable, "-c", ASK], input=data, capture_output=True, check=True, timeout=120
    )
    label = engine.predict(["crimson please"])[0].label
    assert done.stdout.decode().split() == [label, engine.manifest.digest]


def test_its_settings_are_kept(tiny_bundle: Path) -> None:
    engine = pickle.loads(pickle.dumps(Engine.open(tiny_bundle, threads=2, adapter_bytes=0)))
    assert engine.opened.settings[:2] == (2, 0)
    assert engine.adapters.stats.limit_bytes == 0


def test_another_bundle_at_the_path_is_refused(tiny_bundle: Path) -> None:
    data = pickle.dumps(Engine.open(tiny_bundle))
    bundle = read(tiny_bundle)
    other = Bundle(replace(bundle.manifest, versions={"numpy": "0"}), bundle.objects)
    write(other, tiny_bundle, replace=True)
    with pytest.raises(IncompatibleError, match="as when the engine was pickled, found"):
        pickle.loads(data)


def test_an_engine_of_a_bundle_in_memory_cannot_be_pickled(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"expected one of Engine\.open to pickle"):
        pickle.dumps(Engine(read(tiny_bundle)))
