"""The console over pictures: tried, kept, shown, and a bomb among them. With the real encoder."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import desks
import pytest
from pictures import bomb, taught

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[desks.Opened, Path]]:
    root = tmp_path_factory.mktemp("pictures") / "root"
    shutil.copytree(taught(tmp_path_factory), root)
    one = desks.start(root / "bundle", root / "ws", root / "kept")
    yield one, root / "data"
    one.stop()


def test_pictures_are_answered_kept_grouped_and_shown(
    console: tuple[desks.Opened, Path],
) -> None:
    desk, pictures = console
    state = desk.good("/api/state")
    assert (state["kind"], state["media"]) == ("image", "image/")
    assert (state["written"], state["example"]) == (False, "BASE64")  # asked in JSON, or as a file
    data = (pictures / "low" / "n1" / "29.png").read_bytes()
    found = desk.ask("/api/try", data, headers={"content-type": "image/png"})
    assert found.body["answers"][0]["label"] == "n1"
    assert found.body["map"].startswith("<svg")
    same = desk.good("/api/try", {"image": base64.b64encode(data).decode()})
    assert same["answers"][0]["label"] == "n1"
    assert desk.keeper is not None
    paths = sorted((pictures / "high").rglob("*.png"))[:12]
    desk.keeper.inputs.keep_several(
        [(path.read_bytes(), {"kept": "unknown", "task": "low"}) for path in paths]
    )
    review = desk.good("/api/review")
    numbers = [one for group in review["groups"] for one in group["numbers"]]
    assert len(numbers) >= 12
    assert review["groups"][0]["inputs"][0]["picture"]
    assert review["groups"][0]["suggested"] == ""
    shown = desk.ask(f"/api/kept/{numbers[0]}/picture")
    assert shown.headers["content-type"] == "image/png"
    assert shown.body.startswith(b"\x89PNG")
    assert desk.ask("/api/kept/999999/picture").status == 404


def test_a_bomb_and_what_is_no_picture_are_refused(console: tuple[desks.Opened, Path]) -> None:
    desk, _ = console
    for data in (bomb(), b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"\0" * 99):
        answer = desk.ask("/api/try", data, headers={"content-type": "image/png"})
        assert answer.status == 422, answer.body
        assert "\n" not in answer.body["error"]
    assert (
        desk.ask("/api/try", b"x" * (17 << 20), headers={"content-type": "image/png"}).status == 413
    )
