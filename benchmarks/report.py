"""The report of CLINC150's ten tasks: how long it takes, how large it is, how soon it is seen, and
whether anything in it keeps somebody out: in light and dark, on a wide screen, a narrow one and paper.

    python benchmarks/report.py                    # learns the ten tasks first: some minutes
    python benchmarks/report.py --workspace WS     # half a minute
    python benchmarks/report.py --workspace WS --barriers   # looks for barriers alone, which any
                                                            # machine does alike; times stay

Heads are closed forms. ``val`` is held out; unknown inputs are CLINC150's ``oos_val``, against those
that the report makes by holding tasks back. First paint and barriers need Chromium, and axe-core
(``make axe``); without them their figures are left out, and the result says why.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import record

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from axe import VERSION, axe_source  # noqa: E402
from chromium import Browser, missing, started  # noqa: E402

from cfedge.report import read_old  # noqa: E402
from cfedge.report.of_workspace import of_workspace  # noqa: E402
from cfedge.train.examples.examples import Examples  # noqa: E402
from cfedge.train.settings import Settings  # noqa: E402
from cfedge.train.teach import learn  # noqa: E402

RUNS, LOADS = 3, 10
#: Media and widths in which barriers are looked for.
SHOWN = (("screen", 1200), ("screen", 400), ("print", 700))


def learned(folder: Path) -> Path:
    """Learn the ten tasks with closed-form heads."""
    data, domains = record.clinc150()
    workspace = record.backbone(folder, "minilm-l6")
    for task, labels in domains.items():
        parts = [
            Examples(*zip(*[row for row in data[split] if row[1] in labels], strict=True), split)
            for split in ("train", "val")
        ]
        learn(workspace, task, *parts, settings=Settings(method="closed-form", threads=1))
        print(task, flush=True)
    return folder


def written(workspace: Path, out: Path) -> None:
    """Run the command."""
    code = "from cfedge.cli import main; main()"
    command = [sys.executable, "-c", code, "report", str(workspace), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)


def made(workspace: Path, out: Path) -> dict[str, Any]:
    """Time the command, start of the process and all."""
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        written(workspace, out)
        seconds.append(time.perf_counter() - begin)
    report = read_old(out)
    faith = report.clusters.faithfulness
    return {
        "seconds": {"median": statistics.median(seconds), "all": seconds},
        "bytes": out.stat().st_size,
        "tasks": len(report.tasks),
        "map": {
            "method": report.clusters.method,
            "kept_neighbours": faith and faith.kept_neighbours,
            "nearest_task": faith and faith.nearest_task,
            "rank_correlation": faith and faith.rank_correlation,
        },
    }


def unknown(workspace: Path) -> dict[str, Any]:
    """How unknown inputs that are held back compare with CLINC150's own."""
    data, _ = record.clinc150()
    found = {}
    for name, inputs in (("held back", ()), ("oos_val", [text for text, _ in data["oos_val"]])):
        curve = of_workspace(workspace, unknown=inputs).thresholds
        assert curve is not None
        at = curve.rates.index(0.05)
        found[name] = {"inputs": curve.unknown, "auroc": curve.auroc, "caught": curve.caught[at], "rejected": curve.rejected[at]}  # fmt: skip
    return found


def barriers(browser: Browser, out: Path, axe: str) -> dict[str, Any]:
    """Look for barriers of every impact, all parts open, and for what is wider than its screen."""
    every = ("minor", "moderate", "serious", "critical")
    found: dict[str, Any] = {}
    for medium, width in SHOWN:
        for scheme in ("light", "dark"):
            media = [{"name": "prefers-color-scheme", "value": scheme}]
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            browser.devtools("Emulation.setDeviceMetricsOverride", size)
            browser.devtools("Emulation.setEmulatedMedia", {"media": medium, "features": media})
            browser.open(out)
            browser.script("document.querySelectorAll('details').forEach(one => one.open = true)")
            browser.click("[data-cell]")
            beyond = "return document.documentElement.scrollWidth - innerWidth"
            found[f"{medium}, {width} px, {scheme}"] = {
                "violations": browser.violations(axe, impacts=every),
                "wider_px": max(0, int(browser.script(beyond))),
            }
    browser.devtools("Emulation.clearDeviceMetricsOverride")
    return found


def seen(out: Path) -> dict[str, Any]:
    """Load the page again and again, and look for barriers."""
    if why := missing():
        return {"left_out": why}
    axe = axe_source()
    with tempfile.TemporaryDirectory() as profile, started(Path(profile)) as browser:
        paints = []
        for _ in range(LOADS):
            browser.reset()
            browser.open(out)
            script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            paints.append(float(browser.wait(script)))
        asked, told = browser.foreign_requests(), browser.complaints()
        found = barriers(browser, out, axe) if axe else "left out: axe-core is not here (make axe)"
    return {
        "first_paint_ms": {"median": statistics.median(paints), "largest": max(paints), "all": paints},
        "foreign_requests": asked,
        "complaints": told,
        "barriers": found,
    }  # fmt: skip


def wheel() -> dict[str, int]:
    """Bytes in the wheel, compressed, of the rooms that came with the report and the console."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (path,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(path) as archive:
            sizes = {one.filename: one.compress_size for one in archive.infolist()}
        whole = path.stat().st_size
    rooms = ("cfedge/charts/", "cfedge/report/", "cfedge/console/", "cfedge/kept/")
    found = {room: sum(size for name, size in sizes.items() if name.startswith(room)) for room in rooms}  # fmt: skip
    return {**found, "added": sum(found.values()), "wheel": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="A workspace of the ten tasks.")
    parser.add_argument("--barriers", action="store_true", help="Renew what is said of barriers.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = given.workspace or learned(Path(scratch) / "ws")
        out = Path(scratch) / "report.html"
        if given.barriers:
            renewed(workspace, out)
            return
        figures = {**made(workspace, out), "unknown": unknown(workspace), **seen(out), "wheel_bytes": wheel()}  # fmt: skip
    print(json.dumps(figures, indent=1))
    record.write("report", figures, threads=1)


def renewed(workspace: Path, out: Path) -> None:
    """Put what keeps somebody out now in the place of what did, and nothing else."""
    if (why := missing()) or not (axe := axe_source()):
        sys.exit(why or "axe-core is not here (make axe)")
    written(workspace, out)
    with tempfile.TemporaryDirectory() as profile, started(Path(profile)) as browser:
        browser.reset()
        found = barriers(browser, out, axe)
    path = record.RESULTS / "report.json"
    kept = json.loads(path.read_text("utf-8"))
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    kept["barriers"] = {"date": day, "axe": VERSION, **found}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(kept["barriers"], indent=1))


if __name__ == "__main__":
    main()
