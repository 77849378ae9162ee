"""Devices have no ``cryptography``: signatures are verified in Python, and wrong ones are refused
in it too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Site
from forge import forge, stranger

CHILD = """
import sys
for name in ("cryptography", "nacl"):
    sys.modules[name] = None
import json, time
from datetime import datetime, timezone
from pathlib import Path
from cfedge.errors import CfedgeError
from cfedge.store import Store
from cfedge.sync.client import Plan, sync
from cfedge.sync.transport import Folder

now = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
store = Store(Path(sys.argv[1]))
took = {}
for name, plan in (("first", Plan()), ("nothing new", Plan()), ("everything verified again", Plan(retry=True))):
    began = time.perf_counter()
    try:
        done = sync(store, Folder(Path(sys.argv[2])), plan, now=lambda: now, probing=lambda *_: None)
        outcome = [done.generation, done.changed]
    except CfedgeError as error:
        outcome = [type(error).__name__, str(error)]
    took[name] = [*outcome, round(1000 * (time.perf_counter() - began), 1)]
took["loaded"] = sorted(name for name in sys.modules if name.partition(".")[0] in ("cryptography", "nacl", "torch") and sys.modules[name])
print(json.dumps(took))
"""


def sync_without_cryptography(store: Path, repo: Path) -> dict[str, list[object]]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(store), str(repo)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def test_a_sync_verifies_signatures_without_cryptography(site: Site, tmp_path: Path) -> None:
    found = sync_without_cryptography(site.store(tmp_path / "store").folder, site.repo)
    assert found["loaded"] == []
    assert found["first"][:2] == [1, True]
    assert found["nothing new"][:2] == [1, False]
    assert found["everything verified again"][:2] == [1, False]


@pytest.mark.parametrize("role", ["root", "timestamp"])
def test_a_wrong_signature_is_refused_without_cryptography(
    role: str, site: Site, tmp_path: Path
) -> None:
    forge(site, role, lambda signed: None, signers=[stranger()])
    found = sync_without_cryptography(site.store(tmp_path / "store").folder, site.repo)
    assert found["first"][0] == "TamperedError"
    assert f"{role} was signed by 0/1 keys" in str(found["first"][1])
