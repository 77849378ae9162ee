"""Pictures in one folder a label, in a ZIP file, and in tables of paths."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import PIL.Image
import pyarrow
import pytest
import torch
from every import cases
from pyarrow import parquet

from cfedge.errors import DataError
from cfedge.train.examples.arrays import from_arrays
from cfedge.train.examples.data import load
from cfedge.train.examples.data_check import check
from cfedge.train.examples.examples import repeated, split_held_out
from cfedge.train.examples.task_files import load_tasks


def picture(seed: int, form: str = "PNG", side: int = 24) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def tree(folder: Path, *names: str) -> Path:
    """A folder of pictures of these names, each another one."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))
    return folder


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))
    return target


NAMES = ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.JPG")


def test_a_folder_a_label_is_read_by_label(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES, "dog/.hidden.png")
    (folder / "notes.txt").write_text("none")
    data = load(folder, kind="image")
    assert data.train.labels == ("cat", "cat", "dog", "dog")
    assert [path.name for path in data.train.inputs] == ["1.png", "2.png", "1.png", "2.JPG"]
    assert (data.held_out, data.test) == (None, None)
    assert data.train.kind == "image"


def test_folders_of_splits_are_the_splits(tmp_path: Path) -> None:
    names = [f"{split}/{name}" for split in ("train", "val", "test") for name in NAMES]
    data = load(tree(tmp_path / "pets", *names), kind="image")
    assert data.held_out is not None
    assert data.test is not None
    assert len(data.train) == len(data.held_out) == len(data.test) == 4
    # As sites that collect data sets name and pack them, with pictures that have no label.
    odd = {
        ("training_set", "test_set"): None,
        ("train_images", "test_images"): None,
        ("pets-train/pets-train", "pets-test/pets-test"): "pets-pred/pets-pred/1.png",
        ("pets/train", "pets/test"): "pets/test/unsup/1.png",
        ("seg_train/seg_train", "seg_test/seg_test"): None,
        ("small/train", "small/test"): "small/val/images/1.png",
    }
    for number, (heads, stray) in enumerate(odd.items()):
        names = [f"{head}/{name}" for head in heads for name in NAMES]
        folder = tree(tmp_path / f"odd{number}", *names, *([stray] if stray else ()))
        data, looked = load(folder, kind="image"), check(folder)
        assert data.train.classes == tuple(looked.classes) == ("cat", "dog")
        assert data.test is not None
        assert len(data.test) == 4
        told = () if stray is None else (f"1 file of {folder} in no folder of"
            f" a label was left out (as {stray!r})",)  # fmt: skip
        assert data.train.notes == told == looked.notes
        assert looked.faults == ()
    vehicles = [f"{split}/{kind}/1.png" for split in ("train", "test") for kind in ("train", "bus")]
    assert load(tree(tmp_path / "vehicles", *vehicles), kind="image").train.classes == (
        "bus",
        "train",
    )
    inner = tree(tmp_path / "inner", "train/cat/images/1.png", "train/dog/images/1.png")
    assert load(inner, kind="image").train.classes == ("cat", "dog")
    assert load(tree(tmp_path / "alone", "my-test/cat/1.png"), kind="image").train.classes == (
        "cat",
    )


def test_a_zip_file_is_read_as_its_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, read = list[str](), tarfile.TarInfo.fromtarfile.__func__  # type: ignore[attr-defined]

    def counted(_: type[tarfile.TarInfo], archive: tarfile.TarFile) -> tarfile.TarInfo:
        header: tarfile.TarInfo = read(tarfile.TarInfo, archive)
        headers.append(header.name)
        return header

    monkeypatch.setattr(tarfile.TarInfo, "fromtarfile", classmethod(counted))
    folder = tree(tmp_path / "pets", *NAMES)
    there, packed = (
        load(folder, kind="image").train,
        load(zipped(folder, tmp_path / "p.zip"), kind="image").train,
    )
    assert packed.labels == there.labels
    assert packed.keys == there.keys
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".TGZ", "w:gz"), (".tbz2", "w:bz2"),
                         (".tar.xz", "w:xz")):  # fmt: skip
        plain = tarfile.USTAR_FORMAT  # of one header a file
        with tarfile.open(tmp_path / f"p{suffix}", mode, format=plain) as archive:  # type: ignore[call-overload]
            archive.add(folder / "dog", "./pets/dog")
            archive.add(folder / "cat", "./pets/cat")
        packed = load(tmp_path / f"p{suffix}", kind="image").train
        assert (packed.labels, packed.keys) == (there.labels, there.keys)
        assert check(tmp_path / f"p{suffix}").classes == {"cat": 2, "dog": 2}
        assert headers.count("./pets/cat/1.png") == 1  # though it was opened several times
        headers.clear()


def test_labels_are_read_from_the_names_of_files_where_no_folder_says_them(tmp_path: Path) -> None:
    cats, pets = ["cat.0.png", "cat.1.png", "dog.0.png"], ["great_dane_1.png", "great_dane_12.png"]
    laid: dict[str, Sequence[str]] = {
        "flat": [*cats, "dog (1).png"],
        "pets": [f"images/{one}" for one in (*pets, "Bengal_1.png", "Bengal_22.png")],
        "split": [f"{split}/{one}" for split in ("train", "val") for one in (*cats, "dog.7.png")],
    }
    laid |= {"asked": [*laid["split"], "test1/1.png", "test1/2.png"]}
    found = {}
    for name, files in laid.items():
        folder = tree(tmp_path / name, *files)
        for given in (
            (folder, zipped(folder, tmp_path / f"{name}.zip")) if name == "split" else (folder,)
        ):
            found[name] = data = load(given, kind="image")
            assert data.train.notes[0] == f"labels of {given} were read from the names of its files"
            assert set(check(given).classes) == set(data.train.classes)
    assert found["flat"].train.classes == found["asked"].train.classes == ("cat", "dog")
    assert found["pets"].train.classes == ("Bengal", "great_dane")
    assert found["split"].held_out is not None
    assert (len(found["split"].train), len(found["split"].held_out)) == (4, 4)
    assert "2 files of" in found["asked"].train.notes[1]
    others = (
        ("IMG_0001.png", "IMG_0002.png", "DSC_1.png", "DSC_2.png"),  # of cameras
        (*laid["flat"], "5.png"), ("cat.0.png", "cat.1.png", "dog.1.png"), cats[:2],
        ("train_1.png", "train_2.png", "test_1.png", "test_2.png"),
    )  # fmt: skip
    for number, files in enumerate(others):
        with pytest.raises(DataError, match="move each into a folder that is called as its label"):
            load(tree(tmp_path / f"other{number}", *files), kind="image")
    (tmp_path / "flat" / "labels.csv").write_text("image,label\ncat.0.png,pet")  # which says them
    assert load(tmp_path / "flat", kind="image").train.labels == ("pet",)
    (tmp_path / "flat" / "more.csv").write_text("image,label")  # which of them does, nothing says
    with pytest.raises(DataError, match="call the file to learn from train, or give it alone"):
        load(tmp_path / "flat", kind="image")


def shard(path: Path, first: int, *, without: str = "") -> Path:
    files = {f"{at:04}{end}": content for at in range(first, first + 4)
             for end, content in ((".png", picture(at)), (".cls", b"%d\n" % (at % 2)))}  # fmt: skip
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            if name != without:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_labels_are_read_from_files_beside_inputs(tmp_path: Path) -> None:
    """As WebDataset packs them: one shard, several, and unpacked."""
    (tmp_path / "all").mkdir()
    for name, first in (("train-00", 0), ("train-01", 4), ("val-00", 8)):
        shard(tmp_path / "all" / f"{name}.tar", first)
    with tarfile.open(tmp_path / "all" / "train-00.tar") as archive:
        archive.extractall(tmp_path / "files", filter="data")
    for given, count in ((tmp_path / "all", 8), (tmp_path / "all" / "train-00.tar", 4),
                         (tmp_path / "files", 4)):  # fmt: skip
        data = load(given, kind="image")
        assert data.train.labels == ("0", "1") * (count // 2)
        assert data.train.notes == (
            f"labels of {given} were read from the .cls files beside its inputs",
        )
        assert (data.held_out is None) is (given.name != "all")
        assert check(given).classes == {"0": count // 2 + 2 * (count == 8), "1": count // 2 + 2 * (count == 8)}  # fmt: skip
    with pytest.raises(
        DataError, match=r"expected a file \.cls beside each input, found none beside"
    ):
        load(shard(tmp_path / "missing.tar", 0, without="0001.cls"), kind="image")
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "files" / "0001.cls").unlink()
    (tmp_path / "files" / "0001.cls").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=r"found '0001\.cls', which leads out of it"):
        load(tmp_path / "files", kind="image")
    (tmp_path / "files" / "0001.cls").unlink()
    (tmp_path / "files" / "0001.cls").write_bytes(b"\xff\xd8")
    with pytest.raises(
        DataError, match=r"'0001\.cls': expected a label in letters, found something"
    ):
        load(tmp_path / "files", kind="image")


LABELS = [name.partition("/")[0] for name in NAMES]


def _beside(folder: Path, suffix: str, names: Sequence[str]) -> None:
    rows = pandas.DataFrame({"file_name": names, "label": LABELS})
    write = {
        ".csv": partial(rows.to_csv, index=False),
        ".jsonl": partial(rows.to_json, orient="records", lines=True),
        ".parquet": rows.to_parquet,
    }
    write[suffix](folder / f"metadata{suffix}")


@cases("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_beside_pictures_names_their_labels(tmp_path: Path, suffix: str) -> None:
    names = ["1.png", "2.png", "3.png", "4.JPG"]
    flat = tree(tmp_path / "flat", *names)
    _beside(flat, suffix, names)
    apart = tmp_path / "apart"
    for split in ("train", "test"):
        tree(apart / split, *NAMES[:2], "dog/1.png", "dog/2.JPG")
        _beside(apart / split, suffix, NAMES)
    for given in (flat, flat / f"metadata{suffix}", apart):
        assert load(given, kind="image").train.labels == tuple(LABELS)
        assert check(given).rows == (8 if given == apart else 4)
    assert load(apart, kind="image").test is not None
    only = tree(tmp_path / "captions", *NAMES)
    pandas.DataFrame({"file_name": NAMES, "caption": "x"}).to_csv(only / "metadata.csv")
    assert load(only, kind="image").train.classes == ("cat", "dog")
    assert load(tree(tmp_path / "hub", *(f"data/train/{one}" for one in NAMES)), kind="image")


def test_pictures_that_a_table_holds_are_read_from_it(tmp_path: Path) -> None:
    files = [picture(seed) for seed in range(4)]
    structs = [{"bytes": file, "path": "x.png"} for file in files]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    made = datasets.Dataset.from_dict({"image": structs, "label": [0, 0, 1, 1]}, features)
    made.save_to_disk(str(tmp_path / "saved"))
    for name, column in (("bytes", files), ("structs", structs)):
        table = pyarrow.table({"image": column, "label": LABELS})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    for given in ("saved", "bytes.parquet", "structs.parquet"):
        examples = load(tmp_path / given, kind="image").train
        assert examples.labels == tuple(LABELS)
        assert len(set(examples.keys)) == 4
        assert check(tmp_path / given).faults == ()
    table = pyarrow.table({"image": [*files[:2], b"x", b"y"], "label": LABELS})
    parquet.write_table(table, tmp_path / "odd.parquet")
    (fault, *_) = check(tmp_path / "odd.parquet").faults
    assert "rows 3 and 4: expected JPEG" in str(fault)


def test_a_table_names_pictures_inside_its_folder(tmp_path: Path) -> None:
    tree(tmp_path, *NAMES)
    table = tmp_path / "pets.csv"
    table.write_text("image,label\ncat/1.png,cat\ndog/1.png,dog\n")
    data = load(table, kind="image").train
    assert data.inputs == (tmp_path / "cat/1.png", tmp_path / "dog/1.png")
    (tmp_path / "pets.jsonl").write_text('{"image": "cat/1.png", "label": "cat"}\n')
    assert load(tmp_path / "pets.jsonl", kind="image").train.labels == ("cat",)

    row = {
        "data": {"image": "cat/1.png"},
        "annotations": [{"result": [{"value": {"choices": ["cat"]}}]}],
    }
    (tmp_path / "studio.json").write_text(json.dumps([row]))
    assert load(tmp_path / "studio.json", kind="image").train.labels == ("cat",)
    (fault,) = check(tmp_path / "studio.json").faults  # no text of that name
    assert "expected at least 2 different images" in str(fault)


def test_a_folder_of_folders_of_labels_is_several_tasks(tmp_path: Path) -> None:
    tree(tmp_path / "all", *(f"pets/{name}" for name in NAMES), "cars/red/1.png", "cars/blue/1.png")
    tasks = load_tasks(tmp_path / "all", kind="image")
    assert {name: data.train.classes for name, data in tasks.items()} == {
        "pets": ("cat", "dog"),
        "cars": ("blue", "red"),
    }
    assert check(tmp_path / "all").tasks == {
        "pets": {"cat": 2, "dog": 2},
        "cars": {"red": 1, "blue": 1},
    }
    with pytest.raises(
        DataError,
        match=r"found folders of them in several \('cars', 'pets'\); give .* move the files of each",
    ):
        load(tmp_path / "all", kind="image")


@cases("cell", ["../outside.png", "/etc/hostname", "link.png", "loop.png"])
def test_a_table_cannot_leave_its_folder(tmp_path: Path, cell: str) -> None:
    folder = tmp_path / "data"
    tree(folder, "a.png")
    (tmp_path / "outside.png").write_bytes(picture(9))
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    table = folder / "table.csv"
    table.write_text(f"image,label\n{cell},x\n")
    with pytest.raises(
        DataError,
        match=r"table\.csv, line 2: expected (a path inside|the path of a picture|a picture)",
    ):
        load(table, kind="image")


def test_a_path_that_is_none_here_is_told_with_what_to_do(tmp_path: Path) -> None:
    tree(tmp_path, "cat/1.png", "cat/cafe\u0301.png")
    (tmp_path / "table.csv").write_text(f"image,label\n{tmp_path}/cat/1.png,x\n")
    assert len(load(tmp_path / "table.csv", kind="image").train) == 1
    steps = {
        "https://example.com/1.png": "found the address 'https://example.com/1.png'; download it",
        "data:image/png;base64": "found the address 'data:image/png;base64'; save what it holds",
        "C:\\pets\\1.png": "write paths from the table's folder, with /",
        "cat\\1.png": rf"found no file 'cat\1.png' in {tmp_path}; write paths with /",
        "cat/2.png": f"found no file 'cat/2.png' in {tmp_path}; correct the path",
        "CAT/1.png": f"found no file 'CAT/1.png' in {tmp_path}; correct the path",
        "1.png": "(but 'cat/1.png'); write paths from the table's folder",
        "cat/1": "(but 'cat/1.png'); write paths from the table's folder",
        "iVBORw0KGgo/" * 50: "save what it holds as a file, and write its path",
        "[1": "give lists of numbers in JSON lines or Parquet",
        "cat/1.PNG": "(but '1.png'); write names as the files have them",
        "cat/caf\u00e9.png": "(but 'cafe\\u0301.png'); write names as the files have them",
        f"file://{tmp_path}/cat/1.png": "write the path alone",
        "a" * 4000: "(File name too long); correct it",
    }
    for cell, words in steps.items():
        (tmp_path / "table.csv").write_text(f"image,label\n{cell},x\n")
        with pytest.raises(DataError) as caught:
            load(tmp_path / "table.csv", kind="image")
        assert words in str(caught.value)
        assert len(str(caught.value)) < 400


def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES)
    for litter in ("cat/Thumbs.db", "cat/.DS_Store", "dog/desktop.ini", "README.md"):
        (folder / litter).write_bytes(b"x")
    assert load(folder, kind="image").notes == check(folder).notes == ()
    tree(folder, ".ipynb_checkpoints/1.png", "cat/.thumbs/1.png", "cat/@eaDir/1.png/small.jpg")
    assert (
        load(folder, kind="image").train.classes == tuple(check(folder).classes) == ("cat", "dog")
    )
    (folder / "bird").mkdir()
    (note,) = load(folder, kind="image").notes
    assert note.startswith("the folder 'bird' of ")
    (folder / "bird").rmdir()
    (folder / "bird").symlink_to(tree(tmp_path / "there", "1.png"))
    for notes in (load(folder, kind="image").notes, check(folder).notes):
        assert ["'bird' of " in note and "a link to a folder" in note for note in notes] == [True]
    (folder / "bird").unlink()
    (folder / "nowhere").symlink_to(tmp_path / "nowhere")
    assert load(folder, kind="image").notes == ()
    (folder / "nowhere").unlink()
    os.mkfifo(folder / "cat" / "4.png")
    for notes in (load(folder, kind="image").notes, check(folder).notes):
        assert ["'cat/4.png' of " in note and "a pipe" in note for note in notes] == [True]
    (folder / "cat" / "4.png").unlink()
    (folder / "cat" / "3.heic").write_bytes(b"x")
    for notes in (load(folder, kind="image").notes, check(folder).notes):
        assert [note.partition(" was left out of ")[0] for note in notes] == ["'cat/3.heic'"]
    (folder / "dog" / "clip.mp4").write_bytes(b"x")
    (note,) = load(folder, kind="image").notes
    assert note.startswith("2 files were left out of ")


def test_folders_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    """They are those of data sets of object detection: boxes, and splits without labels."""
    yolo = tree(tmp_path / "yolo", "images/1.png", "images/2.png")
    (yolo / "labels").mkdir()
    (yolo / "labels" / "1.txt").write_text("0 .5 .5 .1 .1")
    coco = tree(tmp_path / "coco", "train/1.png", "valid/2.png")
    years = tree(tmp_path / "years", "train2017/1.png", "val2017/2.png")
    boxed = tree(tmp_path / "boxed", "train/images/1.png", "valid/images/1.png")
    (boxed / "train" / "labels").mkdir()
    split = tree(tmp_path / "split", "images/train/1.png", "images/val/2.png")
    cvat = tree(tmp_path / "cvat", "Images/1.png", "Images/2.png")
    (cvat / "annotations.xml").write_text("<annotations/>")
    kaggle = tree(tmp_path / "kaggle", "images/1.png", "images/2.png")
    (kaggle / "labels.csv").write_text("name,label\n1.png,cat\n")
    voc = tree(tmp_path / "voc", "JPEGImages/1.png", "JPEGImages/2.png")
    (voc / "Annotations").mkdir()
    for folder, found in (
        (yolo, "found the folder 'images' beside a folder 'labels'"),
        (coco, r"found files right in the folders of splits \(train, valid\)"),
        (years, r"found files right in the folders of splits \(train2017, val2017\)"),
        (boxed, "found the folder 'images' beside a folder 'labels'"),
        (split, r"found files right in the folders of splits \(train, val\)"),
        (cvat, "found all files in the folder 'Images', whose name is no label"),
        (kaggle, r"its label, or give the table 'labels.csv', if it has paths and labels$"),
        (voc, "found the folder 'JPEGImages' beside a folder 'Annotations'"),
    ):
        for read in (lambda folder: load(folder, kind="image"), check):
            with pytest.raises(DataError, match=found):
                read(folder)
    single = tree(tmp_path / "single", "kittens/1.png", "kittens/2.png")
    (single / "labels.csv").write_text("name,label\n1.png,cat\n")
    assert load(single, kind="image").train.classes == ("kittens",)
    (note,) = check(single).notes
    step = "give the table 'labels.csv', if it has paths and labels"
    assert note == f"a table in {single} was not read; {step}"
    named = ("cat1.png", "cat2.png", "dog1.png", "dog2.png")
    for name, pictures in (("named", named), ("bare", ("1.png", "2.png"))):
        folder = tree(tmp_path / name, *pictures)
        (folder / "labels.csv").write_text("name,label\n1.png,cat\n")
        packed = Path(shutil.make_archive(f"{folder}-packed", "zip", folder))
        found = check(packed)
        said = [*found.notes, *(fault.found for fault in found.faults)]
        assert said[-1].endswith(f"unpack it and {step}")
        assert len(said) == 2 - (name == "bare")
    links = tmp_path / "links"
    links.mkdir()
    for name in ("cat", "dog"):
        (links / name).symlink_to(tree(tmp_path / "there" / name, "1.png"))
    with pytest.raises(DataError, match="found links, which are not followed; copy the folders"):
        load(links, kind="image")


def test_data_of_another_kind_are_called_so(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES)
    with pytest.raises(
        DataError, match=r"found folders of the kind image.*init NEW --backbone lite0"
    ):
        load(folder)
    (tmp_path / "texts.csv").write_text("text,label\na,b\n")
    with pytest.raises(DataError, match=r"data of the kind text, for .*\(cfedge init NEW\)"):
        load(tmp_path / "texts.csv", kind="image")


def test_an_archive_of_windows_and_one_with_a_password(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for seed, name in enumerate(NAMES):
            archive.writestr(name.replace("/", "\\"), picture(seed))
    assert load(tmp_path / "p.zip", kind="image").train.labels == ("cat", "cat", "dog", "dog")
    data = bytearray((tmp_path / "p.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + at] |= 1
    (tmp_path / "p.zip").write_bytes(data)
    with pytest.raises(DataError, match="found: one with a password; pack it again"):
        load(tmp_path / "p.zip", kind="image")


def test_a_link_out_of_a_folder_of_labels_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES)
    (tmp_path / "secret.png").write_bytes(picture(9))
    (folder / "cat" / "3.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"expected a path inside .*'cat/3\.png', which leads out"):
        load(folder, kind="image")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES)
    (folder / "cat" / "2.png").write_bytes(b"<html>gone</html>")
    with pytest.raises(DataError, match=r"'cat/2\.png': expected a picture, found an HTML page"):
        load(folder, kind="image")


def test_a_picture_in_no_folder_of_a_label_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES, "stray.png")
    with pytest.raises(
        DataError, match=r"expected LABEL/FILE or SPLIT/LABEL/FILE, found 'stray\.png'"
    ):
        load(folder, kind="image")


@cases("data", [b"", b"PK\x03\x04 cut", b"no archive"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(data)
    with pytest.raises(DataError, match="expected a ZIP file, found"):
        load(tmp_path / "p.zip", kind="image")


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_does(tmp_path: Path) -> None:
    packings = {
        zipfile.ZIP_DEFLATED: r"expected at most 200 times its [\d,]+ bytes unpacked, found 80 MB",
        zipfile.ZIP_STORED: "expected files of at most 64 MB",
    }
    for packing, found in packings.items():
        with (
            zipfile.ZipFile(tmp_path / "p.zip", "w", packing) as archive,
            archive.open("cat/1.png", "w", force_zip64=True) as file,
        ):
            for _ in range(80):
                file.write(bytes(1 << 20))
        with pytest.raises(DataError, match=found):
            load(tmp_path / "p.zip", kind="image")


def test_the_same_picture_is_known_in_another_file_and_another_format(tmp_path: Path) -> None:
    folder = tree(tmp_path / "pets", *NAMES)
    (folder / "cat" / "copy.bmp").write_bytes(picture(0, "BMP"))
    examples = load(folder, kind="image").train
    assert len(set(examples.keys)) == len(examples) - 1
    kept, held_out = split_held_out(examples, 0.5, np.random.default_rng(0))
    assert repeated(kept, held_out) == []
    assert repeated(examples, held_out) == list(range(len(held_out)))


def test_frames_and_arrays_are_taken_from_memory() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[2:] = 200
    examples = from_arrays(frames, ["a", "a", "b", "b"], "task 'x'", "image")
    assert len(set(examples.keys)) == 2
    rows = from_arrays(np.arange(12.0).reshape(3, 4), [1, 2, 3], "task 'x'", "array")
    assert rows.labels == ("1", "2", "3")
    with pytest.raises(DataError, match=r"task 'x': inputs\[1\]: expected a frame uint8"):
        from_arrays([frames[0], frames[0].astype(float)], ["a", "b"], "task 'x'", "image")
    with pytest.raises(DataError, match=r"inputs\[0\]: expected an array of numbers, found None"):
        from_arrays([None], ["a"], "task 'x'", "array")
    with pytest.raises(DataError, match=r"inputs\[1\]: expected finite numbers, found NaN"):
        from_arrays([[1.0], [np.nan]], ["a", "b"], "task 'x'", "array")
    tensors = from_arrays(torch.zeros(2, 3), ["a", "b"], "task 'x'", "array")
    assert [value.shape for value in tensors.inputs] == [(3,), (3,)]


@cases(
    "labels",
    [
        pandas.array(["a", pandas.NA], dtype="string"),
        pandas.array([1, None], dtype="Int64"),
        pandas.array([True, None], dtype="boolean"),
        pandas.Series(["2024-01-01", None], dtype="datetime64[ns]")[::-1],
        np.ma.array([1, 2], mask=[False, True]),
        ["a", float("nan")],
        ["a", None],
    ],
)
def test_what_tables_write_for_a_missing_label_is_none(labels: Any) -> None:
    with pytest.raises(DataError, match=r"labels\[[01]\]: expected a label, found") as refusal:
        from_arrays(["one", "two"], labels, "task 'x'")
    assert "fill it in or leave it out" in str(refusal.value)
    known = from_arrays(["one", "two"], pyarrow.array(["a", "b"]), "task 'x'")
    assert known.labels == ("a", "b")
    exact = from_arrays(["one", "two"], [Decimal("1.10"), Decimal("2")], "task 'x'")
    assert exact.labels == ("1.10", "2")


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    with pytest.raises(DataError, match=r"expected train\.csv|expected one folder a label"):
        load(tmp_path / "pets", kind="image")
    files = {
        "cat/1.wav": (b"RIFF1234WAVEfmt ", r"1\.wav' \(a sound file\); write the windows"),
        "cat.mp4": (b"\0\0\0\x18ftypmp42", r"\(a video\); save the frames that count"),
        "data_batch_1": (b"\x80\x04K\x01.", r"\(a pickle of .*\); none is opened, as it may run"),
        "train-images": (struct.pack(">I", 2051), "MNIST's own format .* one picture each"),
        "cat/1.HEIC": (b"\0\0\0\x18ftypheic", r"\(a HEIC picture\); convert it to JPEG"),
        "cat/1.pfm": (b"PF\n# a sign\n2 1\n-1.0\n" + bytes(24), r"\(a portable pixmap .*convert"),
        "cat/1.jp2": (b"\0\0\0\x0cjP  \r\n", r"\(JPEG 2000\); convert it"),
        "cat/1.cr3": (b"\0\0\0\x18ftypcrx ", r"a camera's raw picture\); develop it"),
        "cat.0.png": (picture(0), "move each into a folder that is called as its label"),
    }
    for number, (name, (content, words)) in enumerate(files.items()):
        path = tmp_path / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        for read in (load, load_tasks):
            with pytest.raises(DataError, match=words):
                read(tmp_path / str(number))
    (tmp_path / "0" / "texts.csv").write_text("text,label\na,b\n")
    with pytest.raises(DataError, match=r"expected train\.csv"):
        load(tmp_path / "0")
