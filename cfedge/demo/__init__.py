"""The main job on two streams of data that need no download: tasks are learned in turn, exported,
answered without torch, and shown.

`cfedge.demo.sentences` and `cfedge.demo.pictures` say what the streams are, `cfedge.demo.running`
runs one. Showing the result is for the command line.
"""

from __future__ import annotations

from pathlib import Path

from cfedge.demo import pictures, sentences
from cfedge.demo.result import DemoResult
from cfedge.demo.running import run_stream
from cfedge.demo.sentences import TASKS, data_folder, out_of_domain
from cfedge.progress import Progress, Quiet

__all__ = ["DemoResult", "FOLDERS", "TASKS", "data_folder", "out_of_domain", "run"]

#: What a demo leaves in its folder.
FOLDERS = ("sentences", "pictures")


def run(
    out: Path,
    *,
    quick: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> DemoResult:
    """Run both streams; workspace, bundle and report of each are left in ``out/sentences`` and
    ``out/pictures``.

    Parameters
    ----------
    out
        A folder in which none of `FOLDERS` exists yet.
    quick
        Fewer tasks and examples, and no adapter is trained.
    folder
        Where the weights of the sentences' encoder are; None: found.

    Raises
    ------
    CfedgeError
        An encoder's weights or a package is not there, or a step failed.
    """
    progress = progress or Quiet()
    first, second = (out / name for name in FOLDERS)
    of_sentences = sentences.stream(quick=quick)
    said = run_stream(of_sentences, first, folder=folder, progress=progress)
    of_pictures = pictures.stream(second / "data", quick=quick, progress=progress)
    shown = run_stream(of_pictures, second, progress=progress)
    return DemoResult(said, shown)
