"""What a device downloads for ``cfedge[text]``, in wheels, and what ``import cfedge`` brings into
the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import record

_IMPORTS = """
import json, sys, cfedge
heavy = ["torch", "transformers", "sklearn", "scipy", "onnx", "optimum", "datasets", "tokenizers"]
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def main() -> None:
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, str(root)], check=True
        )
        wheel = next(Path(scratch).glob("cfedge-*.whl"))
        subprocess.run(
            [
                *pip,
                "download",
                "--quiet",
                "--only-binary",
                ":all:",
                "--constraint",
                str(root / "constraints.txt"),
                "--dest",
                scratch,
                f"{wheel}[text]",
            ],
            check=True,
        )
        sizes = {path.name: path.stat().st_size for path in sorted(Path(scratch).glob("*.whl"))}
    imported = json.loads(
        subprocess.run(
            [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
        ).stdout
    )
    total = sum(sizes.values())
    for name, value in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{value / 1e6:8.2f} MB  {name}")
    print(
        f"{total / 1e6:8.2f} MB  in all; import cfedge brings {imported or 'none'} of the heavy"
        " packages"
    )
    record.write(
        "device_install",
        {"wheel_bytes": sizes, "total_bytes": total, "heavy_imports": imported},
        threads=1,
    )


if __name__ == "__main__":
    main()
