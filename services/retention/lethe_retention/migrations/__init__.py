"""Dated revisions; `pre_` run at start, `post_` only when told to."""
