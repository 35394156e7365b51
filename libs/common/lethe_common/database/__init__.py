"""Postgres: one schema and two roles per service, one transaction per request or event."""

from lethe_common.database.pool import AWAY, PLANNED_ANEW, UNFLUSHED, Database, connect
from lethe_common.database.registry import registry
from lethe_common.database.scripts import script
from lethe_common.database.transaction import Transaction

__all__ = ["AWAY", "PLANNED_ANEW", "UNFLUSHED", "Database", "Transaction", "connect", "registry", "script"]
