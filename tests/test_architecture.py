"""The import table of the design, held by the sources themselves, and the device half run where the
workshop's is barred.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
#: Layers from the bottom up: a module may import its own layer and those above it in this list.
LAYERS = [
    (
        "cfedge.arguments",
        "cfedge.calibration",
        "cfedge.charts",
        "cfedge.counted",
        "cfedge.errors",
        "cfedge.first_bytes",
        "cfedge.kinds",
        "cfedge.lookups",
        "cfedge.margins",
        "cfedge.meanings",
        "cfedge.printable",
        "cfedge.spelling",
        "cfedge.progress",
        "cfedge.records",
        "cfedge.values",
        "cfedge.version",
    ),
    ("cfedge.bundle.canonical", "cfedge.bundle.fileref", "cfedge.plain_files"),
    ("cfedge.inputs",),
    (
        "cfedge.storage",
        "cfedge.scratch",
        "cfedge.outside",
        "cfedge.lookup",
        "cfedge.device",
        "cfedge.bundle.consistency",
        "cfedge.bundle.evidence",
        "cfedge.bundle.limits",
        "cfedge.bundle.manifest",
        "cfedge.bundle.names",
        "cfedge.bundle.reading",
        "cfedge.confidence",
        "cfedge.doors",
    ),
    ("cfedge.bundle.files", "cfedge.bundle", "cfedge.catalogue"),
    ("cfedge.store",),
    ("cfedge.runtime",),
    ("cfedge", "cfedge.footprint"),
    ("cfedge.kept",),
    ("cfedge.sync",),
    ("cfedge.publish",),
    ("cfedge.train",),
    ("cfedge.train.examples",),
    ("cfedge.train.measures",),
    ("cfedge.train.features",),
    ("cfedge.train.workspace",),
    ("cfedge.train.learn",),
    ("cfedge.train.certify",),
    ("cfedge.train.change",),
    ("cfedge.train.jobs",),
    ("cfedge.train.teach",),
    ("cfedge_export", "cfedge.study"),
    ("cfedge.teaching",),
    (
        "cfedge.bench",
        "cfedge.demo",
        "cfedge.doctor",
        "cfedge.plot",
        "cfedge.report",
        "cfedge.serve",
    ),
    ("cfedge.console",),
    ("cfedge.cli",),
    ("cfedge.__main__",),
]
WORKSHOP = ("cfedge.train", "cfedge.study", "cfedge.teaching", "cfedge_export")
#: What the package hands on when it is first asked for: its type alone is named below its floor.
HANDED_ON = {("cfedge", "cfedge.teaching"), ("cfedge", "cfedge.teaching.Workspace")}
#: Of the workshop what commands may load to show their defaults: it imports nothing but the errors.
DEFAULTS = "cfedge.train.settings"
HEAVY = {
    "torch",
    "sklearn",
    "scipy",
    "onnx",
    "optimum",
    "transformers",
    "datasets",
    "peft",
    "huggingface_hub",
    "filelock",
}
DEVICE_PACKAGES = {
    "numpy",
    "onnxruntime",
    "tokenizers",
    "safetensors",
    "click",
    "typer",
    "rich",
    "tomli",
    "tomllib",
}
#: What one room of the device half may need beside them: its extra is named where it is missing.
EXTRAS = {
    "cfedge.demo": {"PIL", "sklearn"},
    "cfedge.doors": {"datasets"},
    "cfedge.console": {"cryptography", "filelock", "starlette", "uvicorn"},
    "cfedge.inputs": {"PIL"},
    "cfedge.kept": {"cryptography"},
    "cfedge.storage": {"filelock"},
    "cfedge.sync": {"filelock", "tuf", "urllib3", "securesystemslib"},
    "cfedge.plot": {"matplotlib"},
    "cfedge.serve": {"h11", "prometheus_client", "starlette", "uvicorn"},
    "cfedge.publish": {"cryptography", "filelock", "securesystemslib", "tuf"},
}


def _modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder, package in (
        (ROOT / "cfedge", "cfedge"),
        (ROOT / "export" / "cfedge_export", "cfedge_export"),
    ):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


MODULES = _modules()


class Facts(NamedTuple):
    """What is asked of a source: its imports, those at the top, how it opens files, and its
    functions of more than 60 lines, from ``def`` on, with what is said of them.
    """

    imports: tuple[ast.AST, ...]
    at_the_top: tuple[ast.AST, ...]
    opens: frozenset[str]
    long_functions: tuple[str, ...]


@cache
def _facts(path: Path) -> Facts:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(ast.walk(tree))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return Facts(
        tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)),
        tuple(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)),
        frozenset(_opens(nodes)),
        tuple(one.name for one in functions if (one.end_lineno or 0) - one.lineno >= 60),
    )


@cache
def _imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    facts = _facts(path)
    found: set[str] = set()
    for node in facts.at_the_top if top_level_only else facts.imports:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {
                f"{node.module}.{alias.name}"
                for alias in node.names
                if f"{node.module}.{alias.name}" in MODULES
            }
    return found


def _layer(module: str) -> int:
    best = max(
        (
            (len(prefix), level)
            for level, prefixes in enumerate(LAYERS)
            for prefix in prefixes
            if f"{module}.".startswith(f"{prefix}.")
        ),
        default=None,
    )
    assert best is not None, f"{module} is in no layer: add it to the table"
    return best[1]


def _extras(module: str) -> set[str]:
    return set().union(
        *(packages for room, packages in EXTRAS.items() if f"{module}.".startswith(f"{room}."))
    )


#: The modules of the device half: all but the workshop's.
DEVICE = [module for module in MODULES if not module.startswith(WORKSHOP)]


def _roots(module: str) -> set[str]:
    """The packages that a module imports anywhere in its source."""
    return {name.partition(".")[0] for name in _imports(MODULES[module])}


def test_every_module_stands_in_a_layer_and_imports_point_down() -> None:
    upward = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        for name in sorted(_imports(path))
        if name.partition(".")[0] in ("cfedge", "cfedge_export")
        and (module, name) not in HANDED_ON
        and _layer(name if name in MODULES else name.rpartition(".")[0]) > _layer(module)
    ]
    assert upward == []


def test_no_module_comes_back_to_itself_by_its_imports() -> None:
    """Not by one inside a function or for types alone either, but for names that are handed on."""
    graph = {module: _modules_of(path, module) for module, path in MODULES.items()}
    while outer := [
        module
        for module, names in graph.items()
        if not names & graph.keys() or not any(module in others for others in graph.values())
    ]:
        graph = {module: names for module, names in graph.items() if module not in outer}
    assert {module: sorted(names & graph.keys()) for module, names in graph.items()} == {}


def _modules_of(path: Path, module: str) -> set[str]:
    """What a module imports of this project: of a package the modules that are named, or itself."""
    found: set[str] = set()
    for node in _facts(path).imports:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & MODULES.keys()
            if names - MODULES.keys():
                found.add(node.module)
    return {name for name in found & MODULES.keys() if (module, name) not in HANDED_ON}


def test_nothing_but_an_architecture_knows_a_kind_of_input() -> None:
    rooms = ("cfedge.inputs", "cfedge_export.architectures")
    kinds = tuple(f"cfedge.inputs.{kind}" for kind in ("text", "image", "array"))
    knowing = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if not f"{module}.".startswith(tuple(f"{room}." for room in rooms))
        for name in sorted(_imports(path))
        if f"{name}.".startswith(tuple(f"{kind}." for kind in kinds))
    ]
    assert knowing == []


#: The kind's own ground: a folder of this name in any room.
TEXTS = "text"
#: What may name that kind, or one of the words that belong to it, elsewhere: with the reason.
NAMES_TEXTS = {
    "cfedge.charts.frame": "SVG's element of letters",
    "cfedge.console.app": "media types",
    "cfedge.inputs": "the manifest's union of the kinds",
    "cfedge.kept.database": "SQLite's type of strings",
    "cfedge.kinds": "the table of the kinds",
    "cfedge_export.architectures.vision.graph": "the class token of a vision transformer",
}
_THEIRS = re.compile(
    r"\b(?:read_text|write_text|token_bytes|token_hex|token_urlsafe|cls_token|distillation_token)\b"
    r"|\bcfedge(?:_export)?(?:\.\w+)*\.text(?:\.\w+)*"  # where a table says who knows a kind
)
_OURS = re.compile(r"(?<![a-z])(?:texts?|tokens?|tokenizers?)(?![a-z])", re.IGNORECASE)


def test_nothing_but_its_own_ground_names_texts_or_tokens() -> None:
    naming = {
        module
        for module, path in MODULES.items()
        if TEXTS not in path.relative_to(ROOT).parts
        and _OURS.search(_THEIRS.sub("", path.read_text("utf-8")))
    }
    assert sorted(naming - NAMES_TEXTS.keys()) == [], "say input, or ask cfedge.inputs"
    assert sorted(NAMES_TEXTS.keys() - naming) == [], "take it out of the table"


def test_the_device_half_names_no_heavy_package() -> None:
    heavy = {module: sorted(_roots(module) & HEAVY - _extras(module)) for module in DEVICE}
    assert {module: names for module, names in heavy.items() if names} == {}


def test_the_device_half_needs_only_its_own_packages() -> None:
    known = {"cfedge", "cfedge_export", "__future__", *sys.stdlib_module_names, *DEVICE_PACKAGES}
    foreign = {module: sorted(_roots(module) - known - _extras(module)) for module in DEVICE}
    assert {module: names for module, names in foreign.items() if names} == {}
    # newer typers do without this package, which stands here for types alone
    at_the_top = [
        module for module in DEVICE if "click" in _imports(MODULES[module], top_level_only=True)
    ]
    assert at_the_top == []


def test_commands_import_the_workshop_inside_functions() -> None:
    at_the_top = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if module.startswith("cfedge.cli.")
        for name in sorted(_imports(path, top_level_only=True))
        if name.startswith(WORKSHOP) and name != DEFAULTS
    ]
    assert at_the_top == []
    assert _imports(MODULES[DEFAULTS]) <= {"__future__", "dataclasses", "math", "cfedge.errors"}


def test_all_is_sorted_and_importable() -> None:
    wrong = []
    for module in MODULES:
        if module.endswith("__main__"):
            continue
        loaded = importlib.import_module(module)
        names = list(getattr(loaded, "__all__", []))
        missing = [name for name in names if not hasattr(loaded, name)]
        if names != sorted(names) or missing:
            wrong.append(f"{module}: {names}; not there: {missing}")
    assert wrong == []


def test_the_exporter_loads_what_takes_seconds_when_it_is_needed() -> None:
    code = (
        "import json, sys, cfedge_export.pack, cfedge_export.make_backbone, cfedge.train.teach;"
        " print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "onnx" in loaded
    assert loaded & (HEAVY - {"filelock", "onnx"} | {"pandas"}) == set()


def test_import_cfedge_brings_nothing_heavy() -> None:
    for module, allowed in (("cfedge", set()), ("cfedge.cli", {"typer"})):
        code = (
            f"import json, sys, {module}; print(json.dumps(sorted({{name.partition('.')[0] for name"
            " in sys.modules})))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        heavy = HEAVY | {"tokenizers", "rich", "typer", "numpy"}
        assert set(json.loads(done.stdout)) & heavy == allowed


_OPENED = """
import json, sys
from cfedge import Engine
Engine.open(sys.argv[1]).predict(["crimson please"])
print(json.dumps(sorted(sys.modules)))
"""
#: What writers, provers, syncs, profiles, stores, commands, other lookups and further answers need,
#: and an engine that opens what has passed does not (docs/decisions/0028-cold-start.md).
LATER = {
    "cfedge.bundle.operators", "cfedge.cli", "cfedge.device.board", "cfedge.device.profile",
    "cfedge.inputs.text.naming", "cfedge.inputs.text.tokenizer_parts", "cfedge.lookup.bounds",
    "cfedge.lookup.finder", "cfedge.lookup.rules.behind_tail", "cfedge.lookup.rules.whole_encoder",
    "cfedge.lookup.tail_familiarity", "cfedge.runtime.child", "cfedge.runtime.choices",
    "cfedge.runtime.golden", "cfedge.store.generations", "cfedge.store.store",
    "importlib.metadata", "numpy.ma", "rich", "secrets", "shutil",
    "subprocess", "tempfile", "tomllib", "typer",
}  # fmt: skip


def test_an_engine_that_has_passed_here_opens_without_what_it_does_not_need(
    tiny_bundle: Path,
) -> None:
    found = []
    for _ in range(3):  # the first one starts a child, and the first that has passed keeps tables
        done = subprocess.run(
            [sys.executable, "-c", _OPENED, str(tiny_bundle)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
    assert set(found) & LATER == set()


_BARRED = """
import sys
from cfedge.demo.device import Barrier
sys.meta_path.insert(0, Barrier())
from cfedge import Engine
import cfedge.bench, cfedge.device, cfedge.cli
try:
    import torch
except ImportError:
    print(Engine.open(sys.argv[1]).predict(["crimson please"])[0].task)
"""


def test_the_device_half_predicts_where_the_workshop_cannot_be_imported(tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BARRED, str(tiny_bundle)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in ("animals", "colors")


def test_the_workshop_says_what_to_install_where_it_is_missing() -> None:
    code = (
        "import sys; from cfedge.demo.device import Barrier; sys.meta_path.insert(0, Barrier())\n"
        "from cfedge.errors import MissingExtraError\n"
        "for name in ('cfedge.train.learn.learner', 'cfedge_export'):\n"
        "    try: __import__(name)\n"
        "    except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'cfedge[train]', or add the task with --head-only" in done.stdout
    assert "pip install 'cfedge[export]'" in done.stdout


#: Who reads a file otherwise than by `cfedge.plain_files`, and why none of these can be held
#: up: another may have laid a FIFO where a file is expected.
READ_OTHERWISE = {
    "cfedge.charts.style": "of the package",
    "cfedge.console.app": "of the package",
    "cfedge.console.jobs": "writes into a folder that it has made",
    "cfedge.demo": "of the package",
    "cfedge.doctor.host": "what is written down of an installed package",
    "cfedge.device": "the kernel's and the package's",
    "cfedge.doors": "once doors.sheet has opened it as a plain file",
    "cfedge.report.page": "of the package",
    "cfedge.runtime.child": "the kernel's",
    "cfedge.serve.memory": "the kernel's",
    "cfedge.sync.sinks": "what is no plain file is removed first",
    "cfedge.train.jobs.versions": "of the package",
    "cfedge_export.background": "of the package",
    "cfedge_export.calibration": "of the package",
}


def _opens(nodes: Iterable[ast.AST]) -> set[str]:
    """What of `open`, `read_bytes` and `read_text` a module calls to read or append."""
    found = set()
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        built_in = isinstance(node.func, ast.Name) and node.func.id == "open"
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        words = [one.value for one in node.args if isinstance(one, ast.Constant)]
        mode = any(word in ("r", "rb", "a+b", "r+b", "wb", "w") for word in words)
        named = {one.arg for one in node.keywords} & {"encoding", "newline"}
        if built_in or name in ("read_bytes", "read_text") or (name == "open" and (mode or named)):
            found.add(name or "open")
    return found


def test_a_file_that_another_may_have_laid_there_is_opened_with_care() -> None:
    careless = {
        name
        for name, path in MODULES.items()
        if _facts(path).opens
        and not any(name == one or name.startswith(f"{one}.") for one in READ_OTHERWISE)
    }
    assert careless == set(), "read it by cfedge.plain_files"
    for name in READ_OTHERWISE:
        opens = [_facts(path).opens for other, path in MODULES.items() if other.startswith(name)]
        assert any(opens), name


#: What is longer than 250 lines, because what is in it is read together.
LONG_FILES = {
    "cfedge.lookup.lookup",
    "cfedge.publish.repository",
    "cfedge.runtime.engine",
    "cfedge.runtime.opened_bundle",
    "cfedge.teaching",
    "cfedge.train.learn.prepared_task",
}


def test_files_have_250_lines_at_most_and_functions_60_with_their_docstrings() -> None:
    assert {
        name for name, path in MODULES.items() if len(path.read_text("utf-8").splitlines()) > 250
    } == LONG_FILES
    long = {
        f"{name}.{one}" for name, path in MODULES.items() for one in _facts(path).long_functions
    }
    assert long == set()


def test_no_two_test_files_share_a_name() -> None:
    """But for ``conftest.py``, of which one alone can be imported in a run."""
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    names = [path.name for path in paths]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
    imports = ("import conftest", "from conftest ")
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in paths}
    assert [name for name in names if any(one.startswith(imports) for one in lines[name])] == []
