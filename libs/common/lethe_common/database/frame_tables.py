"""The tables every service has: outbox, inbox, parked messages and their day partitions, and a mark in the facts.

Outbox and inbox are partitioned by the day inside the UUIDv7 of the event, so
that uniqueness of (event, consumer) and dropping a day whole go together. Their
age is the machine's, not policy time: it answers to the bus's age limit.
"""

from lethe_common.catalogue import Kind, Places, declare, each, held, impersonal
from lethe_common.events.catalogue import FIELDS
from lethe_common.events.envelope import HEADERS

CREATE = """
CREATE TABLE IF NOT EXISTS {schema}.outbox (
    event_id uuid NOT NULL PRIMARY KEY,
    stream text NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    told_at timestamptz NOT NULL,
    traceparent text,
    data bytea NOT NULL CHECK (octet_length(data) <= 65536),
    stream_seq bigint,
    stream_created timestamptz,
    CHECK ((stream_seq IS NULL) = (stream_created IS NULL))
) PARTITION BY RANGE (event_id);
CREATE INDEX IF NOT EXISTS outbox_pending ON {schema}.outbox (event_id) WHERE stream_seq IS NULL;
CREATE TABLE IF NOT EXISTS {schema}.outbox_rest PARTITION OF {schema}.outbox DEFAULT;

CREATE TABLE IF NOT EXISTS {schema}.inbox (
    event_id uuid NOT NULL,
    consumer text NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, consumer)
) PARTITION BY RANGE (event_id);
CREATE TABLE IF NOT EXISTS {schema}.inbox_rest PARTITION OF {schema}.inbox DEFAULT;

CREATE TABLE IF NOT EXISTS {schema}.parked (
    parked_id uuid NOT NULL PRIMARY KEY,
    consumer text NOT NULL,
    stream text NOT NULL,
    stream_created timestamptz NOT NULL,
    stream_seq bigint NOT NULL,
    subject text NOT NULL,
    headers jsonb NOT NULL,
    data bytea NOT NULL,
    event_id uuid,
    error text NOT NULL,
    deliveries integer NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (consumer, stream, stream_created, stream_seq)
);

CREATE TABLE IF NOT EXISTS {schema}.facts_mark (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL CHECK (number > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

CREATE OR REPLACE FUNCTION {schema}.first_uuid(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day::timestamp AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

-- The working role may not create or drop tables; this one thing it may ask for.
CREATE OR REPLACE FUNCTION {schema}.turn_partitions(parent text, days_kept integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    day date;
    child text;
    is_busy boolean;
    dropped integer := 0;
BEGIN
    IF parent NOT IN ('outbox', 'inbox') OR days_kept < 1 THEN
        RAISE EXCEPTION 'unknown partitioned table or period';
    END IF;
    FOR day IN SELECT generate_series(today - 1, today + 2, interval '1 day')::date LOOP
        child := parent || '_' || to_char(day, 'YYYYMMDD');
        IF to_regclass('{schema}.' || child) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                               child, parent, first_uuid(day), first_uuid(day + 1));
            EXCEPTION WHEN check_violation THEN
                NULL;  -- rows of that day lie among the rest already and stay there until they are over
            END;
        END IF;
    END LOOP;
    FOR child IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = ('{schema}.' || parent)::regclass
                    AND c.relname < parent || '_' || to_char(today - days_kept, 'YYYYMMDD')
                    AND c.relname ~ '_[0-9]{{8}}$' LOOP
        is_busy := false;
        IF parent = 'outbox' THEN
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE stream_seq IS NULL)', child) INTO is_busy;
        END IF;
        IF NOT is_busy THEN
            EXECUTE format('DROP TABLE %I', child);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    EXECUTE format('DELETE FROM %I WHERE event_id < %L', parent || '_rest', first_uuid(today - days_kept))
         || CASE parent WHEN 'outbox' THEN ' AND stream_seq IS NOT NULL' ELSE '' END;
    RETURN dropped;
END
$$;
"""

GRANT = """
GRANT SELECT, INSERT, UPDATE ON {schema}.outbox TO {role};
GRANT SELECT, INSERT ON {schema}.inbox TO {role};
GRANT SELECT, INSERT, DELETE ON {schema}.parked TO {role};
GRANT SELECT, INSERT, UPDATE ON {schema}.facts_mark TO {role};
REVOKE EXECUTE ON FUNCTION {schema}.turn_partitions(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.turn_partitions(text, integer) TO {role};
"""

TURN = "SELECT turn_partitions($1, $2)"

_ENVELOPE = impersonal("envelope of an event; random ids")
_TRANSPORT = impersonal("a message's way over the bus")
_PASSED_ON = held("technical.log", is_sealed=False, keys=FIELDS)

COLUMNS: dict[str, Places] = {
    "outbox": declare(
        Kind.COLUMN,
        {
            **each(
                ("event_id", "stream", "type", "source", "told_at", "traceparent", "stream_seq", "stream_created"),
                _ENVELOPE,
            ),
            "data": _PASSED_ON,
        },
    ),
    "inbox": declare(Kind.COLUMN, each(("event_id", "consumer", "handled_at"), _ENVELOPE)),
    "facts_mark": declare(
        Kind.COLUMN, each(("is_only", "number", "hash"), impersonal("how far a service has gone through the facts"))
    ),
    "parked": declare(
        Kind.COLUMN,
        {
            **each(
                (
                    "parked_id", "consumer", "stream", "stream_created", "stream_seq", "subject", "event_id",
                    "deliveries", "parked_at",
                ),
                _TRANSPORT,
            ),
            "error": impersonal("a kind of error; texts of others are not kept"),
            "headers": impersonal("what rode on the message", keys=HEADERS),
            "data": _PASSED_ON,
        },
    ),
}  # fmt: skip
