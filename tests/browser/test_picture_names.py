"""Pictures in the console as a person meets them, with file names that would like to be markup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import desks
import pytest
from chromium import Browser
from pictures import bomb, taught

pytestmark = pytest.mark.slow

#: What a file may be called: anything but a slash.
HOSTILE = '<img src=x onerror="document.title=1"><svg onload=alert(1)>"\'&{{7*7}}'


@pytest.fixture
def console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[desks.Opened, Path]]:
    monkeypatch.setenv("CFEDGE_KEEP_KEY", str(tmp_path / "keep.key"))
    root = shutil.copytree(taught(tmp_path_factory), tmp_path / "root")
    one = desks.start(root / "bundle", root / "ws", tmp_path / "kept")
    yield one, root / "data"
    one.stop()


def test_no_name_of_a_picture_file_becomes_markup(
    browser: Browser, console: tuple[desks.Opened, Path], tmp_path: Path, axe: str
) -> None:
    desk, pictures = console
    good = Path(shutil.copy(pictures / "low" / "n1" / "29.png", tmp_path / f"{HOSTILE}.png"))
    bad = tmp_path / f"{HOSTILE} bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + HOSTILE.encode())
    browser.open(desk.link)
    browser.wait("document.querySelector('#files')")
    browser.upload("#files", good)
    browser.wait("document.querySelector('.verdict')")
    assert "low / n1" in browser.text(".verdict").replace("\n", " ")
    assert browser.count(".tried img") == 1
    assert browser.script("return document.querySelector('.tried img').naturalWidth") > 0
    # One that cannot be read is named, as is a bomb, and those after it are answered all the same.
    (tmp_path / "bomb.png").write_bytes(bomb())
    browser.upload("#files", bad, tmp_path / "bomb.png", good)
    browser.wait("document.getElementById('trouble').textContent")
    faults = browser.text("#trouble").splitlines()
    assert HOSTILE[:40] in faults[0]
    assert "bomb.png" in faults[1]
    assert "pixels" in faults[1]
    browser.wait("document.querySelectorAll('.verdict').length === 2")
    assert desk.keeper is not None
    answer = {"kept": HOSTILE, "task": HOSTILE, "label": HOSTILE, "probability": 0.5}
    paths = sorted((pictures / "high").rglob("*.png"))[:4]
    desk.keeper.inputs.keep_several([(path.read_bytes(), answer) for path in paths])
    browser.script("location.hash = '#review'")
    browser.wait("document.querySelector('.group img')")
    shown = browser.script(
        "return [...document.images].map(i => [i.getAttribute('src').slice(0, 5), !!i.onerror])"
    )
    assert shown
    assert all(source in ("/api/", "blob:") and not armed for source, armed in shown)
    assert browser.count("main script, main svg[onload]") == 0
    assert browser.script("return document.title").endswith("cfedge console")
    assert browser.foreign_requests() == []
    assert browser.violations(axe) == []
