"""``cfedge`` and ``python -m cfedge``: begin without a traceback, whatever is pressed meanwhile."""

from __future__ import annotations

import contextlib
import signal
from typing import Any


def main() -> Any:
    """Run the command line (`cfedge.cli.main`).

    While its modules are loaded, Ctrl-C ends the process as the system does it: raised inside an
    import it would be shown as a traceback, or as a package that is broken.
    """
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from cfedge.cli import main as run
    finally:
        if usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, usual)
    return run()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # after the last line
        main()
