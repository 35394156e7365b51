"""/v1/account/export: a copy of everything that is kept of its owner."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.policy import Policy
from lethe_common.policy.languages import Language
from lethe_gateway.blinding import Blinding
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Consents
from lethe_gateway.endpoints.content import Whole, sent
from lethe_gateway.exports import Exports, Shown
from lethe_gateway.schemas import unix
from lethe_gateway.screens import language_of
from lethe_gateway.throttle import Throttle

_ASK_AGAIN_SECONDS = 2


def export_routes(
    exports: Exports, callers: Callers, consents: Consents, blinding: Blinding, wishes: Throttle
) -> APIRouter:
    """Asking for a copy, looking whether it is ready, downloading it, ending it."""
    router = APIRouter(prefix="/v1/account/export")

    @router.post("")
    async def ask(request: Request) -> Response:
        caller = await callers.of(request)
        wishes.admit(blinding.throttle_key("export", caller.account_id))
        shown = await exports.open(caller, _language(request, consents.policy))
        return JSONResponse(_export(shown), 202, {"Retry-After": str(_ASK_AGAIN_SECONDS)})

    @router.get("")
    async def show_all(request: Request) -> Response:
        data = [_export(one) for one in await exports.all_of(await callers.of(request))]
        return JSONResponse({"object": "list", "data": data})

    @router.get("/{export_id}")
    async def show(request: Request, export_id: str) -> Response:
        return JSONResponse(_export(await exports.get(await callers.of(request), export_id)))

    @router.delete("/{export_id}")
    async def end(request: Request, export_id: str) -> Response:
        is_gone = await exports.remove(await callers.of(request), export_id)
        content = {"id": export_id, "object": "export", "deleted": is_gone}
        if is_gone:
            return JSONResponse(content)
        return JSONResponse(content, 202, {"Retry-After": str(_ASK_AGAIN_SECONDS)})

    @router.head("/{export_id}/content", include_in_schema=False)
    @router.get("/{export_id}/content")
    async def download(request: Request, export_id: str) -> Response:
        caller = await callers.of(request)
        archive = (await exports.get(caller, export_id)).archive
        headers = {
            "ETag": f'"{export_id}-{archive["attempts"]}"',
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{export_id}.zip"',
        }
        whole = Whole(archive["size_bytes"], "application/zip", headers)
        return await sent(request, whole, partial(exports.stream, caller, archive))

    return router


def _language(request: Request, policy: Policy) -> Language:
    return language_of(request, policy.languages)


def _export(shown: Shown) -> dict[str, object]:
    return {
        "id": shown.export_id,
        "object": "export",
        "state": shown.state,
        "requested_at": unix(shown.requested_at),
        "packed_bytes": shown.packed_bytes,
        "size_bytes": shown.size_bytes,
        "expires_at": unix(shown.expires_at) if shown.expires_at else None,
    }
