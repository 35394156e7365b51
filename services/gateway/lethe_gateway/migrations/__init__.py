"""Dated revisions: `pre_` adds before a version starts, `post_` removes when its last neighbour is gone."""
