"""Generations of the key store: which one is in use, how far the next one is, and what it has to renew.

The working role may not create or drop tables; the steps of a rotation that need it are functions.
Old code goes on: it reads and writes `class_keys` and `item_keys` as before.
"""

from lethe_common.database import script

revision = "20261127_generations"
down_revision = "20261127_restrictions"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE keys.generation (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL DEFAULT 0 CHECK (number >= 0),
    epoch_id text,
    began_at timestamptz,
    phase text NOT NULL DEFAULT 'resting' CHECK (phase IN (
        'resting', 'copying_classes', 'copying_items', 'catching_up', 'backing_up', 'swapping', 'swapped')),
    next_epoch_id text,
    next_began_at timestamptz,
    copied_subject text NOT NULL DEFAULT '',
    copied_item text NOT NULL DEFAULT '',
    CHECK ((next_epoch_id IS NULL) = (phase IN ('resting', 'swapped'))),
    CHECK ((next_epoch_id IS NULL) = (next_began_at IS NULL))
);
INSERT INTO keys.generation DEFAULT VALUES;

-- Of whom keys were deleted since this generation began: their class keys are made anew in the next one.
CREATE TABLE keys.losses (subject_ref text PRIMARY KEY);

GRANT SELECT (subject_ref) ON keys.losses TO verifier;

-- Whose keys changed while the next generation is written: they are copied again.
CREATE TABLE keys.touched (
    line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_ref text NOT NULL
);

DROP INDEX keys.item_keys_subject;
CREATE INDEX ON keys.item_keys (subject_ref, item_id);
"""

FUNCTIONS = """
CREATE FUNCTION keys.note_losses() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp AS $$
BEGIN
    -- In order, so that two deletions that name the same subjects wait for one another instead of both.
    INSERT INTO losses SELECT DISTINCT subject_ref FROM gone ORDER BY 1 ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER losses AFTER DELETE ON keys.item_keys REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION keys.note_losses();

CREATE FUNCTION keys.note_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp AS $$
BEGIN
    INSERT INTO touched (subject_ref) VALUES (coalesce(NEW.subject_ref, OLD.subject_ref));
    RETURN NULL;
END
$$;

CREATE FUNCTION keys.begin_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    CREATE TABLE class_keys_next (LIKE class_keys INCLUDING ALL);
    -- Indexed when it is full, which is several times quicker.
    CREATE TABLE item_keys_next (LIKE item_keys INCLUDING ALL EXCLUDING INDEXES);
    GRANT SELECT, INSERT, UPDATE, DELETE ON class_keys_next, item_keys_next TO privacy;
    GRANT SELECT (item_id, subject_ref) ON item_keys_next TO verifier;
    GRANT SELECT (subject_ref) ON class_keys_next TO verifier;
    DELETE FROM touched;
    CREATE TRIGGER touched AFTER INSERT OR UPDATE OR DELETE ON class_keys
        FOR EACH ROW EXECUTE FUNCTION note_touched();
    CREATE TRIGGER touched AFTER INSERT OR UPDATE OR DELETE ON item_keys
        FOR EACH ROW EXECUTE FUNCTION note_touched();
END
$$;

CREATE FUNCTION keys.index_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp AS $$
BEGIN
    ALTER TABLE item_keys_next ADD PRIMARY KEY (item_id);
    CREATE INDEX ON item_keys_next (subject_ref, item_id);
    ANALYZE class_keys_next, item_keys_next;
END
$$;

CREATE FUNCTION keys.swap_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    ALTER TABLE class_keys RENAME TO class_keys_old;
    ALTER TABLE item_keys RENAME TO item_keys_old;
    ALTER TABLE class_keys_next RENAME TO class_keys;
    ALTER TABLE item_keys_next RENAME TO item_keys;
    CREATE TRIGGER losses AFTER DELETE ON item_keys REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note_losses();
    -- All of them are in the new generation: whoever deletes waits for this transaction.
    DELETE FROM losses;
END
$$;

CREATE FUNCTION keys.abandon_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    DROP TRIGGER touched ON class_keys;
    DROP TRIGGER touched ON item_keys;
    DROP TABLE class_keys_next, item_keys_next;
    DELETE FROM touched;
END
$$;

CREATE FUNCTION keys.drop_old_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp AS $$
BEGIN
    DROP TABLE IF EXISTS class_keys_old, item_keys_old;
END
$$;

REVOKE EXECUTE ON FUNCTION keys.note_losses(), keys.note_touched(), keys.begin_generation(), keys.index_generation(),
    keys.swap_generation(), keys.abandon_generation(), keys.drop_old_generation() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keys.begin_generation(), keys.index_generation(), keys.swap_generation(),
    keys.abandon_generation(), keys.drop_old_generation() TO privacy;
"""


def upgrade() -> None:
    """Add the tables and the functions."""
    script(TABLES)
    script(FUNCTIONS)
