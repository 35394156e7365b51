"""A coming version is announced as early as was promised: refused when it comes too soon, else told to each account once."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from lethe_cli.local.ports import free_ports
from tests.flows.persona import MailSink
from tests.servers import temporary_data_folder
from tests.suite import RunningSuite, running_suite, until
from tests.unit.common.policy_files import PROFILES, written

pytestmark = pytest.mark.timeout(600)

PEOPLE, UNANSWERED = 6, 3
LONGER = ("free: P7D", "free: P8D")
# Written mails are told by the outbox, once each, whatever becomes of them later.
WRITTEN = """
    SELECT body FROM gateway.outbox, jsonb_path_query(convert_from(data, 'UTF8')::jsonb, '$[*]') body
     WHERE type = 'notice.mail.requested.v1' AND body::text LIKE '%policy_change%'
"""


class HoldingSink(MailSink):
    """Takes one mail without saying so until it may, so that its sender can be killed before it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        answer = await super().handle_DATA(server, session, envelope)
        if len(self.mails) == UNANSWERED:
            await asyncio.to_thread(self.may_answer.wait)
        return answer

    def received(self) -> dict[str, set[str]]:
        """By address, the ids of the mails it got; one that was handed over twice has one id."""
        read = [message_from_string(text, policy=default) for text in self.mails]
        return {str(mail["To"]): {str(one["Message-ID"]) for one in read if one["To"] == mail["To"]} for mail in read}


@pytest.fixture
def sink() -> Iterator[tuple[HoldingSink, str]]:
    box, (port,) = HoldingSink(), free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    box.may_answer.set()
    controller.stop()


@pytest.fixture
def data() -> Iterator[Path]:
    """Where the suite keeps what it keeps, over its restarts."""
    with temporary_data_folder() as place:
        yield place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A profile with one version so far."""
    (tmp_path / "catalogue.yaml").write_bytes((PROFILES / "aisora2/catalogue.yaml").read_bytes())
    written(tmp_path)
    return tmp_path


def test_a_version_that_comes_too_soon_is_refused_and_one_in_time_is_told_to_everybody_once(
    folder: Path, data: Path, sink: tuple[HoldingSink, str]
) -> None:
    box, smtp_url = sink
    arguments, settings = ("--profile", str(folder)), {"SMTP_URL": smtp_url}
    with running_suite(data, *arguments, settings=settings) as suite:
        people = {suite.open_account().email for _ in range(PEOPLE)}
        began_at = datetime.fromtimestamp(suite.policy_unix(), UTC)

    _publish(folder, began_at + timedelta(days=14, minutes=-1))
    with pytest.raises(RuntimeError) as refused, running_suite(data, *arguments, settings=settings):
        pass
    assert "Version 2 takes effect at" in str(refused.value)
    assert "promises notice P14D before" in str(refused.value)

    _publish(folder, began_at + timedelta(days=15))
    with running_suite(data, *arguments, settings=settings) as suite:
        # Nothing in between: its sender gives up waiting for an answer after twenty seconds.
        until(lambda: len(box.mails) >= UNANSWERED, "the first mails")
        suite.kill("gateway")
        box.may_answer.set()
        suite.wait_for("gateway")
        suite.advance("PT1S")
        newcomer = suite.open_account().email
        # What was under way is tried again half a minute later.
        until(lambda: _is_queue_empty(suite), "all mails to be sent", timeout_seconds=90)
        suite.advance("P1D")
        assert len(suite.look(WRITTEN)) == PEOPLE
        with suite.anonymous() as http:
            assert 'href="/privacy/versions#v2"' in http.get("/").text

    assert len(box.mails) == PEOPLE + 1
    received = box.received()
    assert received.keys() == people
    assert newcomer not in received
    assert Counter(map(len, received.values())) == {1: PEOPLE}


def _publish(folder: Path, effective: datetime) -> None:
    dated = ("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", f"effective: {effective.isoformat()}")
    written(folder, *dated, LONGER, name="policy-2.yaml")


def _is_queue_empty(suite: RunningSuite) -> bool:
    suite.advance("PT1M")
    told = suite.look("SELECT 1 FROM gateway.policy_announcements WHERE version = 2 AND is_told")
    return bool(told) and not suite.look("SELECT 1 FROM gateway.mails")
