"""Ranges of a backbone's activations over photographs: makes export/cfedge_export/ranges/*.json.

    python benchmarks/calibrate.py lite0 FOLDER
    python benchmarks/calibrate.py lite0 FOLDER --choose    # compares SHARES, writes no table

FOLDER holds the photographs; what ships was made from those of scikit-image 0.26.0
(``skimage/data`` in its wheel) that are in the public domain or under CC0. Squares of random places
and sizes are cut out, so that few photographs do.

``--choose`` runs the int8 graph with the ranges of each share on pictures that are learned from, 50
of each of four data sets, and prints the cosine of its features with float32's. No test picture is
looked at (results/ranges.json).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import record
from numpy.typing import NDArray
from onnx import ModelProto
from PIL import Image

from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image as Spec
from cfedge.runtime.session import open_session
from cfedge.train.workspace.backbones import BACKBONES
from cfedge_export.calibration import dump_table, measure_ranges, state_ranges
from cfedge_export.graph import cut
from cfedge_export.names import FEATURES
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import Source, load_source

#: In the public domain, or CC0, by scikit-image's own notes.
FREE = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "rocket.jpg",
)
SQUARES, SHARE = 120, 0.999
#: Of each square's values that a range may hold.
SHARES = (0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0)
SETS, EACH = ("cifar100", "gtsrb", "fashion", "notmnist"), 50


def squares(pictures: list[Image.Image], side: int) -> list[NDArray[np.uint8]]:
    """`SQUARES` squares uint8 [1, 3, side, side], a quarter of the short side or more each."""
    rng = np.random.default_rng(0)
    cut = []
    for place in range(SQUARES):
        picture = pictures[place % len(pictures)]
        size = int(min(picture.size) * rng.uniform(0.25, 1))
        left, top = (int(rng.integers(0, whole - size + 1)) for whole in picture.size)
        square = picture.crop((left, top, left + size, top + size))
        pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))
        cut.append(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])
    return cut


def training_pictures(side: int) -> dict[str, list[NDArray[np.uint8]]]:
    """`EACH` training pictures uint8 [1, 3, side, side] of each set of `SETS`, drawn."""
    inputs, rng = ImageInputs(Spec("image", side, side, "squash")), np.random.default_rng(0)
    found = {}
    for name in SETS:
        with np.load(record.DATA / "images" / f"{name}.npz") as data:
            pictures = data["x_train"]
        chosen = pictures[rng.permutation(len(pictures))[:EACH]]
        frames = chosen if chosen.ndim == 4 else np.repeat(chosen[..., None], 3, axis=3)
        found[name] = [inputs.prepare(np.ascontiguousarray(one)).feeds["pixels"] for one in frames]
    return found


def choose(source: Source, feeds: list[dict[str, NDArray[np.uint8]]], side: int) -> None:
    """Print and write each share's cosines with float32 on training pictures."""
    split = BACKBONES[source.name].split or 1
    pictures, rows = training_pictures(side), {}
    exact = _features(cut(source.architecture, source.encoder, split)[0], pictures)
    for share in SHARES:
        ranged = ModelProto()
        ranged.CopyFrom(source.encoder)
        ranged.ClearField("metadata_props")
        state_ranges(ranged, measure_ranges(source.encoder, feeds, share=share))
        shipped = SCHEMES["int8-static"].ship(cut(source.architecture, ranged, split)[0])
        found = _features(shipped, pictures)
        cosines = {
            name: (found[name] * exact[name]).sum(axis=1)
            / np.linalg.norm(found[name], axis=1)
            / np.linalg.norm(exact[name], axis=1)
            for name in SETS
        }
        every = np.concatenate(list(cosines.values()))
        rows[str(share)] = {
            "mean": float(every.mean()),
            "least": float(every.min()),
            **{name: float(one.mean()) for name, one in cosines.items()},
        }
        print(share, {key: round(value, 5) for key, value in rows[str(share)].items()}, flush=True)
    record.write("ranges", {"backbone": source.name, "each": EACH, "shares": rows}, threads=1)


def _features(
    model: ModelProto, pictures: dict[str, list[NDArray[np.uint8]]]
) -> dict[str, NDArray[np.float32]]:
    session = open_session(model.SerializeToString(), "trunk")
    return {
        name: np.concatenate([session.run([FEATURES], {"pixels": one})[0] for one in ones])
        for name, ones in pictures.items()
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    names = [name for name in FREE if (options.folder / name).is_file()]
    names = names or sorted(path.name for path in options.folder.iterdir() if path.is_file())
    pictures = [Image.open(options.folder / name).convert("RGB") for name in names]
    source = load_source(options.backbone)
    side = source.encoder.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    feeds = [{"pixels": pixels} for pixels in squares(pictures, side)]
    if options.choose:
        choose(source, feeds, side)
        return
    ranges = measure_ranges(source.encoder, feeds, share=SHARE)
    about = {"pictures": names, "squares": SQUARES, "share": SHARE}
    print(dump_table(source.sha256, source.encoder, ranges, about))


if __name__ == "__main__":
    main()
