"""One order of locks: `item_keys` before `class_keys`, as a lease's query takes them.

A lease holds nothing that keeps a rotation out. With the other order the two could wait for one another,
and Postgres would end one of them.
"""

from lethe_common.database import script

revision = "20261129_lock_order"
down_revision = "20261128_facts_mark"

FUNCTIONS = """
CREATE OR REPLACE FUNCTION keys.swap_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    ALTER TABLE item_keys RENAME TO item_keys_old;
    ALTER TABLE class_keys RENAME TO class_keys_old;
    ALTER TABLE item_keys_next RENAME TO item_keys;
    ALTER TABLE class_keys_next RENAME TO class_keys;
    CREATE TRIGGER losses AFTER DELETE ON item_keys REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note_losses();
    -- All of them are in the new generation: whoever deletes waits for this transaction.
    DELETE FROM losses;
END
$$;

CREATE OR REPLACE FUNCTION keys.abandon_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    DROP TRIGGER touched ON item_keys;
    DROP TRIGGER touched ON class_keys;
    DROP TABLE item_keys_next, class_keys_next;
    DELETE FROM touched;
END
$$;

-- A plan made before the swap still locks the old tables before it finds that they have gone.
CREATE OR REPLACE FUNCTION keys.drop_old_generation() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    DROP TABLE IF EXISTS item_keys_old, class_keys_old;
END
$$;
"""


def upgrade() -> None:
    """Replace the three functions."""
    script(FUNCTIONS)
