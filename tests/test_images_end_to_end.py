"""Pictures from folders to answers: taught, exported, answered from files, frames, a command line and
a server. With the real backbone, since a random one sees nothing in a picture.
"""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from command_line import run
from pictures import taught
from served import start

from cfedge import Engine
from cfedge.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The pictures and a bundle that learned from them."""
    root = taught(tmp_path_factory)
    return root / "data", root / "bundle"


def test_files_bytes_frames_and_opened_pictures_are_answered_alike(made: tuple[Path, Path]) -> None:
    pictures, bundle = made
    engine = Engine.open(bundle)
    paths = [pictures / "low" / "n1" / "29.png", pictures / "high" / "n8" / "28.png"]
    answers = engine.predict(paths)
    assert [(one.task, one.label) for one in answers] == [("low", "n1"), ("high", "n8")]
    opened = [PIL.Image.open(path) for path in paths]
    frames = np.stack([np.asarray(one.convert("RGB")) for one in opened])
    for others in ([path.read_bytes() for path in paths], opened, frames, map(str, paths)):
        assert [
            one._replace(ms=0) if hasattr(one, "_replace") else one.label
            for one in engine.predict(others)
        ] == [one._replace(ms=0) if hasattr(one, "_replace") else one.label for one in answers]
    (unknown,) = engine.predict(np.zeros((48, 64, 3), np.uint8))
    assert unknown.unknown
    with pytest.raises(InputError, match="input 1: expected a frame uint8"):
        engine.predict([frames[0], frames[0].astype(np.float32)])


def test_a_camera_loop_keeps_its_label_until_the_frames_say_otherwise(
    made: tuple[Path, Path],
) -> None:
    """Ones before the camera, one frame of a two among them, then twos; the light varies."""
    from cfedge import Session

    pictures, bundle = made
    engine, rng = Engine.open(bundle), np.random.default_rng(0)

    def frame(task: str, label: str, number: int) -> np.ndarray:
        one = PIL.Image.open(pictures / task / label / f"{number:02}.png").convert("RGB")
        lit = np.asarray(one).astype(np.int64) + int(rng.integers(-3, 4))
        return np.clip(lit, 0, 255).astype(np.uint8)

    ones, twos = ([("low", label, row) for row in range(7)] for label in ("n1", "n2"))
    shown = [*ones, ("low", "n2", 9), *ones, *twos]
    frames = [frame(*one) for one in shown]
    alone = [one.label for one in engine.predict(frames)]
    session = Session(engine, label_switch=0.05)
    answers = [session.predict(one) for one in frames]
    steady = [one.label for one in answers if not one.unknown]
    assert alone[len(ones)] == "n2"  # the frame that does not belong there
    changes = sum(one != two for one, two in itertools.pairwise(steady))
    assert (steady[0], steady[-1], changes) == ("n1", "n2", 1)
    assert sum(one.unknown for one in answers) <= 3


def test_a_task_keeps_to_its_size_and_carries_four_pictures(made: tuple[Path, Path]) -> None:
    manifest = Engine.open(made[1]).manifest
    assert manifest.backbone.input.kind == "image"
    for task in manifest.tasks:
        assert task.adapter.size + task.signature.size + task.golden.size < 150_000
        assert task.golden.size < 40_000


def test_the_command_line_answers_files_folders_and_lines(made: tuple[Path, Path]) -> None:
    pictures, bundle = made
    folder = pictures / "low" / "n1"
    command = ["predict", bundle, "--json"]
    done = run(*command, folder)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 30
    assert sum(one["label"] == "n1" for one in answers) >= 27
    lines = f"{folder / '00.png'}\n{json.dumps({'image': {'path': str(folder / '01.png')}})}\nnone.png\n"
    done = run(*command, content=lines.encode())
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 10
    assert [row.get("label") for row in rows] == ["n1", "n1", None]
    assert "line 3: expected a picture at" in rows[2]["error"]


def test_the_server_answers_pictures_as_bodies_and_in_json(made: tuple[Path, Path]) -> None:
    import base64

    from clients import ask

    pictures, bundle = made
    data = (pictures / "high" / "n8" / "28.png").read_bytes()
    served = start(bundle, body_bytes=16 << 20)
    try:
        body = ask(served.url, data, headers={"content-type": "image/png"})
        assert (body.status, body.body["label"]) == (200, "n8")
        coded = base64.b64encode(data).decode()
        asked = ask(served.url, {"inputs": [coded, coded]})
        assert [one["label"] for one in asked.body["answers"]] == ["n8", "n8"]
        form = b'--b\r\ncontent-disposition: form-data; name="image"\r\n\r\n' + data + b"\r\n--b--"
        sent = ask(served.url, form, headers={"content-type": "multipart/form-data; boundary=b"})
        assert (sent.status, sent.body["label"]) == (200, "n8")
        path = {"image": {"path": str(pictures / "high" / "n8" / "28.png")}}
        assert ask(served.url, path).status == 400
        html = ask(served.url, b"<html>", headers={"content-type": "image/png"})
        assert (html.status, "an HTML page" in html.body["error"]) == (422, True)
        assert ask(served.url, data, headers={"content-type": "text/plain"}).status == 415
    finally:
        served.stop()


def test_a_changed_decoder_is_told_from_changed_arithmetic(made: tuple[Path, Path]) -> None:
    from dataclasses import replace

    from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
    from cfedge.bundle.files import Bundle, read, reference
    from cfedge.errors import IncompatibleError
    from cfedge.runtime.golden import check_golden

    bundle = read(made[1])
    task = bundle.manifest.tasks[0]
    arrays, note = load_arrays(bundle[task.golden], "golden"), load_note(bundle[task.golden])
    notes = note["inputs"]
    assert isinstance(notes, list)
    note["inputs"] = [one | {"pixels": "0" * 64} for one in notes]
    arrays["embeddings"] = -arrays["embeddings"]
    data = dump_arrays(arrays, note)
    tasks = (replace(task, golden=reference(data)), *bundle.manifest.tasks[1:])
    other = Bundle(
        replace(bundle.manifest, tasks=tasks), {**bundle.objects, reference(data).sha256: data}
    )
    with pytest.raises(IncompatibleError, match="picture 0 decodes to other pixels here"):
        check_golden(Engine(other), other)


def test_a_picture_that_was_damaged_on_its_way_is_named(made: tuple[Path, Path]) -> None:
    pictures, bundle = made
    with PIL.Image.open(pictures / "low" / "n1" / "00.png") as picture:
        buffer = io.BytesIO()
        picture.convert("RGB").resize((640, 480)).save(buffer, "JPEG")
    with pytest.raises(InputError, match="input 0: expected a whole picture"):
        Engine.open(bundle).predict([buffer.getvalue()[:5000]])


def test_a_command_names_the_picture_that_it_could_not_answer(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = (made[0] / "low" / "n1" / "00.png").read_bytes()
    for name, data in (("a.png", whole), ("b.png", whole[:60]), ("c.png", whole)):
        (tmp_path / name).write_bytes(data)
    for words, given, where in (
        ([tmp_path], "", "input 1"),
        ([], f"{tmp_path}/a.png\n{tmp_path}/b.png\n{tmp_path}/c.png\n", "line 2"),
    ):
        done = run("predict", made[1], *words, content=given.encode())
        assert done.returncode == 10
        assert len(done.stdout.splitlines()) == 2
        assert done.stderr.decode().startswith(f"cfedge: {where} ('{tmp_path}/b.png'): expected a ")


def test_one_repository_keeps_a_device_in_texts_and_pictures(
    made: tuple[Path, Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    keys, repo, root = tmp_path / "keys", tmp_path / "repo", tmp_path / "repo/metadata/1.root.json"
    assert run("keys", "init", keys, "--site", "here").returncode == 0
    channels = {"texts": (tiny_bundle, "red"), "pictures": (made[1], made[0] / "low/n1/00.png")}
    for channel, (bundle, _) in channels.items():
        assert run("publish", bundle, repo, "--channel", channel, "--keys", keys).returncode == 0
    done = run("publish", tiny_bundle, repo, "--channel", "pictures", "--keys", keys)
    assert done.returncode
    assert b"inputs" in done.stderr
    for channel, (bundle, word) in channels.items():
        store = tmp_path / "store" / channel
        made_of = ("--from", repo, "--root", root)
        assert run("sync", store, *made_of, "--channel", channel).returncode == 0
        here, there = (run("predict", place, "--json", word) for place in (store, bundle))
        one, two = (json.loads(done.stdout) for done in (here, there))
        assert (one["task"], one["label"], one["score"]) == (
            two["task"],
            two["label"],
            two["score"],
        )
        other = next(name for name in channels if name != channel)
        assert b"use another folder" in run("sync", store, *made_of, "--channel", other).stderr
