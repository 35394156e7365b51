"""Where objects lie: `<category>/<random per subject>/<random per item>/<name>`.

All is random but the category and the name's kind (`video.mp4`, `thumbnail.webp`), so
a key tells nothing, and the absence of an item or of a subject is one listing.
"""

import re
import secrets

_RANDOM_BYTES = 16
_CATEGORY = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_RANDOM = re.compile(r"[0-9a-f]{32}")


def new_subject_random() -> str:
    """The part of a key that all objects of one subject share: 32 hex digits that mean nothing."""
    return secrets.token_hex(_RANDOM_BYTES)


def new_object_prefix(category: str, subject_random: str) -> str:
    """A fresh prefix for one item's objects, with its final `/`.

    Raises:
        ValueError: the category is no name, or the subject's part is not random-looking.
    """
    return f"{subject_prefix(category, subject_random)}{secrets.token_hex(_RANDOM_BYTES)}/"


def subject_prefix(category: str, subject_random: str) -> str:
    """The prefix of all of a subject's objects of one category, with its final `/`.

    Raises:
        ValueError: as `new_object_prefix`.
    """
    if _CATEGORY.fullmatch(category) is None or _RANDOM.fullmatch(subject_random) is None:
        raise ValueError("an object's prefix is a category and 32 random hex digits")
    return f"{category}/{subject_random}/"
