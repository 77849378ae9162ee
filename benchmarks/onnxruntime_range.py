"""Answer bundles' golden vectors with releases of ONNX Runtime, oldest to newest: python
benchmarks/onnxruntime_range.py BUNDLE...

Each release is installed into a folder of its own (no dependencies: all else stays the same) that
shadows the installed one; `cfedge doctor BUNDLE --json` says how it went.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import record

RELEASES = (
    "1.18.1", "1.19.2", "1.20.0", "1.20.1", "1.21.0", "1.22.1", "1.23.2", "1.24.4", "1.26.0", "1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.1", "1.32.0",
)  # fmt: skip
_DOCTOR = "from cfedge.cli import main; main()"


def main() -> None:
    bundles = [Path(name) for name in sys.argv[1:]]
    rows = []
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as folder:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
            ]
            subprocess.run([*pip, "--target", folder, f"onnxruntime=={release}"], check=True)
            for number, bundle in enumerate(bundles):
                done = subprocess.run(
                    [sys.executable, "-c", _DOCTOR, "doctor", str(bundle), "--json"],
                    capture_output=True,
                    text=True,
                    check=False,
                    env={**os.environ, "PYTHONPATH": folder},
                )
                trial = json.loads(done.stdout)["trial"]
                fields = (
                    "onnxruntime",
                    "done",
                    "stopped",
                    "how",
                    "exact_8_bit",
                    "exact_7_bit",
                    "tasks",
                    "cosine",
                    "peak_bytes",
                    "exported_with",
                )
                rows.append(
                    {
                        "release": release,
                        "bundle": number,
                        **{field: trial[field] for field in fields},
                    }
                )
                cosine = f"{trial['cosine']:.4f}" if trial["cosine"] else "-"
                print(
                    f"{release:8} bundle {number}: {', '.join(trial['done'])};"
                    f" {trial['how'] or 'fit'}; cosine {cosine}"
                )
    digests = [
        hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest() for bundle in bundles
    ]
    record.write("onnxruntime_range", {"bundles": digests, "rows": rows}, threads=1)


if __name__ == "__main__":
    main()
