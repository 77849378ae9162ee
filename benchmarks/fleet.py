"""Devices that sync from one static server on loopback, through a rollout with a bad task in it:
tests/fleet.py at its full size.

The encoder is the tests' tiny one: what is measured is who serves what, not how fast a model
answers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import record
from fleet import run
from made import make_encoder, make_workspace

from cfedge.bundle.files import read
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.pack import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--cut-share", type=float, default=0.02)
    parser.add_argument("--name", default="fleet", help="of the result, such as fleet_1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        os.environ["CFEDGE_CACHE"] = str(root / "cache")
        (root / "encoder").mkdir()
        workspace = make_workspace(make_encoder(root / "encoder"), root)
        export(WorkspaceFolder(workspace), root / "bundle")
        found = run(
            root / "fleet",
            read(root / "bundle"),
            devices=options.devices,
            cut_share=options.cut_share,
        )
    for name, value in found.items():
        print(f"{name}: {value}")
    record.write(options.name, found, threads=1)
    if found["wrong_or_missing"] or found["ended_on_the_last_good_state"] != options.devices:
        raise SystemExit("a device served a wrong or missing task, or ended elsewhere")


if __name__ == "__main__":
    main()
