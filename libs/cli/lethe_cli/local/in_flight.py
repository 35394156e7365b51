"""Events in restored data: what everybody heard is dropped, what was on its way is told again under a new id.

A dump shows all outboxes and inboxes at one moment. An event whose every listener
has an inbox row of it had its effects, and they are in the dump; it is never
published again. One that lacks such a row is told again, to those that lack it: for
the others an inbox row stands under the new id. New ids because tables of events are
cut by the day inside the id, and days that are over are dropped, with what keeps a
repetition from a second effect.
"""

import uuid

import asyncpg

from lethe_common.events.catalogue import EVENTS
from lethe_common.identifiers import uuid7
from lethe_common.rpc.facts import OWNERS

_WANTED = "CREATE TEMP TABLE wanted (type text, listener text)"
_HANDLED = """
    CREATE TEMP TABLE handled AS
    SELECT event_id, consumer FROM {0}.inbox
     UNION ALL
    SELECT event_id, consumer FROM {0}.parked WHERE event_id IS NOT NULL
"""
_MORE_HANDLED = """
    INSERT INTO handled
    SELECT event_id, consumer FROM {0}.inbox
     UNION ALL
    SELECT event_id, consumer FROM {0}.parked WHERE event_id IS NOT NULL
"""
# A parked message waits for an operator, who may replay it: it counts as heard.
_OPEN = """
    CREATE TEMP TABLE open_{0} AS
    SELECT o.*, NULL::uuid AS new_id FROM {0}.outbox o
     WHERE o.stream_seq IS NULL
        OR EXISTS (SELECT 1 FROM wanted w WHERE w.type = o.type AND NOT EXISTS (
                   SELECT 1 FROM handled h WHERE h.event_id = o.event_id AND h.consumer = w.listener))
"""
_RENAME = """
    UPDATE open_{0} o SET new_id = n.new_id FROM unnest($1::uuid[], $2::uuid[]) AS n(event_id, new_id)
     WHERE o.event_id = n.event_id
"""
_TELL_AGAIN = """
    INSERT INTO {0}.outbox (event_id, stream, type, source, told_at, traceparent, data)
    SELECT new_id, stream, type, source, told_at, traceparent, data FROM open_{0}
"""
_HEARD = """
    INSERT INTO {1}.inbox (event_id, consumer)
    SELECT o.new_id, h.consumer FROM open_{0} o JOIN handled h USING (event_id) WHERE h.consumer = '{1}'
        ON CONFLICT DO NOTHING
"""


async def settle(connection: asyncpg.Connection) -> int:
    """Bring outboxes and inboxes of a restored database into order, whole or not at all; how many events are told again."""
    schemas = [service.value for service in OWNERS]
    wanted = [
        (kind.type, listener.value)
        for kind in EVENTS.values()
        if kind.is_stored
        for listener in kind.listeners
        if listener in OWNERS
    ]
    count = 0
    async with connection.transaction():
        await connection.execute(_WANTED)
        await connection.executemany("INSERT INTO wanted VALUES ($1, $2)", wanted)
        await connection.execute(_HANDLED.format(schemas[0]))
        for schema in schemas[1:]:
            await connection.execute(_MORE_HANDLED.format(schema))
        await connection.execute("CREATE INDEX ON handled (event_id, consumer); ANALYZE handled")
        for schema in schemas:
            await connection.execute(_OPEN.format(schema))
            old: list[uuid.UUID] = [
                row[0]
                for row in await connection.fetch(f"SELECT event_id FROM open_{schema} ORDER BY event_id")  # noqa: S608  our own names
            ]
            await connection.execute(_RENAME.format(schema), old, [uuid7() for _ in old])
            count += len(old)
        for schema in schemas:
            await connection.execute(f"TRUNCATE {schema}.outbox, {schema}.inbox")
        for schema in schemas:
            await connection.execute(_TELL_AGAIN.format(schema))
            for listener in schemas:
                await connection.execute(_HEARD.format(schema, listener))
    return count
