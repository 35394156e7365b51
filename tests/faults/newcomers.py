"""People who sign up and change plans while something is broken, so that gateway and billing have something to tell."""

import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2

from lethe_common.clock import monotonic_seconds
from tests.newcomers import told
from tests.suite import RunningSuite, until

_GIVE_UP_SECONDS = 60.0
_AGAIN_SECONDS = 0.2
_PLAN = "standard"

# Every account there is, also those whose sign-up was not answered, as each service knows it.
ACCOUNTS = """
    SELECT a.account_id, a.plan AS gateway, b.plan AS billing, j.plan AS jobs,
           (SELECT p.plan FROM retention.plans_held p WHERE p.subject_ref = a.subject_ref
             ORDER BY p.since DESC, p.plan = b.plan DESC LIMIT 1) AS retention,
           (SELECT count(*) FROM billing.grants g WHERE g.wallet_id = b.wallet_id) AS grants
      FROM gateway.accounts a
      LEFT JOIN billing.subjects b USING (subject_ref)
      LEFT JOIN jobs.subjects j USING (subject_ref)
"""


class Newcomers:
    """Signs people up in the background and puts each on a plan, trying as long as it takes."""

    def __init__(self, suite: RunningSuite) -> None:
        self._suite = suite
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="newcomer")

    def join(self, count: int) -> "list[Future[str]]":
        """So many more; each future answers an account id."""
        return [self._threads.submit(self._sign_up) for _ in range(count)]

    def close(self) -> None:
        """Nobody comes any more."""
        self._threads.shutdown(cancel_futures=True)

    def are_known_everywhere(self) -> int:
        """Every service knows every account with the same plan, and each got its credits once. Answers how many."""

        def look() -> int:
            rows = self._suite.look(ACCOUNTS)
            alike = [row for row in rows if row["gateway"] == row["billing"] == row["jobs"] == row["retention"]]
            return len(rows) if len(alike) == len(rows) else 0

        known = until(look, "all services to know all plans", timeout_seconds=60)
        assert {row["grants"] for row in self._suite.look(ACCOUNTS)} == {1}
        return known

    def _sign_up(self) -> str:
        give_up_at = monotonic_seconds() + _GIVE_UP_SECONDS
        while True:
            account_id = self._try()
            if account_id is not None:
                return account_id
            assert monotonic_seconds() < give_up_at, "nobody could sign up"
            time.sleep(_AGAIN_SECONDS)

    def _try(self) -> str | None:
        login = {"email": f"person-{secrets.token_hex(8)}@example.org", "password": secrets.token_urlsafe(16)}
        try:
            with self._suite.anonymous() as client:
                opened = client.post("/v1/accounts", json={**login, **told(client)})
            if not opened.is_success:
                return None
            account_id = str(opened.json()["account"]["id"])
            with self._suite.console() as console:
                while not console.post(f"/api/accounts/{account_id}/plan", json={"plan": _PLAN}).is_success:
                    time.sleep(_AGAIN_SECONDS)
        except httpx2.TransportError:
            return None
        return account_id
