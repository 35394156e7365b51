"""Requests between services, over NATS micro (ADR-32): asked with a deadline, answered in tasks of their own."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig
from nats.micro.service import Service as MicroService
from pydantic import ValidationError

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.clock import monotonic_seconds
from lethe_common.errors import LetheError
from lethe_common.logging import describe, places
from lethe_common.rpc.envelope import Call, Message, NoAnswer, Refused
from lethe_common.services import Service
from lethe_common.telemetry import Metrics

log = structlog.get_logger()

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
Answer = Callable[[Any, Service], Awaitable[Message]]
"""`answer(question, caller)`: opens its own transaction; raises a LetheError to refuse."""

_CODE_HEADER = "Nats-Service-Error-Code"
_TEXT_HEADER = "Nats-Service-Error"
_STATUS_HEADER = "Lethe-Status"
HEADERS = declare(
    Kind.HEADER,
    {
        **each((_CODE_HEADER, _STATUS_HEADER), impersonal("a code of a fixed list")),
        _TEXT_HEADER: impersonal("a sentence of an error tree, none of which echoes input"),
    },
)
_MOST_AT_ONCE = 256
_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 0.02, 0.25


async def ask(
    client: Client, caller: Service, call: type[Call[Q, A]], question: Q, timeout_seconds: float | None = None
) -> A:
    """Ask another service.

    While nobody listens (a restart) the question waits within the time-out; a lost
    answer is asked again once, which every call allows.

    Raises:
        Refused: the callee said no.
        NoAnswer: nobody answered in time; the call may have had its effect.
    """
    until = monotonic_seconds() + (timeout_seconds or call.timeout_seconds)
    subject, body = call.subject(caller), question.__pydantic_serializer__.to_json(question)
    wait, lost = _FIRST_WAIT_SECONDS, 0
    while (left := until - monotonic_seconds()) > 0:
        try:
            reply = await client.request(subject, body, timeout=left if lost else max(left / 2, 0.1))
        except nats.errors.NoRespondersError:
            await asyncio.sleep(min(wait, left))
            wait = min(wait * 2, _MOST_WAIT_SECONDS)
            continue
        except (nats.errors.TimeoutError, TimeoutError):
            lost += 1
            if lost > 1:
                break
            continue
        except (nats.errors.Error, OSError):
            await asyncio.sleep(min(wait, left))
            continue
        return _opened(call, reply.headers, reply.data)
    raise NoAnswer(call.name)


def _opened(call: type[Call[Q, A]], headers: Mapping[str, str] | None, data: bytes) -> A:
    if headers and _CODE_HEADER in headers:
        raise Refused(headers[_CODE_HEADER], int(headers.get(_STATUS_HEADER, "500")), headers.get(_TEXT_HEADER, ""))
    answer: A = call.answer.model_validate_json(data)  # type: ignore[assignment]  # the catalogue pairs them
    return answer


class Responder:
    """Answers the calls of one service."""

    def __init__(self, service: Service, answers: Mapping[type[Call[Any, Any]], Answer], metrics: Metrics) -> None:
        self._service, self._answers, self._metrics = service, answers, metrics
        self._busy: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._micro: MicroService | None = None

    async def start(self, client: Client, version: str) -> None:
        """Announce the service and listen."""
        config = ServiceConfig(name=f"lethe-{self._service}", version=version, description="Lethe")
        self._micro = await add_service(client, config)
        for call, answer in self._answers.items():
            await self._micro.add_endpoint(
                EndpointConfig(
                    name=call.name.replace(".", "-"), subject=call.subject("*"), handler=self._handler(call, answer)
                )
            )

    async def stop(self) -> None:
        """Take no more questions and finish those under way."""
        if self._micro is not None:
            await self._micro.stop()
        if self._busy:
            await asyncio.wait(self._busy, timeout=5)

    def _handler(self, call: type[Call[Any, Any]], answer: Answer) -> Callable[[Request], Awaitable[None]]:
        async def take(request: Request) -> None:
            # A task each: nats-py calls one endpoint's handler for one message at a time.
            await self._slots.acquire()
            task = asyncio.create_task(self._answer(call, answer, request))
            self._busy.add(task)
            task.add_done_callback(self._done)

        return take

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._slots.release()

    async def _answer(self, call: type[Call[Any, Any]], answer: Answer, request: Request) -> None:
        began, outcome = monotonic_seconds(), "ok"
        try:
            caller = Service(request.subject.rpartition(".")[2])
            question = call.question.model_validate_json(request.data)
            reply = await answer(question, caller)
            await request.respond(reply.__pydantic_serializer__.to_json(reply))
        except LetheError as error:
            outcome = _code(error)
            await _refuse(request, outcome, _status(error), str(error))
        except (ValidationError, ValueError):
            outcome = "bad_question"
            await _refuse(request, outcome, 400, "The question does not fit its schema.")
        except Exception as error:  # noqa: BLE001  the frame: told to the caller, logged here
            outcome = "internal_error"
            log.warning("call_failed", call=call.name, error=describe(error), where=places(error))
            await _refuse(request, outcome, 500, "The service failed to answer. It has been logged.")
        finally:
            self._metrics.calls.labels(call.name, outcome).observe(monotonic_seconds() - began)


def _code(error: LetheError) -> str:
    return error.refusal_code if isinstance(error, Refused) else error.code


def _status(error: LetheError) -> int:
    return error.refusal_status if isinstance(error, Refused) else error.status


async def _refuse(request: Request, code: str, status: int, text: str) -> None:
    headers = {_CODE_HEADER: code, _TEXT_HEADER: text.replace("\n", " "), _STATUS_HEADER: str(status)}
    await request.respond(json.dumps({"code": code}).encode(), headers=headers)
