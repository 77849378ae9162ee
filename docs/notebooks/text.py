# %% [markdown]
# # Teach two tasks to a text encoder
#
# A task is a set of labels with examples. Tasks come one after another, and nothing of an earlier
# one is read again. Here the examples are sentences that people say to a building.

# %%
import csv
from pathlib import Path

import cfedge.demo
from cfedge import Engine, Workspace

DATA = Path(cfedge.demo.__file__).parent / "building"


def rows(task, split):
    """Return texts and labels."""
    with (DATA / task / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(zip(*((row["text"], row["label"]) for row in csv.DictReader(file))))


[texts[:3] for texts in rows("lighting", "train")]

# %% [markdown]
# `Workspace.create` prepares the frozen encoder once. `add` takes lists, NumPy arrays, columns of
# pandas, or a path. `closed-form` learns in seconds. Leave `method` out, and an adapter is trained
# where there are enough examples.

# %%
workspace = Workspace.create("ws")
for task in ("lighting", "climate"):
    workspace.add(
        task, *rows(task, "train"), held_out=rows(task, "validation"), method="closed-form"
    )

# %% [markdown]
# ## What is promised
#
# Each task was tried on examples that it did not learn from. From the answers that were wrong
# follows a limit that holds with 95 % confidence.

# %%
for name, task in workspace.certificates().tasks.items():
    answers = task.answers
    print(
        f"{name}: {answers.right} of {answers.held_out} right,"
        f" at most {answers.wrong_answer_at_most:.1%} wrong"
    )

# %% [markdown]
# ## Ask
#
# The bundle is what a device gets. The engine needs NumPy and ONNX Runtime; nobody tells it which
# task a sentence belongs to.

# %%
workspace.export("bundle")
engine = Engine.open("bundle")
for answer in engine.predict(["it is far too dark in here", "my fingers are cold"]):
    print(answer.task, answer.label)

# %% [markdown]
# ## What belongs to no task
#
# Every answer carries an out-of-distribution score. Where it is above the task's threshold, the
# input is called unknown.

# %%
import matplotlib.pyplot as plt

with (DATA / "out_of_scope.csv").open(encoding="utf-8", newline="") as file:
    foreign = [row["text"] for row in csv.DictReader(file)]
known = [*rows("lighting", "test")[0], *rows("climate", "test")[0]]
figure, axes = plt.subplots(figsize=(7, 2.6))
for name, texts in (("their own", known), ("of no task", foreign)):
    answers = engine.predict(texts)
    print(f"{name}: {sum(answer.unknown for answer in answers)} of {len(answers)} called unknown")
    axes.hist([answer.ood_score for answer in answers], bins=30, alpha=0.6, label=name)
axes.set(xlabel="out-of-distribution score", ylabel="inputs")
axes.legend()
plt.show()
