"""A page on this machine that closes the loop: try, review what was not known, teach, watch what it
costs, switch it on or not. ``cfedge console``; needs ``cfedge[console]``, and nothing else imports
this.

::

    access.py               who may ask: key, session, origin
    app.py, routes_*.py     HTTP; each route makes one call of what stands below
    live.py                 the engine that answers, and what it answers now
    grouping.py             kept inputs by likeness
    change.py, before_after.py   what can be changed, and what that changes
    job.py, jobs.py, job_child.py   a change that is made ready in a process of its own
    turn.py                 one decision at a time, in all consoles
    activation.py           what is ready begins to answer, or goes back
    wording.py              next steps for somebody who clicks, of the library's for a command line
    static/                 one page, its scripts by concept, one stylesheet

The rules of teaching, certifying, exporting and publishing are the library's.
"""

from cfedge.errors import MissingExtraError

try:
    import cryptography  # noqa: F401
    import filelock  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"cfedge.console needs {error.name}: pip install 'cfedge[console]'"
    ) from error
