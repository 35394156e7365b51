"""Before something of theirs is deleted its owner gets a mail, once, that says how much and when, and not what."""

from collections.abc import Iterator
from email import message_from_string
from email.policy import default

import pytest
from aiosmtpd.controller import Controller

from lethe_cli.local.ports import free_ports
from tests.flows.persona import MailSink
from tests.flows.steps import made
from tests.suite import RunningSuite, fresh_suite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]
PROMPT = "an unmistakable zeppelin"


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[MailSink, int]]:
    box, (port,) = MailSink(), free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture(scope="module")
def noticing(sink: tuple[MailSink, int]) -> Iterator[RunningSuite]:
    """A suite that tells two days ahead."""
    with fresh_suite(settings={"SMTP_URL": f"smtp://127.0.0.1:{sink[1]}"}) as running:
        yield running


def test_an_owner_gets_one_mail_before_their_video_is_deleted(
    noticing: RunningSuite, sink: tuple[MailSink, int]
) -> None:
    account = noticing.open_account()
    with account.openai() as client:
        video = made(client, PROMPT)
    sql = "SELECT due_at FROM retention.deadlines WHERE item_id = $1"
    until(lambda: noticing.look(sql, video.id), "its deadline")
    (row,) = noticing.look(sql, video.id)

    noticing.advance("P5D")
    (text,) = until(lambda: sink[0].mails, "the mail")
    noticing.advance("P1D")

    assert len(sink[0].mails) == 1
    mail = message_from_string(text, policy=default)
    body = mail.get_body()
    assert body is not None
    assert (mail["To"], mail["Subject"]) == (account.email, "Some of your videos are deleted soon")
    assert f"1 video of yours is deleted on {row['due_at'].date().isoformat()}" in body.get_content()
    assert "zeppelin" not in text
    assert video.id not in text
    until(lambda: not noticing.look("SELECT 1 FROM gateway.mails"), "the mail's own end")
