import pytest
from starlette.requests import Request

from lethe_gateway.callers import must_be_own_site
from lethe_gateway.errors import ForeignOrigin

OWN = "https://video.example.org"


def post(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": OWN, "host": "inside:8080"},
        {"origin": "http://127.0.0.1:8080", "host": "127.0.0.1:8080"},
        {"origin": OWN, "host": "inside:8080", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
    ],
)
def test_our_own_pages_may_change_things(headers: dict[str, str]) -> None:
    must_be_own_site(post(**headers), OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "host": "video.example.org"},
        {"origin": "null", "host": "video.example.org"},
        {"origin": OWN, "host": "video.example.org", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://[", "host": "video.example.org"},
        {"host": "video.example.org"},
    ],
)
def test_other_sites_and_silent_browsers_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignOrigin):
        must_be_own_site(post(**headers), OWN)
