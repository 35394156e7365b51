"""Alembic revisions of the jobs schema. `pre_` ones run at start, `post_` ones by hand."""
