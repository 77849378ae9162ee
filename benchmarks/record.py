"""What every benchmark writes beside its figures: machine, versions, threads, commit; and where
results and data are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from cfedge.device import probe

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("CFEDGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
_PACKAGES = (
    "cfedge", "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "optimum", "onnx", "peft", "scikit-learn", "openvino", "nncf",
)  # fmt: skip


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
        "commit": _git("rev-parse", "HEAD"),
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
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written: {path}")
    return path


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
