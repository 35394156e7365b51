"""/privacy and the pages below it: what is published of the policy in force, for everybody, signed in or not."""

from fastapi import APIRouter, Request, Response

from lethe_gateway.published import ADDRESSES, Name, Published
from lethe_gateway.screens import language_of

_NOT_MODIFIED = 304


def policy_pages(published: Published) -> APIRouter:
    """GET /privacy, /privacy/notice, /privacy/cookies, /privacy/processors and /privacy/versions."""
    router = APIRouter(include_in_schema=False)

    def serve(name: Name) -> None:
        @router.get(ADDRESSES[name], name=name)
        async def page(request: Request) -> Response:
            return answer(request, published, name)

    for name in ADDRESSES:
        serve(name)
    return router


def answer(request: Request, published: Published, name: Name) -> Response:
    """A page in the language that was asked for, or 304 for who has it already.

    Caches ask each time: at the instant at which a version takes effect, its page is there.
    """
    document = published.document(name, language_of(request, published.in_force.languages))
    headers = {"ETag": f'"{document.etag}"', "Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(document.html, headers=headers, media_type="text/html")
