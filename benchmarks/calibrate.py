"""Ranges of a backbone's activations over photographs: makes export/cfedge_export/ranges/*.json.

    python benchmarks/calibrate.py lite0 FOLDER

FOLDER holds the photographs; what ships was made from those of scikit-image 0.26.0
(``skimage/data`` in its wheel) that are in the public domain or under CC0. Squares of random places
and sizes are cut out, so that few photographs do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cfedge_export.calibration import dump_table, measure_ranges
from cfedge_export.source import load_source

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


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    names = [name for name in FREE if (options.folder / name).is_file()]
    names = names or sorted(path.name for path in options.folder.iterdir() if path.is_file())
    pictures = [Image.open(options.folder / name).convert("RGB") for name in names]
    source = load_source(options.backbone)
    side = source.encoder.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    feeds = [{"pixels": pixels} for pixels in squares(pictures, side)]
    ranges = measure_ranges(source.encoder, feeds, share=SHARE)
    about = {"pictures": names, "squares": SQUARES, "share": SHARE}
    print(dump_table(source.sha256, source.encoder, ranges, about))


if __name__ == "__main__":
    main()
