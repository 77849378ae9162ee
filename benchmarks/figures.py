"""docs/figures.md: every figure, what was aimed at, and how to measure it again; from committed
results alone. `benchmarks/readme.py` writes the page and what README quotes of it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from record import RESULTS

__all__ = ["Row", "load", "measured_on", "page", "ratio", "table"]

PAGE = Path(__file__).parent.parent / "docs" / "figures.md"
HEAD = """# Figures

Every figure here comes from a committed file in `benchmarks/results/`, and a test compares them.
The right column says what was aimed at, and **missed** where that was not reached. `make bench`
measures everything again (an hour); [CONTRIBUTING.md](../CONTRIBUTING.md) says how. What cfedge was
compared with, and to whom it lost, is on two pages: [the baselines and joint
training](decisions/0010-comparison.md), and [OpenVINO](decisions/0027-openvino.md).

![CLINC150, ten tasks one after another: accuracy on the tasks learned so far, and last accuracy
with its standard error, forward passes and bytes](figures/clinc150.svg)
"""
TAIL = """
The demo's texts are varied on purpose: six classes a task, 216 examples to learn from and 120 held
out. Its pictures are scikit-learn's handwritten digits: two tasks of four digits each, 80 of each
to learn from and 50 held out; 8 and 9 are of no task. Every limit holds for all tasks together.

How each part of a call was brought to its time is told in
[Where a call's time goes](decisions/0007-latency.md), and how a process starts in
[Where a cold start's time goes](decisions/0028-cold-start.md).
"""


#: The results that were asked for: the page says from when to when they are.
_LOADED: dict[str, dict[str, Any]] = {}


class Row(NamedTuple):
    """One line of a table: what was measured, its value, what was aimed at and whether it was met."""

    name: str
    value: str
    aim: str = ""
    met: bool = True


def load(name: str) -> dict[str, Any]:
    """Return a committed result."""
    if name not in _LOADED:
        _LOADED[name] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return _LOADED[name]


def table(rows: list[Row]) -> str:
    """Return a Markdown table."""
    lines = [
        f"| {row.name} | {row.value} | {row.aim}{'' if row.met else '; **missed**'} |"
        for row in rows
    ]
    return "\n".join(["| figure | measured | aim |", "|---|---|---|", *lines])


def page() -> str:
    """Return the whole of docs/figures.md."""
    sections = (
        ("CLINC150, ten tasks of fifteen intents, int8 on the device path, mean of 3 orders", _learning()),
        ("One utterance, one thread, ten tasks, interleaved, medians", [*_answering(), *_engine()]),
        ("1,000 / 10,000 tasks: real ones and mirror images of them, one thread", _thousands()),
        ("Publishing and syncing", _syncing()),
        ("Damage and attack", _attacks()),
        ("A device's download", _download()),
        ("`make demo`: sentences, five tasks", _demo("sentences")),
        ("`make demo`: pictures, closed-form heads", _demo("pictures")),
    )  # fmt: skip
    parts = [f"## {title}\n\n{table(rows)}" for title, rows in sections]
    return "\n\n".join([HEAD.strip("\n"), *parts, measured_on(), TAIL.strip("\n")]) + "\n"


def measured_on() -> str:
    """Return the machine, the versions and the dates of what was loaded so far, as a wrapped
    paragraph.
    """
    latency, vnni = load("latency"), load("latency_vnni")
    dates = sorted(result["date"] for result in _LOADED.values())
    machine, versions = latency["machine"], latency["versions"]
    others = sorted({processor(result) for result in _LOADED.values()} - {processor(latency)})
    told = (
        f"An utterance's times were measured on {processor(latency)}, {machine['cores']} cores"
        f" ({', '.join(machine['flags'])}), the rest on that or on {', '.join(others)}, with"
        f" ONNX Runtime {versions['onnxruntime']}, torch {versions['torch']}, from {dates[0]} to"
        f" {dates[-1]}; each result says its own date and commit. The study's run is of"
        f" {load('study_clinc150')['date']}, and the rows of memory, switching, starting and"
        f" what is neither ONNX Runtime's nor the tokenizer's are of {load('runtime')['date']}, both"
        " with cfedge's lookup before [page 36](decisions/0036-class-gaussians.md), which takes more"
        " of the latter now. On the"
        f" {processor(vnni)}, which has VNNI and AMX, an answer took"
        f" {vnni['latency_ms']['engine']['p50']:.2f} ms on {vnni['date']},"
        f" {vnni['ratios_of_p50']['engine_over_bare']['median']:.2f} times as long as the bare"
        f" backbone, and the slowest tenth {slowest(vnni):.2f} times."
    )
    return textwrap.fill(told, 100, break_long_words=False, break_on_hyphens=False)


def slowest(latency: dict[str, Any]) -> float:
    """Return the 90th percentile of an answer's time over that of the bare backbone's."""
    engine, bare = (float(latency["latency_ms"][name]["p90"]) for name in ("engine", "bare"))
    return engine / bare


def processor(result: Mapping[str, Any]) -> str:
    """Return the name of the processor that a result was measured on."""
    return str(result["machine"]["cpu"]).replace("(R)", "").removesuffix(" Processor")


def _learning() -> list[Row]:
    clinc, study = load("clinc150"), load("study_clinc150")["summary"]
    summary, runs = clinc["summary"], clinc["runs"]
    others = (
        ("cfedge", "last accuracy", "joint training's, less .002"),
        ("joint", "that of joint training, which is not continual", ""),
        ("random-features frozen", "that of RanPAC on the frozen encoder", ""),
        ("proteus", "that of the rule of the PROTEUS paper", ""),
    )
    signature = max(run["signature_bytes"] for run in runs)
    fpr = sum(run["unknown"]["fpr95"] for run in runs) / len(runs)
    bounds = sum(len(run["limits"]) for run in runs)
    return [
        Row("last accuracy (task and label right)", f"{summary['last_accuracy']['mean']:.4f}", ">= .964"),
        *(Row(f"{words}, in the study's run (float adapters)", f"{study[name]['accuracy']:.4f}", aim)
          for name, words, aim in others),
        Row("task identification", f"{summary['task_identification']['mean']:.4f}", ">= .982"),
        Row("accuracy with the task known", f"{summary['task_known']['mean']:.4f}"),
        Row("forgetting: what accuracy on a task loses while later ones are added", f"{summary['forgetting']['mean']:.4f}"),
        Row("earlier answers, with the task given, whose bits changed after an addition", f"{summary['bits_changed']}", "0"),
        Row("forward passes an input, early exits and further stages included", f"{summary['passes']['mean']:.3f}", "<= 1.10"),
        Row("answers that do without the adapted tail", f"{summary['early_exits']['mean']:.0%}"),
        Row("known inputs against out-of-scope queries, AUROC of the out-of-distribution score", f"{summary['auroc_out_of_scope']:.3f}", ">= .970"),
        Row("known inputs called unknown at the threshold that catches 95 % of these", f"{fpr:.1%}"),
        Row("tasks whose share of test inputs that went to another task is above their limit, tasks x orders ([why](decisions/0008-certificates.md))",
            f"{summary['limits_exceeded_on_test']} of {bounds}", "5 %", summary["limits_exceeded_on_test"] <= 0.05 * bounds),
        Row("adding a task of 1,500 utterances, median (largest)",
            f"{summary['add_seconds']['median']:.0f} s ({summary['add_seconds']['max']:.0f} s)", "<= 120 s"),
        Row("one task in the bundle, largest", f"{summary['task_bytes_max'] / 1e3:.0f} kB", "<= 250 kB"),
        Row("its signature alone, largest", f"{signature / 1e3:.0f} kB", "<= 100 kB", signature <= 1e5),
        Row("backbone (trunk, tail, tokenizer)", f"{runs[0]['backbone_bytes'] / 1e6:.1f} MB"),
    ]  # fmt: skip


def _answering() -> list[Row]:
    latency, runtime, openvino = load("latency"), load("runtime"), load("openvino")["best"]
    peft = 1 / latency["ratios_of_p50"]["engine_over_peft"]["median"]
    slow = slowest(latency)
    forms = ("one_model", "a_model_per_length")
    schemes = load("schemes")
    return [
        Row("`Engine.predict`", f"{latency['latency_ms']['engine']['p50']:.2f} ms"),
        Row("against the bare, unsplit int8 backbone in one session", ratio("engine_over_bare"), "<= .95 x", latency["ratios_of_p50"]["engine_over_bare"]["median"] <= 0.95),
        Row("the slowest tenth (p90), against that of the bare backbone", f"{slow:.2f} x", "<= 1.15 x", slow <= 1.15),
        Row("the same with means, in which slow answers count in full", ratio("engine_over_bare", "ratios_of_means")),
        Row("the medians, that session with the engine's settings", ratio("engine_over_bare_tuned")),
        Row("PEFT LoRA in PyTorch eager mode, against `Engine.predict`", f"{peft:.2f} x", ">= 3 x"),
        Row("the published rule's full pass a task, same int8 sessions, against `Engine.predict`", _times(runtime, "proteus"), ">= 8 x"),
        Row("`int8-row` against plain dynamic int8 of the same float graph, which depends on the batch; short texts / 64 tokens",
            _schemes(schemes["not_taken"]["int8-dynamic with layer norms"], schemes), "<= 1.15 x"),
        Row("the same, against one with our norms (`--scheme int8-dynamic`)", _schemes(schemes["schemes"]["int8-dynamic"], schemes)),
        Row("against OpenVINO's best form of the whole encoder, ids ready: one model; a model compiled for every length",
            "; ".join(f"{openvino[form]['engine']['ratio_of_p50']['median']:.2f} x" for form in forms), "<= 1.1 x"),
    ]  # fmt: skip


def _thousands() -> list[Row]:
    """Of bundles of very many tasks: 1,000 and 10,000."""
    found = {row["tasks"]: row for row in load("thousands")["rows"]}
    p50 = {tasks: row["answering"]["p50_over_bare"] for tasks, row in found.items()}
    first = {
        tasks: row["answering"]["first_stage_of_trunk_in_a_loop"] for tasks, row in found.items()
    }
    size = {tasks: row["memory"]["rss_after_answers_bytes"] / 1e6 for tasks, row in found.items()}
    opening = {tasks: row["memory"]["open_seconds"] for tasks, row in found.items()}
    recall = {tasks: row["recall"]["recall_of_the_exact_answer"] for tasks, row in found.items()}
    adding = {tasks: row["adding"]["ratio"] for tasks, row in found.items()}
    return [
        Row("an answer, against the bare backbone, medians in turn", _pair(p50, "{:.2f} x"), "<= 1 x / <= 1.5 x", p50[1000] <= 1 and p50[10000] <= 1.5),
        Row("the lookup's first stage, in a loop, as a share of the trunk's time", _pair(first, "{:.0%}"), "<= 5 % / -", first[1000] <= 0.05),
        Row("inputs that get the task which exact scores of all classes give", _pair(recall, "{:.3f}"), ">= .999", min(recall.values()) >= 0.999),
        Row("memory of the process after 1,000 answers, adapters limited to 5 MB", _pair(size, "{:,.0f} MB"), "<= 250 MB / -", size[1000] <= 250),
        Row("opening, once this machine has opened it before", _pair(opening, "{:.1f} s"), "<= 1 s / -", opening[1000] <= 1),
        Row("learning one more task, against the first", _pair(adding, "{:.2f} x"), "<= 2 x", max(adding.values()) <= 2),
    ]  # fmt: skip


def _pair(values: Mapping[int, float], form: str) -> str:
    return " / ".join(form.format(values[tasks]) for tasks in (1000, 10000))


def _engine() -> list[Row]:
    runtime, serve = load("runtime"), load("serve")["8 clients"]
    memory = runtime["memory_10"]["rss_bytes"]["median"] / 1e6
    outside = runtime["outside"]
    return [
        Row("memory of the process, after all stages", f"{memory:.0f} MB"),
        Row("share of a call that is neither ONNX Runtime's nor the tokenizer's",
            f"{outside['share']['median']:.1%} ({outside['us']['median']:.0f} us)", "<= 3 %", outside["share"]["median"] <= 0.03),
        Row("another task on every call, against one task", _times(runtime, "switching"), "<= 1.03 x"),
        Row("a batch of 32 of all tasks, against one of a single task", _times(runtime, "mixed"), "<= 1.05 x"),
        Row("process start to first answer, against imports and loading the graphs", _times(runtime, "cold_start"), "<= 1.5 x"),
        Row("`cfedge serve`, one worker, 8 clients on connections that stay open: answers a second; processor time an answer",
            f"{serve['answers_per_second']:,.0f}; {serve['server_cpu_ms_per_answer']:.1f} ms"),
        Row("`Engine.latest` with a task more, first answer included", f"{runtime['hot']['ms']['median']:.0f} ms", "<= 50 ms"),
    ]  # fmt: skip


def _syncing() -> list[Row]:
    sync, fleet = load("sync"), load("fleet")
    catalogue, thousand = sync["catalogue"], sync["thousand_tasks_from_a_folder"]
    added = [
        f"{catalogue[size]['bytes_per_added_task']['median']:,.0f}" for size in ("10000", "100000")
    ]
    poll = catalogue["10000"]
    return [
        Row("metadata for one added task, 10,000 / 100,000 tasks in the catalogue", f"{' / '.join(added)} bytes", "<= 4,500"),
        Row("asking where nothing is new, 10,000 tasks, signatures in pure Python",
            f"{poll['poll_bytes']} bytes, {poll['poll_requests']} requests, {poll['poll_ms_pure']['p50']:.1f} ms", "<= 500, 2"),
        Row("a whole sync of a device with 10,000 tasks where nothing is new", f"{sync['nothing_new']['ms']['p50']:.0f} ms", "<= 25 ms"),
        Row("a task of 150 kB, all in", f"{sync['one_task']['fetched_bytes'] / 1e3:.1f} kB", "<= 160 kB"),
        Row("1,000 such tasks from a folder (copying and fsync of their files alone)",
            f"{thousand['seconds']:.1f} s ({thousand['copy_and_fsync_seconds']:.1f} s)", "<= 3 s"),
        Row(f"{fleet['devices']} devices through a rollout with a bad task: on the last good state; wrong answers",
            f"{fleet['ended_on_the_last_good_state']}; {fleet['wrong_or_missing']}", f"{fleet['devices']}; 0"),
    ]  # fmt: skip


def _attacks() -> list[Row]:
    crash, fuzz = load("crash"), load("fuzz")
    cuts, kills = crash["power_cuts"], crash["kills_and_refusals"]
    return [
        Row("states after a power cut that do not work", f"{cuts['bad']} of {cuts['states']:,}", "0 of 5,000"),
        Row("kills and refused calls that do harm", f"{kills['bad']} of {kills['runs']:,}", "0 of 400"),
        Row("mutations of manifests, arrays and graphs that gave no clean error",
            f"{fuzz['wrong_count']} of {fuzz['mutations']:,}", "0 of 100,000"),
    ]  # fmt: skip


def _download() -> list[Row]:
    size = load("device_install")["total_bytes"] / 1e6
    return [Row("wheels of `cfedge[text]`", f"{size:.1f} MB", "<= 50 MB")]


def _demo(stream: str) -> list[Row]:
    demo = load("demo")[stream]
    tasks = demo["tasks"]
    above = [row for row in tasks if 1 - row["accuracy_int8"] > row["wrong_answer_at_most"]]
    return [
        Row("last accuracy", f"{demo['last_accuracy']:.3f}"),
        Row("task identification", f"{demo['task_identification']:.3f}"),
        Row("forgetting", f"{demo['forgetting']:.3f}"),
        *(
            Row(
                f"inputs of no task called unknown: {row['kind']}, {row['what']}",
                f"{row['called_unknown']} of {row['count']}",
            )
            for row in demo["unknown"]
        ),
        Row(
            "the tasks' own inputs called unknown",
            f"{demo['false_rejects']:.1%}",
            "5 %",
            demo["false_rejects"] <= 0.06,
        ),
        Row("known against unknown, AUROC", f"{demo['unknown_auroc']:.3f}"),
        Row(
            "wrong answers, each task: promised at most",
            _range([row["wrong_answer_at_most"] for row in tasks]),
        ),
        Row(
            "tasks of which more were wrong in the test than promised",
            f"{len(above)} of {len(tasks)}",
            "0",
            not above,
        ),
        Row(
            "the same tasks in the test: wrong",
            _range([1 - row["accuracy_int8"] for row in tasks]),
        ),
    ]


def _range(values: list[float]) -> str:
    return f"{min(values):.1%} - {max(values):.1%}"


def ratio(name: str, kind: str = "ratios_of_p50") -> str:
    """Return the median of a ratio of latency.json with its range over processes."""
    told = load("latency")[kind][name]
    low, high = f"{told['min']:.2f}", f"{told['max']:.2f}"
    return f"{told['median']:.2f} x ({low} - {high} in {told['processes']} processes)"


def _times(runtime: dict[str, Any], name: str) -> str:
    told = runtime[name]["ratio"]
    return f"{told if isinstance(told, float) else told['median']:.2f} x"


def _schemes(dynamic: dict[str, Any], schemes: dict[str, Any]) -> str:
    row, other = schemes["schemes"]["int8-row"]["time_ratio"], dynamic["time_ratio"]
    lengths = ("short", "64_tokens")
    return " / ".join(
        f"{row[length]['median'] / other[length]['median']:.2f} x" for length in lengths
    )
