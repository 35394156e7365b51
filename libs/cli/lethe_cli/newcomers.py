"""What a newcomer is asked by the policy, and how the answers go into the request."""

from collections.abc import Mapping

import typer

from lethe_cli.api import Answer, Api


def grown_up(client: Api) -> Answer:
    """The answers of somebody long of age who consents to nothing, for the demo's visitor."""
    age = client.get("/v1/sign-up")["age"]
    if age is None:
        return {}
    return {"birth_year": 1990} if age["ask"] == "birth_year" else {"is_of_age": True}


def answers(
    client: Api, *, birth_year: int | None, is_of_age: bool | None, may_consent: bool | None, consents: list[str]
) -> Answer:
    """The answers to what is asked, those of the command line and those typed on request; nothing else is sent."""
    asked = client.get("/v1/sign-up")
    body: Answer = {"consents": dict.fromkeys(consents, True), "policy_version": asked["policy_version"]}
    age: Mapping[str, object] | None = asked["age"]
    if age is None:
        return body
    if age["ask"] == "birth_year":
        return {**body, "birth_year": birth_year or typer.prompt("Year of birth (asked, not stored)", type=int)}
    body["is_of_age"] = typer.confirm(f"Are you at least {age['min']} years old?") if is_of_age is None else is_of_age
    return body if may_consent is None else {**body, "may_consent": may_consent}
