"""/v1/privacy/consents: what one decides, given and taken back the same way; /v1/sign-up: what newcomers are asked."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.clock import Clock
from lethe_common.consents import Asked, Way
from lethe_common.database import Database
from lethe_common.policy import Policy
from lethe_gateway import account_queries
from lethe_gateway.ages import is_asked_again
from lethe_gateway.blinding import digest
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Consents, Stance, at_sign_up
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.errors import Gone
from lethe_gateway.identity import Ways
from lethe_gateway.schemas import ConsentAnswers, unix
from lethe_gateway.screens import language_of


def unsubscribe_routes(database: Database, clock: Clock, consents: Consents) -> APIRouter:
    """POST /v1/unsubscribe/{token}: one click out of a mail (RFC 8058), without signing in. A GET changes nothing."""
    router = APIRouter(prefix="/v1")

    @router.post("/unsubscribe/{token}")
    async def unsubscribe(token: str) -> Response:
        row = await database.pool.fetchrow(account_queries.DECLINED, digest(token), clock.now())
        if row is None:
            raise Gone("This link is too old, or its account is gone. Sign in to change what you are sent.")
        await consents.decline(row["subject_ref"], row["purpose"])
        return Response(status_code=204)

    return router


def consent_routes(consents: Consents, callers: Callers, ways: Ways) -> APIRouter:
    """Consents and objections of the caller, and what a sign-up has to answer."""
    router = APIRouter(prefix="/v1")

    @router.get("/sign-up")
    async def asked_of_newcomers(request: Request) -> Response:
        policy = consents.policy
        here = at_sign_up(policy, language_of(request, policy.languages))
        asked = [{**_asked(one), "is_condition": one.is_condition} for one in here]
        content = {
            "object": "sign_up",
            "ways": ways.offered,
            "policy_version": policy.version,
            "terms": "/privacy",
            "consents": asked,
        }
        return JSONResponse({**content, "age": _age(policy)})

    @router.get("/privacy/consents")
    async def show(request: Request) -> Response:
        caller = await callers.of(request)
        policy = consents.policy
        stances = await consents.show(caller.subject_ref, language_of(request, policy.languages))
        return JSONResponse(_list(policy, stances))

    @router.put("/privacy/consents")
    async def change(request: Request) -> Response:
        caller = await callers.of(request)
        body = await read(request, ConsentAnswers)
        language = language_of(request, consents.policy.languages)
        answers = consents.answers(body.consents, body.policy_version, language, body.age_told)
        return JSONResponse(_list(answers.policy, await consents.change(caller.subject_ref, answers, Way.SETTINGS)))

    return router


def _list(policy: Policy, stances: list[Stance]) -> dict[str, object]:
    age = policy.content.age
    is_asked = age is not None and is_asked_again(age) and any(one.asked.default == "opt_in" for one in stances)
    return {
        "object": "list",
        "policy_version": policy.version,
        "age": _age(policy) if is_asked else None,
        "data": [_consent(one) for one in stances],
    }


def _age(policy: Policy) -> dict[str, object] | None:
    """How an age is asked; None where none is."""
    age = policy.content.age
    if age is None or not (age.min or is_asked_again(age)):
        return None
    return {"ask": age.ask, "min": age.min, "consent": age.consent_age(), "consent_in": age.consent_in}


def _consent(stance: Stance) -> dict[str, object]:
    last = stance.last
    return {
        **_asked(stance.asked),
        "asked_at": stance.asked.where,
        "is_allowed": stance.is_allowed,
        "choice": None if last is None else last.choice,
        "chosen_at": None if last is None else unix(last.at),
        "policy_version": None if last is None else last.policy_version,
    }


def _asked(one: Asked) -> dict[str, object]:
    return {
        "object": "consent",
        "purpose": one.purpose,
        "kind": "consent" if one.default == "opt_in" else "objection",
        "text": one.text,
        "language": one.language,
        "data": list(one.data),
        "recipients": list(one.recipients),
        "features_lost": list(one.features_lost),
    }
