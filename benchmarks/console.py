"""The console as a scripted person uses it, in a headless Chromium: from a queue of 200 unknown texts
to an active new task of three classes, in closed form and with an adapter; what an answer costs
while it teaches; and what the page weighs.

CLINC150: tasks of some of its domains are taught first (closed form); the queue holds texts of three
intents of another domain, and texts of no domain. The person reads the largest group, gives it the
label of its commonest words with N and Enter, or the number of a label that is there, until groups
are small; names the task, and switches it on. Pauses of a real person's reading are not in it: the
seconds are the machine's, the key presses everybody's.

``python benchmarks/console.py`` (some 10 minutes on two cores with nine tasks; ``--tasks 3`` is
quicker) writes results/console.json. It needs chromium, chromedriver and CFEDGE_DATA; axe-core where
``python tests/browser/axe.py`` fetched it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import record
from axe import axe_source
from chromium import Browser, missing, started

from cfedge import Engine
from cfedge.kept.keeper import Keeper
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.pack import export

ROOT = Path(__file__).parents[1]
NEW_DOMAIN, INTENTS = "travel", ("flight_status", "translate", "plug_type")
_CLI = "from cfedge.cli import main; main()"
#: A group of fewer texts is left waiting.
_SMALL = 5


def taught(folder: Path, tasks: int) -> None:
    """Make a workspace with some of CLINC150's domains, and its bundle."""
    data, domains = record.clinc150()
    workspace = record.backbone(folder / "ws", "minilm-l6")
    for name in [one for one in domains if one != NEW_DOMAIN][:tasks]:
        labels = set(domains[name])
        train, held_out = (
            Examples(*zip(*[row for row in data[split] if row[1] in labels], strict=True), split)
            for split in ("train", "val")
        )
        learn(workspace, name, train, held_out, settings=Settings(method="closed-form", threads=1))
    export(WorkspaceFolder(folder / "ws"), folder / "bundle")


def filled(folder: Path, bundle: Path) -> dict[str, str]:
    """Keep 200 texts that the bundle does not know; return the intent of each."""
    data, _ = record.clinc150()
    texts = {text: label for text, label in data["train"] if label in INTENTS}
    outside = {text: "none" for text, _ in data["oos_train"][:40]}
    rows = [*texts.items(), *outside.items()]
    order = np.random.default_rng(0).permutation(len(rows))
    engine, kept = Engine.open(bundle), {}
    keeper = Keeper.open(folder, engine, print, None)
    for at in order.tolist():
        text, label = rows[at]
        before = keeper.inputs.counts()["waiting"]
        keeper.see(engine, [text], engine.predict([text]))
        if keeper.inputs.counts()["waiting"] > before:
            kept[text] = label
        if len(kept) == 200:
            break
    keeper.inputs.close()
    return kept


def _known(bundle: Path) -> list[str]:
    """Some texts that the bundle knows and answers clearly: they are not kept."""
    engine = Engine.open(bundle)
    labels = {label for task in engine.manifest.tasks for label in task.classes}
    texts = [text for text, label in record.clinc150()[0]["train"] if label in labels][::37]
    answers = engine.predict(texts)
    return [
        text
        for text, one in zip(texts, answers, strict=True)
        if not one.unknown and one.stages < 3 and one.probability > 0.9
    ]


class Person:
    """Presses keys, and counts them."""

    def __init__(self, browser: Browser, intents: dict[str, str]) -> None:
        self.browser, self.intents, self.presses = browser, intents, 0

    def press(self, *keys: str) -> None:
        self.presses += sum(len(key.split("+")) if len(key) > 1 else 1 for key in keys)
        self.browser.press(*keys)

    def review(self) -> int:
        """Label the groups that are large enough; return how many decisions that took."""
        browser, slots, decisions = self.browser, dict[str, int](), 0
        self.press("Alt+2")
        browser.wait("document.querySelector('.group')", seconds=60)
        while browser.count('[data-group="0"]'):
            size = int(browser.text('[data-group="0"] .count').split()[0])
            if size < _SMALL:
                break
            seen = browser.texts('[data-group="0"] li .words')
            intent = Counter(self.intents.get(text, "none") for text in seen).most_common(1)[0][0]
            waiting = browser.text("#waiting")
            if intent == "none":
                self.press("0")
            elif intent in slots:
                self.press(str(slots[intent]))
            else:
                self.press("n")
                browser.wait("document.querySelector('dialog[open] #new-label')")
                self.press("Enter")
                slots[intent] = len(slots) + 1
            browser.wait(
                f"document.getElementById('waiting').textContent !== {json.dumps(waiting)}"
            )
            decisions += 1
        return decisions

    def teach(self, method: str) -> None:
        """Teach what has labels, and wait until it is ready."""
        self.press("t")
        self.browser.wait("document.activeElement.id === 'task'")
        self.press(*"trip")
        if method == "adapter":
            self.browser.click("input[value=adapter]")
        self.press("Enter")
        self.browser.wait("document.querySelector('[data-state=working]')")
        ready = "document.querySelector('[data-state=ready],[data-state=failed]')"
        self.browser.wait(ready, seconds=900)
        assert self.browser.count("[data-state=ready]"), self.browser.text("#jobs")

    def switch_on(self) -> None:
        self.browser.click("[data-state=ready] .row button")
        self.browser.wait("document.querySelector('[data-state=answers]')", seconds=60)
        self.browser.wait("document.getElementById('answers').title.length")


class Asker(threading.Thread):
    """Asks the console one text after another, and notes how long each answer took."""

    def __init__(self, url: str, key: str, texts: list[str]) -> None:
        super().__init__(daemon=True)
        self.times_ms: list[float] = []
        self._texts, self._over = texts, threading.Event()
        self._host = url.removeprefix("http://")
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request("POST", "/api/login", key.encode())
        answer = connection.getresponse()
        self._headers = {
            "cookie": (answer.getheader("set-cookie") or "").partition(";")[0],
            "x-cfedge-csrf": json.loads(answer.read())["word"],
            "content-type": "application/json",
        }
        self._connection = connection

    def run(self) -> None:
        row = 0
        while not self._over.wait(0.05):
            body = json.dumps({"inputs": [self._texts[row % len(self._texts)]]})
            start = time.perf_counter()
            self._connection.request("POST", "/api/try", body.encode(), self._headers)
            answer = self._connection.getresponse()
            answer.read()
            assert answer.status == 200
            self.times_ms.append(1e3 * (time.perf_counter() - start))
            row += 1

    def ended(self) -> dict[str, float]:
        self._over.set()
        self.join()
        return record.quantiles(self.times_ms)


def run(
    folder: Path, workspace: Path, bundle: Path, method: str, axe: str | None
) -> dict[str, Any]:
    """One person, one method: figures of it."""
    intents = filled(folder / f"kept-{method}", bundle)
    known = _known(bundle)
    command = [sys.executable, "-c", _CLI, "console", str(bundle), str(workspace)]
    command += ["--keep", str(folder / f"kept-{method}"), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            idle = Asker(told["url"], told["key"], known)
            idle.start()
            time.sleep(15)
            idle_ms = idle.ended()
            with started(folder / f"browser-{method}") as browser:
                browser.reset()
                found = _told(browser, told, intents, known, method, axe)
        finally:
            process.terminate()
    while_ms = found.pop("while_ms")
    return {**found, "queue": len(intents), "idle_ms": idle_ms, "while_teaching_ms": while_ms,
            "ratio": while_ms["p50"] / idle_ms["p50"]}  # fmt: skip


def _told(
    browser: Browser,
    told: dict[str, Any],
    intents: dict[str, str],
    known: list[str],
    method: str,
    axe: str | None,
) -> dict[str, Any]:
    person = Person(browser, intents)
    browser.open(f"{told['url']}/#{told['key']}")
    browser.wait("document.querySelector('#input')", seconds=60)
    start = time.perf_counter()
    decisions = person.review()
    reviewed = time.perf_counter()
    asker = Asker(told["url"], told["key"], known)
    asker.start()
    person.teach(method)
    while_ms = asker.ended()
    ready = time.perf_counter()
    shown = browser.text(".compare")
    violations = [] if axe is None else browser.violations(axe)
    person.switch_on()
    seconds = time.perf_counter() - start
    for view in () if axe is None else ("try", "review", "tasks", "watch"):
        browser.script("location.hash = arguments[0]", f"#{view}")
        time.sleep(3)
        violations += browser.violations(axe)
    return {
        "seconds": seconds, "review_s": reviewed - start, "teach_s": ready - reviewed, "key_presses": person.presses,
        "decisions": decisions, "before_after": shown.splitlines(), "while_ms": while_ms,
        "axe_serious": None if axe is None else len(violations), "foreign_requests": len(browser.foreign_requests()),
        "complaints": len(browser.complaints()),
    }  # fmt: skip


def wheel_bytes() -> dict[str, int]:
    """What each new room adds to a wheel, compressed as a wheel is."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for room in ("charts", "console", "kept", "report"):
            path = Path(folder) / f"{room}.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for one in sorted((ROOT / "cfedge" / room).rglob("*")):
                    if one.is_file() and "__pycache__" not in one.parts:
                        archive.write(one, one.relative_to(ROOT))
            found[room] = path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=9)
    parser.add_argument("--methods", default="closed-form,adapter")
    parser.add_argument("--name", default="console")
    parser.add_argument(
        "--at", type=Path, help="Folder for workspace and bundle; used again if there."
    )
    given = parser.parse_args()
    if why := missing():
        sys.exit(why)
    figures: dict[str, Any] = {"tasks": given.tasks, "wheel_bytes": wheel_bytes()}
    axe = axe_source()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["CFEDGE_KEEP_KEY"] = str(folder / "keep.key")
        made = given.at or folder
        workspace, bundle = made / "ws", made / "bundle"
        if not bundle.exists():
            made.mkdir(exist_ok=True)
            taught(made, given.tasks)
        for method in given.methods.split(","):
            copies = folder / method
            copies.mkdir()
            for source in (workspace, bundle):
                subprocess.run(["cp", "-r", str(source), str(copies)], check=True)
            figures[method] = run(folder, copies / "ws", copies / "bundle", method, axe)
            print(json.dumps({method: figures[method]}, indent=1))
    print(record.write(given.name, figures, threads=1))


if __name__ == "__main__":
    main()
