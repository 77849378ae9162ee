"""What every door does alike: the same rows, whatever they are written in; what was assumed is
told; whatever the bytes, one clean line.
"""

from __future__ import annotations

import random
from pathlib import Path

from every import cases, every
from made_files import FILES, ROWS, TOLD

from cfedge.doors import DOORS, suffixes
from cfedge.errors import DataError
from cfedge.train.examples.data import load_file


@cases("name", FILES)
def test_a_file_that_people_have_is_read(tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    found = load_file(tmp_path / name)
    assert sorted(zip(found.inputs, found.labels, strict=True)) == sorted(ROWS)
    assert bool(found.notes) == (name in TOLD), found.notes
    assert TOLD.get(name, "") in " ".join(found.notes)


def test_every_door_is_tried_and_every_suffix_is_of_one() -> None:
    tried = {Path(name).suffix.lower() for name in FILES}
    untried = [name for name, door in DOORS.items() if not tried & {*door.suffixes}]
    assert untried == ["spaCy"]  # test_spacy.py, where spaCy is installed
    assert len(suffixes()) == len(set(suffixes()))


@cases("name", FILES)
def test_whatever_the_bytes_a_file_is_read_or_refused_in_one_line(
    tmp_path: Path, name: str
) -> None:
    FILES[name](tmp_path / name)
    good = (tmp_path / name).read_bytes()
    path = tmp_path / f"x{''.join(Path(name).suffixes)}"
    rng = random.Random(name)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        message = ""
        try:
            load_file(path)
        except DataError as error:
            message = str(error)
        assert not message or message.startswith((str(path), f"could not read {path}"))
        assert not message or "; " in message
        assert "\n" not in message

    changed = [good[:cut] for cut in (0, 1, 2, 7, len(good) // 2, len(good) - 1)]
    for _ in range(25):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 3))):
            at = rng.randrange(len(data))
            data[at : at + rng.choice((0, 1, 1, 9))] = rng.randbytes(rng.choice((0, 1, 1, 5)))
        changed.append(bytes(data))
    every(((str(number), data) for number, data in enumerate(changed)), check)
