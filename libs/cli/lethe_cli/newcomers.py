"""What a newcomer is asked by the policy, and how the answers go into the request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from lethe_cli.api import Answer, Api


def come_in(client: Api, login: Mapping[str, str]) -> Answer:
    """The account of somebody long of age who consents to nothing, opened in the way that the policy offers first."""
    asked = client.get("/v1/sign-up")
    told: Answer = {}
    if asked["age"] is not None:
        told = {"birth_year": 1990} if asked["age"]["ask"] == "birth_year" else {"is_of_age": True}
    if asked["ways"][0] == "guest":
        return client.post("/v1/guests", told)
    return client.post("/v1/accounts", {**login, **told})


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line was given; None where it was not."""

    birth_year: int | None
    is_of_age: bool | None
    may_consent: bool | None
    consents: Sequence[str]


def answers(client: Api, told: Told) -> Answer:
    """The answers to what is asked, those of the command line and those typed on request; nothing else is sent."""
    asked = client.get("/v1/sign-up")
    body: Answer = {"consents": dict.fromkeys(told.consents, True), "policy_version": asked["policy_version"]}
    age: Mapping[str, object] | None = asked["age"]
    if age is None:
        return body
    if age["ask"] == "birth_year":
        return {**body, "birth_year": told.birth_year or typer.prompt("Year of birth (asked, not stored)", type=int)}
    question = f"Are you at least {age['min']} years old?"
    body["is_of_age"] = typer.confirm(question) if told.is_of_age is None else told.is_of_age
    return body if told.may_consent is None else {**body, "may_consent": told.may_consent}
