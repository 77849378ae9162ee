"""Write each notebook beside its source, run from top to bottom, with what it printed and drew:
``make notebooks``. The sources are the ``.py`` files, which read well and differ well.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SOURCES = sorted(path for path in HERE.glob("*.py") if path.name != "make.py")


def run(source: Path) -> nbformat.NotebookNode:
    """Return a notebook, run in an empty folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell fails.
    """
    book = jupytext.read(source)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            # Progress is for whoever waits.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    book.metadata = nbformat.from_dict({"language_info": {"name": "python"}})
    return book


def main() -> None:
    """Write all notebooks."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for source in SOURCES:
        nbformat.write(run(source), source.with_suffix(".ipynb"))
        print(f"written: {source.with_suffix('.ipynb').name}")


if __name__ == "__main__":
    main()
