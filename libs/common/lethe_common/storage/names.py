"""Where objects lie: `<category>/<random per subject>/<random per item>-<name>`.

All is random but the category and the name's kind (`video`, `thumbnail`), so a key
tells nothing, and the absence of an item or of a subject is one listing. An item is
no folder: stores that have folders keep those of what is gone, and look into each.
"""

import re
import secrets

_RANDOM_BYTES = 16
_CATEGORY = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_RANDOM = re.compile(r"[0-9a-f]{32}")
_SHORTEST = 2
_ENDS = ("/", "-")
"""What a prefix may end with: neither is a digit of the random part before it, so it reaches no neighbour."""


def new_subject_random() -> str:
    """The part of a key that all objects of one subject share: 32 hex digits that mean nothing."""
    return secrets.token_hex(_RANDOM_BYTES)


def new_object_prefix(category: str, subject_random: str) -> str:
    """A fresh prefix for one item's objects, with its final `-`.

    Raises:
        ValueError: the category is no name, or the subject's part is not random-looking.
    """
    return f"{subject_prefix(category, subject_random)}{secrets.token_hex(_RANDOM_BYTES)}-"


def nested_prefix(prefix: str) -> str:
    """A fresh prefix for some of an item's objects, with its final `-`."""
    return f"{prefix}{secrets.token_hex(_RANDOM_BYTES)}-"


def item_prefix(key: str) -> str:
    """The prefix of its item, from the key of an object."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{name.partition('-')[0]}-"


def subject_prefix(category: str, subject_random: str) -> str:
    """The prefix of all of a subject's objects of one category, with its final `/`.

    Raises:
        ValueError: as `new_object_prefix`.
    """
    if _CATEGORY.fullmatch(category) is None or _RANDOM.fullmatch(subject_random) is None:
        raise ValueError("an object's prefix is a category and 32 random hex digits")
    return f"{category}/{subject_random}/"


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that would reach the neighbours whose names begin alike.

    Raises:
        ValueError: it ends with neither `/` nor `-`, or has nothing before that.
    """
    if len(prefix) < _SHORTEST or not prefix.endswith(_ENDS):
        raise ValueError("a prefix ends with a slash or a hyphen")
