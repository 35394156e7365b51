"""The published pages, as text: no request in here.

`content` says what is on a page, `tables` what is in its tables, `rendering` makes HTML of
it. A row or sentence that no clause stands behind is never rendered.
"""

from lethe_common.policy.pages.content import Page
from lethe_common.policy.pages.documents import (
    cookies_page,
    notice_page,
    policy_page,
    processors_page,
    record_page,
    version_page,
    versions_page,
    with_coming,
)
from lethe_common.policy.pages.record import record_csv
from lethe_common.policy.pages.rendering import Frame, Link, render

__all__ = [
    "Frame",
    "Link",
    "Page",
    "cookies_page",
    "notice_page",
    "policy_page",
    "processors_page",
    "record_csv",
    "record_page",
    "render",
    "version_page",
    "versions_page",
    "with_coming",
]
