"""Write the figures of the committed results into README.md, between its two markers, and draw the
study that it shows.

``--check`` only compares the numbers; another release of matplotlib draws with other bytes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8")
    )
    return content


def table() -> str:
    clinc, latency, install, demo = (
        _load(name) for name in ("clinc150", "latency", "device_install", "demo")
    )
    runtime, sync, crash, fleet, schemes = (
        _load(name) for name in ("runtime", "sync", "crash", "fleet", "schemes")
    )
    study, openvino = _load("study_clinc150")["summary"], _load("openvino")["best"]
    serve = _load("serve")
    fuzz, many = _load("fuzz"), {row["tasks"]: row for row in _load("lookup")["rows"]}
    catalogue, thousand = sync["catalogue"], sync["thousand_tasks_from_a_folder"]
    small, large = (
        f"{catalogue[size]['bytes_per_added_task']['median']:,.0f}" for size in ("10000", "100000")
    )
    poll = catalogue["10000"]
    summary, runs, times = clinc["summary"], clinc["runs"], latency["latency_ms"]
    rows = [
        (
            (
                "CLINC150, 10 tasks x 15 intents, int8 on the device path, per sample, mean of 3"
                " orders"
            ),
            "",
            "",
        ),
        (
            "last accuracy (task and label right)",
            f"{summary['last_accuracy']['mean']:.4f}",
            ">= .964",
        ),
        (
            (
                "the study's run, float adapters: cfedge; joint training, not continual; RanPAC on"
                " the frozen encoder; the published rule"
            ),
            "; ".join(
                f"{study[name]['accuracy']:.4f}"
                for name in ("cfedge", "joint", "random-features frozen", "proteus")
            ),
            "gap to joint <= .002",
        ),
        ("task identification", f"{summary['retrieval']['mean']:.4f}", ">= .982"),
        ("accuracy with the task known", f"{summary['task_known']['mean']:.4f}", ""),
        (
            "earlier answers (task known) whose bits changed after an addition",
            f"{summary['bits_changed']}",
            "0",
        ),
        (
            "forward passes an input, early exits and further stages included",
            f"{summary['passes']['mean']:.3f}",
            "<= 1.10",
        ),
        ("answers that end behind the trunk", f"{summary['early_exits']['mean']:.0%}", ""),
        (
            "out-of-scope queries, AUROC; known inputs above the ood_score that 95 % of these exceed",
            (
                f"{summary['auroc_out_of_scope']:.3f};"
                f" {sum(run['unknown']['fpr95'] for run in runs) / len(runs):.1%}"
            ),
            ">= .970",
        ),
        (
            "test error of picking another task above its certified limit, tasks x orders",
            f"{summary['upper_bounds_exceeded_on_test']} of {sum(len(run['upper_bounds']) for run in runs)}",
            "",
        ),
        (
            "adding a task of 1,500 utterances, median (largest)",
            f"{summary['add_seconds']['median']:.0f} s ({summary['add_seconds']['max']:.0f} s)",
            "<= 120 s",
        ),
        (
            "one task in the bundle, largest",
            f"{summary['task_bytes_max'] / 1e3:.0f} kB",
            "<= 250 kB",
        ),
        (
            "its signature alone, largest",
            f"{max(run['signature_bytes'] for run in runs) / 1e3:.0f} kB",
            "<= 100 kB",
        ),
        ("backbone (trunk, tail, tokenizer)", f"{runs[0]['backbone_bytes'] / 1e6:.1f} MB", ""),
        (f"One utterance, one thread, {latency['tasks']} tasks, interleaved, medians", "", ""),
        ("`Engine.predict`", f"{times['engine']['p50']:.2f} ms", ""),
        (
            "against the bare, unsplit int8 backbone in one session",
            _ratio(latency, "engine_over_bare"),
            "<= 1.08 x",
        ),
        (
            "the same, means instead of medians: what does not end early counts in full",
            _ratio(latency, "engine_over_bare", "ratios_of_means"),
            "",
        ),
        (
            "the medians, that session with the engine's settings",
            _ratio(latency, "engine_over_bare_tuned"),
            "",
        ),
        (
            "PEFT LoRA in PyTorch eager mode, against `Engine.predict`",
            f"{1 / latency['ratios_of_p50']['engine_over_peft']['median']:.2f} x",
            ">= 3 x",
        ),
        (
            "the published rule's full pass a task, same int8 sessions, against `Engine.predict`",
            _times(runtime, "proteus"),
            ">= 8 x",
        ),
        (
            (
                "`int8-row` against plain dynamic int8 of the same float graph, which depends on"
                " the batch; short texts / 64 tokens"
            ),
            _schemes(schemes["not_taken"]["int8-dynamic with layer norms"], schemes),
            "<= 1.15 x",
        ),
        (
            "the same, against one with our norms (`--scheme int8-dynamic`)",
            _schemes(schemes["schemes"]["int8-dynamic"], schemes),
            "",
        ),
        (
            (
                "against OpenVINO's best form of the whole encoder, ids ready: one model; a model"
                " compiled for every length"
            ),
            "; ".join(
                f"{openvino[form]['engine']['ratio_of_p50']['median']:.2f} x"
                for form in ("one_model", "a_model_per_length")
            ),
            "<= 1.1 x",
        ),
        ("with 1,000 tasks, against the bare backbone", _times(runtime, "thousand"), "<= 1.15 x"),
        (
            "memory of the process with 10 / 1,000 tasks, after all stages",
            " / ".join(
                f"{runtime[f'memory_{tasks}']['rss_bytes']['median'] / 1e6:.0f} MB"
                for tasks in (10, 1000)
            ),
            "",
        ),
        (
            "share of a call that is neither ONNX Runtime's nor the tokenizer's",
            (
                f"{runtime['outside']['share']['median']:.1%}"
                f" ({runtime['outside']['us']['median']:.0f} us)"
            ),
            "<= 3 %",
        ),
        ("another task on every call, against one task", _times(runtime, "switching"), "<= 1.03 x"),
        (
            "a batch of 32 of all tasks, against one of a single task",
            _times(runtime, "mixed"),
            "<= 1.05 x",
        ),
        (
            "process start to first answer, against imports and loading the graphs",
            _times(runtime, "cold_start"),
            "<= 1.5 x",
        ),
        (
            (
                "`cfedge serve`, one worker, 8 clients on connections that stay open: answers a"
                " second; processor time an answer"
            ),
            (
                f"{serve['8 clients']['answers_per_second']:,.0f};"
                f" {serve['8 clients']['server_cpu_ms_per_answer']:.1f} ms"
            ),
            "",
        ),
        (
            "`Engine.latest` with a task more, first answer included",
            f"{runtime['hot']['ms']['median']:.0f} ms",
            "<= 50 ms",
        ),
        (
            (
                "the first stage among 1,000 / 10,000 tasks, of the trunk's time, in a loop; same"
                " task as the exact scores give"
            ),
            (
                f"{many[1000]['share_of_trunk_in_a_loop']:.0%} /"
                f" {many[10000]['share_of_trunk_in_a_loop']:.0%};"
                f" {min(one['recall_of_the_exact_answer'] for one in many.values()):.4f}"
            ),
            "<= 5 %; >= .999",
        ),
        ("Syncing", "", ""),
        (
            "metadata for one added task, 10,000 / 100,000 tasks in the catalogue",
            f"{small} / {large} bytes",
            "<= 4,500",
        ),
        (
            "asking where nothing is new, 10,000 tasks, signatures in pure Python",
            (
                f"{poll['poll_bytes']} bytes, {poll['poll_requests']} requests,"
                f" {poll['poll_ms_pure']['p50']:.1f} ms"
            ),
            "<= 500, 2",
        ),
        (
            "a whole sync of a device with 10,000 tasks where nothing is new",
            f"{sync['nothing_new']['ms']['p50']:.0f} ms",
            "<= 25 ms",
        ),
        (
            "a task of 150 kB, all in",
            f"{sync['one_task']['fetched_bytes'] / 1e3:.1f} kB",
            "<= 160 kB",
        ),
        (
            "1,000 such tasks from a folder (copying and fsync of their files alone)",
            f"{thousand['seconds']:.1f} s ({thousand['copy_and_fsync_seconds']:.1f} s)",
            "<= 3 s",
        ),
        (
            "states after a power cut that do not work; kills and refused calls that do harm",
            (
                f"{crash['power_cuts']['bad']} of {crash['power_cuts']['states']:,}; "
                f"{crash['kills_and_refusals']['bad']} of {crash['kills_and_refusals']['runs']:,}"
            ),
            "0 of 5,000; 0 of 400",
        ),
        (
            (
                f"{fleet['devices']} devices through a rollout with a bad task: on the last good"
                " state; wrong answers"
            ),
            f"{fleet['ended_on_the_last_good_state']}; {fleet['wrong_or_missing']}",
            f"{fleet['devices']}; 0",
        ),
        (
            "mutations of manifests, arrays and graphs that gave no clean error",
            f"{fuzz['wrong_count']} of {fuzz['mutations']:,}",
            "0 of 100,000",
        ),
        ("A device's download", "", ""),
        ("wheels of `cfedge[text]`", f"{install['total_bytes'] / 1e6:.1f} MB", "<= 50 MB"),
        ("`make demo`'s five tasks, 216 training utterances each", "", ""),
        (
            "last accuracy; task identification",
            f"{demo['last_accuracy']:.3f}; {demo['retrieval']:.3f}",
            "",
        ),
        ("unknown utterances, AUROC", f"{demo['unknown_auroc']:.3f}", ""),
    ]
    lines = ["| figure | measured | aim |", "|---|---|---|"]
    for name, value, aim in rows:
        lines.append(f"| {name if value else f'**{name}**'} | {value} | {aim} |")
    machine, versions = latency["machine"], latency["versions"]
    measured = (
        f"Measured on {machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])}),"
        f" ONNX Runtime {versions['onnxruntime']}, torch {versions['torch']}, {clinc['date']};"
        " `benchmarks/results/*.json` hold the runs, `make bench` makes them."
    )
    lines += ["", textwrap.fill(measured, 100, break_long_words=False, break_on_hyphens=False)]
    return "\n".join(lines)


def _schemes(dynamic: dict[str, Any], schemes: dict[str, Any]) -> str:
    row, dynamic = schemes["schemes"]["int8-row"]["time_ratio"], dynamic["time_ratio"]
    return " / ".join(
        f"{row[length]['median'] / dynamic[length]['median']:.2f} x"
        for length in ("short", "64_tokens")
    )


def _times(runtime: dict[str, Any], name: str) -> str:
    one = runtime[name]["ratio"]
    return f"{one:.2f} x" if isinstance(one, float) else f"{one['median']:.2f} x"


def _ratio(latency: dict[str, Any], name: str, kind: str = "ratios_of_p50") -> str:
    one = latency[kind][name]
    return (
        f"{one['median']:.2f} x ({one['min']:.2f} - {one['max']:.2f} in {one['processes']}"
        " processes)"
    )


def main() -> int:
    path = ROOT / "README.md"
    content = path.read_text("utf-8")
    before, _, rest = content.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv:
        print(
            "README.md agrees with benchmarks/results"
            if wanted == content
            else "README.md differs: run python benchmarks/readme.py"
        )
        return int(wanted != content)
    path.write_text(wanted, encoding="utf-8")
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

    found = _load("study_clinc150")
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
    study = Study(**{**parts, "runs": runs, "settings": Settings(**found["settings"])})
    save(draw_study(study), ROOT / "docs" / "figures" / "clinc150.svg")


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


if __name__ == "__main__":
    raise SystemExit(main())
