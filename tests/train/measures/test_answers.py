"""The whole answer is certified: task and label, with bounds that hold, per class and against
chance.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from every import cases
from made import make_texts

from cfedge.bundle.manifest import Certificate
from cfedge.confidence import upper_bound
from cfedge.train.certify.advice import advice, nothing_learned
from cfedge.train.certify.certificates import Certificates, certificates
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.measures.answers import Answers, certified_answers
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

CLOSED = Settings(method="closed-form")


def certificate(right: np.ndarray, alpha: float) -> Certificate:
    wrong, held_out = int((~right).sum()), len(right)
    return Certificate(
        held_out=held_out, errors=0, wrong_task_at_most=0.0, alpha=0.05, tasks=1, rival=None, rival_errors=0, wrong=wrong,
        wrong_answer_at_most=upper_bound(wrong, held_out, alpha),
    )  # fmt: skip


def answers(truth: list[int], known: list[int], *, routed: list[int] | None = None) -> Answers:
    right = np.array(known, bool)
    found = np.ones(len(truth), bool) if routed is None else np.array(routed, bool)
    return certified_answers(
        ("a", "b"), np.array(truth), known=right, right=right & found, unknown=~found, certificate=certificate(right & found, 0.025)
    )  # fmt: skip


def test_task_and_label_are_counted_together_and_by_class() -> None:
    one = answers([0, 0, 0, 1, 1], [1, 1, 0, 1, 1], routed=[1, 0, 1, 1, 0])
    assert (one.held_out, one.known, one.right) == (5, 4, 2)
    assert one.wrong_answer_at_most == upper_bound(3, 5, 0.025)
    assert (one.majority_label, one.majority) == ("a", 3)
    assert (one.classes["a"].held_out, one.classes["a"].right, one.classes["a"].unknown) == (
        3,
        1,
        1,
    )
    assert (one.classes["a"].answered, one.classes["b"].answered) == (1, 1)
    right, unknown = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    found = certified_answers(
        ("a",), np.zeros(4, int), known=right, right=right, unknown=unknown, certificate=certificate(right, 0.025)
    ).classes["a"]  # fmt: skip
    assert (found.right, found.unknown, found.answered) == (2, 2, 1)
    assert (one.classes["b"].held_out, one.classes["b"].right, one.classes["b"].unknown) == (
        2,
        1,
        1,
    )


def test_the_bound_is_wrong_in_at_most_one_draw_of_twenty() -> None:
    rng = np.random.default_rng(0)
    for rate, held_out in ((0.05, 40), (0.3, 12), (0.5, 100)):
        wrong = 0
        for _ in range(400):
            right = rng.random(held_out) >= rate
            one = certified_answers(
                ("a", "b"), np.zeros(held_out, np.int64), known=right, right=right, unknown=~right, certificate=certificate(right, 0.05)
            )  # fmt: skip
            wrong += one.wrong_answer_at_most < rate
        assert wrong / 400 <= 0.05


@cases(
    ("truth", "known", "nothing", "few"),
    [
        ([0, 1] * 10, [1] * 20, False, False),
        ([0, 1] * 10, [1, 0] * 10, True, False),
        ([0] * 18 + [1] * 2, [1] * 18 + [0] * 2, True, True),
        ([0, 1], [1, 1], True, True),
        ([0, 1] * 10, [1] * 14 + [0] * 6, True, False),
        ([0, 1] * 10, [1] * 16 + [0] * 4, False, False),
    ],
)
def test_what_chance_explains_is_not_called_learned(
    truth: list[int], known: list[int], nothing: bool, few: bool
) -> None:
    one = answers(truth, known)
    assert (one.learned_nothing, one.too_few) == (nothing, few)


def test_shuffled_labels_are_told_of_at_once_and_by_list(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = make_texts("food", 60, 0)
    shuffled = np.random.default_rng(0).permutation([label for _, label in rows]).tolist()
    learn(workspace, "food", Examples(tuple(t for t, _ in rows), tuple(shuffled), "f"), settings=CLOSED)  # fmt: skip
    certified = certificates(workspace)
    food = certified.tasks["food"]
    assert food.answers.right <= food.answers.known < 20 < food.answers.held_out
    assert food.record()["answers"]["learned_nothing"]
    (line,) = nothing_learned(certified)
    assert line.startswith(f"food: {food.answers.known} of 24 held-out inputs got the right label")
    assert "it may have learned nothing; check its labels" in line
    assert line in advice(certified)
    for rate, said in ((1 / 7, "14%"), (1 / 19, "5.3%")):
        (line,) = [
            one
            for one in advice(
                Certificates({"food": dataclasses.replace(food, false_reject_rate=rate)}, ())
            )
            if "by mistake" in one
        ]
        assert f"up to {said} of its own inputs" in line
        assert "to promise 5%, give at least 95 examples of the task, or 19 held-out ones" in line
    few = dataclasses.replace(food, answers=answers([0, 1] * 9, [1, 0] * 9))
    assert few.answers.learned_nothing
    assert not few.answers.too_few
    assert nothing_learned(Certificates({"food": few}, ())) == [
        "food: 18 held-out examples are too few to show whether it learned anything; add examples"
    ]
    rare = dataclasses.replace(food, answers=answers([0] * 999 + [1], [0] * 999 + [1]))
    (line,) = nothing_learned(Certificates({"food": rare}, ()))
    assert line.startswith("food: 999 of 1000 held-out inputs are of 'a', so always answering that")
    assert line.endswith("1 of other labels cannot show whether it learned anything: add examples of these")  # fmt: skip


def test_what_the_encoder_cannot_read_is_counted_and_named(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    thai = ["\u0e40\u0e1b\u0e34\u0e14 broth", "\u0e40\u0e1b\u0e34\u0e14", "\u0e1b\u0e34\u0e14", "\u0e1a\u0e31\u0e0d"]  # fmt: skip
    long = [f"{'the ' * 30}{word}" for word in ("red", "green", "blue", "navy")]
    said = ["one red", "one green", "one blue", "one navy", "same text", "Same  text"]
    texts = (*thai, *long, *said)
    labels = (*"xyxy", *"xyxy", *"xyxyxy")
    examples = Examples(texts, labels, "food")
    learn(workspace, "food", examples, settings=CLOSED)
    certified = certificates(workspace).of(["food"])
    read = certified.tasks["food"].reading
    assert read.inputs == len(texts)
    assert read.unread == 4 + 2  # half of a text is enough, and nobody knows "same text"
    assert read.truncated == 4
    assert read.alike == 3 + 4
    assert read.conflicting == 2
    lines = advice(certified, {"food": LabelledData(examples)})
    for part in (
        "food: 6 of 14 inputs are mostly unknown to the encoder",
        "food: 4 of 14 inputs are longer than the encoder reads",
        "food: 7 of 14 inputs are the same as another one to the encoder",
        "food: 1 text carries several labels, the first 'same text' (x and y): 2 of 14 inputs."
        " They are learned from and never held out",
    ):
        assert any(line.startswith(part) for line in lines), (part, lines)


def test_labels_that_mean_the_same_count_as_one(tiny_workspace: Path) -> None:
    """Two shops with the same products: which shop's head answers does not matter."""
    workspace = WorkspaceFolder(tiny_workspace)
    for name, seed, same in (("shop", 0, ()), ("other", 1, ("soup", "cake"))):
        rows = make_texts("food", 30, seed)
        learn(workspace, name, Examples(*zip(*rows, strict=True), name), settings=CLOSED, same_labels=same)  # fmt: skip
    found = certificates(workspace).tasks
    for name in ("shop", "other"):
        assert found[name].certificate.errors > 0
        assert (
            found[name].answers.right
            > found[name].answers.held_out - found[name].certificate.errors
        )


def test_a_class_that_is_swallowed_is_named(tiny_workspace: Path) -> None:
    """Many examples of one class and few of another whose held-out ones are taken for it."""
    workspace = WorkspaceFolder(tiny_workspace)
    soup = [row for row in make_texts("food", 120, 0) if row[1] == "soup"]
    rare = [(text, "stew") for text, _ in soup[:4]]
    cake = [row for row in make_texts("food", 120, 0) if row[1] == "cake"]
    held = [(text, "stew") for text, _ in soup[4:8]] + soup[110:] + cake[110:]
    learn(
        workspace,
        "food",
        Examples(*zip(*soup[8:110], *cake[:102], *rare, strict=True), "food"),
        Examples(*zip(*held, strict=True), "held"),
        settings=CLOSED,
    )
    certified = certificates(workspace).of(["food"])
    stew = certified.tasks["food"].answers.classes["stew"]
    assert stew.held_out == 4
    assert (stew.right - stew.unknown) * 2 < 4
    assert any("'stew' (" in line and "more examples" in line for line in advice(certified))


def test_held_out_inputs_that_are_nearly_learned_from_are_told_of(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = make_texts("food", 30, 0)
    held = [(f"{text} {number}!", label) for number, (text, label) in enumerate(rows[:6])]
    held += [row for row in make_texts("food", 60, 7) if row[0] not in dict(rows)][:30]
    learn(
        workspace,
        "food",
        Examples(*zip(*rows, strict=True), "food"),
        Examples(*zip(*held, strict=True), "held"),
        settings=CLOSED,
    )
    certified = certificates(workspace).of(["food"])
    food = certified.tasks["food"]
    assert food.reading.near == 6
    line = f"food: 6 of {food.certificate.held_out} held-out inputs are nearly the same as one"
    assert any(one.startswith(line) and "--group-column" in one for one in advice(certified))
    few = dataclasses.replace(food, reading=dataclasses.replace(food.reading, near=1))
    assert not any("nearly" in one for one in advice(Certificates({"food": few}, ())))
