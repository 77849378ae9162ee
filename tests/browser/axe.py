"""axe-core, which looks for barriers in pages: one file from the npm registry, of the bytes named
here, kept in ``build/axe``. ``python tests/browser/axe.py`` fetches it with npm; tests never do.

It is used at test time alone and never shipped (its licence is MPL-2.0).
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.14.1"
INTEGRITY = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
KEPT = Path(__file__).parents[2] / "build" / "axe" / f"axe-core-{VERSION}.tgz"
#: Calls back with what does not pass: rule, impact, and the first element concerned.
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(one => ({
  id: one.id, impact: one.impact, help: one.help, where: one.nodes.map(node => node.html.slice(0, 200))[0],
}))), error => done([{id: "axe", impact: "critical", help: String(error), where: ""}]));
"""


def axe_source() -> str | None:
    """Return axe-core's script; None where it was not fetched.

    Raises
    ------
    AssertionError
        The file that lies there has other bytes.
    """
    if not KEPT.is_file():
        return None
    assert _integrity(KEPT.read_bytes()) == INTEGRITY, f"{KEPT}: other bytes than were pinned"
    with tarfile.open(KEPT) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")


def _integrity(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode("ascii")


def main() -> None:
    """Fetch the package, unless it is there; keep it only with the bytes that were pinned."""
    if axe_source() is not None:
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("could not fetch axe-core: npm is not installed; tests that need it skip")
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        packed = Path(folder) / KEPT.name
        if done.returncode or not packed.is_file():
            sys.exit(
                f"could not fetch axe-core: {done.stderr.strip()[-300:]}; tests that need it skip"
            )
        data = packed.read_bytes()
    if _integrity(data) != INTEGRITY:
        sys.exit(f"axe-core: expected {INTEGRITY}, found {_integrity(data)}; do not use it")
    KEPT.write_bytes(data)


if __name__ == "__main__":
    main()
