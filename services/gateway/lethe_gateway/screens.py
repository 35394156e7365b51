"""The addresses of the pages and of their files, for the studio's application and for the console's.

A secret in a link (a reset's, an erasure's) stands behind `#`: browsers don't send
it, so it is in no log.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from lethe_common.policy.languages import LANGUAGES, Language
from lethe_gateway.browser import LANGUAGE_COOKIE
from lethe_gateway.pages import Pages
from lethe_gateway.published import LOG_ADDRESS
from lethe_gateway.words import choose

READING = ["GET", "HEAD"]
"""How pages are asked for; of an answer to HEAD the server leaves the body out."""
_YEAR_SECONDS = 365 * 24 * 3600
_NOT_FOUND, _UNAVAILABLE = 404, 503
_RETRY_SECONDS = 5

IsSignedIn = Callable[[Request], Awaitable[bool]]
NewestHead = Callable[[], Awaitable[dict[str, Any] | None]]


def studio_screens(pages: Pages, is_signed_in: IsSignedIn, newest_head: NewestHead) -> APIRouter:
    """GET /, /requests, /requests/link, /reset, /verify, /address, /unsubscribe, /erasure, /certificates and /static/*."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=READING)
    async def studio(request: Request) -> Response:
        return _page(request, pages.studio(language_of(request), is_signed_in=await is_signed_in(request)))

    @router.api_route("/requests", methods=READING)
    async def requests(request: Request) -> Response:
        language = language_of(request)
        if await is_signed_in(request):
            return _page(request, pages.requests(language))
        return _page(request, pages.letters(language))

    # Where mailed links lead, and an erasure's.
    for path, render in (
        ("/requests/link", pages.letter_link),
        ("/reset", pages.reset),
        ("/verify", pages.verify),
        ("/address", pages.new_address),
        ("/unsubscribe", pages.unsubscribe),
        ("/erasure", pages.erasure),
    ):
        router.add_api_route(path, _showing(render), methods=READING)

    @router.api_route(LOG_ADDRESS, methods=READING)
    async def certificates(request: Request) -> Response:
        return _page(request, pages.certificates(language_of(request), await newest_head()))

    _serve_files(router, pages)
    return router


def _showing(render: Callable[[Language], str]) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return _page(request, render(language_of(request)))

    return show


def console_screens(pages: Pages, is_operator: IsSignedIn) -> APIRouter:
    """GET /, /retention, /requests, /registers and /static/* of the console's own application."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=READING)
    async def console(request: Request) -> Response:
        return _page(request, pages.console(language_of(request), is_signed_in=await is_operator(request)))

    @router.api_route("/retention", methods=READING)
    async def retention(request: Request) -> Response:
        language = language_of(request)
        if await is_operator(request):
            return _page(request, pages.retention(language))
        return _page(request, pages.console(language, is_signed_in=False))

    @router.api_route("/requests", methods=READING)
    async def requests(request: Request) -> Response:
        language = language_of(request)
        if await is_operator(request):
            return _page(request, pages.desk(language))
        return _page(request, pages.console(language, is_signed_in=False))

    @router.api_route("/registers", methods=READING)
    async def registers(request: Request) -> Response:
        language = language_of(request)
        if await is_operator(request):
            return _page(request, pages.registers(language))
        return _page(request, pages.console(language, is_signed_in=False))

    _serve_files(router, pages)
    return router


def problem_page(pages: Pages, request: Request, status: int, kind: str | None = None) -> Response | None:
    """The page for a browser that went to an address where nothing is; None where JSON is expected."""
    if request.url.path.startswith(("/v1/", "/api/")) or "text/html" not in request.headers.get("accept", ""):
        return None
    page = _page(request, pages.problem(language_of(request), status, kind), status)
    if status == _UNAVAILABLE:
        page.headers["Retry-After"] = str(_RETRY_SECONDS)
    return page


def language_of(request: Request, offered: Sequence[Language] = LANGUAGES) -> Language:
    """The language this request wants, of those there are."""
    cookie = request.cookies.get(LANGUAGE_COOKIE)
    return choose(request.query_params.get("lang"), cookie, request.headers.get("accept-language"), offered)


def _page(request: Request, html: str, status: int = 200) -> Response:
    headers = {"Cache-Control": "private, no-store", "Vary": "Accept-Language, Cookie"}
    response = Response(html, status, headers, media_type="text/html")
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        secure = request.url.scheme == "https"
        response.set_cookie(LANGUAGE_COOKIE, asked, max_age=_YEAR_SECONDS, samesite="lax", secure=secure, httponly=True)
    return response


def _serve_files(router: APIRouter, pages: Pages) -> None:
    @router.api_route("/static/{name}", methods=READING)
    async def file(request: Request, name: str) -> Response:
        asset = pages.assets.get(name)
        if asset is None:
            return Response(status_code=_NOT_FOUND)
        is_named = request.query_params.get("v") == asset.etag
        headers = {
            "Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable" if is_named else "no-cache",
            "ETag": f'"{asset.etag}"',
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(asset.data, headers=headers, media_type=asset.media_type)

    @router.api_route("/favicon.ico", methods=READING)
    async def icon(request: Request) -> Response:
        return await file(request, "favicon.svg")
