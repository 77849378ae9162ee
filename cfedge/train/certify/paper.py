"""The paper's condition for every cluster of a workspace, beside what held-out inputs say.

The checker of its authors embeds training examples under every adapter. None are kept, so each
class's held-out inputs are embedded: those of an old task under the adapters that came later, too.
What held-out inputs say is the lookup that ships, not the paper's rule.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfedge.errors import UsageError
from cfedge.lookup.lda import shared_covariance
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import shipped
from cfedge.train.measures.paper_condition import Adapted, PaperTerms, paper_terms
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["CAUTIONS", "PaperRow", "paper_rows"]

CAUTIONS = (
    "sigma^2 is a plain variance and delta is free of scale: rescaled features change the verdict.",
    "It is about a cluster's mean input, not about each input, and old tasks' held-out inputs stand"
    " for the training examples that are gone.",
    "It supposes Gaussian clusters, which so few examples in so many dimensions cannot show; what"
    " holds whatever the distribution is the upper confidence bound.",
)


@dataclass(frozen=True)
class PaperRow:
    """One class: the condition's terms, and of its held-out inputs how many the lookup that ships
    gives to another task.
    """

    task: str
    label: str
    terms: PaperTerms
    held_out: int
    errors: int

    def record(self) -> dict[str, Any]:
        """Return it as one flat JSON object."""
        values = dataclasses.asdict(self)
        return {**values.pop("terms"), **values}


def paper_rows(workspace: WorkspaceFolder, progress: Progress | None = None) -> list[PaperRow]:
    """Compute the condition for each class that has held-out inputs, tasks in the order of their
    names.

    Costs a run of the tail for each held-out input and other task.

    Raises
    ------
    UsageError
        There are fewer than two tasks.
    """
    names = workspace.tasks
    if len(names) < 2:
        raise UsageError(
            f"--paper: expected 2 tasks or more, found {len(names)}; the condition compares a task"
            " with others"
        )
    encoder = workspace.encoder()
    adapters = {name: Adapter.from_arrays(workspace.adapter(name)) for name in names}
    spaces = {}
    for name in names:
        left = workspace.statistics(name).adapted
        spaces[name] = Adapted(left.means.astype(np.float64), shared_covariance([left], None)[0])
    held_out = {name: workspace.held_out(name) for name in names}
    _, found = routed(shipped(workspace))
    rows = []
    with (progress or Quiet()).track("held-out inputs under every adapter", len(names)) as advance:
        for place, name in enumerate(names):
            evidence, others = held_out[name], [other for other in names if other != name]
            seen = encoder(evidence.inputs)
            under = {other: np.stack(encoder.adapted(seen, adapters[other])) for other in others}
            for label, title in enumerate(workspace.record(name).classes):
                mine = evidence.classes == label
                if mine.any():
                    terms = paper_terms(
                        spaces[name],
                        {other: spaces[other] for other in others},
                        {other: under[other][mine] for other in others},
                    )
                    wrong = int((found[name].task[mine] != place).sum())
                    rows.append(PaperRow(name, title, terms, int(mine.sum()), wrong))
            advance(1)
    return rows
