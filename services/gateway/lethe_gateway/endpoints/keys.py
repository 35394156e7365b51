"""/v1/api-keys: listing, making and revoking keys. A key itself is shown once, when it is made."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.events.identity import AccessRevoked
from lethe_common.identifiers import ApiKeyId, SubjectRef
from lethe_gateway import account_queries as queries
from lethe_gateway.api_keys import new_key
from lethe_gateway.blinding import digest
from lethe_gateway.callers import Callers
from lethe_gateway.errors import Conflict, NotFound
from lethe_gateway.facts import Facts
from lethe_gateway.ids import named
from lethe_gateway.schemas import unix


def key_routes(
    database: Database, bus: Bus, clock: Clock, callers: Callers, facts: Facts, *, keys_most: int
) -> APIRouter:
    """The account's API keys."""
    router = APIRouter(prefix="/v1/api-keys")

    @router.get("")
    async def list_keys(request: Request) -> Response:
        caller = await callers.of(request)
        rows = await database.pool.fetch(queries.LIST_KEYS, caller.account_id, keys_most)
        data = [
            {
                "id": row["key_id"],
                "object": "api_key",
                "created_at": unix(row["created_at"]),
                "last_used_on": row["last_used_on"].isoformat() if row["last_used_on"] else None,
                "is_current": row["key_id"] == caller.key_id,
            }
            for row in rows
        ]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    @router.post("")
    async def make_key(request: Request) -> Response:
        caller = await callers.of(request)
        caller.must_be_active()
        key_id, key, now = ApiKeyId.new(), new_key(), clock.now()
        async with database.transaction() as tx:
            await tx.execute(queries.LOCK_ACCOUNT, caller.account_id)
            if len(await tx.fetch(queries.LIST_KEYS, caller.account_id, keys_most)) >= keys_most:
                raise Conflict(f"An account has at most {keys_most} keys. Revoke one first.")
            await queries.add_key(tx, key_id, caller.account_id, digest(key), now)
        return JSONResponse({"id": key_id, "object": "api_key", "key": key, "created_at": unix(now)}, 201)

    @router.delete("/{key_id}")
    async def revoke_key(request: Request, key_id: str) -> Response:
        caller = await callers.of(request)
        key_id = named(ApiKeyId, key_id)
        if not await database.pool.fetchval(queries.HAS_KEY, key_id, caller.account_id):
            raise NotFound
        await facts.key_revoked(caller.subject_ref, key_id)
        async with database.transaction() as tx:
            gone = await tx.fetchval(queries.DELETE_KEY, key_id, caller.account_id)
        if gone is None:
            # Somebody was faster.
            raise NotFound
        await bus.say(AccessRevoked(subject_ref=SubjectRef(caller.subject_ref), cause="api_key"))
        return JSONResponse({"id": gone, "object": "api_key.deleted", "deleted": True})

    return router
