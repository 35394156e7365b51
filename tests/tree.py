"""The project's own files, read once, as the tests that keep the rules of the house see them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVICES = ("gateway", "jobs", "billing", "retention", "privacy")
MEMBERS = {
    "lethe_common": ROOT / "libs/common",
    "lethe_cli": ROOT / "libs/cli",
    **{f"lethe_{service}": ROOT / "services" / service for service in SERVICES},
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def member(self) -> str | None:
        """The package it belongs to; None for tests."""
        return next((member for member, folder in MEMBERS.items() if (folder / member) in self.path.parents), None)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it: a dozen rules look through each file, and walking is what takes the time."""
        return tuple(ast.walk(self.tree))

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def imports(self) -> Iterator[tuple[str, int]]:
        """Full names of all that is imported, with their lines."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@cache
def files() -> tuple[Path, ...]:
    """All files of the project that git keeps or would keep."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()))


@cache
def sources() -> tuple[Source, ...]:
    """All Python files."""
    return tuple(Source(path) for path in files() if path.suffix == ".py")


def code() -> list[Source]:
    """Python files of the members, without tests."""
    return [source for source in sources() if source.member is not None]


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of names, or an empty string."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            return f"{dotted(inner)}.{name}"
        case _:
            return ""
