"""The live databases are what the code declares, both ways: tables, columns, types, and the rights on them."""

import importlib

import pytest
from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql

from lethe_common.catalogue import Kind, holding_of
from lethe_common.database.frame_tables import COLUMNS
from lethe_common.database.migration import is_append_only
from lethe_common.database.roles import KEYS_DATABASE, PLACES, Place
from tests.places.findings import Finding, undeclared
from tests.suite import RunningSuite

# Partitions repeat their parent; Alembic's own table holds a revision's name.
LIVE_COLUMNS = """
    SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'alembic_version'
"""
RIGHTS = """
    SELECT table_name, privilege_type FROM information_schema.role_table_grants
     WHERE table_schema = $1 AND grantee = $2
"""
Column = tuple[str, str]
# SQLModel declares str as varchar and float as float; Postgres calls them so.
_SAME = {"varchar": "text", "varchar[]": "text[]", "float": "double precision"}


def tables_of(place: Place) -> list[Table]:
    models = importlib.import_module(f"lethe_{place.service}.models")
    metadata: MetaData = (models.KeysTable if place.database == KEYS_DATABASE else models.Table).metadata
    return metadata.sorted_tables


def declared_types(place: Place) -> dict[Column, tuple[str, bool]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its constructor open
    return {
        (table.name, column.name): (_SAME.get(name := column.type.compile(dialect).lower(), name), not column.nullable)
        for table in tables_of(place)
        for column in table.columns
    }


@pytest.fixture(params=PLACES, ids=[place.schema for place in PLACES])
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.param
    return chosen


async def test_every_live_column_is_declared_and_every_declared_column_lives(suite: RunningSuite, place: Place) -> None:
    rows = await suite.fetch(LIVE_COLUMNS, place.schema, database=place.database)
    live = {(row["table"], row["column"]): (row["type"], row["required"]) for row in rows}
    frame = {(table, column) for table, places in COLUMNS.items() for column in places.holdings}
    declared = declared_types(place)

    surplus = set(live) - set(declared) - (frame if place.database != KEYS_DATABASE else set())
    found = [Finding(Kind.COLUMN, column, f"live table {place.schema}.{table}") for table, column in surplus]
    assert undeclared(found, ()) == []
    assert not set(declared) - set(live), "these declared columns are in no migration"
    differing = {column: (live[column], declared[column]) for column in declared if live[column] != declared[column]}
    assert differing == {}, "live (type, required) and declared differ"


def test_every_column_says_what_it_holds(place: Place) -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in tables_of(place)
        for column in table.columns
        if holding_of(column.info) is None
    ]

    assert not silent, "say what these hold: sa_column_kwargs=held('<category>') or impersonal('<why>')"


async def test_working_roles_have_just_the_rights_that_the_declarations_give(suite: RunningSuite, place: Place) -> None:
    rows = await suite.fetch(RIGHTS, place.schema, place.service.value, database=place.database)
    live: dict[str, set[str]] = {}
    for row in rows:
        live.setdefault(row["table_name"], set()).add(row["privilege_type"])

    for table in tables_of(place):
        expected = {"SELECT", "INSERT"} if is_append_only(table) else {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert live.pop(table.name) == expected, table.name
    assert set(live) <= set(COLUMNS), "rights on what is not declared"
