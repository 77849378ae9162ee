"""Next steps in the console's own words. The library's errors and advice tell people at a command line
what to do; who clicks has no options and no commands. Pure.

A next step that the console has an answer to is put in its words; one that it has none to says where
it is done.
"""

from __future__ import annotations

import re

__all__ = ["STEPS", "in_console"]

#: What the library says, as regular expressions, and what a person does here.
STEPS = {
    r"give more examples, or allow more with --max-drop": "give more examples, or teach these as a new"
    " task",
    r"add examples, or give held-out ones with --held-out FILE": "give more inputs this label, in"
    " Review",
    r"hold some out with --held-out, and give no input two labels": "give more inputs this label, and"
    " no input two labels",
    r"add examples or classes to it with: cfedge update; use --replace to learn it anew": "choose"
    " another name, or teach these as more examples of it",
    r"learn the task again with --replace": "remove the task in Tasks, and teach it anew",
    r"lower --learning-rate \(now [^)]*\)": "teach it in closed form",
    r"or add the task with --head-only": "or teach it in closed form",
    r"nothing was exported: relax the gate.* the tasks to it": "nothing was changed: teach it by the"
    " other method, or from more examples",
    r"see: cfedge generations \S+": "see the generations in Tasks",
    r"see: cfedge list \S+": "see what there is in Tasks",
    r", or \S+ held-out ones with --held-out FILE": "",
    r"give more with --held-out FILE": "label more inputs of both, and teach them",
    r"; --same-label LABEL says that one means the same": "",
    r"name the task when you ask \(cfedge predict --task\), or leave": "leave",
    r"make them one task: cfedge join \S+ \S+ \S+": "label inputs of both, teach them as one new task,"
    " and remove these",
    r"give the file of --monitor, or a new name to begin anew": "start the console with the file of"
    " counts, or with a new name to begin anew",
    r"Put what belongs together into one group: .* in Python": "Label inputs that differ more",
}
_STEPS = [(re.compile(said), here) for said, here in STEPS.items()]
#: An option or a command of the command line.
_TYPED = re.compile(r"(?<![\w-])--[a-z]|\bcfedge (?!console\b)[a-z]+ ?")
#: How the console is started is said as it is typed.
_STARTED = "start the console"


def in_console(message: str) -> str:
    """Return an error or advice with a next step for somebody who clicks."""
    for said, here in _STEPS:
        message = said.sub(lambda _, here=here: here, message)  # type: ignore[misc]
    before, _, step = message.rpartition("; ")
    if before and _TYPED.search(step) and _STARTED not in step:
        return f"{before}; this console cannot do it, the command line can: {step}"
    return message
