"""Databases, roles and schemas: what the superuser creates once, before any service starts.

Each service has an owner role for DDL and a working role that may only use what
its migrations grant. The verifier may look, where migrations let it, and nothing
more. The local run, the tests and compose apply these same statements.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lethe_common.services import Service

DATABASE = "lethe"
KEYS_DATABASE = "lethe_keys"
FACTS_DATABASE = "lethe_facts"
KEYS_SCHEMA = "keys"
VERIFIER = "verifier"
DATABASES = (DATABASE, KEYS_DATABASE, FACTS_DATABASE)

_SCRAM_ITERATIONS = 4096
ROLE_CONNECTIONS = 60
_ATTRIBUTES = f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT {ROLE_CONNECTIONS}"


@dataclass(frozen=True, slots=True)
class Place:
    """One schema in one database, with the service that has it."""

    database: str
    schema: str
    service: Service


def database_of(service: Service) -> str:
    """The database with a service's own schema. What privacy records outlives every restored backup of the data."""
    return FACTS_DATABASE if service is Service.PRIVACY else DATABASE


PLACES: tuple[Place, ...] = (
    *(Place(database_of(service), service.value, service) for service in Service),
    Place(KEYS_DATABASE, KEYS_SCHEMA, Service.PRIVACY),
)


def owner(service: Service) -> str:
    """The role that runs a service's migrations."""
    return f"{service}_owner"


def working(service: Service) -> str:
    """The role a service works with."""
    return service.value


def role_names() -> tuple[str, ...]:
    """Every role that needs a password."""
    return (*(name for service in Service for name in (working(service), owner(service))), VERIFIER)


def scram_verifier(password: str) -> str:
    """What Postgres stores for a password (RFC 5803), so that the password itself never reaches the server."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


def role_statements(passwords: Mapping[str, str]) -> list[str]:
    """Creates every role, or sets its password again. Run once per server, in any database."""
    statements = []
    for role in role_names():
        statements += [
            f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"ALTER ROLE {role} {_ATTRIBUTES} PASSWORD '{scram_verifier(passwords[role])}'",
        ]
    return [*statements, f"ALTER ROLE {VERIFIER} SET default_transaction_read_only = on"]


def missing_databases(existing: Sequence[str]) -> list[str]:
    """The statements that create what is not there yet; each must run outside a transaction."""
    return [f"CREATE DATABASE {name}" for name in DATABASES if name not in existing]


def database_statements(database: str) -> list[str]:
    """Closes a database to everybody, then opens each schema to its own roles. Run inside that database."""
    places = [place for place in PLACES if place.database == database]
    roles = sorted({name for place in places for name in (owner(place.service), working(place.service))} | {VERIFIER})
    statements = [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {', '.join(roles)}",
    ]
    return statements + [statement for place in places for statement in _schema_statements(place)]


def system_statements() -> list[str]:
    """Keeps services out of the databases that came with the server."""
    return [f"REVOKE ALL ON DATABASE {name} FROM PUBLIC" for name in ("postgres", "template1")]


def _schema_statements(place: Place) -> list[str]:
    own, work = owner(place.service), working(place.service)
    return [
        f"CREATE SCHEMA IF NOT EXISTS {place.schema} AUTHORIZATION {own}",
        f"GRANT USAGE ON LANGUAGE plpgsql TO {own}",
        f"GRANT USAGE ON SCHEMA {place.schema} TO {work}, {VERIFIER}",
        *(f"ALTER ROLE {role} IN DATABASE {place.database} SET search_path = {place.schema}" for role in (own, work)),
    ]
