from __future__ import annotations

from pathlib import Path

import pytest
from made_files import ROWS

from cfedge.errors import DataError
from cfedge.train.examples.data import load_file

pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'cfedge[spacy]'")


def test_documents_of_spacy_are_read_with_their_category(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import DocBin

    blank, found = spacy.blank("en"), DocBin()
    for text, label in ROWS:
        document = blank(text)
        document.cats = {name: float(name == label) for name in ("heat", "door")}
        found.add(document)
    found.to_disk(tmp_path / "x.spacy")
    examples = load_file(tmp_path / "x.spacy")
    assert list(zip(examples.inputs, examples.labels, strict=True)) == ROWS
    (tmp_path / "x.spacy").write_bytes(b"x")
    with pytest.raises(DataError, match="expected documents of spaCy, found"):
        load_file(tmp_path / "x.spacy")
