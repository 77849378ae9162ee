"""What every benchmark writes beside its figures: machine, versions, threads, commit; and where
results and data are.

On a machine without the repository's history, and without the packages that make a backbone,
``CFEDGE_COMMIT`` names the commit and ``CFEDGE_BACKBONES`` a folder with an empty workspace by the
name of each backbone.

A soak (``make soak``) also writes a digest of every file that it covers, so that `changed` can say
whether its result still speaks of the code that is here: without git, and through a rebase.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from cfedge.device import probe
from cfedge.train.workspace.folder import WorkspaceFolder

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("CFEDGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
_PACKAGES = (
    "cfedge", "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "optimum", "onnx", "peft", "scikit-learn", "openvino", "ai-edge-litert", "nncf",
)  # fmt: skip
#: The long halves of the tests, by the name of their result, and the files that it speaks of. A
#: folder stands for the Python files in it.
SOAKS: dict[str, tuple[str, ...]] = {
    "crash": (
        "benchmarks/crash.py", "cfedge/bundle", "cfedge/catalogue", "cfedge/plain_files.py", "cfedge/storage.py",
        "cfedge/store", "cfedge/sync", "tests/channels.py", "tests/crashes.py", "tests/powercut.py",
    ),
    "fuzz": (
        "benchmarks/fuzz.py", "cfedge/bundle", "cfedge/lookup", "cfedge/doctor/sample.py",
        "tests/fuzz.py",
    ),
    "fleet": (
        "benchmarks/fleet.py", "cfedge/bundle", "cfedge/catalogue", "cfedge/lookup",
        "cfedge/publish", "cfedge/runtime", "cfedge/plain_files.py", "cfedge/storage.py", "cfedge/store", "cfedge/sync",
        "tests/channels.py", "tests/fleet.py", "tests/tiny.py",
    ),
    "soak": (
        "benchmarks/soak.py", "cfedge/bundle", "cfedge/catalogue", "cfedge/lookup",
        "cfedge/runtime", "cfedge/study", "cfedge/plain_files.py", "cfedge/storage.py", "cfedge/store", "cfedge/sync",
        "cfedge/demo", "cfedge/inputs", "cfedge/train", "docs/how-to/compare.md",
        "docs/how-to/export.md", "docs/how-to/scale-out.md", "docs/how-to/teach.md",
        "docs/notebooks", "docs/tutorial.md",
        "docs/tutorial-pictures.md", "tests/bundle/test_files.py", "tests/catalogue/test_view.py",
        "tests/runtime/test_many_threads.py", "tests/sync/test_client.py", "tests/test_demo.py", "tests/test_disk_full.py",
        "tests/test_how_to.py", "tests/test_notebooks.py", "tests/test_tutorial.py",
        "tests/train/jobs/test_cluster.py", "tests/train/measures/test_certificate.py",
        "tests/train/workspace/test_workspace.py",
    ),
}  # fmt: skip


def covered(name: str) -> dict[str, str]:
    """Return the first digits of the SHA-256 of every file that a soak speaks of, by path."""
    root = Path(__file__).parents[1]
    paths: list[Path] = []
    for place in SOAKS[name]:
        here = root / place
        found = sorted(here.rglob("*.py")) if here.is_dir() else [here]
        if not all(path.is_file() for path in found) or not found:
            raise FileNotFoundError(f"{here}: expected what {name}.json covers; edit SOAKS")
        paths += found
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in paths
    }


def changed(name: str) -> list[str]:
    """Return the files that are not what they were when a soak's result was written."""
    record = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    then, now = record.get("covers", {}), covered(name)
    return sorted(path for path in {*then, *now} if then.get(path) != now.get(path))


def write(name: str, figures: dict[str, object], *, threads: int) -> Path:
    """Write ``results/<name>.json`` and return its path."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    record = {
        "benchmark": name,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "commit": os.environ.get("CFEDGE_COMMIT") or _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(
            _git(
                "status",
                "--porcelain",
                "--",
                "cfedge",
                "export",
                "benchmarks/*.py",
                "constraints.txt",
            )
        ),
        "machine": dataclasses.asdict(probe()),
        "threads": threads,
        "versions": versions,
        **({"covers": covered(name)} if name in SOAKS else {}),
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written: {path}")
    return path


def backbone(place: Path, name: str, /, **options: Any) -> WorkspaceFolder:
    """Return a new workspace with a backbone: made, or copied from ``CFEDGE_BACKBONES``."""
    made = os.environ.get("CFEDGE_BACKBONES")
    if made and not any(options.values()):
        shutil.copytree(Path(made) / name, place)
        return WorkspaceFolder(place)
    from cfedge_export.make_backbone import make_backbone

    return make_backbone(place, name, **options)


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and n."""
    p50, p90, p99 = np.quantile(values, [0.5, 0.9, 0.99])
    return {"p50": float(p50), "p90": float(p90), "p99": float(p99), "n": len(values)}


def clinc150() -> tuple[dict[str, list[list[str]]], dict[str, list[str]]]:
    """CLINC150: splits of (text, label) rows, and its 10 domains of 15 labels."""
    root = DATA / "clinc150"
    data = json.loads((root / "data_full.json").read_text("utf-8"))
    return data, json.loads((root / "domains.json").read_text("utf-8"))


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    return done.stdout.strip()
