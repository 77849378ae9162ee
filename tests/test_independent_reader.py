"""docs/format.md is enough to read a bundle: a reader written from it, without cfedge, answers as
the engine does.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from independent_reader import Reader, RefusedError
from made import WORDS, make_texts
from tiny import with_adapters

from cfedge import Engine
from cfedge.bundle.files import read, write
from cfedge.margins import Margins

TEXTS = [text for task in WORDS for text, _ in make_texts(task, 12, seed=5)] + [
    "the",
    "nothing that was ever learned",
    "purr" * 9,
]

#: Of a probability: the engine keeps class shapes in 8 bits, the reader in float64, so that
#: margins of the further stages differ by up to .3 nats. After the first stage it is 1e-5.
SURE = 0.01


def _with_looks(folder: Path, second: float, third: float) -> Path:
    """The bundle with other margins, so that more inputs get a further stage."""
    bundle = read(folder)
    manifest = replace(bundle.manifest, margins=Margins(second, third))
    write(type(bundle)(manifest, bundle.objects), folder, replace=True)
    return folder


#: How far the out-of-distribution score is from the engine's at most, whose classes are kept in 8
#: bits: .12 was the most of 444 inputs of these tests, .02 their median.
OOD = 0.15


def _margin(folder: Path, share: float) -> float:
    """A margin that about so many inputs are below and none is near: the engine keeps shapes in 8
    bits, which moves margins by some hundredths of a nat.
    """
    margins = np.sort([one.margin for one in Engine(read(folder)).predict(TEXTS)])
    about = range(int((share - 0.15) * len(margins)), int((share + 0.15) * len(margins)))
    widest = max(about, key=lambda place: float(margins[place + 1] - margins[place]))
    return float(margins[widest] + margins[widest + 1]) / 2


def test_it_ends_early_where_the_engine_does(tiny_bundle: Path) -> None:
    margins = {"exit.margin": np.array([0.4], np.float32)}
    third = _margin(_with_looks(tiny_bundle, 1e9, 0.0), 0.3)
    bundle = with_adapters(
        read(_with_looks(tiny_bundle, 1e9, third)), lambda arrays: {**arrays, **margins}
    )
    write(bundle, tiny_bundle, replace=True)
    reader, answers = Reader(tiny_bundle), Engine(read(tiny_bundle)).predict(TEXTS)
    for text, expected in zip(TEXTS, answers, strict=True):
        found = reader.answer(text)
        exact = ("task", "label", "stages", "early_exit", "unknown")
        assert {key: found[key] for key in exact} == {
            key: getattr(expected, key) for key in exact
        }, text
        assert found["probability"] == pytest.approx(expected.probability, abs=SURE)
        assert found["ood_score"] == pytest.approx(expected.ood_score, abs=OOD) or reader.nearly
    assert len({one.early_exit for one in answers}) == 2


@pytest.mark.parametrize(
    ("second", "third", "stages"),
    [(0.0, 0.0, {1}), (1e9, 0.0, {2}), (1e9, 1e9, {3}), (None, None, {1, 2, 3})],
)
def test_it_answers_as_the_engine_does(
    tiny_bundle: Path, second: float | None, third: float | None, stages: set[int]
) -> None:
    if second is None or third is None:  # margins that some inputs fall below and some do not
        second = _margin(_with_looks(tiny_bundle, 0.0, 0.0), 0.7)
        third = _margin(_with_looks(tiny_bundle, 1e9, 0.0), 0.3)
    folder = _with_looks(tiny_bundle, second, third)
    reader, seen = Reader(folder), set()
    for text, expected in zip(TEXTS, Engine(read(folder)).predict(TEXTS), strict=True):
        found = reader.answer(text)
        exact = ("task", "label", "stages", "unknown")
        assert {key: found[key] for key in exact} == {
            key: getattr(expected, key) for key in exact
        }, text
        sure = 1e-5 if found["stages"] == 1 else SURE
        assert found["probability"] == pytest.approx(expected.probability, abs=sure)
        assert found["distance"] == pytest.approx(expected.distance, rel=1e-3, abs=1e-3)
        assert found["ood_score"] == pytest.approx(expected.ood_score, abs=OOD) or reader.nearly
        seen.add(found["stages"])
    assert seen == stages


def test_it_imports_nothing_of_cfedge() -> None:
    source = Path(__file__).with_name("independent_reader.py").read_text("utf-8")
    roots = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert roots <= {
        "__future__",
        "hashlib",
        "json",
        "numpy",
        "onnxruntime",
        "pathlib",
        "safetensors",
        "sys",
        "tokenizers",
        "typing",
    }


def test_it_refuses_a_byte_that_was_changed(tiny_bundle: Path) -> None:
    path = tiny_bundle / "objects" / read(tiny_bundle).manifest.backbone.tail.sha256
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="SHA-256 of"):
        Reader(tiny_bundle)
