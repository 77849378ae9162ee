"""Write what README quotes of the committed results between its markers, the page of all figures,
and the picture of the study that it shows.

``--check`` only compares; another release of matplotlib draws with other bytes.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import figures
from figures import load

ROOT = Path(__file__).parent.parent
#: README's rows of rivals: what they are called there, in the study, and what else is to be said.
#: (name in README, model in the study, old data needed, gives an error limit, works offline)
RIVALS = (
    ("**cfedge**", "cfedge", "no", "**yes**", "yes"),
    ("retrain on everything", "joint", "**all**", "no", "yes"),
    ("one LoRA a task, k-means router", "k-means", "no", "no", "yes"),
    ("nearest mean of embeddings", "nearest-mean frozen", "no", "no", "yes"),
    ("LDA on embeddings", "LDA frozen", "no", "no", "yes"),
    ("RanPAC", "random-features frozen", "no", "no", "yes"),
)


def rivals() -> str:
    """Return the table that says why not something else."""
    summary = load("study_clinc150")["summary"]
    lines = [
        "|instead|needs old data|accuracy|forgetting|kept per task|gives an error limit|offline|",
        "|---|---|---|---|---|---|---|",
    ]
    for name, model, old, states, offline in RIVALS:
        row = summary[model]
        forgets = "–" if model == "joint" else f"{row['forgetting']:.3f}"
        lines.append(
            f"|{name}|{old}|{row['accuracy']:.3f}|{forgets}|{_bytes(row['task_bytes'], model)}"
            f"|{states}|{offline}|"
        )
    lines.append("|a cloud model|no|not measured|–|–|no|**no**|")
    now, study = load("clinc150"), load("study_clinc150")
    accuracy, forgets = (now["summary"][name]["mean"] for name in ("last_accuracy", "forgetting"))
    lines += [
        "",
        f"CLINC150, float adapters, {study['date']}. *Forgetting*: accuracy lost on earlier tasks.",
        f"Today's cfedge, int8: {accuracy:.3f}, {forgets:.3f}.",
    ]
    return "\n".join(lines)


def six() -> str:
    """Return README's six figures."""
    clinc, latency = load("clinc150"), load("latency")
    summary, wheels = clinc["summary"], load("device_install")["total_bytes"] / 1e6
    rows = (
        ("an answer, one thread", f"{latency['latency_ms']['engine']['p50']:.2f} ms"),
        ("share of the encoder run per answer", f"{summary['passes']['mean']:.2f}"),
        ("right task found", f"{summary['task_identification']['mean']:.1%}"),
        ("unknown inputs, AUROC", f"{summary['auroc_out_of_scope']:.3f}"),
        ("adding a task", f"{summary['add_seconds']['median']:.0f} s"),
        ("device packages", f"{wheels:.0f} MB"),
    )
    dates = sorted({load(name)["date"] for name in ("clinc150", "latency", "device_install")})
    cpu = figures.processor(latency)
    machine = f"{cpu}, {latency['machine']['cores']} cores, {dates[0]} to {dates[-1]}"
    table = ["|CLINC150, ten tasks, int8|measured|", "|---|---|"]
    return "\n".join([*table, *(f"|{name}|{value}|" for name, value in rows), "", f"({machine}.)"])


def _bytes(size: float, model: str) -> str:
    if model == "joint":
        return "its data"
    if model == "cfedge":
        size = load("clinc150")["summary"]["task_bytes_max"]
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e3:,.0f} kB"


BLOCKS = {"rivals": rivals, "figures": six}


def readme(content: str) -> str:
    """Return README with what stands between its markers made anew."""
    for name, block in BLOCKS.items():
        begin, end = f"<!--{name}-->", f"<!--/{name}-->"
        before, found, rest = content.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"README.md: expected {begin} ... {end}, found none; put them back")
        content = f"{before}{begin}\n{block()}\n{end}{after}"
    return content


def main() -> int:
    """Write README.md and docs/figures.md, or compare them."""
    path = ROOT / "README.md"
    wanted = {path: readme(path.read_text("utf-8")), figures.PAGE: figures.page()}
    if "--check" in sys.argv:
        differ = [
            str(page.relative_to(ROOT))
            for page, text in wanted.items()
            if not page.is_file() or page.read_text("utf-8") != text
        ]
        print(f"{', '.join(differ)} differ: run python benchmarks/readme.py" if differ else "same")
        return int(bool(differ))
    for page, text in wanted.items():
        page.write_text(text, encoding="utf-8")
    draw()
    return 0


def draw() -> None:
    """Draw the study of CLINC150 as ``cfedge compare --plot`` does; what results of before do not
    have is not drawn.
    """
    from cfedge.plot.figure import save
    from cfedge.plot.study import draw_study
    from cfedge.study.results import Measured, Study
    from cfedge.train.settings import Settings

    found = load("study_clinc150")
    undrawn = {"head_bytes": 0, "statistics_bytes": 0}
    runs = {
        model: [Measured(**{**undrawn, **run}) for run in some]
        for model, some in found["runs"].items()
    }
    parts = {
        "learn_seconds": [],
        "open_set": [],
        **{name: found[name] for name in _names(Study) if name in found},
    }
    known = {
        name: found["settings"][name] for name in _names(Settings) if name in found["settings"]
    }
    study = Study(**{**parts, "runs": runs, "settings": Settings(**known)})
    save(draw_study(study), ROOT / "docs" / "figures" / "clinc150.svg")


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


if __name__ == "__main__":
    raise SystemExit(main())
