"""What Lethe is measured against: FastAPI with an in-memory key check and one job deferred by procrastinate.

No hold, no outbox, no sealed input, no worker: only the accepting half. Started by
uvicorn as `tests.benchmarks.deferring:app`; the database is in DEFER_DSN and the
digests of the keys (hex, one a line) in the file DEFER_KEYS.
"""

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import procrastinate
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field

_POOL = 16


class VideoCreate(BaseModel):
    """The body, checked as Lethe checks it."""

    model: str = Field(max_length=64)
    prompt: str = Field(min_length=1, max_length=32_000)
    seconds: int = Field(gt=0, le=600)
    size: str = Field(max_length=16)


class Video(BaseModel):
    """The answer."""

    id: str
    object: str = "video"
    status: str = "queued"
    progress: int = 0
    model: str
    prompt: str
    seconds: str
    size: str


def build(dsn: str, digests: set[bytes]) -> FastAPI:
    """The whole application."""
    connector = procrastinate.PsycopgConnector(conninfo=dsn, min_size=8, max_size=_POOL)
    queue = procrastinate.App(connector=connector)

    @queue.task(name="video", queue="videos")
    async def video(**_order: str | int) -> None:
        """Never run here."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with queue.open_async():
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/videos", response_model=None)
    async def create(request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hashlib.sha256(key.encode()).digest() not in digests:
            return Response(b"{}", 401)
        wanted = VideoCreate.model_validate_json(await request.body())
        video_id = f"video_{secrets.token_hex(16)}"
        await video.defer_async(id=video_id, **wanted.model_dump())
        made = Video(
            id=video_id, model=wanted.model, prompt=wanted.prompt, seconds=str(wanted.seconds), size=wanted.size
        )
        return Response(made.__pydantic_serializer__.to_json(made), media_type="application/json")

    return app


def app() -> FastAPI:
    """For `uvicorn --factory`."""
    digests = {bytes.fromhex(line) for line in Path(os.environ["DEFER_KEYS"]).read_text().split()}
    return build(os.environ["DEFER_DSN"], digests)
