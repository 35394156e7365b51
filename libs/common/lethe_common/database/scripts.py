"""SQL scripts inside Alembic migrations."""


def script(sql: str) -> None:
    """Run several statements at once, in the migration's transaction.

    asyncpg prepares what goes through Alembic's own `execute`, and a prepared
    statement can hold one command only.
    """
    from alembic import op  # noqa: PLC0415  whoever has a database imports this module, and few migrate

    adapted = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(sql))  # type: ignore[union-attr]  # SQLAlchemy's asyncpg adapter
