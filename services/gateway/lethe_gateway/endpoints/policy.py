"""/privacy and the pages below it: what is published of the policy in force, for everybody, signed in or not."""

from fastapi import APIRouter, Request, Response

from lethe_gateway.errors import NotFound
from lethe_gateway.numbers import whole
from lethe_gateway.published import ADDRESSES, Document, Name, Published
from lethe_gateway.screens import READING, language_of

_NOT_MODIFIED = 304
_DIGITS_MOST = 6


def policy_pages(published: Published) -> APIRouter:
    """GET /privacy, /privacy/notice, /privacy/cookies, /privacy/processors, /privacy/versions and below it each version."""
    router = APIRouter(include_in_schema=False)

    def serve(name: Name) -> None:
        @router.api_route(ADDRESSES[name], name=name, methods=READING)
        async def page(request: Request) -> Response:
            return answer(request, published, name)

    for name in ADDRESSES:
        serve(name)

    @router.api_route(ADDRESSES["versions"] + "/{number}", methods=READING)
    async def version(request: Request, number: str) -> Response:
        # A number as versions have it; anything else names nothing, as the number of a version that is not there.
        known = whole(number, _DIGITS_MOST)
        language = language_of(request, published.in_force.languages)
        document = None if known is None else published.version(known, language)
        if document is None:
            raise NotFound("There is no such version of the policy. /privacy/versions lists them all.")
        return _sent(request, document)

    return router


def answer(request: Request, published: Published, name: Name) -> Response:
    """A page in the language that was asked for, or 304 for who has it already.

    Caches ask each time: at the instant at which a version takes effect, its page is there.
    """
    return _sent(request, published.document(name, language_of(request, published.in_force.languages)))


def _sent(request: Request, document: Document) -> Response:
    headers = {"ETag": f'"{document.etag}"', "Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(document.html, headers=headers, media_type="text/html")
