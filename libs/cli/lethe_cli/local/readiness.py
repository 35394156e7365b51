"""Whether a server on the loopback interface says that it is ready, asked over plain HTTP."""

import httpx2

_SECONDS = 5.0


async def is_ready(url: str) -> bool:
    """Whether `url` answers 200.

    Nothing is read of the machine's certificate authorities, which takes longer than the question.

    Raises:
        httpx2.TransportError: nobody answers, or too late.
    """
    async with httpx2.AsyncClient(trust_env=False, timeout=_SECONDS, verify=False) as client:
        answer = await client.get(url)
    return bool(answer.status_code == httpx2.codes.OK)
