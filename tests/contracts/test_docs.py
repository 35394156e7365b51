"""The documents are true where a machine can tell: links, commands, settings, dependencies."""

import ast
import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.contracts.test_deploy import settings_of
from tests.tree import MEMBERS, ROOT, SERVICES, code, dotted, files

# What Prometheus is shown of each kind of metric.
SERIES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}
DOCUMENTS = [file for file in files() if file.suffix == ".md"]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def metrics() -> dict[str, str]:
    """Every metric declared in the code, and of which kind it is."""
    return {
        str(first.value): dotted(call.func)
        for source in code()
        for call in source.calls()
        if dotted(call.func) in SERIES
        for first in call.args[:1]
        if isinstance(first, ast.Constant)
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_make_target_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), flags=re.MULTILINE))

    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_file_of_the_project_named_exists(document: Path) -> None:
    named = re.findall(r"`((?:libs|services|deploy|tests|docs)/[A-Za-z0-9_./-]+)`", document.read_text())

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_metric_named_is_one_that_is_exposed(document: Path) -> None:
    """An alarm on a counter without its `_total` never goes off, and nothing says so."""
    exposed = {f"{metric}{ending}" for metric, kind in metrics().items() for ending in SERIES[kind]}
    words = set(re.findall(r"\blethe_[a-z_]+", document.read_text()))
    # Members, databases and cookies have a name of two words.
    named = {word for word in words if word in metrics() or word.count("_") > 1}

    assert sorted(named - exposed) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_module_of_the_project_named_exists(document: Path) -> None:
    def exists(dotted: str) -> bool:
        member, *parts = dotted.split(".")
        place = MEMBERS[member].joinpath(member, *parts)
        return place.is_dir() or place.with_suffix(".py").is_file() or place.parent.with_suffix(".py").is_file()

    named = re.findall(rf"`((?:{'|'.join(MEMBERS)})(?:\.[a-z_]+)+)`", document.read_text())
    assert [dotted for dotted in named if not exists(dotted)] == []


def test_every_direct_dependency_has_its_line() -> None:
    said = (ROOT / "docs/dependencies.md").read_text()
    projects = [tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (*MEMBERS.values(), ROOT)]
    lines = [line for project in projects for line in project["project"]["dependencies"]]
    lines += tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in lines}

    assert [each for each in sorted(names) if not each.startswith("lethe-") and each not in said] == []


def test_every_table_is_on_the_map() -> None:
    said = (ROOT / "docs/architecture.md").read_text()
    modules = [importlib.import_module(f"lethe_{service}.models") for service in SERVICES]
    tables = {
        str(kind.__tablename__) for module in modules for kind in vars(module).values() if hasattr(kind, "__table__")
    }

    assert [table for table in sorted(tables) if not re.search(rf"\b{table}\b", said)] == []


def test_every_setting_described_is_one_that_a_service_reads() -> None:
    said = (ROOT / "docs/operate.md").read_text()
    described = {
        name
        for row in re.findall(r"^\| (`[A-Z0-9_`, ]+`) \|", said, re.MULTILINE)
        for name in re.findall(r"[A-Z0-9_]+", row)
    }
    read = {name.removeprefix("LETHE_") for service in SERVICES for name in settings_of(service)}

    assert sorted(described - read) == []
