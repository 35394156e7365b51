"""What somebody long of age answers to the questions of a sign-up."""

from typing import Any

import httpx2


def told(client: httpx2.Client) -> dict[str, Any]:
    """An age, in the way in which the policy asks for it."""
    age = client.get("/v1/sign-up").json()["age"]
    if age is None:
        return {}
    return {"birth_year": 1990} if age["ask"] == "birth_year" else {"is_of_age": True, "may_consent": True}
