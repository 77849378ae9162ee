"""``cfedge`` with its words, standard streams and exit code, and Python code of the documents, in this
process: the start of another, which loads all packages anew, is most of what a short one takes.
That a process of its own does the same is for tests/cli.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from cfedge.cli import main

__all__ = ["run", "run_code"]


def run(
    *words: object, content: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run ``cfedge`` with `words` in `folder`, with `content` as its standard input; return what a
    process would leave. What is no deliberate error is raised.
    """
    out, error = io.BytesIO(), io.BytesIO()
    with contextlib.ExitStack() as stack:
        # Here a warning of another package is an error: in a process it is a line at most.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder or Path.cwd())
        patch.setenv("COLUMNS", os.environ.get("COLUMNS", "200"))
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))
        for name, stream in (("stdout", out), ("stderr", error)):
            patch.setattr(sys, name, io.TextIOWrapper(stream, "utf-8", write_through=True))
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        sys.stdout.flush()
        # A stream that is collected closes what it writes to.
        sys.stdout.detach()  # type: ignore[attr-defined]
        sys.stderr.detach()  # type: ignore[attr-defined]
    code = ended.value.code
    returned = code if isinstance(code, int) else int(code is not None)
    return subprocess.CompletedProcess(words, returned, out.getvalue(), error.getvalue())


def run_code(code: str, folder: Path) -> str:
    """Run Python code in `folder`, and return what it prints."""
    printed = io.StringIO()
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.chdir(folder)
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<document>", "exec"), {"__name__": "__main__"})
    return printed.getvalue()
