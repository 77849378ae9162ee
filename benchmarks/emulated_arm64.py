"""Answer a bundle on an emulated arm64 machine and compare with this one: function only, a time
under emulation means nothing.

Needs QEMU's user emulation, an arm64 Python with its libraries, and the wheels of numpy,
onnxruntime, safetensors and tokenizers for arm64; docs/decisions/0023-arm64.md says how they were got.
The golden vectors are checked as at a first opening, and further texts answered.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import record

from cfedge.bundle.files import read

ROOT = Path(__file__).parents[1]
_ANSWER = """
import json, platform, sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.device import probe
from cfedge.runtime.golden import check_golden
bundle = read(Path(sys.argv[1]))
engine = Engine(bundle)
found = {"machine": asdict(probe()), "versions": {name: version(name) for name in ("numpy", "onnxruntime", "safetensors", "tokenizers")}}
found["smallest_golden_cosine"] = check_golden(engine, bundle)
answers = engine.predict(json.load(sys.stdin))
found["answers"] = [[one.task, one.label, one.unknown, one.probability, one.distance] for one in answers]
print("\\n" + json.dumps(found))
"""


def answered(
    command: list[str], bundle: Path, texts: list[str], environment: dict[str, str]
) -> dict[str, object]:
    done = subprocess.run(
        [*command, "-c", _ANSWER, str(bundle)], input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="of CLINC150's tasks")
    parser.add_argument("--qemu", type=Path, required=True, help="qemu-aarch64")
    parser.add_argument(
        "--sysroot",
        type=Path,
        required=True,
        help="folder with usr/bin/python3.11 and its libraries, for arm64",
    )
    parser.add_argument(
        "--site", type=Path, required=True, help="folder of the unpacked wheels for arm64"
    )
    parser.add_argument("--texts", type=int, default=200, help="of CLINC150's test set, evenly")
    options = parser.parse_args()
    data, _ = record.clinc150()
    rows = [text for text, _ in data["test"]]
    texts = [rows[at] for at in np.linspace(0, len(rows) - 1, options.texts).astype(int)]
    python = sorted((options.sysroot / "usr" / "bin").glob("python3.*"))[0]
    emulated = answered(
        [str(options.qemu), "-L", str(options.sysroot), str(python)], options.bundle, texts,
        {"PYTHONPATH": os.pathsep.join([str(options.site), str(ROOT)]), "ORT_DISABLE_TELEMETRY": "1"},
    )  # fmt: skip
    here = answered([sys.executable], options.bundle, texts, {"PYTHONPATH": str(ROOT)})
    pairs = list(zip(emulated.pop("answers"), here.pop("answers"), strict=True))  # type: ignore[call-overload]
    manifest = read(options.bundle).manifest
    version = subprocess.run(
        [str(options.qemu), "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    figures = {
        "note": "function only: no time was taken under emulation",
        "emulator": version,
        "bundle": {"digest": manifest.digest, "scheme": manifest.backbone.scheme, "tasks": len(manifest.tasks), "made_with": manifest.versions},
        "emulated": emulated,
        "here": here,
        "texts": len(pairs),
        "other_task": sum(one[0] != other[0] for one, other in pairs),
        "other_label": sum(one[1] != other[1] for one, other in pairs),
        "other_unknown": sum(one[2] != other[2] for one, other in pairs),
        "largest_difference_of_probability": max(abs(one[3] - other[3]) for one, other in pairs),
        "largest_relative_difference_of_distance": max(abs(one[4] - other[4]) / max(1.0, abs(other[4])) for one, other in pairs),
    }  # fmt: skip
    record.write("emulated_arm64", figures, threads=1)


if __name__ == "__main__":
    main()
