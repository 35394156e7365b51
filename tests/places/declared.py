"""All declarations of the data catalogue, found where they stand in the code."""

import ast
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Table
from sqlmodel import SQLModel

from lethe_common.catalogue import Holding, Kind, Places, holding_of
from lethe_common.database.frame_tables import COLUMNS
from tests.tree import SERVICES, Source, code, dotted


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared place: what it holds, and which variable of which file says so."""

    kind: Kind
    name: str
    holding: Holding
    file: str
    variable: str


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column of one live table."""

    schema: str
    table: str
    name: str
    holding: Holding | None
    is_json: bool
    """Whether it is JSON with keys of its own; a plain list has none."""
    file: str

    @property
    def place(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


@cache
def declarations() -> tuple[Declaration, ...]:
    """Everything that is declared by `declare(…)` on the first level of a module."""
    return tuple(found for source in code() for found in _declared_in(source))


def names(kind: Kind) -> frozenset[str]:
    """The declared names of a kind."""
    return frozenset(found.name for found in declarations() if found.kind is kind)


@cache
def columns() -> tuple[Column, ...]:
    """Every column of every service, the frame's own among them."""
    return tuple(column for service in SERVICES for column in (*_own(service), *_of_frame(service)))


def _declared_in(source: Source) -> Iterator[Declaration]:
    for variable in _variables(source):
        places = getattr(importlib.import_module(_module(source)), variable)
        if isinstance(places, Places):
            for name, holding in places.holdings.items():
                yield Declaration(places.kind, name, holding, source.name, variable)


def _variables(source: Source) -> Iterable[str]:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and dotted(node.value.func) == "declare":
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _module(source: Source) -> str:
    parts = source.path.with_suffix("").parts
    return ".".join(parts[parts.index(source.member or "") :])


def _own(service: str) -> Iterator[Column]:
    for kind in vars(importlib.import_module(f"lethe_{service}.models")).values():
        if isinstance(kind, type) and issubclass(kind, SQLModel) and hasattr(kind, "__table__"):
            table: Table = kind.__table__
            for column in table.columns:
                annotation = kind.model_fields[column.name].annotation
                is_json = column.type.__class__.__name__ in {"JSON", "JSONB"} and annotation != list[str]
                file = f"services/{service}/lethe_{service}/models.py"
                holding = holding_of(dict(column.info))
                yield Column(str(table.schema), table.name, column.name, holding, is_json, file)


def _of_frame(service: str) -> Iterator[Column]:
    file = "libs/common/lethe_common/database/frame_tables.py"
    for table, places in COLUMNS.items():
        for name, holding in places.holdings.items():
            yield Column(service, table, name, holding, table == "parked" and name == "headers", file)
