"""Make the pictures of the report and of the console that README and the documents show, from the
demo's texts: ``python docs/figures/make.py``. It needs chromium and chromedriver.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from chromium import Browser, missing, started  # noqa: E402

from cfedge import Engine, Workspace  # noqa: E402
from cfedge.demo import data_folder  # noqa: E402
from cfedge.kept.keeper import Keeper  # noqa: E402

_CLI = "from cfedge.cli import main; main()"
#: What stands in the right column of the report's picture: headings of parts, and how much of each.
_RIGHT = {"What counts as unknown": 660, "Where the classes lie": 640}
_COLUMN = 640


def texts(name: str, label: str | None = None) -> list[str]:
    """The texts of a file of the demo, or of one label of a task."""
    path = data_folder() / name
    with (path if path.suffix else path / "train.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if label in (None, row.get("label"))]


def report(browser: Browser, folder: Path) -> None:
    """All five tasks, the beginning of the page and two of its parts."""
    workspace = Workspace.create(folder / "all")
    for task in sorted(path.name for path in data_folder().iterdir() if path.is_dir()):
        workspace.add(task, data_folder() / task, method="closed-form")
    page = folder / "report.html"
    command = [sys.executable, "-c", _CLI, "report", str(folder / "all"), "--out", str(page)]
    subprocess.run(command, check=True)
    browser.window(_COLUMN, 900)
    browser.open(page)
    taken = folder / "report.png"
    browser.screenshot("report", path=taken)
    places = browser.script(
        "return [...document.querySelectorAll('section')].map(one => {"
        " const box = one.getBoundingClientRect();"
        " return [one.querySelector('h2')?.textContent, box.top + scrollY]})"
    )
    with Image.open(io.BytesIO(taken.read_bytes())) as whole:
        parts = [
            whole.crop((0, int(top), _COLUMN, int(top) + _RIGHT[heading]))
            for heading, top in places
            if heading in _RIGHT
        ]
        height = sum(part.height for part in parts)
        picture = Image.new("RGB", (2 * _COLUMN, height), "white")
        picture.paste(whole.crop((0, 0, _COLUMN, height)), (0, 0))
        below = 0
        for part in parts:
            picture.paste(part, (_COLUMN, below))
            below += part.height
    save(picture, "report")


def console(browser: Browser, folder: Path) -> None:
    """Review, with two groups that have labels and one that is being looked at."""
    workspace = Workspace.create(folder / "ws")
    for task in ("access", "lighting", "rooms"):
        workspace.add(task, data_folder() / task, method="closed-form")
    workspace.export(folder / "bundle")
    asked = [
        text
        for label in ("report_elevator", "report_pests")
        for text in texts("maintenance", label)
    ]
    asked += texts("out_of_scope.csv")
    engine = Engine.open(folder / "bundle")
    keeper = Keeper.open(folder / "kept", engine, print, None)
    for text in asked:
        keeper.see(engine, [text], engine.predict([text]))
    keeper.inputs.close()
    command = [sys.executable, "-c", _CLI, "console", str(folder / "bundle"), str(folder / "ws")]
    command += ["--keep", str(folder / "kept"), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            browser.window(1100, 900)
            browser.open(f"{told['url']}/#{told['key']}")
            browser.wait("document.querySelector('#input')", seconds=60)
            browser.press("Alt+2")
            browser.wait("document.querySelector('.group')", seconds=60)
            for _ in range(2):
                waiting = browser.text("#waiting")
                browser.press("n")
                browser.wait("document.querySelector('dialog[open] #new-label')")
                browser.press("Enter")
                browser.wait(
                    f"document.getElementById('waiting').textContent !== {json.dumps(waiting)}"
                )
            browser.press("ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown")
            browser.script("document.getElementById('status').hidden = true")
            taken = folder / "console.png"
            browser.screenshot("console", whole=False, path=taken)
        finally:
            process.terminate()
    with Image.open(taken) as picture:
        save(picture.convert("RGB"), "console")


def save(picture: Image.Image, name: str) -> None:
    """With few colours: it is small, and looks the same."""
    picture.quantize(128).save(HERE / f"{name}.png", optimize=True)


def main() -> None:
    """Make both pictures anew."""
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started(folder / "browser") as browser:
            browser.reset()
            report(browser, folder)
            console(browser, folder)


if __name__ == "__main__":
    main()
