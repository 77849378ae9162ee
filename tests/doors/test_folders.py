"""Folders of data as the Hugging Face Hub and people keep them."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest
from every import cases
from made_files import ROWS, table
from pyarrow import parquet

from cfedge.errors import DataError
from cfedge.train.examples.data import load


def part(folder: Path, name: str, rows: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    texts, labels = zip(*rows, strict=True)
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), folder / name)


def test_the_parts_of_a_split_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("a data set", "utf-8")
    part(tmp_path / "data", "train-00001-of-00002.parquet", ROWS[2:])
    part(tmp_path / "data", "train-00000-of-00002.parquet", ROWS[:2])
    part(tmp_path / "data", "test-00000-of-00001.parquet", ROWS[:1])
    found = load(tmp_path)
    assert list(zip(found.train.inputs, found.train.labels, strict=True)) == ROWS
    assert found.held_out is None
    assert found.test is not None
    assert found.test.inputs == (ROWS[0][0],)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    part(tmp_path / "data", "train-00001-of-00002.parquet", ROWS)
    with pytest.raises(
        DataError, match=r"expected 2 parts like train-00001-of-00002.parquet, found 1"
    ):
        load(tmp_path)


@cases("name", ["dev.tsv", "val.csv", "Valid.CSV", "validation.csv"])
def test_held_out_examples_go_by_the_names_that_people_give_them(tmp_path: Path, name: str) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    (tmp_path / "train.csv").write_text(table(","), "utf-8")
    (tmp_path / name).write_text(table(separator), "utf-8")
    held_out = load(tmp_path).held_out
    assert held_out is not None
    assert len(held_out) == len(ROWS)


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(table(","), "utf-8")
    part(tmp_path / "data", "train-00000-of-00001.parquet", ROWS)
    with pytest.raises(DataError, match=r"expected one train file, found train\.csv and train-0"):
        load(tmp_path)
