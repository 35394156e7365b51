"""Places as the pages' scripts and templates make them in a visitor's browser."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lethe_common.catalogue import Kind
from tests.places.findings import Finding
from tests.tree import ROOT

_STORES = r"(?:window\.|self\.|globalThis\.)?(?:localStorage|sessionStorage)"
_QUOTED = r"""[`'"]([^`'"]+)[`'"]"""
_BROWSER_KEYS = (
    re.compile(rf"{_STORES}\.(?:setItem|getItem|removeItem)\(\s*{_QUOTED}"),
    re.compile(rf"{_STORES}\[\s*{_QUOTED}"),
    re.compile(rf"{_STORES}\.(?!setItem|getItem|removeItem|clear|key\b|length)(\w+)"),
    re.compile(rf"(?:indexedDB|caches)\.open\(\s*{_QUOTED}"),
    re.compile(rf"serviceWorker\.register\(\s*{_QUOTED}"),
)
# Any other way of naming these: a key that only the running script knows cannot be compared with anything.
_ANY_STORE = re.compile(r"\b(localStorage|sessionStorage|indexedDB|caches|cookieStore|serviceWorker)\b")
_COOKIE = re.compile(r"""document\.cookie\s*=\s*[`'"]([^=`'"]+)=""")
_ANY_COOKIE = re.compile(r"document\.cookie\s*=(?!=)")


def page_files(root: Path = ROOT) -> list[Path]:
    """Scripts and templates of the gateway."""
    package = root / "services/gateway/lethe_gateway"
    return sorted([*package.glob("static/**/*.js"), *package.glob("templates/**/*.html")])


def browser_places(files: Iterable[Path], root: Path = ROOT) -> Iterator[Finding]:
    """Keys of the browser's stores and cookies that scripts set; `*` where the name is computed."""
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            place = f"{file.relative_to(root).as_posix()}:{number}"
            keys = [match[1] for form in _BROWSER_KEYS for match in form.finditer(line)]
            yield from (Finding(Kind.BROWSER_KEY, key, place) for key in keys)
            if not keys and (store := _ANY_STORE.search(line)):
                yield Finding(Kind.BROWSER_KEY, f"{store[1]}: *", place)
            cookies = [match[1].strip() for match in _COOKIE.finditer(line)]
            yield from (Finding(Kind.COOKIE, name, place) for name in cookies)
            if not cookies and _ANY_COOKIE.search(line):
                yield Finding(Kind.COOKIE, "*", place)
