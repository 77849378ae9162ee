"""What the package knows of inputs of no task: ``export/cfedge_export/backgrounds``.

    python benchmarks/background.py minilm-l6

Sources, of which statistics and features in int8 are kept and no text: GoEmotions (Google, CC BY
4.0), comments; NLU++ (PolyAI, CC BY 4.0), queries of bank and hotel customers. 1,500 of each make
the centres, 128 others of each are what certificates count unknown inputs on. They are the same for
every encoder and cut.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from record import DATA

from cfedge.bundle.arrays import dump_arrays
from cfedge.lookup import Background, Features
from cfedge.runtime.encoder import Encoder
from cfedge_export import background
from cfedge_export.make_backbone import make_backbone
from cfedge_export.source import load_source

CENTRES_OF, APART, AT_ONCE = 1500, 128, 64
TARGET = Path(background.__file__).parent / "backgrounds"


def sentences() -> tuple[list[str], list[str]]:
    """Return the sentences that make the centres, and those that are kept apart."""
    comments = (DATA / "generic" / "goemotions.txt").read_text("utf-8").splitlines()
    queries = [
        json.loads(line)["text"]
        for line in (DATA / "nlupp" / "nlupp.jsonl").read_text("utf-8").splitlines()
        if line.strip()
    ]
    rng = np.random.default_rng(0)
    within: list[str] = []
    apart: list[str] = []
    for source in (comments, queries):
        distinct = sorted({text.strip() for text in source if text.strip()})
        order = rng.permutation(len(distinct))[: CENTRES_OF + APART].tolist()
        within += [distinct[row] for row in order[:CENTRES_OF]]
        apart += [distinct[row] for row in order[CENTRES_OF:]]
    return within, apart


def features(encoder: Encoder, texts: list[str], width: int) -> Features:
    """Return the trunk's first view and the frozen tail's features."""
    parts = [
        encoder.features(encoder(texts[start : start + AT_ONCE]))
        for start in range(0, len(texts), AT_ONCE)
    ]
    trunk = np.concatenate([part.trunk for part in parts])[:, :width]
    return Features(trunk, np.concatenate([part.tail for part in parts]))


def stored(kind: str, split: int, both: Background) -> dict[str, np.ndarray]:
    """Return arrays as `cfedge_export.background.known` reads them."""
    arrays = both.arrays()
    return {
        f"{kind}.{place}{end}": arrays[f"{part}{name}"]
        for part, place in (("trunk", str(split)), ("tail", "tail"))
        for name, end in (("", ""), ("_step", ".step"))
    }


def main() -> None:
    """Write the file of one encoder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    source = load_source(options.name, options.folder)
    within, apart = sentences()
    arrays: dict[str, np.ndarray] = {}
    for split in range(1, source.blocks):
        with tempfile.TemporaryDirectory() as scratch:
            made = make_backbone(Path(scratch) / "ws", options.name, source=source, split=split)
            encoder, width = made.encoder(), made.backbone.views[0]
            centre = Background(*map(background.centres, features(encoder, within, width)))
            foreign = Background(*features(encoder, apart, width))
        arrays |= stored("centres", split, centre) | stored("foreign", split, foreign)
        print(f"cut at {split}", flush=True)
    TARGET.mkdir(exist_ok=True)
    data = dump_arrays(arrays)
    (TARGET / f"{source.sha256[:16]}.safetensors").write_bytes(data)
    print(f"{source.sha256[:16]}: {len(data)} bytes")


if __name__ == "__main__":
    main()
