"""The notebooks run from top to bottom, and what stands in them is what their sources say: the code
of that of texts here, with less data, and both to the letter with a kernel each in ``make soak``.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from command_line import run_code
from every import every
from once import initialised

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
NAMES = ("pictures", "text")
#: What must be printed.
SAID = {"text": "lighting light_", "pictures": "of new digits are read right"}
#: The encoder is there, and a quarter of the inputs show as much as all of them.
INSTEAD = {
    'Workspace.create("ws")': 'Workspace("ws")',
    "csv.DictReader(file)": "list(csv.DictReader(file))[::4]",
}


def _maker() -> ModuleType:
    for package in ("jupytext", "nbclient", "ipykernel", "matplotlib"):
        pytest.importorskip(package, reason="no notebooks here: pip install 'cfedge[docs,plot]'")
    spec = importlib.util.spec_from_file_location("notebook_maker", FOLDER / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _code(book: Any) -> list[str]:
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


def test_every_notebook_holds_its_source_and_what_it_printed_and_drew() -> None:
    maker = _maker()
    assert [path.stem for path in maker.SOURCES] == list(NAMES)

    def holds(source: Path) -> None:
        written = maker.nbformat.read(source.with_suffix(".ipynb"), as_version=4)
        assert _code(written) == _code(maker.jupytext.read(source)), "run make notebooks"
        outputs = [output for cell in written.cells for output in cell.get("outputs", [])]
        assert not [one for one in outputs if one.output_type == "error"]
        assert any("image/png" in one.get("data", {}) for one in outputs)
        assert any("right" in one.get("text", "") for one in outputs)

    every(((path.name, path) for path in maker.SOURCES), holds)


@pytest.mark.slow
def test_the_code_of_that_of_texts_runs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = _maker()
    code = "\n".join(_code(maker.jupytext.read(FOLDER / "text.py")))
    for words, others in INSTEAD.items():
        assert words in code
        code = code.replace(words, others)
    shutil.copytree(initialised(tmp_path_factory)[0], tmp_path / "ws")
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert SAID["text"] in run_code(code, tmp_path)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")  # of the kernel's, which is a process of its own
def test_they_run_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    root = FOLDER.parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'export'}")
    maker = _maker()

    def runs(source: Path) -> None:
        book = maker.run(source)
        printed = "".join(
            output.get("text", "") for cell in book.cells for output in cell.get("outputs", [])
        )
        assert SAID[source.stem] in printed

    every(((path.name, path) for path in maker.SOURCES), runs)
