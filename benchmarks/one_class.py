"""One class added without old data: CLINC150's ten domains with one class of the first held back,
which then becomes a task of its own, of 20 and of 100 examples.

What the lookup that ships makes of the test set is counted: how many of the class's inputs it finds,
and how many inputs of the other classes it gives to another task than before. Nothing is written
unless --write is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import record

from cfedge.lookup import Features
from cfedge.train.feature_cache import features_of
from cfedge.train.margins import route
from cfedge.train.signature import learn_signature
from cfedge_export.make_backbone import make_backbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    data, domains = record.clinc150()
    names = sorted(domains)
    with tempfile.TemporaryDirectory() as scratch:
        encoder = make_backbone(Path(scratch) / "base", "minilm-l6").encoder()
        features, labels = {}, {}
        for split in ("train", "val", "test"):
            rows = [row for row in data[split] if any(row[1] in domains[name] for name in names)]
            features[split] = features_of(encoder, [text for text, _ in rows])[1]
            labels[split] = np.array([label for _, label in rows])

    def of(split: str, wanted: list[str], most: int | None = None) -> tuple[Features, np.ndarray]:
        rows = [
            row
            for label in wanted
            for row in np.flatnonzero(labels[split] == label)[: most or len(labels[split])]
        ]
        picked = Features(*(part[rows] for part in features[split]))
        position = {label: index for index, label in enumerate(wanted)}
        return picked, np.array([position[label] for label in labels[split][rows]])

    whole = {name: learn_signature(*of("train", sorted(domains[name]))) for name in names}
    held = {name: of("val", sorted(domains[name]))[0] for name in names}
    owner = {label: name for name in names for label in domains[name]}
    rows_out = []
    for label in sorted(domains[names[0]])[: chosen.classes]:
        rest = [one for one in sorted(domains[names[0]]) if one != label]
        base = {**whole, names[0]: learn_signature(*of("train", rest))}
        evidence = {**held, names[0]: of("val", rest)[0]}
        others = labels["test"] != label
        truth = np.array([owner[one] for one in labels["test"][others]])
        asked = Features(*(part[others] for part in features["test"]))
        router, _ = route(base, evidence)
        before = (np.array(router.tasks)[router(asked).task] == truth).mean()
        for count in (20, 100):
            more = {**base, "new": learn_signature(*of("train", [label], count))}
            router, _ = route(more, {**evidence, "new": of("val", [label], max(1, count // 5))[0]})
            tasks = np.array(router.tasks)
            found = tasks[router(Features(*(p[~others] for p in features["test"]))).task]
            after = (tasks[router(asked).task] == truth).mean()
            row = {
                "class": label,
                "examples": count,
                "recall": float((found == "new").mean()),
                "others lose, points": float(100 * (before - after)),
            }
            rows_out.append(row)
            print(row, flush=True)
    for count in (20, 100):
        mine = [row for row in rows_out if row["examples"] == count]
        print(
            count,
            "mean recall", np.mean([row["recall"] for row in mine]),
            "least", np.min([row["recall"] for row in mine]),
            "others lose", np.mean([row["others lose, points"] for row in mine]),
            "most", np.max([row["others lose, points"] for row in mine]),
            flush=True,
        )  # fmt: skip
    if chosen.write:
        record.write("one_class", {"rows": rows_out}, threads=1)


if __name__ == "__main__":
    main()
